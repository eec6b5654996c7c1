"""Options that the `train` commands share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli import ranges
from seqcli.commands.options import COLUMN, FORMAT, Machine
from seqcli.commands.parsers import number
from seqcli.errors import UsageError
from seqcli.system import torchrun
from seqcli.text import number_of

if TYPE_CHECKING:
    from seqcli.tasks.training_options import TrainingOptions

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        help="Training data: .txt (one sentence per line), .tsv, .csv, .json, .jsonl or .parquet, compressed or not (.gz, .bz2, .xz, .zst), a folder of such files, a quoted pattern ('data/*.txt'), or hf:NAME[:CONFIG][@SPLIT] from the Hugging Face Hub.",
        rich_help_panel="Input",
    ),
]
Folder = Annotated[
    str, typer.Option("-o", "--output", metavar="DIR", help="Folder to create for the model.", rich_help_panel="Output")
]
VocabSize = Annotated[int | None, typer.Option(parser=number(ranges.VOCAB_SIZE), help="Maximum vocabulary size.")]
MinCount = Annotated[
    int, typer.Option(parser=number(ranges.MIN_COUNT), help="Replace words that occur fewer than N times with <unk>.")
]
LimitVocab = Annotated[str | None, typer.Option(metavar="FILE", help="File of words to keep; all others become <unk>.")]
Debug = Annotated[bool, typer.Option("--debug", hidden=True)]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Set of sizes and settings, such as tiny or small (see seqcli help settings).  [default: chosen for the data and the budget]",
    ),
]
Order = Annotated[
    int | None,
    typer.Option(parser=number(ranges.ORDER), help="Length of the longest n-grams (ngram)."),
]
Distill = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        help="Learn the probabilities given by this model, too; repeat for the mean of several (neural models; see --set distill_share).",
    ),
]
Valid = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Held-out data to evaluate on; repeatable.  [default: a part of DATA]",
        rich_help_panel="Input",
    ),
]


@dataclass
class Reading:
    """How the files of text are read."""

    HELP_GROUP = "Input"

    text_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help=f"Column with the text of a table: {COLUMN}"),
    ] = None
    format: FORMAT = None
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of the files, such as cp949.  [default: utf-8]")
    ] = None
    strict: Annotated[bool, typer.Option("--strict", help="Stop at malformed UTF-8 instead of replacing it.")] = False


@dataclass
class Budget:
    """How long a neural model is trained, and its learning rate."""

    HELP_GROUP = "Training"

    epochs: Annotated[
        float | None, typer.Option(parser=number(ranges.EPOCHS), help="Number of passes over the data (neural models).")
    ] = None
    steps: Annotated[
        int | None, typer.Option(parser=number(ranges.STEPS), help="Number of updates (neural models).")
    ] = None
    minutes: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.MINUTES),
            help="Minutes from start to exit, including reading and saving (neural models).",
        ),
    ] = None
    learning_rate: Annotated[
        float | None, typer.Option(parser=number(ranges.LEARNING_RATE), help="Peak learning rate (neural models).")
    ] = None


@dataclass
class Settings:
    """All other settings, by name."""

    HELP_GROUP = "Training"

    seed: Annotated[
        int | None,
        typer.Option(parser=number(ranges.SEED), help="Random seed; the same as --set seed=N.  [default: 0]"),
    ] = None
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="TOML file of settings; --set and options override it.")
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Set a setting to a TOML value; repeatable. Options override it. See seqcli help settings.",
        ),
    ] = None


@dataclass
class Writing:
    """What to do with an existing folder, and what to report."""

    HELP_GROUP = "Output"

    force: Annotated[bool, typer.Option("--force", help="Replace an existing model.")] = False
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the newest checkpoint (neural models).")] = (
        False
    )
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard events to DIR (neural models).")
    ] = False
    plot: Annotated[bool, typer.Option("--plot", help="Plot the loss over the steps when done (neural models).")] = (
        False
    )
    plot_output: Annotated[str | None, typer.Option(metavar="FILE", help="Save that plot as a .png picture.")] = None
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Do not print notes and progress.", rich_help_panel="General")
    ] = False

    embeddings: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|FILE",
            help="Initialize the embeddings of a neural model with these word vectors: a folder, or a word2vec, GloVe or fastText file.",
            rich_help_panel="Training",
        ),
    ] = None
    freeze_embeddings: Annotated[
        bool,
        typer.Option(
            "--freeze-embeddings", help="Do not train these embeddings (with --embeddings).", rich_help_panel="Training"
        ),
    ] = False

    def check(self, task: str, archs: Sequence[str]) -> None:
        """Raises UsageError if these architectures, or this machine, cannot draw the requested plots."""
        from seqcli import catalog
        from seqcli.tasks.training_options import refuse_without_effect

        if all(catalog.is_counted(task, name) for name in archs):
            refuse_without_effect(archs, {"plot": self.plot or None, "plot_output": self.plot_output})
        if self.plot_output:
            from seqcli.report import curves

            curves.check(self.plot_output)

    def draw(self, folders: dict[str, str]) -> None:
        """Draws the loss of these trainings, on standard error and as a picture."""
        import shutil
        import sys

        if not (self.plot or self.plot_output):
            return
        from seqcli.report import curves
        from seqcli.runs.model_folder import history

        histories = {name: history(folder) for name, folder in folders.items()}
        for name, events in histories.items() if self.plot else ():
            lines = curves.drawn(events, columns=min(100, shutil.get_terminal_size().columns))
            print("\n".join(([name] if len(folders) > 1 else []) + lines), file=sys.stderr)
        if self.plot_output:
            curves.save(histories, self.plot_output)


@dataclass(frozen=True)
class Vocabulary:
    """The tokenizer options."""

    tokenizer: str | None
    vocab_size: int | None
    min_count: int
    limit_vocab: str | None


def located(source: str, *, weights: bool = True, command: str, quiet: bool) -> str:
    """The path of a model or tokenizer that a training begins with. weights: False where the tokenizer is enough."""
    from seqcli import sources
    from seqcli.report.progress import Console

    reporter = Console(prefix=f"seqcli {command}", quiet=quiet)
    return sources.located(source, weights=weights, reporter=reporter)


def training_options(
    archs: Sequence[str],
    preset: str | None,
    budget: Budget,
    settings: Settings,
    vocabulary: Vocabulary,
    writing: Writing,
    machine: Machine,
    distill: Sequence[str] = (),
) -> TrainingOptions:
    """The options that all trainings share, as the Python interface takes them. distill: paths of models."""
    from seqcli import config
    from seqcli.tasks.training_options import TrainingOptions

    return TrainingOptions(
        arch=archs,
        preset=preset,
        **vars(budget),
        seed=settings.seed,
        config=settings.config,
        settings=config.parse_assignments(settings.set_ or []),
        **vars(vocabulary),
        embeddings=writing.embeddings,
        freeze_embeddings=writing.freeze_embeddings,
        distill=tuple(distill),
        force=writing.force,
        resume=writing.resume,
        tensorboard=writing.tensorboard,
        device=machine.device,
        precision=machine.precision,
        threads=machine.threads,
        batch_tokens=machine.batch_tokens,
    )


def leave_counting_to_one(options: TrainingOptions, task: str) -> None:
    """Ends all processes of torchrun but the first if the models are only counted."""
    if torchrun.rank() and not options.trains(task):
        raise SystemExit(0)


def thresholds(text: str | None) -> list[int] | None:
    """`0,0,1` or `0 0 1`: lmplz's pruning thresholds."""
    if text is None:
        return None
    numbers = list(map(number_of, text.replace(",", " ").split()))
    if all(number == number // 1 for number in numbers):  # nan is not
        return list(map(int, numbers))
    raise UsageError(f"not whole numbers: {text!r}", where="--prune", cure="for example --prune 0,0,1")
