"""The tokenizers of a translator as the files of a Marian model: source.spm, target.spm, and a joint vocabulary or one for each.

Their readers do not normalise text: they apply neither NFC nor the escapes of U+2581 and U+001A, as the model card notes. The padding
token is our `<s>`. It is the last of a joint vocabulary, where CTranslate2 expects it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqcli.errors import ModelError
from seqcli.files.atomic import write_json
from seqcli.interfaces import Tokenizer
from seqcli.text import BOS_ID, EOS, EOS_ID, SPECIAL_IDS, SPECIALS, UNK, UNK_ID
from seqcli.tokenizers import write_file
from seqcli.tokenizers.marian import Marian
from seqcli.tokenizers.sentencepiece import SentencePiece

CONFIG, SHARED, TARGET = "tokenizer_config.json", "vocab.json", "target_vocab.json"
FILES = {"source.spm", "target.spm", CONFIG, SHARED, TARGET}
_PAD = "<pad>"


class Side(NamedTuple):
    """model: a SentencePiece file; ids: of the vocabulary; file_ids: int64 [V], the id in it of each of our ids; rows: of the embedding;
    names: of `<unk>`, `<s>`, `</s>`."""

    model: bytes
    ids: dict[str, int]
    file_ids: np.ndarray
    rows: int
    names: tuple[str, str, str]


def sides(tokenizers: tuple[Tokenizer, Tokenizer], *, joint: bool, where: str) -> tuple[Side, Side]:
    """joint: whether they share an embedding. Raises ModelError for tokenizers that these files cannot represent."""
    source, target = (_side(tokenizer, joint=joint, where=where) for tokenizer in tokenizers)
    return source, target


def _side(tokenizer: Tokenizer, *, joint: bool, where: str) -> Side:
    if isinstance(tokenizer, Marian):
        model, ids, (unknown, start, end), rows = tokenizer.files
        if unknown is not None and start is not None and end is not None:
            return Side(model, ids, tokenizer.file_ids, rows, (unknown, start, end))
    if not isinstance(tokenizer, SentencePiece) or tokenizer.specials != SPECIAL_IDS:
        what = f"a translator with a {tokenizer.KIND} tokenizer cannot be written: Marian's are SentencePiece models"
        raise ModelError(what, where=where, cure="train with --tokenizer sentencepiece")
    pieces = [
        EOS,
        UNK,
        *([] if joint else [_PAD]),
        *tokenizer.vocabulary()[len(SPECIALS) :],
        *([_PAD] if joint else []),
    ]
    ids = {piece: id for id, piece in enumerate(pieces)}
    if len(ids) < len(pieces):
        raise ModelError(f"{_PAD} is a piece of the tokenizer", where=where, cure="train the tokenizer on other text")
    file_ids = np.arange(tokenizer.vocab_size) - joint
    file_ids[[UNK_ID, BOS_ID, EOS_ID]] = ids[UNK], ids[_PAD], ids[EOS]
    return Side(tokenizer.model, ids, file_ids, len(pieces), (UNK, _PAD, EOS))


def write(folder: Path, source: Side, target: Side, *, window: int) -> None:
    separate = source.ids != target.ids
    for name, side in (("source", source), ("target", target)):
        write_file(folder / f"{name}.spm", side.model)
    for name, side in ((SHARED, source), *([(TARGET, target)] if separate else [])):
        write_file(folder / name, json.dumps(side.ids, ensure_ascii=False).encode())
    unknown, start, end = target.names
    about: dict[str, Any] = {
        "tokenizer_class": "MarianTokenizer", "source_lang": "source", "target_lang": "target", "separate_vocabs": separate,
        "unk_token": unknown, "eos_token": end, "pad_token": start, "model_max_length": window,
    }  # fmt: skip
    write_json(folder / CONFIG, about)


def specials(target: Side, suppress_tokens: Collection[int]) -> dict[str, Any]:
    """Ids for config.json and generation_config.json: translations begin with the padding token, which is never generated."""
    start, end = int(target.file_ids[BOS_ID]), int(target.file_ids[EOS_ID])
    return {
        "bos_token_id": None, "eos_token_id": end, "pad_token_id": start, "decoder_start_token_id": start,
        "forced_eos_token_id": None, "bad_words_ids": [[int(target.file_ids[id])] for id in sorted({BOS_ID, *suppress_tokens})],
    }  # fmt: skip
