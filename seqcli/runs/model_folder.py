"""A model folder: what lies in it, how it is opened, how it is saved so that it is always whole.

    DIR/manifest.json          the one pointer: format, run, task, architecture, the current state, sizes and checksums
    DIR/state-00000001/        config.json, model.safetensors, tokenizer/ (or tokenizer.source/ and tokenizer.target/)
    DIR/README.md              the model card
    DIR/metrics.jsonl          one JSON line per event of training
    DIR/tensorboard/           the same for TensorBoard, where it was asked for
    DIR/.lock                  held by the process that writes

A state is written into a hidden folder, synced, renamed; then the manifest is replaced, which is the commit; then
what is no longer current is removed. Until then a model that is to be replaced is whole, with its checkpoints; a network's
new checkpoint is there before its new model, so that there is always something to use or to resume. This is the only file that knows these names, and none of them is ever taken
from a file's content.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from seqcli import __version__, finite, tokenizers
from seqcli.errors import BusyError, ModelError, OutputError, UsageError
from seqcli.files import locks, regular, tensor_file
from seqcli.files.atomic import no_link, replacing, write_json
from seqcli.interfaces import Tokenizer
from seqcli.runs import checkpoint, not_a_model
from seqcli.system import signals, torchrun
from seqcli.text import utf8

FORMAT = 1
MANIFEST, LOCK, CARD, METRICS, BOARDS = "manifest.json", ".lock", "README.md", "metrics.jsonl", "tensorboard"
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer"
SIDES = (f"{TOKENIZER}.source", f"{TOKENIZER}.target")
_STATE = re.compile(r"state-\d{8}")
_KINDS = {"language": "a language model", "classification": "a classifier", "translation": "a translator"}
_VERBS = {
    "language": "seqcli score or generate",
    "classification": "seqcli classify",
    "translation": "seqcli translate",
    "embeddings": "seqcli embed",
}
_EVENT = {
    "event": str,
    "step": int,
    "preset": str | None,
    "data": dict,
}  # what resuming asks of the events of a training
_QUICKLY_READ = 4 << 20  # bytes that are verified at every start


class _File(NamedTuple):
    """What the manifest says of a file. xxh3: of a file of tensors; None in the folders of earlier versions."""

    size: int
    sha256: str
    xxh3: str | None = None


@dataclass(frozen=True)
class ModelFolder:
    """An opened model folder: its JSON is read and its sizes are checked, nothing else."""

    path: Path
    manifest: dict[str, Any]
    config: dict[str, Any]  # settings, unit, data, metrics: what training wrote down
    state: Path = field(repr=False)

    @classmethod
    def open(cls, path: Path | str) -> ModelFolder:
        """Raises ModelError where the folder is not a whole model of a format we know."""
        if not (Path(path) / MANIFEST).is_file():
            raise not_a_model.error(str(path), is_model=_is_model)
        path = Path(path)
        manifest = regular.read_json(path / MANIFEST)
        if manifest.get("format") != FORMAT:
            found = manifest.get("format")
            cure = "upgrade seqcli" if isinstance(found, int) and found > FORMAT else "train again"
            raise ModelError(
                f"has model format {found!r}, but this version of seqcli reads {FORMAT}", where=str(path), cure=cure
            )
        try:
            current = manifest["current"]
            if not _STATE.fullmatch(current):
                raise ValueError
            files = {
                _file_name(name): _File(e["size"], str(e["sha256"]), e.get("xxh3"))
                for name, e in manifest["files"].items()
            }
            manifest = {**manifest, "files": files, "task": str(manifest["task"]), "arch": str(manifest["arch"])}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ModelError(
                "damaged manifest", where=str(path / MANIFEST), cure="restore the file or train again"
            ) from None
        state = path / current
        inside = os.path.realpath(path)
        for name, (size, *_) in files.items():
            if os.path.realpath(state / name) != os.path.join(inside, current, name):
                raise ModelError("is a link, not a regular file", where=str(state / name), cure="copy the file itself")
            found = (state / name).stat().st_size if (state / name).is_file() else None
            if found != size:
                what = "missing" if found is None else f"{found} bytes, {size} expected"
                raise ModelError(
                    f"damaged model ({what})", where=str(state / name), cure="restore the file or train again"
                )
        for needed in (CONFIG, WEIGHTS):
            if needed not in files:
                raise ModelError(
                    f"manifest does not list {needed}", where=str(path), cure="restore the file or train again"
                )
        return cls(path, manifest, regular.read_json(state / CONFIG, sha256=files[CONFIG].sha256), state)

    @property
    def task(self) -> str:
        return self.manifest["task"]

    @property
    def arch(self) -> str:
        return self.manifest["arch"]

    def expect(self, task: str) -> ModelFolder:
        """Itself, where it is a model of `task`."""
        if self.task != task:
            kind, needed = _KINDS.get(self.task, f"a model for {self.task}"), _KINDS.get(task, f"a model for {task}")
            cure = f"use another, or use this one with {_VERBS[self.task]}" if self.task in _VERBS else "use another"
            raise ModelError(f"is {kind}, but {needed} is needed", where=str(self.path), cure=cure)
        return self

    @property
    def weights_checksum(self) -> str:
        """Of its weights, as the manifest gives it."""
        return self.manifest["files"][WEIGHTS].sha256

    def tensors(self, *, whole: bool = False) -> dict[str, np.ndarray]:
        """The model's arrays, mapped into memory, read-only.

        whole: all of them will be read, so that the file's checksum is compared and its numbers are finite; otherwise the
        checksum is compared where that is quick. Raises ModelError.
        """
        if whole or self.manifest["files"][WEIGHTS].size < _QUICKLY_READ:
            self._compare(WEIGHTS, quickly=True)
        tensors = tensor_file.read(self.state / WEIGHTS)
        if whole:
            finite.check_weights(tensors)
        return tensors

    def tokenizer(self) -> Tokenizer:
        return tokenizers.load(self.state / TOKENIZER)

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """Of source and target: the same, where there is one of both."""
        if not (self.state / SIDES[0]).is_dir():
            both = self.tokenizer()
            return both, both
        source, target = (tokenizers.load(self.state / side) for side in SIDES)
        return source, target

    def verify(self) -> None:
        """Reads every file whole and compares checksums. Raises ModelError at the first that differs."""
        for name in self.manifest["files"]:
            self._compare(name)

    def _compare(self, name: str, *, quickly: bool = False) -> None:
        """quickly: by the checksum that notices damage, where the manifest has it."""
        path, file = self.state / name, self.manifest["files"][name]
        try:
            if quickly and file.xxh3:
                same = tensor_file.xxh3_of(path) == file.xxh3
            else:
                same = tensor_file.sha256_of(path) == file.sha256
        except OSError as error:
            raise ModelError(f"cannot read ({error.strerror})", where=str(self.state / name)) from None
        if not same:
            raise ModelError("checksum differs", where=str(self.state / name), cure="restore the file or train again")

    def bytes(self) -> int:
        return sum(size for size, *_ in self.manifest["files"].values())


def version_of(path: Path | str) -> tuple[int, int] | None:
    """Another one when the model in a folder has been replaced."""
    try:
        manifest = os.stat(Path(path) / MANIFEST)
        return manifest.st_ino, manifest.st_mtime_ns
    except OSError:
        return None


@dataclass
class ModelWriter:
    """A model folder that this process alone is writing, while it holds `lock`. `folder` is for temporary files.

    begun: its checkpoints are of this training: resumed, or saved by it.
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
        """Writes a state and makes it the current one. tokenizer: None for a model that reads text; two are of source and target.

        Checkpoints of another training, whose model it replaces, go with it.
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
        """Writes a checkpoint. The first of a training that was not resumed replaces those of the one before."""
        self._check_place()
        checkpoint.save(self.path, self.folder, step=step, tensors=tensors, progress=progress, anew=not self.begun)
        self.begun = True

    def log(self, event: Mapping[str, Any]) -> None:
        """One more line of metrics.jsonl."""
        self._check_place()
        with open(self.path / METRICS, "ab", opener=no_link) as file:
            file.write(utf8(json.dumps({"time": round(time.time(), 3), **event}, ensure_ascii=False) + "\n"))

    def _check_place(self) -> None:
        if self.lock and not locks.is_held(self.lock):
            raise _vanished(self.path)

    @property
    def boards(self) -> Path:
        """Where TensorBoard's files of this run go."""
        return self.path / BOARDS / self.run_id


