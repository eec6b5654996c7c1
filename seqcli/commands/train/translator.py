"""`seqcli train translator`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from seqcli import catalog
from seqcli.commands.declaration import with_options
from seqcli.commands.options import COLUMN, FORMAT, Machine
from seqcli.commands.parsers import choice
from seqcli.commands.train.options import (
    Budget,
    Debug,
    Folder,
    LimitVocab,
    MinCount,
    Preset,
    Settings,
    VocabSize,
    Vocabulary,
    Writing,
    located,
    training_options,
)


@with_options("Training")
def translator(
    output: Folder,
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATA",
            help="Tables of sentence pairs: .tsv, .csv, .json, .jsonl or .parquet, compressed or not (.gz, .bz2, .xz, .zst), or hf:NAME[:CONFIG][@SPLIT] from the Hugging Face Hub.",
            show_default=False,
            rich_help_panel="Input",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Source sentences, one per line, instead of DATA.", rich_help_panel="Input"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Their translations, line by line.", rich_help_panel="Input"),
    ] = None,
    source_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help=f"Column with the sources of a table: {COLUMN}", rich_help_panel="Input"),
    ] = None,
    target_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column with the translations of a table: a name, or #N.", rich_help_panel="Input"
        ),
    ] = None,
    valid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Held-out table of pairs to evaluate on; repeatable.  [default: a part of DATA]",
            rich_help_panel="Input",
        ),
    ] = None,
    valid_source: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Held-out source sentences, one per line, instead of --valid.", rich_help_panel="Input"
        ),
    ] = None,
    valid_target: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Their translations, line by line.", rich_help_panel="Input"),
    ] = None,
    arch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Architecture: {catalog.listed(catalog.architectures('translation'))}; repeat to compare several.  [default: transformer]",
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
            parser=choice(lambda: [*catalog.names("metrics/translator"), "loss"]),
            metavar="NAME",
            help=f"Metric that selects the best weights and the best translator: {catalog.listed([*catalog.names('metrics/translator'), 'loss'])}.",
        ),
    ] = "chrf",
    init: Annotated[
        str | None, typer.Option(metavar="DIR", help="Initialize the weights from this translator.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND|DIR",
            help=f"Tokenizer: {', '.join(catalog.trained_tokenizers())}, or a folder or hf:NAME with one.  [default: sentencepiece]",
            show_default=False,
        ),
    ] = None,
    separate: Annotated[
        bool, typer.Option("--separate", help="Train a tokenizer for each language instead of a joint one.")
    ] = False,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    limit_vocab: LimitVocab = None,
    format: FORMAT = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Encoding of the files, such as cp949.  [default: utf-8]", rich_help_panel="Input"
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at malformed UTF-8 instead of replacing it.", rich_help_panel="Input"),
    ] = False,
    writing: Writing,
    machine: Machine,
    debug: Debug = False,
) -> None:
    """Train a translator: a recurrent encoder-decoder with attention, or a Transformer.

    The folder keeps the weights that are best on held-out pairs: --valid, or a random twentieth, at most 1,000 (pairs with
    the same source stay together). Several --arch are trained on the same pairs with one tokenizer, into DIR/ARCH, and
    compared in a table.

    Examples:
      seqcli train translator pairs.tsv -o model --minutes 30
      seqcli train translator --source en.txt --target ko.txt -o gru --arch gru
      seqcli train translator pairs.tsv -o finetuned --init model --epochs 3
    """
    from seqcli.commands.train.report import best, report, usage_example
    from seqcli.metrics import translator as metrics
    from seqcli.report import comparison
    from seqcli.report.progress import Console
    from seqcli.tasks.initial_weights import default_arch
    from seqcli.tasks.translation.data import PairFiles
    from seqcli.tasks.translation.load import TRANSLATION
    from seqcli.tasks.translation.train_several import train_translators

    locate = partial(located, command="train translator", quiet=writing.quiet)
    tokenizer = locate(tokenizer, weights=False) if tokenizer else None
    init = locate(init) if init else None
    archs = arch or [default_arch(init) if init else "transformer"]
    vocabulary = Vocabulary(tokenizer, vocab_size, min_count, limit_vocab)
    options = training_options(archs, preset, budget, settings, vocabulary, writing, machine)
    writing.check(TRANSLATION, archs)
    reporter = Console(prefix="seqcli train translator", quiet=writing.quiet, verbose=machine.verbose)
    files = PairFiles(
        tuple(data or ()),
        source=source,
        target=target,
        source_column=source_column,
        target_column=target_column,
        format=format,
        encoding=encoding,
        strict=strict,
    )
    trainings = train_translators(
        files,
        output,
        options,
        valid=files.held_out(valid or (), source=valid_source, target=valid_target),
        metric=metric,
        init=init,
        separate=separate,
        reporter=reporter,
    )
    report(
        trainings,
        compared=lambda done: comparison.of_translators([each.record for each in done], metric=metric),
        follows=lambda done: usage_example("translate", [best(done, metric, metrics.directions())]),
        writing=writing,
        reporter=reporter,
    )
