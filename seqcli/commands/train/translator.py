"""`seqcli train translator`."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seqcli.commands.options import COLUMN, FORMAT, Machine, choice, with_options
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
            help="Architecture: rnn, lstm, gru or transformer; repeat to compare several.  [default: transformer]",
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
            metavar="NAME",
            help="Metric that selects the best weights and the best translator: chrf, bleu or loss.",
        ),
    ] = "chrf",
    init: Annotated[
        str | None, typer.Option(metavar="DIR", help="Initialize the weights from this translator.")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND|DIR",
            help="Tokenizer: sentencepiece, words, characters, bytes, or a tokenizer folder.  [default: sentencepiece]",
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

    # 1. Check the options
    archs = arch or [ModelFolder.open(init).expect(TRANSLATION).arch if init else "transformer"]
    check_archs(archs)
    if writing.resume and writing.force:
        raise UsageError("--resume does not go with --force")
    check_min_count(min_count, tokenizer)
    check_limit_vocab(limit_vocab, tokenizer)
    check_vocab_size(vocab_size, tokenizer)
    if init and (tokenizer or vocab_size or separate or len(archs) > 1):
        cure = "leave out --tokenizer, --vocab-size and --separate"
        raise UsageError("--init needs a single --arch and uses the tokenizers of its model", cure=cure)
    shared = [(init, settings_of_init(init, archs[0]))] if init else []
    given = {**budget.given, "seed": settings.given_seed, "batch_tokens": machine.batch_tokens}
    requests = config.requests(
        TRANSLATION, archs, preset, [*shared, *settings.sources(given)], device=machine.device or "auto",
        precision=machine.precision or "auto", threads=machine.threads, tensorboard=writing.tensorboard,
    )  # fmt: skip
    writing.check()
    check_training_precision(machine)
    if torchrun.world() > 1 and len(requests) > 1:
        raise UsageError("torchrun trains a single neural model", cure="give one --arch, or do not use torchrun")
    files = PairFiles(
        tuple(data or ()), source=source, target=target, source_column=source_column, target_column=target_column,
        format=format, encoding=encoding, strict=strict,
    )  # fmt: skip
    held_out = None
    if valid or valid_source or valid_target:
        held_out = replace(files, paths=tuple(valid or ()), source=valid_source, target=valid_target, option="valid-")
    for each in (files, held_out) if held_out else (files,):
        each.check()
    # 2. Read the pairs
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
            f"read only the first {len(pairs) + len(judged):,} pairs, since time for reading is limited; use more --minutes to read more"
        )
    chosen = TokenizerChoice(
        tokenizer or "sentencepiece", vocab_size=vocab_size, min_count=min_count, limit=limit_vocab
    )
    # 3. Train the translators
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
