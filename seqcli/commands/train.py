"""`seqcli train`: a tokenizer, or a model of text, from text."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from seqcli import torchrun
from seqcli.commands.options import SEED, Machine, choice, memory_size, real, whole, with_options
from seqcli.errors import UsageError

app = typer.Typer(help="Train a tokenizer or a model.", no_args_is_help=True, rich_markup_mode=None)

Data = Annotated[list[str], typer.Argument(metavar="DATA", help="Files: .txt (a sentence a line), .tsv, .csv, .jsonl, .parquet; .gz too; hf:NAME[:CONFIG][@SPLIT].")]
Folder = Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="New folder for the model.")]
TextColumn = Annotated[str | None, typer.Option(metavar="COLUMN", help="Of a table: a name, or #N.")]
Encoding = Annotated[str | None, typer.Option(metavar="NAME", help="Of the files, such as cp949.  [default: utf-8]")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail on malformed UTF-8 instead of replacing it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a model that is there.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No notes, no progress.")]
VocabSize = Annotated[int | None, typer.Option(parser=whole(4, 2**31 - 1), help="Largest vocabulary.")]
MinCount = Annotated[int, typer.Option(parser=whole(1, 2**31 - 1), help="Words seen less often are <unk>.")]


@app.command("tokenizer")
@with_options
def tokenizer(
    data: Data,
    output: Folder,
    kind: Annotated[str, typer.Option("--tokenizer", metavar="KIND", help="sentencepiece, words, characters or bytes.")] = "sentencepiece",
    algorithm: Annotated[
        str | None, typer.Option(parser=choice("unigram", "bpe"), help="Of sentencepiece.  [default: unigram]")
    ] = None,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    text_column: TextColumn = None,
    encoding: Encoding = None,
    strict: Strict = False,
    force: Force = False,
    seed: SEED = 0,
    quiet: Quiet = False,
    machine: Machine = None,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Learn a tokenizer from text."""
    from seqcli.report.progress import Console
    from seqcli.tasks import language

    if algorithm and kind != "sentencepiece":
        raise UsageError("--algorithm is for --tokenizer sentencepiece")
    if min_count > 1 and kind not in ("words", "characters"):
        raise UsageError("--min-count is for --tokenizer words or characters")
    reporter = Console(prefix="seqcli train tokenizer", quiet=quiet, verbose=machine.verbose)
    machine.without(
        reporter, "device", "precision", "threads", "batch_tokens", reason="a tokenizer is learnt by one processor core"
    )
    if seed:
        reporter.note("--seed changes nothing: nothing about a tokenizer is drawn by chance")
    corpus = language.Corpus(tuple(data), text_column=text_column, encoding=encoding, strict=strict)
    choice_ = language.TokenizerChoice(kind, vocab_size=vocab_size, min_count=min_count, algorithm=algorithm)
    made = language.train_tokenizer(corpus, choice_, output, force=force, reporter=reporter)
    reporter.clear()
    reporter.note(f"{kind} tokenizer of {made.vocab_size:,} pieces in {output}")
    reporter.note(f'next: seqcli tokenize -m {shlex.quote(output)} "a sentence"')


