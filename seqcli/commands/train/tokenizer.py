"""`seqcli train tokenizer`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from seqcli import catalog
from seqcli.commands.declaration import with_options
from seqcli.commands.options import SEED, Machine
from seqcli.commands.parsers import choice
from seqcli.commands.train.options import (
    Data,
    Debug,
    Folder,
    LimitVocab,
    MinCount,
    Reading,
    VocabSize,
)


@with_options("Training")
def tokenizer(
    data: Data,
    output: Folder,
    kind: Annotated[
        str,
        typer.Option("--tokenizer", metavar="KIND", help=f"Tokenizer: {catalog.listed(catalog.trained_tokenizers())}."),
    ] = "sentencepiece",
    algorithm: Annotated[
        str | None,
        typer.Option(
            parser=choice("unigram", "bpe"),
            metavar="NAME",
            help="SentencePiece algorithm: unigram or bpe.  [default: unigram]",
        ),
    ] = None,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    limit_vocab: LimitVocab = None,
    *,
    reading: Reading,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing tokenizer.", rich_help_panel="Output")
    ] = False,
    seed: SEED = 0,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Do not print notes and progress.", rich_help_panel="General")
    ] = False,
    machine: Machine,
    debug: Debug = False,
) -> None:
    """Train a tokenizer on text.

    Examples:
      seqcli train tokenizer text.txt -o tokenizer --vocab-size 300
      seqcli train tokenizer text.txt -o words --tokenizer words --min-count 2
      seqcli train tokenizer reviews.csv -o characters --tokenizer characters
    """
    from seqcli.report.progress import Console
    from seqcli.tasks.language.data import Corpus
    from seqcli.tasks.tokenizer_choice import TokenizerChoice, train_tokenizer

    reporter = Console(prefix="seqcli train tokenizer", quiet=quiet, verbose=machine.verbose)
    machine.without(
        reporter, "device", "precision", "threads", "batch_tokens", reason="a tokenizer is trained on one CPU core"
    )
    if seed:
        reporter.note("--seed has no effect: training a tokenizer involves no randomness")
    choice_ = TokenizerChoice(kind, vocab_size=vocab_size, min_count=min_count, limit=limit_vocab, algorithm=algorithm)
    trained = train_tokenizer(Corpus(tuple(data), **vars(reading)), choice_, output, force=force, reporter=reporter)
    reporter.clear()
    reporter.note(f"{kind} tokenizer of {trained.vocab_size:,} pieces in {output}")
    reporter.note(f'next: seqcli tokenize -m {shlex.quote(output)} "a sentence"')
