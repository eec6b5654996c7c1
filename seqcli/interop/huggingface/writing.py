"""Writes a seqcli model as a Hugging Face folder: config.json, model.safetensors, the tokenizer, a model card.

The family is the one that supports the settings of the model; the rules that open its folders are applied in reverse. Values without a
name in config.json, such as the unit of the training text, are written under "seqcli", which transformers ignores.

transformers has no tokens that are never predicted. If `<s>` is one and the output has biases, its bias is so low that its probability
is 0. Without biases, the file has no `<s>`: `</s>` begins a text, with the row of `<s>` in the embedding, and ends it, with the row of
`</s>` in the output matrix, which is then not tied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from seqcli import catalog
from seqcli.errors import ModelError
from seqcli.files import tensor_file
from seqcli.files.atomic import write_json
from seqcli.interop.huggingface import cards, families, files, tokenizer_json, translator_files
from seqcli.interop.huggingface.families import Rule
from seqcli.interop.huggingface.folder import never_predicted
from seqcli.interop.huggingface.tokenizer_json import Written
from seqcli.runs.model_folder import CARD, ModelFolder
from seqcli.text import BOS_ID, EOS_ID, UNK_ID
from seqcli.tokenizers import write_file

GENERATION = "generation_config.json"
FILES = {files.CONFIG, files.WEIGHTS, GENERATION, tokenizer_json.FILE, CARD} | translator_files.FILES
_HEAD, _EMBEDDING, _BIAS, _MASK = "head.weight", "body.embedding.weight", "head.bias", "mask"
_NEVER = -1e4  # a bias with which the probability of a token is 0 in float32
_NAMES = {
    "language": "language models", "classification": "classifiers", "translation": "translators",
    "embeddings": "encoders without a head",
}  # fmt: skip


class Numbering(Protocol):
    """The ids of tokens in a file. file_ids: int64 [V], the id in it of each of our ids, -1 if there is none; rows: of the embedding."""

    @property
    def file_ids(self) -> np.ndarray: ...

    @property
    def rows(self) -> int: ...


@dataclass(frozen=True)
class Parts:
    """What is written. sides: source and target; never: ids, in the target's file, of tokens that are never predicted; mask: id of the mask
    token in the file; about: entries of config.json besides those of the family; save: writes the tokenizer into a folder."""

    settings: dict[str, Any]
    tensors: Mapping[str, np.ndarray]
    sides: tuple[Numbering, Numbering]
    specials: dict[str, Any]
    save: Callable[[Path], None]
    card: Callable[[dict[str, Any]], str]
    never: Collection[int] = ()
    mask: int | None = None
    about: dict[str, Any] = field(default_factory=dict)


def is_written(path: Path) -> bool:
    """Whether a folder was written by `write` and contains nothing else."""
    try:
        return files.read_config(path).get("seqcli") is not None and {file.name for file in path.iterdir()} <= FILES
    except (ModelError, OSError):
        return False


def write(run: ModelFolder, folder: Path) -> None:
    """Writes the files of a model into an existing folder. Raises ModelError for a model that no family supports."""
    where, architecture = str(run.path), run.config.get("architecture")
    module = run.config.get("module", run.arch)
    if module not in {each for family in families.that_write() for each in _modules(family)}:
        what = f"{run.arch} {_NAMES.get(run.task, run.task)} cannot be written as a Hugging Face folder"
        cure = "use the folder that it came from" if architecture else "train with --arch transformer"
        raise ModelError(what, where=where, cure=cure)
    config = catalog.load("models", module).Config(**run.config["settings"])
    family = families.that_holds(config.resolved, task=run.task, architecture=architecture, where=where)
    parts = _PARTS[run.task](run, config, family)
    about = family.config_of(parts.settings, architecture) | {"dtype": "float32", **parts.specials, **parts.about}
    refused = getattr(family, "BYTE_LEVEL", {}).get(about["model_type"])
    if refused and isinstance(parts.sides[0], Written) and parts.sides[0].plain:
        raise ModelError(refused[0], where=where, cure=refused[1])
    rules = family.rules(parts.settings, about["architectures"][0])
    theirs = {name: tensor_file.tensor(array) for name, array in _theirs(rules, family, parts)}
    tensor_file.write(folder / files.WEIGHTS, theirs, metadata={"format": "pt"})
    write_json(folder / files.CONFIG, about)
    write_json(folder / GENERATION, parts.specials)
    parts.save(folder)
    write_file(folder / CARD, parts.card(about).encode())


# --- by task ------------------------------------------------------------------------------------------------------------


def _language_model(run: ModelFolder, config: Any, family: ModuleType) -> Parts:
    where, tokenizer, unit = str(run.path), run.tokenizer(), run.config["unit"]
    masked, settings, tensors = config.objective == "masked", config.resolved, run.tensors(whole=True)
    written = tokenizer_json.written(
        tokenizer, unit=unit, impossible=() if config.head_bias else config.impossible, masks=masked, where=where
    )
    absent = set(never_predicted(written.file_ids, written.rows))
    never = {int(written.file_ids[id]) for id in {*config.impossible} - absent}
    if not config.head_bias and absent != {*config.impossible}:
        what = f"impossible={list(config.impossible)} is not in {_name(family)}, whose models may predict any token"
        raise ModelError(what, where=where, cure="train with --set impossible=[]")
    if masked and written.mask is not None and written.mask not in written.file_ids:
        never.add(written.mask)
    if config.tied and not _is_one_row(tensors[_EMBEDDING], written):
        if unit == "document" and tokenizer.ends_rows:
            what = "<s> and </s> begin texts and end lines, so that one token cannot be both"
            raise ModelError(what, where=where, cure="train with --set impossible=[]")
        tensors, settings = {**tensors, _HEAD: tensors[_EMBEDDING]}, {**settings, "tied": False}
    record = {"unit": unit, "ends_documents": bool(run.config.get("ends_documents"))}
    return Parts(
        settings, tensors, (written, written), _ids(written), _saver(written, settings["window"]),
        lambda about: cards.of_language_model(run, about, written), never, written.mask if masked else None,
        {"vocab_size": written.rows, "seqcli": record},
    )  # fmt: skip


def _classifier(run: ModelFolder, config: Any, family: ModuleType) -> Parts:
    written = tokenizer_json.written(run.tokenizer(), unit="line", impossible=(), masks=False, where=str(run.path))
    labels = list(map(str, run.config["labels"]))
    about = {
        "vocab_size": written.rows, "id2label": {str(n): label for n, label in enumerate(labels)},
        "label2id": {label: n for n, label in enumerate(labels)}, "problem_type": "single_label_classification", "seqcli": {},
    }  # fmt: skip
    settings = config.resolved
    return Parts(
        settings, run.tensors(whole=True), (written, written), _ids(written), _saver(written, settings["window"]),
        lambda about: cards.of_classifier(run, about, written, labels), about=about,
    )  # fmt: skip


def _translator(run: ModelFolder, config: Any, family: ModuleType) -> Parts:
    where, tokenizers = str(run.path), run.tokenizers()
    joint = config.joint or tokenizers[0] is tokenizers[1]
    source, target = translator_files.sides(tokenizers, joint=joint, where=where)
    if {*config.impossible} - {BOS_ID}:
        what = f"impossible={list(config.impossible)} is not in {_name(family)}"
        raise ModelError(what, where=where, cure="train with --set impossible=[]")
    tensors = dict(run.tensors(whole=True))
    tensors.setdefault(_BIAS, np.zeros(len(target.file_ids), np.float32))
    settings = config.resolved | {"joint": joint}
    about = {
        "vocab_size": source.rows,
        "decoder_vocab_size": target.rows,
        "seqcli": {"suppress_tokens": sorted({*config.suppress_tokens, *config.impossible})},
    }
    return Parts(
        settings, tensors, (source, target), translator_files.specials(target, config.suppress_tokens),
        lambda folder: translator_files.write(folder, source, target, window=settings["window"]),
        lambda about: cards.of_translator(run, about), {int(target.file_ids[id]) for id in config.impossible}, about=about,
    )  # fmt: skip


_PARTS = {"language": _language_model, "classification": _classifier, "translation": _translator}


def _modules(family: ModuleType) -> Sequence[str]:
    return [family.MODULE] if isinstance(family.MODULE, str) else [family.MODULE[task] for task in family.HOLDS]


def _ids(written: Written) -> dict[str, Any]:
    return {f"{role}_token_id": written.id(id) for role, id in (("bos", BOS_ID), ("eos", EOS_ID))}


def _saver(written: Written, window: int) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        write_file(folder / tokenizer_json.FILE, written.library.to_str(pretty=True).encode())
        write_json(folder / tokenizer_json.CONFIG, written.config(window=window))

    return save


def _name(family: ModuleType) -> str:
    return family.__name__.rpartition(".")[2]


def _is_one_row(embedding: np.ndarray, written: Written) -> bool:
    """Whether our tokens that share an id in the file have the same row."""
    ids = written.file_ids
    return ids[BOS_ID] != ids[EOS_ID] or bool(np.array_equal(embedding[BOS_ID], embedding[EOS_ID]))


# --- tensors ------------------------------------------------------------------------------------------------------------


def _theirs(rules: Iterator[Rule], family: ModuleType, parts: Parts) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors of the file by name: the rules of the family in reverse."""
    for rule in rules:
        if rule.of_mask or (rule.optional and rule.ours not in parts.tensors):
            continue
        array = parts.tensors[rule.ours]
        if rule.tokens:
            array = _of_their_ids(
                array, parts.sides[rule.of_target], last=EOS_ID if rule.ours.startswith("head") else BOS_ID
            )
        if rule.ours == _EMBEDDING and parts.mask is not None:
            array[parts.mask] = parts.tensors[_MASK]
        if rule.ours == _BIAS and rule.tokens:
            array[list(parts.never)] = _NEVER
        if rule.flat:
            array = array[None]
        pieces = [array] if len(rule.theirs) == 1 else np.split(array, np.cumsum(rule.rows)[:-1])
        for name, piece in zip(rule.theirs, pieces, strict=True):
            whole = name if name.startswith(family.BARE) else family.PREFIX + name
            yield whole, np.ascontiguousarray(piece.T if rule.transposed else piece)


def _of_their_ids(array: np.ndarray, side: Numbering, *, last: int) -> np.ndarray:
    """Rows in the order of the file's ids. last: which of the special tokens that share an id in the file determines its row."""
    rows = np.zeros((side.rows, *array.shape[1:]), array.dtype)
    order = np.array([UNK_ID, *({BOS_ID, EOS_ID} - {last}), last, *range(EOS_ID + 1, len(array))])
    ids = side.file_ids[order]
    known = (ids >= 0) & (ids < len(rows))
    rows[ids[known]] = array[order[known]]
    return rows
