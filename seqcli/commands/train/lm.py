"""`seqcli train lm`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from seqcli import catalog
from seqcli.commands.declaration import with_options
from seqcli.commands.options import QUANTIZE, Machine
from seqcli.commands.parsers import choice, memory_size
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
    thresholds,
    training_options,
)


@with_options("Training")
def lm(
    data: Data,
    output: Folder,
    arch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"Architecture: {catalog.listed(catalog.architectures('language'))}; repeat to compare several.  [default: ngram]",
            show_default=False,
        ),
    ] = None,
    preset: Preset = None,
    order: Order = None,
    prune: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...",
            help="Drop n-grams that occur at most N times, one threshold per order as in lmplz: 0,0,1 (ngram).",
        ),
    ] = None,
    quantize: QUANTIZE = None,
    counts_only: Annotated[
        bool,
        typer.Option(
            "--counts-only", help="Count DATA, a part of a corpus, and write the counts to DIR for --merge (ngram)."
        ),
    ] = False,
    merge: Annotated[
        bool,
        typer.Option(
            "--merge", help="DATA are folders written by --counts-only; make the model of all of them (ngram)."
        ),
    ] = False,
    memory: Annotated[
        int | None,
        typer.Option(
            parser=memory_size,
            help="Memory limit for counting, such as 500M or 2G; beyond it, disk is used (ngram).  [default: half of the memory]",
        ),
    ] = None,
    *,
    budget: Budget,
    settings: Settings,
    objective: Annotated[
        str | None,
        typer.Option(
            parser=choice("causal", "masked", "hybrid"),
            help="What to predict (transformer): causal, the next token; masked, hidden tokens; hybrid, both.  [default: causal]",
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Initialize the weights from this language model, a seqcli or Hugging Face folder or hf:NAME; sets --arch.",
        ),
    ] = None,
    distill: Distill = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND|DIR",
            help=f"Tokenizer: {', '.join(catalog.trained_tokenizers())}, or a folder or hf:NAME with one.  [default: words]",
        ),
    ] = None,
    vocab_size: VocabSize = None,
    min_count: MinCount = 1,
    limit_vocab: LimitVocab = None,
    unit: Annotated[
        str | None,
        typer.Option(
            parser=choice("line", "document"),
            metavar="UNIT",
            help="Unit of text: line (every line is a sentence) or document (every file is one running text).  [default: line, or as --init]",
        ),
    ] = None,
    valid: Valid = None,
    reading: Reading,
    writing: Writing,
    machine: Machine,
    debug: Debug = False,
) -> None:
    """Train a language model.

    An n-gram model is counted in one pass and smoothed by modified Kneser-Ney; its probabilities are those of KenLM. A
    neural model is trained for a number of epochs, steps or minutes; the folder keeps the weights that are best on held-out
    text (--valid, or a random 5 % of the rows; equal rows stay together).

    Several --arch share the tokenizer and the held-out text, have one budget each, and are written to DIR/ARCH. They are
    compared in a table, best first. A setting applies to the architectures that have it; --resume continues the unfinished
    ones.

    A corpus too large for one machine is counted in parts, each with --counts-only, and the counts are merged into a model
    with --merge: the same as that of a single run (docs/scale.md).

    Examples:
      seqcli train lm text.txt -o model
      seqcli train lm text.txt -o lstm --arch lstm --minutes 10
      seqcli train lm text.txt -o models --arch ngram --arch transformer
    """
    from seqcli.commands.train.report import report, usage_example
    from seqcli.ranges import exclusive
    from seqcli.report import comparison
    from seqcli.report.progress import Console
    from seqcli.tasks.initial_weights import default_arch, default_unit
    from seqcli.tasks.language.count_parts import train_parts
    from seqcli.tasks.language.data import Corpus
    from seqcli.tasks.language.load import LANGUAGE
    from seqcli.tasks.language.train_several import summary_lines, train_language_models

    locate = partial(located, command="train lm", quiet=writing.quiet)
    tokenizer = locate(tokenizer, weights=False) if tokenizer else None
    init = locate(init) if init else None
    teachers = [locate(each) for each in distill or ()]
    archs, unit = arch or [default_arch(init) if init else "ngram"], unit or (default_unit(init) if init else "line")
    vocabulary = Vocabulary(tokenizer, vocab_size, min_count, limit_vocab)
    options = training_options(archs, preset, budget, settings, vocabulary, writing, machine, teachers)
    writing.check(LANGUAGE, archs)
    leave_counting_to_one(options, LANGUAGE)
    reporter = Console(prefix="seqcli train lm", quiet=writing.quiet, verbose=machine.verbose)
    held_out = Corpus(tuple(valid), unit=unit, **vars(reading)) if valid else None
    corpus = None if merge else Corpus(tuple(data), unit=unit, **vars(reading))
    counted: dict[str, Any] = {"order": order, "prune": thresholds(prune), "quantize": quantize, "memory": memory}
    if counts_only or merge:
        exclusive(
            {"--counts-only": counts_only or None}, {"--merge": merge or None, "--objective": objective, "--init": init}
        )
        result = train_parts(data, corpus, output, options, valid=held_out, reporter=reporter, **counted)
        if isinstance(result, dict):
            for line in summary_lines(result, ()):
                reporter.note(line)
            return
        trainings = iter([result])
    else:
        assert corpus is not None
        trainings = train_language_models(
            corpus, output, options, valid=held_out, objective=objective, init=init, reporter=reporter, **counted
        )
    report(
        trainings,
        compared=lambda done: comparison.columns({each.name: each.record for each in done}),
        follows=lambda done: usage_example("score", done),
        writing=writing,
        reporter=reporter,
    )
