"""`seqcli convert` of neural models: from Hugging Face folders into model folders of ours, and back (`--to hf`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.interfaces import Reporter

if TYPE_CHECKING:
    from seqcli.runs.model_folder import ModelFolder

FORMATS = ("hf", "ctranslate2")


def reads(source: str) -> bool:
    """Whether a source is a Hugging Face folder."""
    from seqcli.interop.huggingface import files

    return files.is_folder(source)


def read(source: str, target: str, *, given: str, force: bool, reporter: Reporter) -> None:
    """Writes a Hugging Face folder as a model folder. given: the source as it was asked for."""
    from seqcli.files import tensor_file
    from seqcli.interop.huggingface import hub
    from seqcli.runs.model_writer import drafting
    from seqcli.tasks.model_names import verified_folder

    with drafting(target, force=force) as draft:
        run = verified_folder(source)
        tensors, sides = run.tensors(whole=True), run.tokenizers()
        record = run.config | {"source": hub.revision(source) or Path(source).name, "parameters": _size(tensors)}
        draft.save(
            task=run.task,
            arch=run.arch,
            config=record,
            tensors={name: tensor_file.tensor(array) for name, array in tensors.items()},
            tokenizer=sides[0] if sides[0] is sides[1] else sides,
            card=f"# A model ({run.config['architecture']})\n\nConverted by seqcli from {record['source']}.\n",
        )
    reporter.note(f"{given} -> {target}: {run.config['architecture']}, {record['parameters']:,} parameters")


def write(source: str, target: str, *, to: str, force: bool, reporter: Reporter) -> None:
    """Writes a model folder as a Hugging Face or CTranslate2 folder."""
    from seqcli.interop import ctranslate2
    from seqcli.interop.huggingface import writing
    from seqcli.runs.whole_folder import drafting_folder
    from seqcli.tasks.model_names import verified_folder

    if to == "hf":
        what, is_one, fill = "a Hugging Face folder that seqcli wrote", writing.is_written, writing.write
    else:
        what, is_one, fill = "a CTranslate2 folder that seqcli wrote", ctranslate2.is_written, ctranslate2.write
    with drafting_folder(target, what=what, is_one=is_one, force=force) as replace:
        run = verified_folder(source)
        replace(lambda folder: fill(run, folder))
    reporter.note(f"{source} -> {target}: {_about(run)}")


def _about(run: ModelFolder) -> str:
    parameters = run.config.get("parameters")
    return f"{run.arch}, {parameters:,} parameters" if parameters else run.arch


def _size(tensors: dict[str, Any]) -> int:
    return sum(array.size for array in tensors.values())
