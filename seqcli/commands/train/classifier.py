"""`seqcli train classifier`."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from seqcli.commands.options import Machine, choice, whole, with_options
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
)  # fmt: skip
from seqcli.errors import UsageError
from seqcli.system import torchrun


@with_options("Training")
def classifier(
    data: Data,
    output: Folder,
    arch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Architecture: ngram, bag, cnn, rnn, lstm, gru or transformer; repeat to compare several.  [default: bag]",
            show_default=False,
        ),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column with the labels of a table: a name, or #N.", rich_help_panel="Input"
        ),
    ] = None,
    preset: Preset = None,
    order: Order = None,
    *,
    budget: Budget,
    settings: Settings,
    runs: Annotated[
        int, typer.Option(parser=whole(1, 1000), help="Train N times with consecutive seeds, into DIR/seed-N.")
    ] = 1,
    metric: Annotated[
        str | None,
        typer.Option(
            parser=choice("accuracy", "macro_f1", "loss"),
            metavar="NAME",
            help="Metric that selects the best weights and the best classifier: accuracy, macro_f1 or loss.  [default: accuracy]",
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
        typer.Option(metavar="DIR", help="Initialize the body from this language model (rnn, lstm, gru, transformer)."),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND|DIR",
            help="Tokenizer: sentencepiece, words, characters, bytes, or a tokenizer folder (not for bag).  [default: sentencepiece]",
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
    from seqcli import catalog
    from seqcli.report import comparison, ending
    from seqcli.report.output import Output
    from seqcli.report.progress import Console
    from seqcli.tasks.classification import summary, train_several
    from seqcli.tasks.classification.data import LabelledFiles, split, weights_of_labels
    from seqcli.tasks.classification.evaluate import METRICS
    from seqcli.tasks.classification.load import CLASSIFICATION
    from seqcli.tasks.classification.train import TrainingTexts, settings_of_body
    from seqcli.tasks.language.data import TokenizerChoice
    from seqcli.training import config

    # 1. Check the options
    task, archs = CLASSIFICATION, arch or ["bag"]
    check_archs(archs)
    training = not all(catalog.is_counted(task, name) for name in archs)
    of_tokens = {
        "tokenizer": tokenizer,
        "vocab_size": vocab_size,
        "min_count": min_count if min_count > 1 else None,
        "limit_vocab": limit_vocab,
    }
    refuse_without_effect(archs, {
        **({} if "ngram" in archs else {"order": order}),
        **({} if training else {**writing.of_networks, "init": init, "steps": budget.steps, "minutes": budget.minutes}),
        **({"runs": runs if runs > 1 else None} if archs == ["ngram"] else {}),
        **({} if training or len(archs) > 1 or runs > 1 else {"metric": metric}),
        **(of_tokens if archs == ["bag"] else {}),
    })  # fmt: skip
    metric = metric or "accuracy"
    if writing.resume and (writing.force or not training):
        raise UsageError(f"--resume does not go with {'--force' if writing.force else '--arch ' + archs[0]}")
    check_min_count(min_count, tokenizer)
    check_limit_vocab(limit_vocab, tokenizer)
    check_vocab_size(vocab_size, tokenizer)
    if init and (tokenizer or vocab_size):
        raise UsageError("--init uses the tokenizer of its model", cure="leave out --tokenizer and --vocab-size")
    if init and len(archs) > 1:
        raise UsageError("--init needs a single --arch")
    shared = [(init, settings_of_body(init, archs[0]))] if init else []
    given = {"order": order, **budget.given, "seed": settings.given_seed, "batch_tokens": machine.batch_tokens}
    if not training:
        machine.without(
            Console(prefix="seqcli train classifier", quiet=writing.quiet), "device", "precision", "batch_tokens",
            reason=f"--arch {' and '.join(archs)} trains no neural model",
        )  # fmt: skip
        given |= {"batch_tokens": None}
    if archs == ["ngram"]:
        if valid and settings.given_seed is not None:
            Console(prefix="seqcli train classifier", quiet=writing.quiet).note(
                "--seed has no effect: n-grams are counted, and --valid names the held-out texts"
            )
        given |= {"seed": None}
    requests = config.requests(
        task, archs, preset, [*shared, *settings.sources(given)], device=machine.device or "auto",
        precision=machine.precision or "auto", threads=machine.threads, tensorboard=writing.tensorboard,
    )  # fmt: skip
    writing.check()
    check_training_precision(machine)
    if torchrun.world() > 1:
        if len(requests) * runs > 1:
            raise UsageError(
                "torchrun trains a single neural model", cure="give one --arch and no --runs, or do not use torchrun"
            )
        if torchrun.rank() and not training:
            raise SystemExit(0)
    # 2. Read the texts
    reporter = Console(prefix="seqcli train classifier", quiet=writing.quiet, verbose=machine.verbose)
    columns = {"label_column": label_column, **vars(reading)}
    files = LabelledFiles(tuple(data), **columns)
    held_out = LabelledFiles(tuple(valid), **columns) if valid else None
    for each in (files, held_out) if held_out else (files,):
        each.check()
    places = train_several.places(output, requests, runs, seed=settings.given_seed or 0)
    deadline = config.reading(requests, places if writing.resume else (), passes=2)
    texts = files.read(deadline=deadline, reporter=reporter)
    if held_out:
        texts, judged = texts, held_out.read(labels=texts.labels, reporter=reporter)
    else:
        texts, judged = split(texts, seed=settings.given_seed or 0, reporter=reporter)
    reporter.note(summary.texts(texts, judged))
    learnt_from = TrainingTexts(
        texts, judged, tuple(data), weights=weights_of_labels(label_weights, texts), metric=metric,
        threads=machine.threads, blocks=deadline.read if deadline.passed else None,
    )  # fmt: skip
    if deadline.passed:
        reporter.note(
            f"read only the first {len(texts) + len(judged):,} texts, since time for reading is limited; use more --minutes to read more"
        )
    chosen = TokenizerChoice(
        tokenizer or "sentencepiece", vocab_size=vocab_size, min_count=min_count, limit=limit_vocab
    )
    # 3. Train the classifiers
    records, ended = {}, []
    for path, trained in train_several.train_all(
        places, learnt_from, chosen, force=writing.force, resume=writing.resume, init=init, reporter=reporter
    ):
        reporter.clear()
        name = (
            path.name
            if len(archs) == 1
            else trained.record["arch"] + (f"/{path.name}" if path.name.startswith("seed-") else "")
        )
        records[name] = (path, trained.record)
        ended.append((name if len(places) > 1 else "", trained.opened, trained.record))
        for line in summary.summary_lines(trained, valid or []):
            reporter.note(f"{name}: {line}" if len(places) > 1 else line)
    if len(places) > 1:
        with Output() as out:
            out.rows(comparison.of_classifiers([record for _, record in records.values()], metric=metric))
    writing.draw({name: str(path) for name, (path, record) in records.items() if "progress" in record})
    best = min(records.values(), key=lambda each: METRICS[metric] * each[1]["valid"][metric])[0]
    if not writing.quiet:
        ending.note(
            reporter,
            ended,
            judged.first(ending.TRIED),
            follows=f'seqcli classify -m {shlex.quote(str(best))} "a sentence"',
        )
