"""`seqcli train translator`."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seqcli.commands.options import FORMAT, Machine, choice, with_options
from seqcli.commands.train.options import (
    Budget,
    Debug,
    Folder,
    LimitVocab,
    MinCount,
    Preset,
    Settings,
    VocabSize,
    Writing,
    check_archs,
    check_limit_vocab,
    check_min_count,
    check_training_precision,
    check_vocab_size,
)
from seqcli.errors import UsageError
from seqcli.system import clock, torchrun


@with_options
def translator(
    output: Folder,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA]...",
            help="Tables of pairs: .tsv, .csv, .json, .jsonl, .parquet; .gz, .bz2, .xz, .zst too; hf:NAME[:CONFIG][@SPLIT].",
            show_default=False,
        ),
    ] = None,
    source: Annotated[str | None, typer.Option(metavar="FILE", help="Sentences, a line each, instead of DATA.")] = None,
    target: Annotated[str | None, typer.Option(metavar="FILE", help="Their translations, line by line.")] = None,
    source_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of a table: a name (translation.en inside an object), or #N."),
    ] = None,
    target_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Of a table: a name, or #N.")] = None,
    valid: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Held-out table to judge the model on.")
    ] = None,
    valid_source: Annotated[str | None, typer.Option(metavar="FILE", help="The same as lines of sentences.")] = None,
    valid_target: Annotated[str | None, typer.Option(metavar="FILE", help="Their translations, line by line.")] = None,
    arch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="rnn, lstm, gru or transformer; given again, they are compared.  [default: transformer]",
            show_default=False,
        ),
    ] = None,
    preset: Preset = None,
    *,
    budget: Budget,
    settings: Settings,
    metric: Annotated[
        str,
        typer.Option(
            parser=choice("chrf", "bleu", "loss"),
            help="Decides which weights, and which of several translators, are best.",
        ),
    ] = "chrf",
    init: Annotated[str | None, typer.Option(metavar="DIR", help="Begin with the weights of this translator.")] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND|DIR",
            help="sentencepiece, words, characters, bytes, or a folder with one.  [default: sentencepiece]",
            show_default=False,
        ),
    ] = None,
    separate: Annotated[bool, typer.Option("--separate", help="A tokenizer for each side, not one of both.")] = False,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    limit_vocab: LimitVocab = None,
    format: FORMAT = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the files, such as cp949.  [default: utf-8]")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on malformed UTF-8 instead of replacing it.")] = False,
    writing: Writing,
    machine: Machine,
    debug: Debug = False,
) -> None:
    """Train a translator: recurrent with attention, or a Transformer.

    The folder keeps the weights that were best on held-out pairs: --valid, or a seeded twentieth, at most 1,000
    (pairs of equal sources stay together). Several --arch learn from the same pairs with one tokenizer, into DIR/ARCH, and are compared.
    """
    from seqcli.report import comparison, ending
    from seqcli.report.output import Output
    from seqcli.report.progress import Console
    from seqcli.runs.model_folder import ModelFolder
    from seqcli.tasks.language.data import TokenizerChoice
    from seqcli.tasks.outputs import drafts
    from seqcli.tasks.translation import summary
    from seqcli.tasks.translation.data import PairFiles, split
    from seqcli.tasks.translation.evaluate import METRICS
    from seqcli.tasks.translation.load import TRANSLATION
    from seqcli.tasks.translation.train import TrainingPairs, settings_of_init, train_translator
    from seqcli.training import config

    # 1. What is asked
    archs = arch or [ModelFolder.open(init).expect(TRANSLATION).arch if init else "transformer"]
    check_archs(archs)
    if writing.resume and writing.force:
        raise UsageError("--resume does not go with --force")
    check_min_count(min_count, tokenizer)
    check_limit_vocab(limit_vocab, tokenizer)
    check_vocab_size(vocab_size, tokenizer)
    if init and (tokenizer or vocab_size or separate or len(archs) > 1):
        cure = "leave --tokenizer, --vocab-size and --separate out"
        raise UsageError("--init is for one --arch and brings its tokenizers", cure=cure)
    shared = [(init, settings_of_init(init, archs[0]))] if init else []
    given = {**budget.given, "seed": settings.given_seed, "batch_tokens": machine.batch_tokens}
    requests = config.requests(
        TRANSLATION, archs, preset, [*shared, *settings.sources(given)], device=machine.device or "auto",
        precision=machine.precision or "auto", threads=machine.threads, tensorboard=writing.tensorboard,
    )  # fmt: skip
    writing.check()
    check_training_precision(machine)
    if torchrun.world() > 1 and len(requests) > 1:
        raise UsageError("several processes train one network", cure="give one --arch, or do not use torchrun")
    files = PairFiles(
        tuple(data or ()), source=source, target=target, source_column=source_column, target_column=target_column,
        format=format, encoding=encoding, strict=strict,
    )  # fmt: skip
    held_out = None
    if valid or valid_source or valid_target:
        held_out = replace(files, paths=tuple(valid or ()), source=valid_source, target=valid_target, option="valid-")
    for each in (files, held_out) if held_out else (files,):
        each.check()
    # 2. The pairs
    reporter = Console(prefix="seqcli train translator", quiet=writing.quiet, verbose=machine.verbose)
    places = {Path(output) / each.arch if len(requests) > 1 else Path(output): each for each in requests}
    deadline = config.reading(requests, places if writing.resume else (), passes=2)
    pairs = files.read(deadline=deadline, reporter=reporter)
    pairs, judged = (
        (pairs, held_out.read(reporter=reporter)) if held_out else split(pairs, seed=settings.given_seed or 0)
    )
    reporter.note(summary.pairs(pairs, judged))
    learnt_from = TrainingPairs(
        pairs, judged, files.files, separate=separate, metric=metric, threads=machine.threads,
        blocks=deadline.read if deadline.passed else None,
    )  # fmt: skip
    if deadline.passed:
        reporter.note(
            f"read only {len(pairs) + len(judged):,} pairs, in the time for reading; more --minutes read more"
        )
    chosen = TokenizerChoice(
        tokenizer or "sentencepiece", vocab_size=vocab_size, min_count=min_count, limit=limit_vocab
    )
    # 3. The translators
    records, ended, many = {}, [], len(requests) > 1
    begun = clock.began()
    with drafts(places, TRANSLATION, force=writing.force, resume=writing.resume) as drafted:
        for place in drafted:
            assert place.draft is not None, "no translator is counted"
            trained = train_translator(
                place.draft,
                learnt_from,
                chosen,
                place.request,
                resume=place.begun,
                init=init,
                reporter=reporter,
                begun=begun,
            )
            begun = time.monotonic()  # each has a budget of its own
            reporter.clear()
            records[place.request.arch] = (place.path, trained.record)
            ended.append((place.request.arch if many else "", trained.opened, trained.record))
            for line in summary.summary_lines(trained.record, held_out.files if held_out else ()):
                reporter.note(f"{place.request.arch}: {line}" if many else line)
            if not separate and not init:
                chosen = TokenizerChoice(str(place.path.resolve()))
    if many:
        with Output() as out:
            out.rows(comparison.of_translators([record for _, record in records.values()], metric=metric))
    writing.draw({name: str(path) for name, (path, _) in records.items()})
    best = min(records.values(), key=lambda each: METRICS[metric] * each[1]["valid"][metric])[0]
    if not writing.quiet:
        ending.note(
            reporter,
            ended,
            judged.first(ending.TRIED),
            follows=f'seqcli translate -m {shlex.quote(str(best))} "a sentence"',
        )