def beginning(path: Path | str) -> dict[str, Any] | None:
    """What the last training into a folder wrote down before its first step, if it did; None where nothing was trained."""
    try:
        return next((event for event in history(path) if event["event"] == "started"), {})
    except OSError:
        return None


def history(path: Path | str) -> list[dict[str, Any]]:
    """The events of the last training into a folder; what a resumed one did again counts once. Damaged lines are left out."""
    events: list[dict[str, Any]] = []
    with regular.opened(Path(path) / METRICS) as file:
        while line := file.readline(regular.LARGEST_JSON):
            event = _event(line)
            if event.get("event") in ("started", "trained"):
                events = []
            if event.get("event") == "resumed":
                events = [e for e in events if e.get("step", 0) <= event.get("step", 0)]
            if event:
                events.append(event)
    return events


def _event(line: bytes) -> dict[str, Any]:
    """What a line of metrics.jsonl says; nothing where it was cut off by a kill, or damaged."""
    try:
        event = json.loads(line)
        if "event" in event and all(isinstance(value, _EVENT.get(name, object)) for name, value in event.items()):
            return event
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    return {}


@contextmanager
def drafting(path: Path | str, *, force: bool = False, resume: bool = False) -> Iterator[ModelWriter]:
    """Creates and locks the model folder `path`; on the way out nothing half-made stays behind.

    force: what it holds may be replaced; resume: is gone on with. Raises UsageError where it holds a model and neither is
    given, or holds what seqcli did not make; BusyError where another process is writing it.
    """
    path = Path(path)
    if torchrun.rank():  # rank 0 holds the folder and writes it
        with tempfile.TemporaryDirectory(prefix="seqcli-") as own:
            yield ModelWriter(path, Path(own), "")
        return
    existed, folder = path.exists(), None
    _refuse_what_may_not_be_written(path, force=force, resume=resume)

    def leave() -> None:
        with signals.held():
            if locks.is_held(lock):  # else it is gone, or another's
                tidy(path, existed=existed)
            elif folder and (moved := locks.place(lock)):
                shutil.rmtree(moved.parent / folder.name, ignore_errors=True)

    with ExitStack() as stack:
        with signals.held():  # a folder that was made for this is removed, however soon a signal comes
            lock = stack.enter_context(_locked(path))
            _refuse_what_may_not_be_written(path, force=force, resume=resume)  # another may have been quicker
            stack.callback(leave)
        try:
            locks.sign(lock)
            _sweep(path)
            folder = Path(tempfile.mkdtemp(prefix=".new-", dir=path))
            yield ModelWriter(path, folder, uuid.uuid4().hex[:12], lock, begun=resume)
        except (OSError, ModelError):
            if not locks.is_held(lock):
                raise _vanished(path) from None
            raise


