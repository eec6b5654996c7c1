"""`seqcli train`: a tokenizer, or a model of text, from text."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from seqcli.commands.options import Machine, choice, memory_size, whole, with_options
from seqcli.errors import UsageError, nearest

app = typer.Typer(help="Train a tokenizer or a model.", no_args_is_help=True, rich_markup_mode=None)

Data = Annotated[list[str], typer.Argument(help="Files: .txt (a sentence a line), .tsv, .csv, .jsonl, .parquet; .gz too.")]
Folder = Annotated[str, typer.Option("-o", "--output", help="New folder for the model.")]
TextColumn = Annotated[Optional[str], typer.Option(help="Column of a table: a name, or #N.")]
Encoding = Annotated[Optional[str], typer.Option(help="Of the files, such as cp949.  [default: utf-8]")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail on malformed UTF-8 instead of replacing it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a model that is there.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No notes, no progress.")]
VocabSize = Annotated[Optional[int], typer.Option(parser=whole(4, 2**31 - 1), help="Largest vocabulary.")]
MinCount = Annotated[int, typer.Option(parser=whole(1, 2**31 - 1), help="Words seen less often are <unk>.")]


@app.command("tokenizer")
@with_options
def tokenizer(
    data: Data,
    output: Folder,
    kind: Annotated[str, typer.Option("--tokenizer", help="sentencepiece, words, characters or bytes.")] = "sentencepiece",
    algorithm: Annotated[str, typer.Option(parser=choice("unigram", "bpe"), help="Of sentencepiece.")] = "unigram",
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    text_column: TextColumn = None,
    encoding: Encoding = None,
    strict: Strict = False,
    force: Force = False,
    quiet: Quiet = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Learn a tokenizer from text."""
    from seqcli.report.progress import Console
    from seqcli.tasks import language

    reporter = Console(prefix="seqcli train tokenizer", quiet=quiet)
    corpus = language.Corpus(tuple(data), text_column=text_column, encoding=encoding, strict=strict)
    choice_ = language.TokenizerChoice(kind, vocab_size=vocab_size, min_count=min_count, algorithm=algorithm)
    made = language.train_tokenizer(corpus, choice_, output, force=force, reporter=reporter)
    reporter.clear()
    reporter.note(f"{kind} tokenizer of {made.vocab_size:,} pieces in {output}")
    reporter.note(f'next: seqcli tokenize -m {output} "a sentence"')


@app.command("lm")
@with_options
def lm(
    data: Data,
    output: Folder,
    arch: Annotated[str, typer.Option(help="Architecture: ngram.")] = "ngram",
    order: Annotated[Optional[int], typer.Option(parser=whole(1, 10), help="Longest n-gram.  [default: 5]")] = None,
    prune: Annotated[
        Optional[str], typer.Option(help="Per order, drop n-grams seen so often or less: 0,0,1 (as lmplz).")
    ] = None,
    memory: Annotated[
        Optional[int], typer.Option(parser=memory_size, help="For counting; beyond it, disk.  [default: half of all]")
    ] = None,
    config: Annotated[Optional[str], typer.Option(help="TOML file of settings.")] = None,
    set_: Annotated[Optional[list[str]], typer.Option("--set", help="A setting, KEY=VALUE; may be given again.")] = None,
    tokenizer: Annotated[
        Optional[str], typer.Option(help="words, sentencepiece, characters, bytes, or a folder with one.  [default: words]")
    ] = None,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    limit_vocab: Annotated[Optional[str], typer.Option(help="File of the words to know; others are <unk>.")] = None,
    unit: Annotated[
        str, typer.Option(parser=choice("line", "document"), help="A sentence a line, or one text a file.")
    ] = "line",
    valid: Annotated[Optional[list[str]], typer.Option(help="Held-out file to judge the model on.")] = None,
    text_column: TextColumn = None,
    encoding: Encoding = None,
    strict: Strict = False,
    force: Force = False,
    quiet: Quiet = False,
    machine: Machine = None,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Train a language model.

    An n-gram model is counted in one pass and smoothed by modified Kneser-Ney, with KenLM's numbers.
    """
    from seqcli import catalog
    from seqcli import config as settings
    from seqcli.models import ngram
    from seqcli.ngram.arena import default_memory
    from seqcli.report.progress import Console
    from seqcli.runs import drafting
    from seqcli.tasks import language

    if arch not in catalog.names("models"):
        raise UsageError(f"unknown architecture {arch!r}", where="--arch", cure=nearest(arch, catalog.names("models")))
    given = {"order": order, "prune": _thresholds(prune)}
    model_settings = settings.resolve(
        ngram.Config,
        (config or "--config", settings.read_toml(config) if config else {}),
        ("--set", settings.parse_assignments(set_ or [])),
        ("options", {key: value for key, value in given.items() if value is not None}),
    )
    words_only = vocab_size or min_count > 1 or limit_vocab
    if words_only and tokenizer not in (None, "words", "sentencepiece", "characters") and not (limit_vocab or min_count > 1):
        raise UsageError(f"--vocab-size says nothing to --tokenizer {tokenizer}")
    if (limit_vocab or min_count > 1) and tokenizer not in (None, "words"):
        raise UsageError("--min-count and --limit-vocab are for --tokenizer words")
    reporter = Console(prefix="seqcli train lm", quiet=quiet)
    reading = {"unit": unit, "text_column": text_column, "encoding": encoding, "strict": strict}
    language.check_readable([*data, *(valid or [])])
    with drafting(output, force=force) as draft:
        trained = language.train_counted(
            draft,
            language.Corpus(tuple(data), **reading),
            language.TokenizerChoice(tokenizer or "words", vocab_size=vocab_size, min_count=min_count, limit=limit_vocab),
            model_settings,
            memory=memory or default_memory(),
            valid=language.Corpus(tuple(valid), **reading) if valid else None,
            threads=machine.threads,
            reporter=reporter,
        )
    reporter.clear()
    record = trained.record
    grams = ", ".join(f"{count:,}" for count in record["ngrams"])
    reporter.note(
        f"{record['data']['rows']:,} rows, {record['data']['tokens']:,} tokens; "
        f"n-grams of order 1 to {len(record['ngrams'])}: {grams}; {record['seconds']:.1f} s"
    )
    if trained.valid is not None:
        v = trained.valid
        reporter.note(
            f"on {', '.join(valid)}: perplexity {v.perplexity:.4g} ({v.perplexity_known:.4g} without {v.unknown:,} unknown "
            f"of {v.tokens:,} tokens), {v.bits_per_byte:.4f} bits per byte"
        )
    reporter.note(f'next: seqcli score -m {output} "a sentence"')


def _thresholds(text: str | None) -> list[int] | None:
    """`0,0,1` or `0 0 1`: lmplz's pruning thresholds."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise UsageError(f"not whole numbers: {text!r}", where="--prune", cure="for example --prune 0,0,1") from None
