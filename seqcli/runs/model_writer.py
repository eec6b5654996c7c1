"""Writes model folders so that they are valid at any time; `model_folder` describes their contents.

A state is written into a hidden folder, synced and renamed; then the manifest is replaced, which is the commit; then
everything that is no longer current is removed. Until the commit, a model to be replaced is intact, with its checkpoints.
The new checkpoint of a network is written before its new model, so that there is always something to use or to resume from.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from seqcli import __version__, tokenizers
from seqcli.errors import BusyError, ModelError, OutputError, UsageError
from seqcli.files import atomic, regular, tensor_file
from seqcli.files.atomic import no_link, replacing, write_json
from seqcli.interfaces import Tokenizer
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import (
    BOARDS,
    CARD,
    CONFIG,
    FORMAT,
    LOCK,
    MANIFEST,
    METRICS,
    SIDES,
    STATE,
    TOKENIZER,
    WEIGHTS,
    is_model,
)
from seqcli.system import signals, torchrun
from seqcli.text import utf8


@dataclass
class ModelWriter:
    """A model folder that only this process writes, while it holds `lock`. `folder` is for temporary files.

    begun: existing checkpoints belong to this training: it was resumed from them, or saved them.
    """

    path: Path
    folder: Path
    run_id: str
    lock: TextIO | None = None
    begun: bool = False

    def save(
        self,
        *,
        task: str,
        arch: str,
        config: Mapping[str, Any],
        tensors: Mapping[str, tensor_file.Tensor],
        tokenizer: Tokenizer | tuple[Tokenizer, Tokenizer] | None,
        card: str,
    ) -> None:
        """Writes a state and makes it current. tokenizer: None for a model that reads text; two for source and target.

        Checkpoints of another training, whose model is replaced, are removed.
        """
        self._check_place()
        new = self.folder / "state"
        parts = dict(zip(SIDES, tokenizer)) if isinstance(tokenizer, tuple) else {TOKENIZER: tokenizer}
        for name in parts:
            (new / name).mkdir(parents=True)
        checksums = tensor_file.write(new / WEIGHTS, tensors)
        for name, each in parts.items():
            if each is not None:
                tokenizers.save(each, new / name)
        write_json(new / CONFIG, config)
        files = {}
        for file in sorted(f for f in new.rglob("*") if f.is_file()):
            name = file.relative_to(new).as_posix()
            sums = checksums._asdict() if name == WEIGHTS else {"sha256": tensor_file.sha256_of(file)}
            files[name] = {"size": file.stat().st_size, **sums}
            if name != WEIGHTS:
                tensor_file.sync(file)
        for folder in (*(new / name for name in parts), new):
            tensor_file.sync(folder)
        state = self.path / f"state-{_last_state(self.path) + 1:08d}"
        os.rename(new, state)
        tensor_file.sync(self.path)
        manifest = {
            "format": FORMAT,
            "run": self.run_id,
            "seqcli": __version__,
            "task": task,
            "arch": arch,
            "current": state.name,
            "files": files,
        }
        replace_file(self.path / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        replace_file(self.path / CARD, utf8(card))
        if not self.begun:
            checkpoint.remove(self.path, self.folder)

    def checkpoint(self, *, step: int, tensors: Mapping[str, np.ndarray], progress: Mapping[str, Any]) -> None:
        """Writes a checkpoint. The first one of a training that was not resumed replaces those of the previous training."""
        self._check_place()
        checkpoint.save(self.path, self.folder, step=step, tensors=tensors, progress=progress, anew=not self.begun)
        self.begun = True

    def log(self, event: Mapping[str, Any]) -> None:
        """Appends a line to metrics.jsonl."""
        self._check_place()
        with open(self.path / METRICS, "ab", opener=no_link) as file:
            file.write(utf8(json.dumps({"time": round(time.time(), 3), **event}, ensure_ascii=False) + "\n"))

    def _check_place(self) -> None:
        if self.lock and not atomic.lock_is_held(self.lock):
            raise _vanished(self.path)

    @property
    def boards(self) -> Path:
        """The folder of TensorBoard's files for this run."""
        return self.path / BOARDS / self.run_id


@contextmanager
def writing_model(path: Path | str, *, force: bool = False, resume: bool = False) -> Iterator[ModelWriter]:
    """Creates and locks the model folder `path`; afterwards nothing incomplete remains.

    force: an existing model may be replaced; resume: its training is continued. Raises UsageError if the folder contains a
    model and neither is given, or anything that seqcli did not write; BusyError if another process is writing it.
    """
    path = Path(path)
    if torchrun.rank():  # rank 0 holds the lock and writes
        with tempfile.TemporaryDirectory(prefix="seqcli-") as own:
            yield ModelWriter(path, Path(own), "")
        return
    existed, folder = path.exists(), None
    _refuse_what_may_not_be_written(path, force=force, resume=resume)

    def leave() -> None:
        with signals.held():
            if atomic.lock_is_held(lock):  # otherwise it was removed or replaced
                tidy(path, existed=existed)
            elif folder and (moved := atomic.lock_path(lock)):
                shutil.rmtree(moved.parent / folder.name, ignore_errors=True)

    with ExitStack() as stack:
        with signals.held():  # a folder created for this is removed even if a signal arrives right away
            lock = stack.enter_context(_locked(path))
            _refuse_what_may_not_be_written(path, force=force, resume=resume)  # another process may have been faster
            stack.callback(leave)
        try:
            atomic.sign_lock(lock)
            _sweep(path)
            folder = Path(tempfile.mkdtemp(prefix=".new-", dir=path))
            yield ModelWriter(path, folder, uuid.uuid4().hex[:12], lock, begun=resume)
        except (OSError, ModelError):
            if not atomic.lock_is_held(lock):
                raise _vanished(path) from None
            raise