@contextmanager
def _locked(path: Path) -> Iterator[TextIO]:
    """The folder, made where it is not there, and its lock. Raises BusyError where another process has it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = open(path / LOCK, "a+", opener=no_link)  # noqa: SIM115 - held until the end
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=str(path)) from None
    with lock:
        locks.take(lock, path)
        yield lock


def sweep(path: Path) -> None:
    """Removes what an interrupted writer has left beside a finished model; nothing where a process writes it."""
    with suppress(BusyError, OutputError), _locked(path) as lock:
        if locks.is_held(lock):
            tidy(path, existed=True)


def _vanished(path: Path) -> OutputError:
    what = "the model folder was moved or removed while it was being written"
    return OutputError(what, where=str(path), cure="train again without moving the folder")


def tidy(path: Path, *, existed: bool = False) -> None:
    """Removes what is half-made in a folder whose writer has ended, and the folder where nothing else is in it.

    existed: before the writer came, so that it stays.
    """
    _sweep(path)
    if (path / MANIFEST).exists() or checkpoint.are_here(path):
        return
    for name in (METRICS, LOCK):
        (path / name).unlink(missing_ok=True)
    if (path / BOARDS).is_dir() and not (path / BOARDS).is_symlink():
        shutil.rmtree(path / BOARDS)
    if not existed:
        with suppress(OSError):  # not empty: somebody else's
            path.rmdir()


def clean_up_after(process: int, paths: Iterable[Path]) -> None:
    """Removes what a process that died has left half written at these paths: files that it was writing, folders that it had locked."""
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
        raise UsageError("nothing to resume", where=str(path), cure="train without --resume")
    if _is_interrupted(path):
        return
    if not _is_model(path) and not (begun and _holds_only_ours(path)):
        raise UsageError("folder is not empty and contains no seqcli model", where=str(path), cure="use another -o")
    if not (force or resume):
        cure = f"{'use --resume to continue it, ' if begun else 'use '}--force to replace it, or another -o"
        raise UsageError("already contains a model", where=str(path), cure=cure)


def _holds_only_ours(path: Path) -> bool:
    """A network's first training that was stopped before its first evaluation was saved."""
    ours = {LOCK, METRICS, BOARDS, checkpoint.FOLDER}
    return all(name in ours or name.startswith(".new-") or _STATE.fullmatch(name) for name in os.listdir(path))


