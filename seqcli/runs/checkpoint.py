"""Checkpoints, from which training resumes: `DIR/checkpoints/step-00001300/`, written atomically.

    state.safetensors   weights, optimizer, random states, carried state
    progress.json       step, epoch, position in it, best score; settings and data, to check that they have not changed
    manifest.json       the step and checksums, written last

A checkpoint is written into a hidden folder, synced and renamed; the two newest are kept. Reading takes the newest that is
valid, with a note if a newer one is damaged; that is removed when the next one is saved. The first checkpoint of a new
training replaces all those of the previous training at once.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import finite
from seqcli.errors import ModelError
from seqcli.files import regular, tensor_file
from seqcli.files.atomic import exchange, write_json
from seqcli.interfaces import Reporter

FOLDER, STATE, PROGRESS, MANIFEST = "checkpoints", "state.safetensors", "progress.json", "manifest.json"
CURE = "train anew with --force"
_NAME = re.compile(r"step-\d{8,}")
_KEPT = 2


def save(
    run: Path,
    temporary: Path,
    *,
    step: int,
    tensors: Mapping[str, np.ndarray],
    progress: Mapping[str, Any],
    anew: bool = False,
) -> None:
    """Writes a checkpoint of the model folder `run`; `temporary` is a hidden folder in it.

    anew: existing checkpoints belong to another training and are replaced.
    """
    new = temporary / "checkpoint"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    sums = {
        STATE: tensor_file.write(
            new / STATE, {name: tensor_file.tensor(array) for name, array in tensors.items()}
        ).sha256
    }
    write_json(new / PROGRESS, progress)
    sums[PROGRESS] = tensor_file.sha256_of(new / PROGRESS)
    write_json(new / MANIFEST, {"step": step, "sha256": sums})
    tensor_file.sync(new)
    place = run / FOLDER
    if anew and place.exists():
        _replace_all(place, new, temporary, step=step)
        return
    place.mkdir(exist_ok=True)
    target = place / f"step-{step:08d}"
    if target.exists():  # damaged, otherwise training would have resumed from it
        os.rename(target, temporary / "damaged")
    os.rename(new, target)
    tensor_file.sync(place)
    found = _all(run)
    kept = [old for old in found if _step(old) <= step][-_KEPT:]
    for old in found:
        if old not in kept:
            os.rename(old, temporary / "old")  # renamed first, so that an incomplete one is never among them
            shutil.rmtree(temporary / "old", ignore_errors=True)
    shutil.rmtree(temporary / "damaged", ignore_errors=True)


def _replace_all(place: Path, new: Path, temporary: Path, *, step: int) -> None:
    others = temporary / FOLDER
    others.mkdir()
    os.rename(new, others / f"step-{step:08d}")
    tensor_file.sync(others)
    exchange(others, place)
    tensor_file.sync(place.parent)
    shutil.rmtree(others, ignore_errors=True)


def remove(run: Path, temporary: Path) -> None:
    """Removes all checkpoints from the model folder `run`."""
    if are_here(run):
        os.rename(run / FOLDER, temporary / FOLDER)  # all at once: a part of them would be useless
        shutil.rmtree(temporary / FOLDER, ignore_errors=True)


def are_here(run: Path) -> bool:
    """Whether the folder contains checkpoints of seqcli and nothing else: other tools use the same folder name."""
    place = run / FOLDER
    if place.is_symlink() or not place.is_dir():
        return False
    found = list(place.iterdir())
    return bool(found) and all(
        _NAME.fullmatch(p.name) and (p / PROGRESS).is_file() and (p / MANIFEST).is_file() for p in found
    )


def newest(run: Path, *, reporter: Reporter) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Tensors and progress of the newest valid checkpoint. Raises ModelError if there is none."""
    found = _all(run)
    for place in reversed(found):
        try:
            return _read(place)
        except ModelError as error:
            reporter.note(f"checkpoint {place.name} is damaged ({error.what}); trying the previous one")
    what = "all checkpoints are damaged" if found else "no checkpoint to resume from"
    raise ModelError(what, where=str(run), cure=CURE)


def _all(run: Path) -> list[Path]:
    """The checkpoints by step, oldest first."""
    places = [p for p in (run / FOLDER).glob("step-*") if _NAME.fullmatch(p.name)]
    return sorted(places, key=_step)


def _step(place: Path) -> int:
    return int(place.name.removeprefix("step-"))


def _read(place: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    try:
        manifest = regular.read_json(place / MANIFEST)
        if manifest["step"] != _step(place):
            raise ModelError("belongs to another step", where=str(place))
        for name in (STATE, PROGRESS):
            if tensor_file.sha256_of(place / name) != manifest["sha256"][name]:
                raise ModelError("checksum differs", where=str(place / name))
        tensors = tensor_file.read(place / STATE)
        finite.check_weights(tensors)
        return tensors, regular.read_json(place / PROGRESS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(str(error), where=str(place)) from None
