"""A model folder: its contents, and how it is opened; `model_writer` writes it.

    DIR/manifest.json          the entry point: format, run, task, architecture, current state, sizes and checksums
    DIR/state-00000001/        config.json, model.safetensors, tokenizer/ (or tokenizer.source/ and tokenizer.target/)
    DIR/README.md              the model card
    DIR/metrics.jsonl          one JSON line per event of training
    DIR/tensorboard/           the same for TensorBoard, if requested
    DIR/.lock                  held by the process that is writing

Only these two modules use these names, and none of them is ever read from a file.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqcli import finite, tokenizers
from seqcli.errors import ModelError
from seqcli.files import regular, tensor_file
from seqcli.interfaces import Tokenizer
from seqcli.runs import not_a_model

FORMAT = 1
MANIFEST, LOCK, CARD, METRICS, BOARDS = "manifest.json", ".lock", "README.md", "metrics.jsonl", "tensorboard"
CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer"
SIDES = (f"{TOKENIZER}.source", f"{TOKENIZER}.target")
STATE = re.compile(r"state-\d{8}")
_KINDS = {
    "language": "a language model",
    "classification": "a classifier",
    "translation": "a translator",
    "counts": "the counts of a part of a corpus",
}
_VERBS = {
    "language": "seqcli score or generate",
    "classification": "seqcli classify",
    "translation": "seqcli translate",
    "embeddings": "seqcli embed",
    "counts": "seqcli train lm --merge",
}
# the fields that resuming needs from the events of a training
_EVENT = {"event": str, "step": int, "preset": str | None, "data": dict}
BEGINNING = ("body.", "transform.")  # prefixes of the weights that a classifier may be initialised with
_QUICKLY_READ = 4 << 20  # bytes up to which weights are verified whenever they are opened


class _File(NamedTuple):
    """The manifest's entry for a file. xxh3: of a file of tensors; None in folders of earlier versions."""

    size: int
    sha256: str
    xxh3: str | None = None


_RENAMED = {"unsaid": "suppress_tokens"}  # settings: the names in folders of earlier versions, and those of today


@dataclass(frozen=True)
class ModelFolder:
    """An opened model folder: its JSON files have been read and the file sizes checked, nothing else."""

    path: Path
    manifest: dict[str, Any]
    config: dict[str, Any]  # settings, unit, data, metrics: the record of the training
    state: Path = field(repr=False)

    @classmethod
    def open(cls, path: Path | str) -> ModelFolder:
        """Opens a folder. Raises ModelError if it is not a complete model in a supported format."""
        if not (Path(path) / MANIFEST).is_file():
            raise not_a_model.error(str(path), is_model=is_model)
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
            if not STATE.fullmatch(current):
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
        config = regular.read_json(state / CONFIG, sha256=files[CONFIG].sha256)
        if isinstance(settings := config.get("settings"), dict):
            config["settings"] = {_RENAMED.get(name, name): value for name, value in settings.items()}
        return cls(path, manifest, config, state)

    @property
    def task(self) -> str:
        return self.manifest["task"]

    @property
    def arch(self) -> str:
        return self.manifest["arch"]

    def expect(self, task: str) -> ModelFolder:
        """Returns itself; raises ModelError if it is not a model of `task`."""
        if self.task != task:
            kind, needed = _KINDS.get(self.task, f"a model for {self.task}"), _KINDS.get(task, f"a model for {task}")
            cure = f"use another, or use this one with {_VERBS[self.task]}" if self.task in _VERBS else "use another"
            raise ModelError(f"is {kind}, but {needed} is needed", where=str(self.path), cure=cure)
        return self

    @property
    def weights_checksum(self) -> str:
        """The checksum of the weights, as recorded in the manifest."""
        return self.manifest["files"][WEIGHTS].sha256

    def tensors(self, *, whole: bool = False) -> dict[str, np.ndarray]:
        """The model's arrays, mapped into memory read-only.

        whole: all of them will be read, so the checksum is compared and all numbers must be finite; otherwise the checksum
        is compared if that is quick. Raises ModelError.
        """
        if whole or self.manifest["files"][WEIGHTS].size < _QUICKLY_READ:
            self._compare(WEIGHTS, quickly=True)
        tensors = tensor_file.read(self.state / WEIGHTS)
        if whole:
            finite.check_weights(tensors)
        return tensors

    def beginning(self) -> dict[str, np.ndarray]:
        """The weights that a classifier may be initialised with: those of the body, and of the layers between pooling and
        head."""
        # in a language model these layers transform predictions
        begins = "body." if self.task == "language" else BEGINNING
        return {name: array for name, array in self.tensors(whole=True).items() if name.startswith(begins)}

    def tokenizer(self) -> Tokenizer:
        return tokenizers.load(self.state / TOKENIZER)

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """The tokenizers of source and target, which are the same object if there is one for both."""
        if not (self.state / SIDES[0]).is_dir():
            both = self.tokenizer()
            return both, both
        source, target = (tokenizers.load(self.state / side) for side in SIDES)
        return source, target

    def verify(self) -> None:
        """Reads all files and compares their checksums. Raises ModelError for the first that differs."""
        for name in self.manifest["files"]:
            self._compare(name)

    def _compare(self, name: str, *, quickly: bool = False) -> None:
        """quickly: by the fast checksum, if the manifest has it."""
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
    """Identifies the model in a folder; changes when the model is replaced."""
    try:
        manifest = os.stat(Path(path) / MANIFEST)
        return manifest.st_ino, manifest.st_mtime_ns
    except OSError:
        return None


def beginning(path: Path | str) -> dict[str, Any] | None:
    """The record that the last training into a folder wrote before its first step; None if there was none."""
    try:
        return next((event for event in history(path) if event["event"] == "started"), {})
    except OSError:
        return None


def history(path: Path | str) -> list[dict[str, Any]]:
    """The events of the last training into a folder; those that a resumed training repeated count once. Damaged lines are
    ignored."""
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
    """The event in a line of metrics.jsonl; empty if the line is damaged or incomplete."""
    try:
        event = json.loads(line)
        if "event" in event and all(isinstance(value, _EVENT.get(name, object)) for name, value in event.items()):
            return event
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    return {}


def is_model(path: Path) -> bool:
    """Whether a folder is a model folder written by seqcli: other tools also use the name manifest.json."""
    try:
        return {"format", "run", "current"} <= regular.read_json(path / MANIFEST).keys()
    except ModelError:
        return False


def _file_name(name: str) -> str:
    """A file name in the manifest, if `ModelWriter.save` could have written it."""
    if not re.fullmatch(r"(tokenizer(\.source|\.target)?/)?[a-z][a-z0-9_-]*\.[a-z]+", name):
        raise ValueError(name)
    return name
