"""Options that several kinds of training share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import typer

from seqcli.commands.options import FORMAT, Machine, real, whole
from seqcli.errors import UsageError
from seqcli.ranges import LARGEST_SEED
from seqcli.text import number_of

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        help="Files: .txt (a sentence per line), .tsv, .csv, .json, .jsonl, .parquet; .gz, .bz2, .xz, .zst too; hf:NAME[:CONFIG][@SPLIT].",
    ),
]
Folder = Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="New folder for the model.")]
VocabSize = Annotated[int | None, typer.Option(parser=whole(4, 2**31 - 1), help="Largest vocabulary.")]
MinCount = Annotated[int, typer.Option(parser=whole(1, 2**31 - 1), help="Words seen less often are <unk>.")]
LimitVocab = Annotated[str | None, typer.Option(metavar="FILE", help="File of the words to know; others are <unk>.")]
Debug = Annotated[bool, typer.Option("--debug", hidden=True)]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Sizes and settings: tiny, small ...  [default: chosen for the text and the budget]"
    ),
]
Order = Annotated[int | None, typer.Option(parser=whole(1, 10), help="ngram: the longest.")]
Valid = Annotated[list[str] | None, typer.Option(metavar="FILE", help="Held-out file to judge the model on.")]


@dataclass
class Reading:
    """How the files of text are read."""

    text_column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of a table: a name (translation.en inside an object), or #N."),
    ] = None
    format: FORMAT = None
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the files, such as cp949.  [default: utf-8]")
    ] = None
    strict: Annotated[bool, typer.Option("--strict", help="Fail on malformed UTF-8 instead of replacing it.")] = False


@dataclass
class Budget:
    """How long a network is trained, and how fast it learns."""

    epochs: Annotated[float | None, typer.Option(parser=real(0, 1e9), help="Networks: passes over the text.")] = None
    steps: Annotated[int | None, typer.Option(parser=whole(0, 10**12), help="Networks: updates.")] = None
    minutes: Annotated[
        float | None,
        typer.Option(parser=real(0, 1e7), help="Networks: minutes from start to exit, reading and saving included."),
    ] = None
    learning_rate: Annotated[float | None, typer.Option(parser=real(0, 1e3), help="Networks: the largest.")] = None

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
    """Everything else that can be set, by name."""

    seed: Annotated[
        int | None,
        typer.Option(
            parser=whole(0, LARGEST_SEED), help="Seed of everything random; --set seed=N is the same.  [default: 0]"
        ),
    ] = None
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="TOML file of settings; --set and options override it.")
    ] = None
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting, its value as in TOML; may be given again for others. Options override it.",
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
    """What becomes of a folder that is there, and how much is said."""

    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there.")] = False
    resume: Annotated[bool, typer.Option("--resume", help="Networks: go on from the newest checkpoint.")] = False
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Networks: events for TensorBoard in DIR, too.")
    ] = False
    plot: Annotated[bool, typer.Option("--plot", help="Networks: draw loss over steps when done.")] = False
    plot_output: Annotated[str | None, typer.Option(metavar="FILE.png", help="Networks: the same as a picture.")] = None
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No notes, no progress.")] = False

    @property
    def of_networks(self) -> dict[str, object]:
        """What was asked that says nothing to a counted model."""
        return {"tensorboard": self.tensorboard or None, "plot": self.plot or None, "plot_output": self.plot_output}

    def check(self) -> None:
        """Before any work: what it asks for can be had."""
        if self.tensorboard:
            from seqcli.training import recorder

            recorder.check_tensorboard()
        if self.plot_output:
            from seqcli.report import curves

            curves.check(self.plot_output)

    def draw(self, folders: dict[str, str]) -> None:
        """The course of these trainings, on standard error and as a picture."""
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


def refuse_unheard(archs: list[str], options: dict[str, object]) -> None:
    """Raises UsageError for the first option that was given and says nothing to any of these architectures."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"--{name.replace('_', '-')} says nothing to --arch {', '.join(archs)}")


def check_archs(archs: list[str]) -> None:
    if len(set(archs)) < len(archs):
        raise UsageError("an architecture is given twice", where="--arch")


def check_vocab_size(vocab_size: int | None, tokenizer: str | None) -> None:
    """A vocabulary can be small or large only where it is learnt."""
    from seqcli import catalog

    if vocab_size and tokenizer not in (None, *catalog.names("tokenizers")):
        raise UsageError("--vocab-size says nothing to a tokenizer that exists", where=tokenizer)


def check_min_count(min_count: int, tokenizer: str | None) -> None:
    """Of pieces that are no words or characters, none are counted."""
    if min_count > 1 and tokenizer not in ("words", "characters"):
        raise UsageError("--min-count is for --tokenizer words or characters")


def check_limit_vocab(limit_vocab: str | None, tokenizer: str | None) -> None:
    """Of other pieces than words none are listed; and the list is there."""
    if limit_vocab is None:
        return
    if tokenizer != "words":
        raise UsageError("--limit-vocab is for --tokenizer words")
    from seqcli.tasks.language.data import check_readable

    check_readable([limit_vocab])


def check_training_precision(machine: Machine) -> None:
    if machine.precision in ("fp16", "int8"):
        raise UsageError(
            f"--precision {machine.precision} trains nothing", cure=f"use bf16, or {machine.precision} to ask with"
        )


def thresholds(text: str | None) -> list[int] | None:
    """`0,0,1` or `0 0 1`: lmplz's pruning thresholds."""
    if text is None:
        return None
    numbers = list(map(number_of, text.replace(",", " ").split()))
    if all(number == number // 1 for number in numbers):  # nan is not
        return list(map(int, numbers))
    raise UsageError(f"not whole numbers: {text!r}", where="--prune", cure="for example --prune 0,0,1")
