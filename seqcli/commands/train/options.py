"""Options that the `train` commands share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import typer

from seqcli.commands.options import COLUMN, FORMAT, Machine, real, whole
from seqcli.errors import UsageError
from seqcli.ranges import LARGEST_SEED
from seqcli.text import number_of

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        help="Training data: .txt (one sentence per line), .tsv, .csv, .json, .jsonl or .parquet, compressed or not (.gz, .bz2, .xz, .zst), or hf:NAME[:CONFIG][@SPLIT] from the Hugging Face Hub.",
        rich_help_panel="Input",
    ),
]
Folder = Annotated[
    str, typer.Option("-o", "--output", metavar="DIR", help="Folder to create for the model.", rich_help_panel="Output")
]
VocabSize = Annotated[int | None, typer.Option(parser=whole(4, 2**31 - 1), help="Maximum vocabulary size.")]
MinCount = Annotated[
    int, typer.Option(parser=whole(1, 2**31 - 1), help="Replace words that occur fewer than N times with <unk>.")
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
    int | None, typer.Option(parser=whole(1, 10), help="Order of the n-grams, the length of the longest (ngram).")
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
        float | None, typer.Option(parser=real(0, 1e9), help="Number of passes over the data (neural models).")
    ] = None
    steps: Annotated[int | None, typer.Option(parser=whole(0, 10**12), help="Number of updates (neural models).")] = (
        None
    )
    minutes: Annotated[
        float | None,
        typer.Option(
            parser=real(0, 1e7), help="Minutes from start to exit, including reading and saving (neural models)."
        ),
    ] = None
    learning_rate: Annotated[
        float | None, typer.Option(parser=real(0, 1e3), help="Peak learning rate (neural models).")
    ] = None

    @property
    def given(self) -> dict[str, float | None]:
        return {
            "epochs": self.epochs,
            "steps": self.steps,
            "minutes": self.minutes,
            "learning_rate": self.learning_rate,
        }


@dataclass
class Settings:
    """All other settings, by name."""

    HELP_GROUP = "Training"

    seed: Annotated[
        int | None,
        typer.Option(parser=whole(0, LARGEST_SEED), help="Random seed; the same as --set seed=N.  [default: 0]"),
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

    @cached_property
    def _files(self) -> tuple[tuple[str, dict], ...]:
        """What --config and --set say."""
        from seqcli import config

        return (
            (self.config or "--config", config.read_toml(self.config) if self.config else {}),
            ("--set", config.parse_assignments(self.set_ or [])),
        )

    @cached_property
    def given_seed(self) -> int | None:
        """By --seed, else --set, else --config. A seed is more than a setting of an architecture: it decides what is held
        out, too, and where --runs begin. Raises UsageError for a value that cannot be one."""
        from seqcli import config

        if self.seed is not None:
            return self.seed
        given = [(where, {"seed": values["seed"]}) for where, values in self._files if "seed" in values]
        return config.resolve(config.Seed, *given).seed if given else None

    def sources(self, options: dict) -> tuple[tuple[str, dict], ...]:
        """(where they stand, values), later ones first in rank, without seeds. options: None where one was not given."""
        files = (
            (where, {name: value for name, value in values.items() if name != "seed"}) for where, values in self._files
        )
        return (*files, ("options", {name: value for name, value in options.items() if value is not None}))


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

    @property
    def of_networks(self) -> dict[str, object]:
        """The given options that have no effect on a counted model."""
        return {"tensorboard": self.tensorboard or None, "plot": self.plot or None, "plot_output": self.plot_output}

    def check(self) -> None:
        """Raises SeqcliError where an optional package or the place of a picture is missing, before any work."""
        if self.tensorboard:
            from seqcli.training import recorder

            recorder.check_tensorboard()
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


def refuse_without_effect(archs: list[str], options: dict[str, object]) -> None:
    """Raises UsageError for the first given option that has no effect with any of these architectures."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"--{name.replace('_', '-')} has no effect with --arch {', '.join(archs)}")


def check_archs(archs: list[str]) -> None:
    if len(set(archs)) < len(archs):
        raise UsageError("an architecture is given twice", where="--arch", cure="name each architecture once")


def check_vocab_size(vocab_size: int | None, tokenizer: str | None) -> None:
    """Raises UsageError where --vocab-size is given for a tokenizer that already exists."""
    from seqcli import catalog

    if vocab_size and tokenizer not in (None, *catalog.names("tokenizers")):
        raise UsageError("--vocab-size has no effect with an existing tokenizer", where=tokenizer)


def check_min_count(min_count: int, tokenizer: str | None) -> None:
    """Raises UsageError where --min-count is given for a tokenizer that does not count words or characters."""
    if min_count > 1 and tokenizer not in ("words", "characters"):
        raise UsageError("--min-count needs --tokenizer words or characters")


def check_limit_vocab(limit_vocab: str | None, tokenizer: str | None) -> None:
    """Raises UsageError where --limit-vocab is given for another tokenizer than words, InputError where its file is missing."""
    if limit_vocab is None:
        return
    if tokenizer != "words":
        raise UsageError("--limit-vocab needs --tokenizer words")
    from seqcli.tasks.language.data import check_readable

    check_readable([limit_vocab])


def check_training_precision(machine: Machine) -> None:
    if machine.precision in ("fp16", "int8"):
        raise UsageError(f"--precision {machine.precision} is for inference only", cure="train with bf16 or fp32")


def thresholds(text: str | None) -> list[int] | None:
    """`0,0,1` or `0 0 1`: lmplz's pruning thresholds."""
    if text is None:
        return None
    numbers = list(map(number_of, text.replace(",", " ").split()))
    if all(number == number // 1 for number in numbers):  # nan is not
        return list(map(int, numbers))
    raise UsageError(f"not whole numbers: {text!r}", where="--prune", cure="for example --prune 0,0,1")
