"""Folders of Hugging Face transformers, which are read and written; see `interop/huggingface`."""

from __future__ import annotations

from pathlib import Path

from seqcli.interop.huggingface import files
from seqcli.runs.model_folder import ModelFolder

TOOL = "Hugging Face"
recognises = files.is_folder


def open(path: str) -> ModelFolder:
    from seqcli.interop.huggingface.folder import HuggingFaceFolder

    return HuggingFaceFolder.open(path)


def write(model: ModelFolder, folder: Path) -> None:
    from seqcli.interop.huggingface import writing

    writing.write(model, folder)


def is_written(folder: Path) -> bool:
    from seqcli.interop.huggingface import writing

    return writing.is_written(folder)
