"""A model of ours as a Hugging Face folder: config.json, model.safetensors, the tokenizer, a model card.

The family is that whose models our settings are; its rules, which open such a folder, are read backwards. What config.json has
no name for, such as the unit that the model was trained on, stands there under "seqcli", which transformers ignores.

transformers has no token that is never predicted. Where `<s>` is one, the file has no such token: `</s>` begins a text, with
the row of `<s>` in the embedding, and ends it, with the row of `</s>` in the output matrix, which is then one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from seqcli import catalog
from seqcli.errors import ModelError
from seqcli.files import tensor_file
from seqcli.files.atomic import write_json
from seqcli.interop.huggingface import cards, families, files, tokenizer_json
from seqcli.interop.huggingface.families import Rule
from seqcli.interop.huggingface.folder import never_predicted
from seqcli.interop.huggingface.tokenizer_json import Written
from seqcli.runs.model_folder import CARD, ModelFolder
from seqcli.text import BOS_ID, EOS_ID, UNK_ID
from seqcli.tokenizers import write_file

GENERATION = "generation_config.json"
FILES = {files.CONFIG, files.WEIGHTS, GENERATION, tokenizer_json.FILE, tokenizer_json.CONFIG, CARD}
_HEAD, _EMBEDDING = "head.weight", "body.embedding.weight"


def is_written(path: Path) -> bool:
    """Whether a folder is one that `write` made, with nothing else in it."""
    try:
        return files.read_config(path).get("seqcli") is not None and {file.name for file in path.iterdir()} <= FILES
    except (ModelError, OSError):
        return False


def write(run: ModelFolder, folder: Path) -> None:
    """Writes the files of a language model into an existing folder. Raises ModelError for what its family cannot hold."""
    where = str(run.path)
    module = run.config.get("module", run.arch)
    if run.task != "language" or module not in {family.MODULE for family in families.that_write()}:
        what = f"{run.arch} models of {run.task} cannot be written as a Hugging Face folder"
        raise ModelError(what, where=where, cure="train lm --arch transformer makes models that can")
    made = catalog.load("models", module)
    config = made.Config(**{name: tuple(v) if isinstance(v, list) else v for name, v in run.config["settings"].items()})
    settings = config.resolved
    family = families.that_holds(settings, architecture=run.config.get("architecture"), where=where)
    tokenizer, unit = run.tokenizer(), run.config["unit"]
    written = tokenizer_json.written(tokenizer, unit=unit, impossible=config.impossible, where=where)
    if set(never_predicted(written.file_ids, written.rows)) != set(config.impossible):
        what = f"impossible={list(config.impossible)} is not in {_name(family)}, whose models may predict any token"
        raise ModelError(what, where=where, cure="train with --set impossible=[]")
    tensors = run.tensors(whole=True)
    if config.tied and not _is_one_row(tensors[_EMBEDDING], written):
        if unit == "document" and tokenizer.ends_rows:
            what = "<s> and </s> begin texts and end lines, so that one token cannot be both"
            raise ModelError(what, where=where, cure="train with --set impossible=[]")
        tensors, settings = {**tensors, _HEAD: tensors[_EMBEDDING]}, {**settings, "tied": False}
    specials = {f"{role}_token_id": written.id(id) for role, id in (("bos", BOS_ID), ("eos", EOS_ID))}
    about = family.config_of(settings, run.config.get("architecture"))
    about |= {"vocab_size": written.rows, "dtype": "float32", **specials, "seqcli": _record(run)}
    if written.plain and about["model_type"] == "qwen2":  # AutoTokenizer takes any tokenizer there for Qwen2's own
        what = "attention_bias=qkv is in Qwen2 alone, whose tokenizer is always a byte-level BPE"
        raise ModelError(what, where=where, cure="train with --set attention_bias=all")
    rules = family.rules(settings, about["architectures"][0])
    theirs = {name: tensor_file.tensor(array) for name, array in _theirs(rules, family, tensors, written)}
    tensor_file.write(folder / files.WEIGHTS, theirs, metadata={"format": "pt"})
    write_json(folder / files.CONFIG, about)
    write_json(folder / GENERATION, specials)
    write_file(folder / tokenizer_json.FILE, written.library.to_str(pretty=True).encode())
    write_json(folder / tokenizer_json.CONFIG, written.config(window=settings["window"]))
    write_file(folder / CARD, cards.of_language_model(run, about, written).encode())


def _record(run: ModelFolder) -> dict[str, Any]:
    """What `families.language_record` reads again."""
    return {"unit": run.config["unit"], "ends_documents": bool(run.config.get("ends_documents"))}


def _name(family: ModuleType) -> str:
    return family.__name__.rpartition(".")[2]


def _is_one_row(embedding: np.ndarray, written: Written) -> bool:
    """Whether tokens of ours that are one in the file have the same row."""
    ids = written.file_ids
    return ids[BOS_ID] != ids[EOS_ID] or bool(np.array_equal(embedding[BOS_ID], embedding[EOS_ID]))


def _theirs(
    rules: Iterator[Rule], family: ModuleType, tensors: Mapping[str, np.ndarray], written: Written
) -> Iterator[tuple[str, np.ndarray]]:
    """Their tensors by name: the family's rules backwards."""
    for rule in rules:
        if rule.optional and rule.ours not in tensors:
            continue
        array = tensors[rule.ours]
        if rule.tokens:
            array = _of_their_ids(array, written, last=EOS_ID if rule.ours.startswith("head") else BOS_ID)
        parts = [array] if len(rule.theirs) == 1 else np.split(array, np.cumsum(rule.rows)[:-1])
        for name, part in zip(rule.theirs, parts, strict=True):
            whole = name if name.startswith(family.BARE) else family.PREFIX + name
            part = part[None] if rule.flat else part
            yield whole, np.ascontiguousarray(part.T if rule.transposed else part)


def _of_their_ids(array: np.ndarray, written: Written, *, last: int) -> np.ndarray:
    """Rows in the order of their ids. last: of the special tokens that are one in the file, that whose row it gets."""
    rows = np.zeros((written.rows, *array.shape[1:]), array.dtype)
    order = np.array([UNK_ID, *({BOS_ID, EOS_ID} - {last}), last, *range(EOS_ID + 1, len(array))])
    ids = written.file_ids[order]
    known = (ids >= 0) & (ids < len(rows))
    rows[ids[known]] = array[order[known]]
    return rows