@app.command("lm")
@with_options
def lm(
    data: Data,
    output: Folder,
    arch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="ngram, feedforward, rnn, lstm, gru or transformer; given again, they are compared.  [default: ngram]",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Sizes and settings: tiny, small ...  [default: small]")] = None,
    order: Annotated[int | None, typer.Option(parser=whole(1, 10), help="ngram: the longest.  [default: 5]")] = None,
    prune: Annotated[
        str | None, typer.Option(metavar="N,N...", help="ngram: per order, drop what was seen so often or less: 0,0,1 (as lmplz).")
    ] = None,
    memory: Annotated[
        int | None, typer.Option(parser=memory_size, help="ngram: beyond it, disk.  [default: half of all]")
    ] = None,
    epochs: Annotated[float | None, typer.Option(parser=real(0, 1e9), help="Networks: passes over the text.")] = None,
    steps: Annotated[int | None, typer.Option(parser=whole(0, 10**12), help="Networks: updates.")] = None,
    minutes: Annotated[float | None, typer.Option(parser=real(0, 1e7), help="Networks: minutes.")] = None,
    learning_rate: Annotated[float | None, typer.Option(parser=real(0, 1e3), help="Networks: the largest.")] = None,
    seed: Annotated[int | None, typer.Option(parser=whole(0, 2**32), help="Of everything random.")] = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="TOML file of settings.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be given again.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(metavar="KIND|DIR", help="words, sentencepiece, characters, bytes, or a folder with one.  [default: words]")
    ] = None,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    limit_vocab: Annotated[str | None, typer.Option(metavar="FILE", help="File of the words to know; others are <unk>.")] = None,
    unit: Annotated[
        str, typer.Option(parser=choice("line", "document"), help="A sentence a line, or one text a file.")
    ] = "line",
    valid: Annotated[list[str] | None, typer.Option(metavar="FILE", help="Held-out file to judge the model on.")] = None,
    text_column: TextColumn = None,
    encoding: Encoding = None,
    strict: Strict = False,
    force: Force = False,
    resume: Annotated[bool, typer.Option("--resume", help="Networks: go on from the newest checkpoint.")] = False,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Networks: events for TensorBoard in DIR, too.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Networks: draw loss over steps when done.")] = False,
    plot_output: Annotated[str | None, typer.Option(metavar="FILE.png", help="Networks: the same as a picture.")] = None,
    quiet: Quiet = False,
    machine: Machine = None,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Train a language model.

    An n-gram model is counted in one pass and smoothed by modified Kneser-Ney, with KenLM's numbers. A network is trained
    until its budget of epochs, steps or minutes is spent; the folder keeps the weights that were best on held-out text
    (--valid, or a seeded 5 % of the rows).

    Several --arch are trained on one tokenizer, one held-out part and one budget each, into DIR/ARCH, and compared, best
    first: model, parameters, seconds, tokens a second, perplexity, the same over known words, bits per byte. Settings go to
    those that know them; --resume goes on with those that are not done.
    """
    from pathlib import Path

    from seqcli import catalog
    from seqcli import config as settings
    from seqcli.ngram.arena import default_memory
    from seqcli.report.progress import Console
    from seqcli.tasks import language
    from seqcli.tasks.language import compared
    from seqcli.training import request

    archs = arch or ["ngram"]
    if len(set(archs)) < len(archs):
        raise UsageError("an architecture is given twice", where="--arch")
    counting = any(catalog.is_counted("language", name) for name in archs)
    training = not all(catalog.is_counted("language", name) for name in archs)
    counted = {"order": order, "prune": _thresholds(prune)}
    budget = {"epochs": epochs, "steps": steps, "minutes": minutes, "learning_rate": learning_rate}
    shown = {"tensorboard": tensorboard or None, "plot": plot or None, "plot_output": plot_output}
    unsaid = {**({} if counting else {**counted, "memory": memory}), **({} if training else {**budget, **shown})}
    for name, value in unsaid.items():
        if value is not None:
            raise UsageError(f"--{name.replace('_', '-')} says nothing to --arch {', '.join(archs)}")
    if resume and (force or not training):
        raise UsageError(f"--resume does not go with {'--force' if force else '--arch ngram'}")
    if (limit_vocab or min_count > 1) and tokenizer not in (None, "words"):
        raise UsageError("--min-count and --limit-vocab are for --tokenizer words")
    if vocab_size and tokenizer not in (None, *catalog.names("tokenizers")):
        raise UsageError("--vocab-size says nothing to a tokenizer that exists", where=tokenizer)
    given = {**counted, **budget}
    if training:
        given |= {"seed": seed, "batch_tokens": machine.batch_tokens}
    sources = (
        (config or "--config", settings.read_toml(config) if config else {}),
        ("--set", settings.parse_assignments(set_ or [])),
        ("options", {name: value for name, value in given.items() if value is not None}),
    )
    if tensorboard:
        from seqcli.training import tensorboard as board

        board.check()
    if plot_output:
        from seqcli.report import curves

        curves.check(plot_output)
    if machine.precision in ("fp16", "int8"):
        raise UsageError(f"--precision {machine.precision} trains nothing", cure=f"use bf16, or {machine.precision} to score with")
    reporter = Console(prefix="seqcli train lm", quiet=quiet, verbose=machine.verbose)
    reading = {"unit": unit, "text_column": text_column, "encoding": encoding, "strict": strict}
    corpus = language.Corpus(tuple(data), **reading)
    held_out = language.Corpus(tuple(valid), **reading) if valid else None
    chosen = language.TokenizerChoice(tokenizer or "words", vocab_size=vocab_size, min_count=min_count, limit=limit_vocab)
    language.check_readable([*data, *(valid or [])], text_column=text_column)
    if not training:
        machine.without(reporter, "device", "precision", "batch_tokens", reason="an n-gram model is counted")
        if seed is not None:
            reporter.note("--seed changes nothing: an n-gram model is counted")
    requests = request.requests(
        language.TASK, archs, preset, sources, device=machine.device or "auto", precision=machine.precision or "auto",
        threads=machine.threads, tensorboard=tensorboard,
    )  # fmt: skip
    if torchrun.world() > 1:
        if len(requests) > 1:
            raise UsageError("several processes train one network", cure="give one --arch, or do not use torchrun")
        if torchrun.rank() and not training:
            raise SystemExit(0)
    many = len(requests) > 1
    records = {}
    for trained in compared.train(
        {Path(output) / each.arch if many else Path(output): each for each in requests}, corpus, chosen,
        valid=held_out, memory=memory or default_memory(), force=force, resume=resume, reporter=reporter,
    ):  # fmt: skip
        reporter.clear()
        records[trained.opened.arch] = trained.record
        for line in language.told(trained, valid or []):
            reporter.note(f"{trained.opened.arch}: {line}" if many else line)
    if many:
        from seqcli.report import comparison
        from seqcli.report.output import Output

        with Output() as out:
            out.rows(comparison.columns(records))
    folders = [str(Path(output) / name) for name in records] if many else [output]
    if plot or plot_output:
        _plot({name: folder for name, folder in zip(records, folders) if "progress" in records[name]}, plot, plot_output)
    asked = " ".join(f"-m {shlex.quote(folder)}" for folder in folders)
    reporter.note(f'next: seqcli score {asked} "a sentence"')


def _plot(folders: dict[str, str], terminal: bool, output: str | None) -> None:
    """The course of these trainings, on standard error and as a picture."""
    import shutil

    from seqcli.report import curves
    from seqcli.runs import history

    histories = {name: history(folder) for name, folder in folders.items()}
    for name, events in histories.items() if terminal else ():
        lines = curves.drawn(events, columns=min(100, shutil.get_terminal_size().columns))
        print("\n".join(([name] if len(folders) > 1 else []) + lines), file=sys.stderr)
    if output:
        curves.save(histories, output)


def _thresholds(text: str | None) -> list[int] | None:
    """`0,0,1` or `0 0 1`: lmplz's pruning thresholds."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f"not whole numbers: {text!r}", where="--prune", cure="for example --prune 0,0,1") from None
