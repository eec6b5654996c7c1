"""`seqcli train`: a tokenizer, or a model of text, from text."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

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
        str, typer.Option(metavar="NAME", help="Architecture: ngram, feedforward, rnn, lstm, gru or transformer.")
    ] = "ngram",
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
    quiet: Quiet = False,
    machine: Machine = None,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Train a language model.

    An n-gram model is counted in one pass and smoothed by modified Kneser-Ney, with KenLM's numbers. A network is trained
    until its budget of epochs, steps or minutes is spent; the folder keeps the weights that were best on held-out text
    (--valid, or a seeded 5 % of the rows).
    """
    from seqcli import catalog
    from seqcli import config as settings
    from seqcli.report.progress import Console
    from seqcli.runs import drafting
    from seqcli.tasks import language

    module, _ = catalog.presets("language", arch)
    counted = {"order": order, "prune": _thresholds(prune)}
    trained_by = {"epochs": epochs, "steps": steps, "minutes": minutes, "learning_rate": learning_rate, "seed": seed}
    trained_by["batch_tokens"] = machine.batch_tokens
    counting = module == "ngram"
    for name, value in {**({} if counting else {**counted, "memory": memory}), **(trained_by if counting else {})}.items():
        if value is not None and not (counting and name in ("seed", "batch_tokens")):
            raise UsageError(f"--{name.replace('_', '-')} says nothing to --arch {arch}")
    if resume and (counting or force):
        raise UsageError(f"--resume does not go with {'--force' if force else '--arch ngram'}")
    if (limit_vocab or min_count > 1) and tokenizer not in (None, "words"):
        raise UsageError("--min-count and --limit-vocab are for --tokenizer words")
    if vocab_size and tokenizer not in (None, *catalog.names("tokenizers")):
        raise UsageError("--vocab-size says nothing to a tokenizer that exists", where=tokenizer)
    sources = (
        (config or "--config", settings.read_toml(config) if config else {}),
        ("--set", settings.parse_assignments(set_ or [])),
        ("options", {k: v for k, v in (counted if counting else trained_by).items() if v is not None}),
    )
    if machine.precision == "fp16":
        raise UsageError("--precision fp16 trains nothing", cure="use bf16, or fp16 to score with")
    reporter = Console(prefix="seqcli train lm", quiet=quiet, verbose=machine.verbose)
    reading = {"unit": unit, "text_column": text_column, "encoding": encoding, "strict": strict}
    corpus = language.Corpus(tuple(data), **reading)
    held_out = language.Corpus(tuple(valid), **reading) if valid else None
    chosen = language.TokenizerChoice(tokenizer or "words", vocab_size=vocab_size, min_count=min_count, limit=limit_vocab)
    language.check_readable([*data, *(valid or [])], text_column=text_column)
    if counting:
        from seqcli.models import ngram
        from seqcli.ngram.arena import default_memory

        machine.without(reporter, "device", "precision", "batch_tokens", reason="an n-gram model is counted")
        if seed is not None:
            reporter.note("--seed changes nothing: an n-gram model is counted")
        model_settings = settings.resolve(ngram.Config, *sources)
        with drafting(output, force=force) as draft:
            trained = language.train_counted(
                draft, corpus, chosen, model_settings, memory=memory or default_memory(), valid=held_out,
                threads=machine.threads, reporter=reporter,
            )  # fmt: skip
    else:
        from seqcli.tasks.language import neural

        request = neural.Request(
            arch, preset, sources, device=machine.device or "auto", precision=machine.precision or "auto",
            threads=machine.threads,
        )  # fmt: skip
        neural.settings_of(request)  # what cannot be meant is said before anything is written
        with drafting(output, force=force, resume=resume) as draft:
            trained = neural.train(
                draft, corpus, chosen, request, valid=held_out, resume=resume, reporter=reporter
            )
    reporter.clear()
    for line in language.told(trained, valid or []):
        reporter.note(line)
    reporter.note(f'next: seqcli score -m {shlex.quote(output)} "a sentence"')


def _thresholds(text: str | None) -> list[int] | None:
    """`0,0,1` or `0 0 1`: lmplz's pruning thresholds."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f"not whole numbers: {text!r}", where="--prune", cure="for example --prune 0,0,1") from None
