"""`seqcli convert` of whole models: from the formats of other tools (`interop/formats`) into model folders, and back (`--to`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.errors import UsageError
from seqcli.interfaces import Reporter

if TYPE_CHECKING:
    from seqcli.runs.model_folder import ModelFolder


def read(source: str, target: str, *, given: str, force: bool, reporter: Reporter) -> None:
    """Converts a model of another tool to a model folder. given: the source as the user named it."""
    from seqcli.files import tensor_file
    from seqcli.interop.huggingface import hub
    from seqcli.runs.model_writer import drafting
    from seqcli.tasks.model_names import verified_folder

    with drafting(target, force=force) as draft:
        run = verified_folder(source)
        name = run.config.get("architecture", run.arch)
        tensors, sides = run.tensors(whole=True), run.tokenizers()
        record = run.config | {"source": hub.revision(source) or Path(source).name, "parameters": _size(tensors)}
        draft.save(
            task=run.task,
            arch=run.arch,
            config=record,
            tensors={name: tensor_file.tensor(array) for name, array in tensors.items()},
            tokenizer=sides[0] if sides[0] is sides[1] else sides,
            card=f"# A model ({name})\n\nConverted by seqcli from {record['source']}.\n",
        )
    reporter.note(f"{given} -> {target}: {name}, {record['parameters']:,} parameters")


def write(source: str, target: str, *, to: str, force: bool, reporter: Reporter) -> None:
    """Converts a model folder to the format `to`. Raises UsageError if it can only be read."""
    from seqcli.interop import formats
    from seqcli.runs.whole_folder import drafting_folder
    from seqcli.tasks.model_names import verified_folder

    format = formats.load(to)
    if not hasattr(format, "write"):
        raise UsageError(f"{format.TOOL} models can be read, but not written", where=f"--to {to}")
    what = f"a {format.TOOL} folder that seqcli wrote"
    with drafting_folder(target, what=what, is_one=format.is_written, force=force) as replace:
        run = verified_folder(source)
        replace(lambda folder: format.write(run, folder))
    reporter.note(f"{source} -> {target}: {_about(run)}")


def _about(run: ModelFolder) -> str:
    parameters = run.config.get("parameters")
    return f"{run.arch}, {parameters:,} parameters" if parameters else run.arch


def _size(tensors: dict[str, Any]) -> int:
    return sum(array.size for array in tensors.values())
