"""The options of every training, from the command line and from Python, and their checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from seqcli import catalog, config, ranges
from seqcli.errors import UsageError
from seqcli.interfaces import Reporter
from seqcli.system import torchrun
from seqcli.tasks.initial_weights import InitialEmbeddings
from seqcli.tasks.tokenizer_choice import TokenizerChoice, check_vocabulary
from seqcli.training.config import Request, requests

PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8", "w8a8", "int4")
_RANGES = {
    "epochs": ranges.EPOCHS,
    "steps": ranges.STEPS,
    "minutes": ranges.MINUTES,
    "learning_rate": ranges.LEARNING_RATE,
    "seed": ranges.SEED,
    "vocab_size": ranges.VOCAB_SIZE,
    "min_count": ranges.MIN_COUNT,
    "threads": ranges.THREADS,
    "batch_tokens": ranges.BATCH_TOKENS,
}


@dataclass(frozen=True)
class TrainingOptions:
    """The options by name; None if not given.

    arch: architectures, which are compared if there are several; config: a TOML file of settings; settings: those of --set;
    tokenizer: its kind, or the folder of one; embeddings: pretrained word vectors for the embeddings of a network, which are not
    trained with freeze_embeddings; distill: models whose probabilities are learned. Raises UsageError for values out of range.
    """

    arch: Sequence[str]
    preset: str | None = None
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    learning_rate: float | None = None
    seed: int | None = None
    config: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    vocab_size: int | None = None
    min_count: int = 1
    limit_vocab: str | None = None
    embeddings: str | None = None
    freeze_embeddings: bool = False
    distill: Sequence[str] = ()
    force: bool = False
    resume: bool = False
    tensorboard: bool = False
    device: str | None = None
    precision: str | None = None
    threads: int | None = None
    batch_tokens: int | None = None

    def __post_init__(self):
        for name, rule in _RANGES.items():
            if (value := getattr(self, name)) is not None:
                ranges.checked(name, value, rule)
        if self.precision is not None:
            ranges.chosen("precision", self.precision, PRECISIONS)
        if self.freeze_embeddings and self.embeddings is None:
            raise UsageError("--freeze-embeddings needs --embeddings")
        if len(set(self.arch)) < len(self.arch):
            raise UsageError("an architecture is given twice", where="--arch", cure="name each architecture once")

    @property
    def budget(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in ("epochs", "steps", "minutes", "learning_rate")}

    @property
    def has_budget(self) -> bool:
        """Whether a budget is given."""
        given = [self.budget, *(values for _, values in self._files)]
        return any(values.get(name) is not None for values in given for name in ("epochs", "steps", "minutes"))

    @cached_property
    def _files(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """The settings of --config and --set."""
        return (
            (self.config or "--config", config.read_toml(self.config) if self.config else {}),
            ("--set", self.settings),
        )

    @cached_property
    def given_seed(self) -> int | None:
        """The seed of --seed, --set or --config, in this order. It is not only a setting of an architecture: it also determines
        the held-out part, and the first seed of --runs. Raises UsageError for an invalid value."""
        if self.seed is not None:
            return self.seed
        given = [(where, {"seed": values["seed"]}) for where, values in self._files if "seed" in values]
        return config.resolve(config.Seed, *given).seed if given else None

    def requests(
        self, task: str, options: Mapping[str, Any], *, shared: Sequence[tuple[str, Mapping[str, Any]]] = ()
    ) -> list[Request]:
        """The request for each architecture. options: as settings, None if not given; shared: settings of the
        model that initialises it, and their source."""
        files = [(where, {name: v for name, v in values.items() if name != "seed"}) for where, values in self._files]
        given = ("options", ranges.given(options))
        made = requests(
            task,
            self.arch,
            self.preset,
            [*shared, *files, given],
            device=self.device or "auto",
            precision=self.precision or "auto",
            threads=self.threads,
            tensorboard=self.tensorboard,
        )
        if self.embeddings is not None:
            initial = InitialEmbeddings(self.embeddings, self.freeze_embeddings)
            made = [initial.request(each) for each in made]
        if self.distill:
            from seqcli.tasks.teachers import Teachers  # imports two tasks

            teachers = Teachers(tuple(self.distill))
            made = [teachers.request(each) for each in made]
        return made

    def trains(self, task: str) -> bool:
        """Whether one of the architectures is neural."""
        return not all(catalog.is_counted(task, name) for name in self.arch)

    def counts(self, task: str) -> bool:
        """Whether one of the architectures is counted."""
        return any(catalog.is_counted(task, name) for name in self.arch)

    def choice(self, default: str) -> TokenizerChoice:
        """The tokenizer; `default` if none is given."""
        name = self.tokenizer or default
        return TokenizerChoice(name, vocab_size=self.vocab_size, min_count=self.min_count, limit=self.limit_vocab)

    def check(self, task: str, *, without_effect: Mapping[str, Any], tokenizer: str) -> None:
        """Raises UsageError for options that cannot be combined. without_effect: options that have no effect with these architectures,
        None if not given; tokenizer: the default kind."""
        refuse_without_effect(self.arch, without_effect)
        if self.resume and (self.force or not (self.trains(task) or task == "embeddings")):
            raise UsageError(
                f"--resume cannot be combined with {'--force' if self.force else '--arch ' + self.arch[0]}"
            )
        check_vocabulary(
            self.tokenizer or tokenizer, size=self.vocab_size, min_count=self.min_count, limit=self.limit_vocab
        )

    def check_machine(self) -> None:
        """Raises UsageError if the networks cannot be trained with these options."""
        if self.tensorboard:
            from seqcli.training import recorder

            recorder.check_tensorboard()
        if self.precision in ("fp16", "int8", "w8a8", "int4"):
            raise UsageError(f"--precision {self.precision} is for inference only", cure="train with bf16 or fp32")

    def check_processes(self, models: int, *, cure: str = "give one --arch, or do not use torchrun") -> None:
        """models: number of models; several processes can train only one."""
        if torchrun.world() > 1 and models > 1:
            raise UsageError("torchrun trains a single neural model", cure=cure)

    def without(self, reporter: Reporter, *names: str, reason: str) -> None:
        """Prints a note for each of these options that was given although it has no effect, with the reason."""
        for name in names:
            if getattr(self, name) is not None:
                reporter.note(f"--{name.replace('_', '-')} has no effect: {reason}")


def refuse_without_effect(archs: Sequence[str], options: Mapping[str, Any]) -> None:
    """Raises UsageError for the first given option that has no effect with any of these architectures."""
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"--{name.replace('_', '-')} has no effect with --arch {', '.join(archs)}")
