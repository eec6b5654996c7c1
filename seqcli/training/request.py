"""What a user asks of a training, and the settings that come of it. torch is imported when settings are resolved."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from seqcli import catalog, config
from seqcli.data.deadline import Deadline
from seqcli.errors import UsageError, nearest
from seqcli.system import clock

EPOCHS = 10  # where no budget is given
DEFAULT = "small"  # the preset, until more is known than the architecture (`defaults`)


@dataclass(frozen=True)
class Request:
    """arch, preset: of `presets/TASK`; settings: (where they stand, values), later ones first.

    resumable: checkpoints are saved, so that a signal can end the training after a step and it can be resumed.
    """

    task: str
    arch: str
    preset: str | None
    settings: tuple[tuple[str, Mapping[str, Any]], ...]
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    tensorboard: bool = False
    resumable: bool = True


def kinds_of(task: str, arch: str) -> list[type]:
    """The dataclasses that hold an architecture's settings: its own, and its training's if it is not counted."""
    kinds = [catalog.load("models", catalog.presets(task, arch)[0]).Config]
    if not catalog.is_counted(task, arch):
        from seqcli.training.plan import Plan

        kinds.append(Plan)
    return kinds


def settings_of(request: Request) -> tuple[ModuleType, Any, Any]:
    """(module, its Config, the training's Plan, None where it is counted). Raises UsageError for what cannot be meant."""
    module, presets = catalog.presets(request.task, request.arch)
    preset = request.preset or (DEFAULT if DEFAULT in presets else next(iter(presets)))
    if preset not in presets:
        raise UsageError(f"unknown preset {preset!r}", where="--preset", cure=f"one of {', '.join(presets)}")
    sources = [(f"preset {preset}", presets[preset]), *request.settings]
    kinds = kinds_of(request.task, request.arch)
    if len(kinds) > 1 and not any(budget in values for _, values in sources for budget in ("epochs", "steps", "minutes")):
        sources.append(("default", {"epochs": EPOCHS}))
    names = [{field.name for field in dataclasses.fields(kind)} for kind in kinds]
    for where, values in sources:
        for key in values:
            if key not in (known := set().union(*names)):
                raise UsageError(f"unknown setting {key!r}", where=where, cure=nearest(key, known))
    made = [
        config.resolve(kind, *((where, {k: v for k, v in values.items() if k in own}) for where, values in sources))
        for kind, own in zip(kinds, names)
    ]
    return catalog.load("models", module), *made, *[None] * (2 - len(made))


def reading(asked: Sequence[Request], resumed: Iterable[Path], *, passes: int) -> Deadline:
    """When the command has to stop reading text for these; see `budget.reading`. resumed: the folders, if they are gone on with."""
    plans = [plan for plan in (settings_of(request)[2] for request in asked) if plan]
    if not plans:
        return Deadline()
    from seqcli.training import budget

    folder = next((path for path in resumed if path.is_dir()), None)
    return budget.reading(plans[0].minutes, begun=clock.began(), passes=passes, resumed=folder)


def requests(
    task: str, archs: Sequence[str], preset: str | None, settings: Sequence[tuple[str, Mapping[str, Any]]], **machine: Any
) -> list[Request]:
    """What each of several architectures is asked: the preset and of the settings those that it knows.

    Raises UsageError for what none of them knows, and for values that cannot be meant.
    """
    presets = {arch: catalog.presets(task, arch)[1] for arch in archs}
    if preset and not any(preset in of_arch for of_arch in presets.values()):
        known = dict.fromkeys(name for of_arch in presets.values() for name in of_arch)
        raise UsageError(f"unknown preset {preset!r}", where="--preset", cure=f"one of {', '.join(known)}")
    known = {arch: {f.name for kind in kinds_of(task, arch) for f in dataclasses.fields(kind)} for arch in archs}
    for where, values in settings:
        for key in values:
            if not any(key in names for names in known.values()):
                raise UsageError(f"unknown setting {key!r}", where=where, cure=nearest(key, set().union(*known.values())))
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
