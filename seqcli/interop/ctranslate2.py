"""Exports models as CTranslate2 folders, for its fast inference on CPUs, with its converter of Hugging Face folders."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from seqcli.errors import ModelError, UsageError
from seqcli.interop.huggingface import files, tokenizer_json, writing
from seqcli.runs.model_folder import CARD, ModelFolder

_WEIGHTS = "model.bin"
_COPIED = {tokenizer_json.FILE, tokenizer_json.CONFIG, CARD}  # not used by CTranslate2, but part of the model
_FILES = {_WEIGHTS, files.CONFIG, "vocabulary.json", "source_vocabulary.json", "target_vocabulary.json"} | _COPIED


def is_written(path: Path) -> bool:
    """Whether a folder was written by `write` and contains nothing else."""
    try:
        found = {file.name for file in path.iterdir()}
    except OSError:
        return False
    return {_WEIGHTS, CARD} <= found <= _FILES


def write(run: ModelFolder, folder: Path) -> None:
    """Writes a model into an existing folder. Raises ModelError for models that the formats cannot represent."""
    try:
        from ctranslate2.converters import TransformersConverter
    except ImportError:
        raise UsageError(
            "--to ctranslate2 needs the package ctranslate2", cure="pip install 'seqcli[ctranslate2]'"
        ) from None
    with tempfile.TemporaryDirectory(prefix="seqcli-") as between:
        writing.write(run, Path(between))
        try:
            TransformersConverter(between).convert(str(folder), force=True)
        except (ValueError, KeyError, AttributeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"ctranslate2 cannot convert it ({reason})", where=str(run.path)) from None
        for name in _COPIED:
            if (Path(between) / name).is_file():
                shutil.copy(Path(between) / name, folder / name)
