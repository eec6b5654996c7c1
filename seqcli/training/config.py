"""A training request (`Request`), its settings (`Plan`), and the progress of a training (`Progress`).

Nothing here imports torch, except to read the settings of an architecture.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from seqcli import catalog, config
from seqcli.errors import UsageError, nearest
from seqcli.system import clock
from seqcli.system.clock import Deadline

if TYPE_CHECKING:
    from seqcli.data.batches import Batches
from seqcli.ranges import LARGEST_SEED, check, fraction, one_of, setting, within

EPOCHS = 10  # where no budget is given
OPTIMIZERS = {"adamw": 2, "muon": 2, "sgd": 0}  # and the number of values that each stores per weight
SCHEDULES = ("cosine", "linear", "constant", "inverse-sqrt", "wsd", "plateau")  # of the learning rate
DEFAULT = "small"  # the preset before the data is known (see `defaults`)


@dataclass(frozen=True)
class Request:
    """arch, preset: of `presets/TASK`; settings: (source, values), later ones first. resumable: whether checkpoints
    are saved, so that a signal ends the training after the current step and it can be resumed."""

    task: str
    arch: str
    preset: str | None
    settings: tuple[tuple[str, Mapping[str, Any]], ...]
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    tensorboard: bool = False
    resumable: bool = True
    embeddings: Any = None  # `tasks.initial_weights.InitialEmbeddings` of the network
    teachers: Any = None  # `tasks.teachers.Teachers` of the network


def kinds_of(task: str, arch: str) -> list[type]:
    """The dataclasses of an architecture's settings: its own, and `Plan` unless it is counted."""
    return _architecture(task, arch)[2]


def _architecture(task: str, arch: str) -> tuple[ModuleType, dict[str, dict[str, Any]], list[type]]:
    """The module of an architecture, its presets, and the dataclasses of its settings."""
    name, presets = catalog.presets(task, arch)
    module = catalog.load("models", name)
    return module, presets, [module.Config] if catalog.is_counted(task, arch) else [module.Config, Plan]


def settings_of(request: Request) -> tuple[ModuleType, Any, Any]:
    """(module, its Config, the Plan or None if it is counted). Raises UsageError for invalid settings."""
    module, presets, kinds = _architecture(request.task, request.arch)
    preset = request.preset or (DEFAULT if DEFAULT in presets else next(iter(presets)))
    if preset not in presets:
        raise UsageError(f"unknown preset {preset!r}", where="--preset", cure=f"one of {', '.join(presets)}")
    sources = [(f"preset {preset}", presets[preset]), *request.settings]
    if len(kinds) > 1 and not any(
        budget in values for _, values in sources for budget in ("epochs", "steps", "minutes")
    ):
        sources.append(("default", {"epochs": EPOCHS}))
    names = [{field.name for field in dataclasses.fields(kind)} for kind in kinds]
    for where, values in sources:
        for key in values:
            if key not in (known := set().union(*names)):
                raise UsageError(f"unknown setting {key!r}", where=where, cure=nearest(key, known))
    made: list[Any] = [
        config.resolve(kind, *((where, {k: v for k, v in values.items() if k in own}) for where, values in sources))
        for kind, own in zip(kinds, names)
    ]
    return module, *made, *[None] * (2 - len(made))


def reading(requests: Sequence[Request], resumed: Iterable[Path], *, passes: int) -> Deadline:
    """When the command has to stop reading text for these requests; see `budget.reading`. resumed: folders to
    continue from."""
    plans = [plan for plan in (settings_of(request)[2] for request in requests) if plan]
    if not plans:
        return Deadline()
    from seqcli.training import budget

    folder = next((path for path in resumed if path.is_dir()), None)
    return budget.reading(plans[0].minutes, begun=clock.began(), passes=passes, resumed=folder)


def requests(
    task: str,
    archs: Sequence[str],
    preset: str | None,
    settings: Sequence[tuple[str, Mapping[str, Any]]],
    **machine: Any,
) -> list[Request]:
    """The requests for several architectures, each with the preset and the settings that it has. Raises UsageError
    for a preset or setting that none of them has, and for invalid values."""
    known: dict[str, set[str]] = {}
    presets: dict[str, dict[str, dict[str, Any]]] = {}
    for arch in archs:
        _, presets[arch], kinds = _architecture(task, arch)
        known[arch] = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    if preset and not any(preset in of_arch for of_arch in presets.values()):
        named = dict.fromkeys(name for of_arch in presets.values() for name in of_arch)
        raise UsageError(f"unknown preset {preset!r}", where="--preset", cure=f"one of {', '.join(named)}")
    for where, values in settings:
        for key in values:
            if not any(key in names for names in known.values()):
                raise UsageError(
                    f"unknown setting {key!r}", where=where, cure=nearest(key, set().union(*known.values()))
                )
    made = [
        Request(
            task,
            arch,
            preset if preset in presets[arch] else None,
            tuple((where, {k: v for k, v in values.items() if k in known[arch]}) for where, values in settings),
            **machine,
        )
        for arch in archs
    ]
    for request in made:
        settings_of(request)
    return made


_MOST = 10**12  # maximum of steps, epochs and minutes