def _is_model(path: Path) -> bool:
    """Whether a folder is one that we made: other things have a manifest.json too."""
    try:
        return {"format", "run", "current"} <= regular.read_json(path / MANIFEST).keys()
    except ModelError:
        return False


def _is_interrupted(path: Path) -> bool:
    """Whether a folder is empty, or holds what a first training leaves that did not reach its manifest."""
    names = os.listdir(path)
    begun = any(name.startswith(".new-") for name in names)
    ours = [LOCK, METRICS, BOARDS] if LOCK in names else []
    if begun and not any((path / checkpoint.FOLDER).glob("*")):
        ours.append(checkpoint.FOLDER)
    return all(name in ours or name.startswith(".new-") or (begun and _STATE.fullmatch(name)) for name in names)


def _sweep(path: Path) -> None:
    """Removes temporary files and the states that are not current: of this training, or of an interrupted one."""
    current = regular.read_json(path / MANIFEST).get("current") if (path / MANIFEST).exists() else None
    with suppress(OSError):  # not there, or not empty
        (path / checkpoint.FOLDER).rmdir()
    for entry in sorted(path.iterdir(), reverse=True):  # states before .new-*, which says whose they are
        if entry.name.startswith(".new-") or (_STATE.fullmatch(entry.name) and entry.name != current):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()


def replace_file(path: Path, data: bytes) -> None:
    """Writes `path` whole or not at all, and syncs it; a link is replaced, not followed out of the folder."""
    with replacing(path, follow=False) as file:
        file.write(data)
    tensor_file.sync(path.parent)


def _last_state(path: Path) -> int:
    return max((int(p.name[6:]) for p in path.iterdir() if _STATE.fullmatch(p.name)), default=0)


def _file_name(name: str) -> str:
    """A manifest's file name, if it is one that `ModelWriter.save` could have written."""
    if not re.fullmatch(r"(tokenizer(\.source|\.target)?/)?[a-z][a-z0-9_-]*\.[a-z]+", name):
        raise ValueError(name)
    return name
