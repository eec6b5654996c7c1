"""`seqcli train classifier`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from seqcli import catalog, ranges
from seqcli.commands.declaration import with_options
from seqcli.commands.options import Machine
from seqcli.commands.parsers import choice, label_names, number
from seqcli.commands.train.options import (
    Budget,
    Data,
    Debug,
    Distill,
    Folder,
    LimitVocab,
    MinCount,
    Order,
    Preset,
    Reading,
    Settings,
    Valid,
    VocabSize,
    Vocabulary,
    Writing,
    leave_counting_to_one,
    located,
    training_options,
)


@with_options("Training")
def classifier(
    data: Data,
    output: Folder,
    arch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Architecture: {catalog.listed(catalog.architectures('classification'))}; repeat to compare several.  [default: bag]",
            show_default=False,
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column with the labels of a table: a name, or #N.", rich_help_panel="Input"
        ),
    ] = None,
    label_map: Annotated[
        dict | None,
        typer.Option(
            parser=label_names,
            metavar="LABEL=NAME,...",
            help="Rename labels of the texts, such as 0=negative,1=positive; labels with the same name are merged.",
            rich_help_panel="Input",
        ),
    ] = None,
    preset: Preset = None,
    order: Order = None,
    *,
    budget: Budget,
    settings: Settings,
    runs: Annotated[
        int,
        typer.Option(
            parser=number(ranges.RUNS), help="Number of runs, each with the next seed, written to DIR/seed-N."
        ),
    ] = 1,
    metric: Annotated[
        str | None,
        typer.Option(
            parser=choice(lambda: catalog.names("metrics/classifier")),
            metavar="NAME",
            help=f"Metric that selects the best weights and the best classifier: {catalog.listed(catalog.names('metrics/classifier'))}.  [default: accuracy]",
        ),
    ] = None,
    label_weights: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS", help="Weight of each label in the loss: balanced, or LABEL=WEIGHT,LABEL=WEIGHT,..."
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Initialize the body from this model (rnn, lstm, gru or transformer), a seqcli or Hugging Face folder or hf:NAME; sets --arch.",
        ),
    ] = None,
    distill: Distill = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND|DIR",
            help=f"Tokenizer: {', '.join(catalog.trained_tokenizers())}, or a folder or hf:NAME with one (not for bag).  [default: sentencepiece]",
            show_default=False,
        ),
    ] = None,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    limit_vocab: LimitVocab = None,
    valid: Valid = None,
    reading: Reading,
    writing: Writing,
    machine: Machine,
    debug: Debug = False,
) -> None:
    """Train a text classifier, for example for sentiment or topics.

    DATA has a column of texts and one of labels, or lines of the form `__label__x some text`. ngram and bag are trained in
    seconds without torch. The others are neural models; the folder keeps the weights that are best on held-out texts
    (--valid, or a random tenth, at most 5,000; equal texts stay together).

    Several --arch are trained on the same texts, into DIR/ARCH, and compared in a table, best first. With --runs N the table
    shows the mean and standard deviation over N seeds.

    Examples:
      seqcli train classifier reviews.csv -o model
      seqcli train classifier reviews.csv -o cnn --arch cnn --minutes 5
      seqcli train classifier reviews.csv -o models --arch ngram --arch bag
    """
    from seqcli.commands.train.report import best, report, usage_example
    from seqcli.data.labelled import LabelMap
    from seqcli.metrics import classifier as metrics
    from seqcli.report import comparison
    from seqcli.report.progress import Console
    from seqcli.tasks.classification.data import LabelledFiles
    from seqcli.tasks.classification.load import CLASSIFICATION
    from seqcli.tasks.classification.train_several import train_classifiers
    from seqcli.tasks.initial_weights import default_arch

    locate = partial(located, command="train classifier", quiet=writing.quiet)
    tokenizer = locate(tokenizer, weights=False) if tokenizer else None
    init = locate(init) if init else None
    teachers = [locate(each) for each in distill or ()]
    archs, decisive = arch or [default_arch(init) if init else "bag"], metric or "accuracy"
    vocabulary = Vocabulary(tokenizer, vocab_size, min_count, limit_vocab)
    options = training_options(archs, preset, budget, settings, vocabulary, writing, machine, teachers)
    writing.check(CLASSIFICATION, archs)
    leave_counting_to_one(options, CLASSIFICATION)
    reporter = Console(prefix="seqcli train classifier", quiet=writing.quiet, verbose=machine.verbose)
    columns = {"label_column": label_column, "label_map": LabelMap.of(label_map), **vars(reading)}
    trainings = train_classifiers(
        LabelledFiles(tuple(data), **columns),
        output,
        options,
        valid=LabelledFiles(tuple(valid), **columns) if valid else None,
        order=order,
        runs=runs,
        metric=metric,
        label_weights=label_weights,
        init=init,
        reporter=reporter,
    )
    report(
        trainings,
        compared=lambda done: comparison.of_classifiers([each.record for each in done], metric=decisive),
        follows=lambda done: usage_example("classify", [best(done, decisive, metrics.directions())]),
        writing=writing,
        reporter=reporter,
    )