@dataclass(frozen=True)
class Plan:
    """How to train: optimizer, budget, evaluations, checkpoints."""

    optimizer: str = one_of(
        tuple(OPTIMIZERS),
        default="adamw",
        help="AdamW, Muon (orthogonalized updates of matrices, AdamW for the rest) or plain SGD",
    )
    learning_rate: float = within(0, 1e6, default=1e-3, open_low=True, help="peak learning rate")
    batch_tokens: int = within(
        0, 1 << 30, default=0, help="tokens per batch (0: 1 % of the text, between 256 and 4,096)"
    )
    accumulate: int = within(1, 1 << 20, default=1, help="batches per step")
    bptt: int = within(
        1, 1 << 20, default=128, help="length of back-propagation through time on running text, in tokens"
    )
    epochs: float = within(0, _MOST, default=0.0, help="passes over the text (0: no limit)")
    steps: int = within(0, _MOST, default=0, help="updates (0: no limit)")
    minutes: float = within(
        0,
        _MOST,
        default=0.0,
        help="minutes from start to exit, including reading and saving (0: no limit); training ends at the first limit reached",
    )
    warmup: int = within(0, _MOST, default=100, help="steps of linear warm-up, at most a tenth of the budget")
    schedule: str = one_of(SCHEDULES, default="cosine", help="learning rate schedule after the warm-up")
    floor: float = fraction(
        0.05, help="final learning rate of cosine, linear and wsd as a share of the peak; minimum factor of plateau"
    )
    cooldown: float = fraction(0.2, help="share of the budget in which wsd decays")
    decay: float = fraction(0.5, help="factor applied to the learning rate when an evaluation is not better (plateau)")
    weight_decay: float = within(0, 1e6, default=0.1, help="decoupled weight decay of the weight matrices")
    beta1: float = fraction(0.9, help="decay of the first moment")
    beta2: float = fraction(0.99, help="decay of the second moment")
    clip: float = within(0, 1e9, default=1.0, open_low=True, help="maximum norm of the gradient")
    label_smoothing: float = fraction(0.0, help="share of the target probability spread over all classes")
    distill_share: float = within(
        0,
        1,
        default=0.5,
        help="share of the target that is the probability given by the models of --distill (not for translators)",
    )
    piece_dropout: float = fraction(
        0.0,
        help="share of pieces that are split into smaller ones, drawn anew in each epoch (classifiers, translators)",
    )
    ema: float = fraction(
        0.0,
        help="decay of an exponential moving average of the weights, which is evaluated and saved instead of them (0: none)",
    )
    average: float = fraction(
        0.0, help="share of the budget, at its end, over which the weights are averaged uniformly (0: none)"
    )
    evaluations: int = within(
        0, _MOST, default=4, help="number of evaluations over the whole budget, the last at its end"
    )
    evaluate_every: int = within(0, _MOST, default=0, help="steps between evaluations; overrides evaluations")
    patience: int = within(0, _MOST, default=0, help="stop after this many evaluations without improvement (0: never)")
    save_minutes: float = within(
        0, _MOST, default=10.0, open_low=True, help="minutes between checkpoints; one is also saved at each evaluation"
    )
    shard: bool = setting(
        False, help="split weights, gradients and optimizer state over the processes (FSDP2; transformer)"
    )
    seed: int = within(0, LARGEST_SEED, default=0, help="random seed")

    def __post_init__(self):
        check(self)
        if self.ema and self.average:
            raise ValueError("ema and average cannot be combined")
        if self.shard and self.optimizer == "muon":
            raise ValueError("optimizer muon cannot be combined with shard")
        if not (self.epochs or self.steps or self.minutes):
            raise ValueError("one of epochs, steps and minutes must be given")


@dataclass
class Progress:
    """The progress of a run: saved with each checkpoint. Together with the arrays of `training/state` it is all that
    is needed to resume."""

    step: int = 0
    epoch: int = 0
    index: int = 0  # of the next batch of the epoch
    tokens: int = 0
    seconds: float = 0.0
    factor: float = 1.0  # of the learning rate, by the schedule plateau
    judged: int = -1  # the step after which it was evaluated last
    due: bool = False  # a signal interrupted the evaluation after this step
    best: float = math.inf
    best_step: int = 0
    since_best: int = 0

    @classmethod
    def read(cls, saved: Mapping[str, Any]) -> Progress:
        """Reads the result of `asdict`. Raises KeyError, TypeError or ValueError if it is damaged."""
        progress = cls(**saved)
        for field in dataclasses.fields(cls):
            value, same_type = saved[field.name], type(saved[field.name]) is type(field.default)
            least = -math.inf if field.name == "best" else -1  # a score such as -chrF may be any number but NaN
            if not same_type or not value >= least:
                raise ValueError(f"{field.name} is {value!r}")
        return progress

    def advance(self, batches: Batches) -> None:
        """Moves on to the next batch."""
        self.index += 1
        if self.index >= batches.length(self.epoch):
            self.epoch, self.index = self.epoch + 1, 0

    def spent(self, plan: Plan, batches: Batches, left: float = math.inf) -> float:
        """The spent share of the budget. left: seconds left of a budget in minutes."""
        shares = [0.0]
        if plan.steps:
            shares.append(self.step / plan.steps)
        if plan.epochs:
            shares.append((self.epoch + self.index / max(batches.length(self.epoch), 1)) / plan.epochs)
        if plan.minutes:
            shares.append(self.seconds / (self.seconds + left) if left > 0 else 1.0)
        return max(shares)

    def judge(self, value: float, plan: Plan, *, better: bool | None = None) -> bool:
        """Records an evaluation (lower is better) and returns whether it is the best so far. better: the answer,
        where the best so far was evaluated on another part of the held-out text."""
        better = value < self.best if better is None else better
        self.judged, self.due, self.since_best = self.step, False, 0 if better else self.since_best + 1
        if better:
            self.best, self.best_step = value, self.step
        elif plan.schedule == "plateau":
            self.factor = max(plan.floor, self.factor * plan.decay)
        return better
