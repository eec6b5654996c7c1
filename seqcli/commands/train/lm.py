"""`seqcli train lm`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from seqcli.commands.options import Machine, choice, memory_size, with_options
from seqcli.commands.train.options import (
    Budget,
    Data,
    Debug,
    Folder,
    LimitVocab,
    MinCount,
    Order,
    Preset,
    Reading,
    Settings,
    Valid,
    VocabSize,
    Writing,
    check_archs,
    check_limit_vocab,
    check_min_count,
    check_training_precision,
    check_vocab_size,
    refuse_without_effect,
    thresholds,
)  # fmt: skip
from seqcli.errors import UsageError
from seqcli.system import torchrun


@with_options("Training")
def lm(
    data: Data,
    output: Folder,
    arch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Architecture: ngram, feedforward, rnn, lstm, gru or transformer; repeat to compare several.  [default: ngram]",
            show_default=False,
        ),
    ] = None,
    preset: Preset = None,
    order: Order = None,
    prune: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Drop n-grams that occur at most N times, one threshold per order as in lmplz: 0,0,1 (ngram).",
        ),
    ] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            parser=memory_size,
            help="Memory limit for counting, then disk: 500M, 2G (ngram).  [default: half of the memory]",
        ),
    ] = None,
    *,
    budget: Budget,
    settings: Settings,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND|DIR",
            help="Tokenizer: words, sentencepiece, characters, bytes, or a tokenizer folder.  [default: words]",
        ),
    ] = None,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    limit_vocab: LimitVocab = None,
    unit: Annotated[
        str,
        typer.Option(
            parser=choice("line", "document"),
            metavar="UNIT",
            help="Unit of text: line (every line is a sentence) or document (every file is one running text).",
        ),
    ] = "line",
    valid: Valid = None,
    reading: Reading,
    writing: Writing,
    machine: Machine,
    debug: Debug = False,
) -> None:
    """Train a language model.

    An n-gram model is counted in one pass and smoothed by modified Kneser-Ney; its probabilities are those of KenLM. A
    neural model is trained for a number of epochs, steps or minutes; the folder keeps the weights that are best on held-out
    text (--valid, or a random 5 % of the rows; equal rows stay together).

    Several --arch share the tokenizer and the held-out text, have one budget each, and are written to DIR/ARCH. They are
    compared in a table, best first. A setting applies to the architectures that have it; --resume continues the unfinished
    ones.

    Examples:
      seqcli train lm text.txt -o model
      seqcli train lm text.txt -o lstm --arch lstm --minutes 10
      seqcli train lm text.txt -o models --arch ngram --arch transformer
    """
    from pathlib import Path

    from seqcli import catalog
    from seqcli.ngram.arena import default_memory
    from seqcli.report.progress import Console
    from seqcli.tasks.language import train_several
    from seqcli.tasks.language.data import Corpus, TokenizerChoice, check_readable
    from seqcli.tasks.language.load import LANGUAGE
    from seqcli.tasks.language.summary import summary_lines
    from seqcli.training import config

    archs = arch or ["ngram"]
    check_archs(archs)
    counting = any(catalog.is_counted("language", name) for name in archs)
    training = not all(catalog.is_counted("language", name) for name in archs)
    counted = {"order": order, "prune": thresholds(prune)}
    refuse_without_effect(archs, {
        **({} if counting else {**counted, "memory": memory}), **({} if training else budget.given | writing.of_networks)
    })  # fmt: skip
    resume, force = writing.resume, writing.force
    if resume and (force or not training):
        raise UsageError(f"--resume does not go with {'--force' if force else '--arch ngram'}")
    check_min_count(min_count, tokenizer or "words")
    check_limit_vocab(limit_vocab, tokenizer or "words")
    check_vocab_size(vocab_size, tokenizer)
    given = {**counted, **budget.given}
    if training:
        given |= {"seed": settings.given_seed, "batch_tokens": machine.batch_tokens}
    sources = settings.sources(given)
    writing.check()
    check_training_precision(machine)
    reporter = Console(prefix="seqcli train lm", quiet=writing.quiet, verbose=machine.verbose)
    corpus = Corpus(tuple(data), unit=unit, **vars(reading))
    held_out = Corpus(tuple(valid), unit=unit, **vars(reading)) if valid else None
    chosen = TokenizerChoice(tokenizer or "words", vocab_size=vocab_size, min_count=min_count, limit=limit_vocab)
    check_readable([*data, *(valid or [])], text_column=reading.text_column, format=reading.format)
    if not training:
        machine.without(reporter, "device", "precision", "batch_tokens", reason="an n-gram model is counted")
        if settings.given_seed is not None:
            reporter.note("--seed has no effect: an n-gram model is counted")
    requests = config.requests(
        LANGUAGE, archs, preset, sources, device=machine.device or "auto", precision=machine.precision or "auto",
        threads=machine.threads, tensorboard=writing.tensorboard,
    )  # fmt: skip
    if torchrun.world() > 1:
        if len(requests) > 1:
            raise UsageError("torchrun trains a single neural model", cure="give one --arch, or do not use torchrun")
        if torchrun.rank() and not training:
            raise SystemExit(0)
    many = len(requests) > 1
    records, ended = {}, []
    for trained in train_several.train_several(
        {Path(output) / each.arch if many else Path(output): each for each in requests}, corpus, chosen,
        valid=held_out, memory=memory or default_memory(), force=force, resume=resume, reporter=reporter,
    ):  # fmt: skip
        reporter.clear()
        records[trained.opened.arch] = trained.record
        ended.append((trained.opened.arch if many else "", trained.opened, trained.record))
        for line in summary_lines(trained, valid or []):
            reporter.note(f"{trained.opened.arch}: {line}" if many else line)
    if many:
        from seqcli.report import comparison
        from seqcli.report.output import Output

        with Output() as out:
            out.rows(comparison.columns(records))
    folders = [str(Path(output) / name) for name in records] if many else [output]
    writing.draw({name: folder for name, folder in zip(records, folders) if "progress" in records[name]})
    asked = " ".join(f"-m {shlex.quote(folder)}" for folder in folders)
    if not writing.quiet:
        from seqcli.report import ending

        ending.note(reporter, ended, follows=f'seqcli score {asked} "a sentence"')
