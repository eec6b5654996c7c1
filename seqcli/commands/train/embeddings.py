"""`seqcli train embeddings`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.declaration import with_options
from seqcli.commands.options import Machine
from seqcli.commands.parsers import choice, number
from seqcli.commands.train.options import (
    Budget,
    Data,
    Debug,
    Folder,
    Preset,
    Reading,
    Settings,
    VocabSize,
    Vocabulary,
    Writing,
    training_options,
)


@with_options("Training")
def embeddings(
    data: Data,
    output: Folder,
    arch: Annotated[
        str,
        typer.Option(
            parser=choice("skipgram", "cbow", "glove"), metavar="NAME", help="Architecture: skipgram, cbow or glove."
        ),
    ] = "skipgram",
    preset: Preset = None,
    dim: Annotated[
        int | None, typer.Option(parser=number(ranges.DIM), help="Dimension of the vectors.  [default: 100]")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            parser=number(ranges.CONTEXTS),
            help="Maximum number of context words on each side.  [default: 5; glove: 10]",
        ),
    ] = None,
    min_count: Annotated[
        int, typer.Option(parser=number(ranges.MIN_COUNT), help="Leave out words that occur fewer than N times.")
    ] = 5,
    vocab_size: VocabSize = None,
    *,
    budget: Budget,
    settings: Settings,
    reading: Reading,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an existing model.", rich_help_panel="Output")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue an interrupted training from its newest checkpoint.", rich_help_panel="Output"
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Do not print notes and progress.", rich_help_panel="General")
    ] = False,
    machine: Machine,
    debug: Debug = False,
) -> None:
    """Train word embeddings: words that occur in similar contexts get similar vectors.

    skipgram and cbow also learn vectors of character n-grams (3 to 6 characters, as fastText does), from which the
    vectors of unknown words are computed; --set longest=0 disables them. All cores train in parallel, so the result differs
    slightly from run to run; with --threads 1 the same text and seed give identical vectors, even if the training was
    interrupted and resumed.

    Examples:
      seqcli train embeddings text.txt -o model
      seqcli train embeddings text.txt -o model --arch glove --dim 50
      seqcli train embeddings text.txt -o model --min-count 2 --set longest=0
    """
    from seqcli.report.progress import Console
    from seqcli.tasks.embeddings.train import example_word, train
    from seqcli.tasks.language.data import Corpus

    vocabulary = Vocabulary(None, vocab_size, min_count, None)
    writing = Writing(force=force, resume=resume, quiet=quiet)
    options = training_options([arch], preset, budget, settings, vocabulary, writing, machine)
    reporter = Console(prefix="seqcli train embeddings", quiet=quiet, verbose=machine.verbose)
    corpus = Corpus(tuple(data), **vars(reading))
    trained = train(corpus, output, options, dim=dim, window=window, reporter=reporter)
    reporter.clear()
    for line in trained.summary:
        reporter.note(line)
    word = shlex.quote(example_word(trained.opened))
    reporter.note(f"next: seqcli embed -m {shlex.quote(output)} --neighbours {word}")
