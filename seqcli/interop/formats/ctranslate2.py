"""Exports models as CTranslate2 folders, for its fast inference on CPUs, with its converter of Hugging Face folders.

Its Marian models begin a translation with zeros where ours use the embedding of `<s>`. The exporter therefore adds that embedding to
the decoder's first position, which CTranslate2 stores unchanged; only `<s>` is ever there.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

import numpy as np

from seqcli.errors import ModelError, UsageError
from seqcli.files import tensor_file
from seqcli.interop.huggingface import files
from seqcli.runs.model_folder import CARD, ModelFolder

TOOL = "CTranslate2"
_TASKS = ("language", "translation")
_WEIGHTS = "model.bin"
# not used by CTranslate2, but part of the model
_COPIED = {"tokenizer.json", "tokenizer_config.json", "source.spm", "target.spm", CARD}
_FILES = {_WEIGHTS, files.CONFIG, "vocabulary.json", "shared_vocabulary.json"} | _COPIED
_SHARED, _POSITIONS = "model.shared.weight", "model.decoder.embed_positions.weight"


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
    from seqcli.interop.huggingface import writing  # with much of `tokenizers/`, which opening a folder does not need

    if run.task not in _TASKS or run.config["settings"].get("objective") == "masked":
        what = "only translators and language models that predict the next token can be written for CTranslate2"
        raise ModelError(what, where=str(run.path), cure="use --to hf")
    with tempfile.TemporaryDirectory(prefix="seqcli-") as between:
        writing.write(run, Path(between))
        if run.task == "translation":
            _place_start(Path(between), where=str(run.path))
        try:
            TransformersConverter(between).convert(str(folder), force=True)
        except (ValueError, KeyError, AttributeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"ctranslate2 cannot convert it ({reason})", where=str(run.path)) from None
        for name in _COPIED:
            if (Path(between) / name).is_file():
                shutil.copy(Path(between) / name, folder / name)


def _place_start(folder: Path, *, where: str) -> None:
    """Moves the embedding of what begins a translation to the decoder's first position."""
    config, weights = files.read_config(folder), files.Weights(folder)
    if _SHARED not in weights.names:
        what = "a translator with two tokenizers cannot be written for CTranslate2"
        raise ModelError(what, where=where, cure="train with one tokenizer, without --separate")
    tensors = {name: weights.array(name) for name in weights.names}
    start = tensors[_SHARED][config["decoder_start_token_id"]]
    positions = _sinusoids(config["max_position_embeddings"], config["d_model"])
    positions[0] += start * (math.sqrt(config["d_model"]) if config["scale_embedding"] else 1.0)
    tensors[_POSITIONS] = positions
    (folder / files.WEIGHTS).unlink()  # it is mapped: not written over
    named = {name: tensor_file.tensor(np.ascontiguousarray(array)) for name, array in tensors.items()}
    tensor_file.write(folder / files.WEIGHTS, named, metadata={"format": "pt"})


def _sinusoids(length: int, width: int) -> np.ndarray:
    """float32 [length, width], sines before cosines, as `nn.positions.Sinusoids`."""
    angle = np.arange(length)[:, None] * 10000.0 ** (-np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angle), np.cos(angle)], axis=1).astype(np.float32)