@contextmanager
def _locked(path: Path) -> Iterator[TextIO]:
    """Creates the folder if necessary, and locks it. Raises BusyError if another process holds the lock."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = open(path / LOCK, "a+", opener=no_link)  # noqa: SIM115 - held until the end
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None
    with lock:
        atomic.take_lock(lock, path)
        yield lock


def sweep(path: Path) -> None:
    """Removes what an interrupted writer has left in the folder of a finished model, unless another process is writing it."""
    with suppress(BusyError, OutputError), _locked(path) as lock:
        if atomic.lock_is_held(lock):
            tidy(path, existed=True)


def _vanished(path: Path) -> OutputError:
    what = "the model folder was moved or removed while it was being written"
    return OutputError(what, where=str(path), cure="train again without moving the folder")


def tidy(path: Path, *, existed: bool = False) -> None:
    """Removes incomplete files of a writer that has ended, and the folder if it contains nothing else.

    existed: whether the folder existed before the writer created it; it is then kept.
    """
    _sweep(path)
    if (path / MANIFEST).exists() or checkpoint.are_here(path):
        return
    for name in (METRICS, LOCK):
        (path / name).unlink(missing_ok=True)
    if (path / BOARDS).is_dir() and not (path / BOARDS).is_symlink():
        shutil.rmtree(path / BOARDS)
    if not existed:
        with suppress(OSError):  # not empty: contains files of others
            path.rmdir()


def clean_up_after(process: int, paths: Iterable[Path]) -> None:
    """Removes what a process that died has left incomplete at these paths: files that it was writing, folders that it had
    locked."""
    for path in paths:
        for left in path.parent.glob(f".new-{path.name}.{process}"):
            left.unlink()
        for lock in (path / LOCK, *path.glob(f"*/{LOCK}")):
            if lock.is_file() and f"process {process}," in lock.read_text(errors="replace"):
                tidy(lock.parent)


def _refuse_what_may_not_be_written(path: Path, *, force: bool, resume: bool) -> None:
    if not path.exists():
        if resume:
            raise UsageError("nothing to resume", where=str(path), cure="train without --resume")
        return
    if not path.is_dir():
        raise UsageError("is a file, not a folder", where=str(path), cure="use another -o")
    begun = checkpoint.are_here(path)
    if resume and not begun:
        if is_model(path):  # of embeddings, or counted: nothing is kept that a training could go on from
            what, cure = "nothing to resume: its training has finished", "use --force to train again"
        else:
            what, cure = "nothing to resume", "train without --resume"
        raise UsageError(what, where=str(path), cure=cure)
    if _is_interrupted(path):
        return
    if not is_model(path) and not (begun and _holds_only_ours(path)):
        raise UsageError("folder is not empty and contains no seqcli model", where=str(path), cure="use another -o")
    if not (force or resume):
        cure = f"{'use --resume to continue it, ' if begun else 'use '}--force to replace it, or another -o"
        raise UsageError("already contains a model", where=str(path), cure=cure)


def _holds_only_ours(path: Path) -> bool:
    """Whether this is the first training of a network, stopped before its first evaluation was saved."""
    ours = {LOCK, METRICS, BOARDS, checkpoint.FOLDER}
    return all(name in ours or name.startswith(".new-") or STATE.fullmatch(name) for name in os.listdir(path))


def _is_interrupted(path: Path) -> bool:
    """Whether a folder is empty, or contains only what an interrupted first training leaves behind."""
    names = os.listdir(path)
    begun = any(name.startswith(".new-") for name in names)
    ours = [LOCK, METRICS, BOARDS] if LOCK in names else []
    if begun and not any((path / checkpoint.FOLDER).glob("*")):
        ours.append(checkpoint.FOLDER)
    return all(name in ours or name.startswith(".new-") or (begun and STATE.fullmatch(name)) for name in names)


def _sweep(path: Path) -> None:
    """Removes temporary files and states that are not current, of this training or an interrupted one."""
    current = regular.read_json(path / MANIFEST).get("current") if (path / MANIFEST).exists() else None
    with suppress(OSError):  # does not exist, or is not empty
        (path / checkpoint.FOLDER).rmdir()
    for entry in sorted(path.iterdir(), reverse=True):  # states before .new-*, whose names identify their writer
        if entry.name.startswith(".new-") or (STATE.fullmatch(entry.name) and entry.name != current):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()


def replace_file(path: Path, data: bytes) -> None:
    """Writes `path` atomically and syncs it; a link is replaced rather than followed out of the folder."""
    with replacing(path, follow=False) as file:
        file.write(data)
    tensor_file.sync(path.parent)


def _last_state(path: Path) -> int:
    return max((int(p.name[6:]) for p in path.iterdir() if STATE.fullmatch(p.name)), default=0)
