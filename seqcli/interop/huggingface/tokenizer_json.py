r"""Our tokenizers as tokenizer.json, which `transformers.AutoTokenizer` opens: the same ids for every text.

    characters, bytes    BPE without merges, over characters or bytes
    words                WordLevel between our blanks; `<s>` and `</s>` written as words count as blanks
    sentencepiece        Unigram, or BPE whose merges are the splits of its pieces; characters without a piece as bytes
    huggingface          unchanged

Text is normalised as by seqcli (NFC, escapes), and special tokens written in a text are treated as text: this is
`split_special_tokens` in tokenizer_config.json. transformers has no tokens that are never predicted; if `<s>` is one, it is left out,
and `</s>` both begins and ends a text, as in GPT-2.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from seqcli import interfaces
from seqcli.errors import ModelError
from seqcli.interop.huggingface import sentencepiece_model
from seqcli.text import BLANKS, BOS, BOS_ID, EOS, EOS_ID, SPACE_MARK, SPECIAL_IDS, SPECIALS, UNK, UNK_ID, Normalisation
from seqcli.tokenizers import bytes as byte_tokens
from seqcli.tokenizers.huggingface import HuggingFace, pipeline
from seqcli.tokenizers.sentencepiece import SentencePiece

FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"
_LAST = -1e4  # score of pieces that never occur


@dataclass
class Written:
    """A tokenizer of the library. file_ids: int64 [V], the id in the file of each of our ids, -1 if there is none; rows: of the
    embedding; names: of `<unk>`, `<s>`, `</s>`; added: special tokens that were added."""

    library: Tokenizer
    file_ids: np.ndarray
    rows: int
    names: dict[str, str]
    plain: bool  # whether special tokens written in a text are text
    notes: list[str] = field(default_factory=list)
    mask: int | None = None  # id of the mask token in the file

    def config(self, *, window: int) -> dict[str, Any]:
        """tokenizer_config.json."""
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **{f"{role}_token": name for role, name in self.names.items()},
            "model_max_length": window,
            "clean_up_tokenization_spaces": False,
            **({"split_special_tokens": True} if self.plain else {}),
        }

    def id(self, special: int) -> int | None:
        """The id in the file of one of our special tokens."""
        return int(self.file_ids[special]) if self.file_ids[special] >= 0 else None


def written(
    tokenizer: interfaces.Tokenizer, *, unit: str, impossible: Collection[int], where: str, masks: bool = False
) -> Written:
    """impossible: our tokens that the model never predicts; masks: whether the model has a mask token, which is added if the tokenizer
    has none; where: the model, for errors.

    Raises ModelError for a tokenizer that cannot be represented exactly.
    """
    if isinstance(tokenizer, HuggingFace):
        return _of_library(tokenizer, impossible=impossible, masks=masks)
    if tokenizer.KIND not in _MAKERS or tokenizer.specials != SPECIAL_IDS:
        raise ModelError(f"tokenizers of kind {tokenizer.KIND} cannot be written as {FILE}", where=where)
    if unit == "document" and tokenizer.ends_rows:
        what = f"a {tokenizer.KIND} tokenizer that ends lines with {EOS} inside a document cannot be written as {FILE}"
        raise ModelError(what, where=where, cure="train with --unit line, or with --tokenizer characters or bytes")
    shared = BOS_ID in impossible
    pieces = tokenizer.vocabulary()
    if shared:
        del pieces[BOS_ID]
    names = {"unk": UNK, "bos": EOS if shared else BOS, "eos": EOS}
    ids = {piece: id for id, piece in enumerate(pieces)}
    library, notes = _MAKERS[tokenizer.KIND](tokenizer, pieces, where)
    form = [normalizers.NFC()] if tokenizer.normalisation is Normalisation.NFC else []
    own = [library.normalizer] if library.normalizer else []
    if form or own:
        library.normalizer = normalizers.Sequence([*form, *own])
    library.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in dict.fromkeys(names.values())]
    )
    library.post_processor = processors.TemplateProcessing(
        single=[names["bos"], "$A", *([names["eos"]] if unit == "line" else [])],
        special_tokens=[(name, ids[name]) for name in dict.fromkeys((names["bos"], names["eos"]))],
    )
    file_ids = np.arange(tokenizer.vocab_size)
    if shared:
        file_ids[EOS_ID:] -= 1
    made = Written(library, file_ids, len(pieces), names, True, notes)
    if masks:
        _add_mask(made)
    return made


def _add_mask(made: Written) -> None:
    """Adds a mask token that is recognised in a text. transformers recognises either all special tokens or none."""
    taken = made.library.get_vocab(with_added_tokens=True)
    name = next(name for name in _spellings("<mask>") if name not in taken)
    made.library.add_special_tokens([AddedToken(name, special=True, normalized=False)])
    mask = made.library.get_vocab(with_added_tokens=True)[name]
    made.names["mask"], made.mask, made.rows = name, mask, max(made.rows, mask + 1)
    if made.plain:
        made.plain = False
        made.notes.append(
            f"Where a text has {', '.join(dict.fromkeys(made.names.values()))} written in it, that is the token."
        )


def _of_library(tokenizer: HuggingFace, *, impossible: Collection[int], masks: bool) -> Written:
    """The tokenizer unchanged, but with separate tokens for those that the model predicts and the file does not distinguish."""
    opened = tokenizer.opened
    library = pipeline.from_json(opened.library.to_str().encode(), where=opened.where)
    file_ids = tokenizer.file_ids.copy()
    rows = max(opened.rows, int(file_ids.max()) + 1)
    taken = library.get_vocab(with_added_tokens=True)
    for special in (UNK_ID, BOS_ID):
        twice = file_ids[special] in file_ids[special + 1 : EOS_ID + 1]
        if special not in impossible and (twice or file_ids[special] < 0) and rows == library.get_vocab_size():
            name = next(name for name in _spellings(SPECIALS[special]) if name not in taken)
            library.add_special_tokens([AddedToken(name, special=True, normalized=False)])
            file_ids[special] = rows
            rows += 1
    tokens = {id: token for token, id in library.get_vocab(with_added_tokens=True).items()}
    names = {
        role: tokens[int(file_ids[special])]
        for role, special in (("unk", UNK_ID), ("bos", BOS_ID), ("eos", EOS_ID))
        if int(file_ids[special]) in tokens
    }
    if opened.mask is not None and opened.mask in tokens:
        names["mask"] = tokens[opened.mask]
    made = Written(library, file_ids, rows, names, opened.plain, mask=opened.mask)
    if masks and opened.mask is None:
        _add_mask(made)
    return made


def _spellings(name: str) -> Iterator[str]:
    """Alternative names, `<s>`, `<s >`, `<s  >` ..., one of which is not yet used."""
    yield name
    for blanks in range(1, 100):
        yield f"{name[:-1]}{' ' * blanks}>"


# --- by kind: the library's tokenizer, and what the model card says of it -----------------------------------------------


def _characters(tokenizer: interfaces.Tokenizer, pieces: list[str], where: str) -> tuple[Tokenizer, list[str]]:
    ids = {piece: id for id, piece in enumerate(pieces)}
    library = Tokenizer(models.BPE(ids, [], unk_token=UNK, fuse_unk=False))
    library.decoder = decoders.Fuse()
    return library, []


def _bytes(tokenizer: interfaces.Tokenizer, pieces: list[str], where: str) -> tuple[Tokenizer, list[str]]:
    specials = pieces[: len(pieces) - 256]
    assert pieces[len(specials) :] == byte_tokens.Bytes().vocabulary()[len(SPECIALS) :]
    ids = {piece: id for id, piece in enumerate([*specials, *map(_shown, range(256))])}
    library = Tokenizer(models.BPE(ids, []))
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    library.decoder = decoders.ByteLevel()
    return library, []


def _shown(byte: int) -> str:
    """The character for a byte in byte-level BPE: itself if it is visible in Latin-1, otherwise one from U+0100 on."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return chr(byte) if byte in visible else chr(0x100 + byte - sum(other < byte for other in visible))


def _words(tokenizer: interfaces.Tokenizer, pieces: list[str], where: str) -> tuple[Tokenizer, list[str]]:
    library = Tokenizer(models.WordLevel({piece: id for id, piece in enumerate(pieces)}, unk_token=UNK))
    blanks = "".join(f"\\x{ord(blank):02x}" for blank in BLANKS)
    between = Regex(f"(?:[{blanks}]|(?<![^{blanks}])</?s>(?![^{blanks}]))+")
    library.pre_tokenizer = pre_tokenizers.Split(between, "removed")
    return library, []


def _sentencepiece(tokenizer: interfaces.Tokenizer, pieces: list[str], where: str) -> tuple[Tokenizer, list[str]]:
    assert isinstance(tokenizer, SentencePiece)
    kind = sentencepiece_model.kind_of(tokenizer.model, where=where)
    if not kind.plain or kind.algorithm not in (sentencepiece_model.UNIGRAM, sentencepiece_model.BPE):
        what = f"a SentencePiece model whose normalisation is {kind.normalisation} cannot be written as {FILE}"
        raise ModelError(what, where=where, cure="train with --tokenizer sentencepiece, which changes nothing")
    score = dict(zip(tokenizer.vocabulary(), tokenizer.scores))
    special = {piece for piece in pieces if tokenizer.is_special(piece)}
    texts = [piece for piece in pieces if piece not in special]
    notes = []
    if kind.algorithm == sentencepiece_model.UNIGRAM:
        scored = [(piece, _LAST if piece in special else score[piece]) for piece in pieces]
        library = Tokenizer(models.Unigram(scored, UNK_ID, byte_fallback=True))
        cuts = {literal: _cut(literal, texts) for literal in sorted(special)}
        if whole := [literal for literal, cut in cuts.items() if cut is None]:
            notes.append(f"Text that contains {' or '.join(whole[:3])} is read as that token.")
        found = [f"{re.escape(name[:cut])}(?={re.escape(name[cut:])})" for name, cut in cuts.items() if cut]
        library.pre_tokenizer = pre_tokenizers.Split(Regex("|".join(found)), "merged_with_previous")
    else:
        ids = {piece: id for id, piece in enumerate(pieces)}
        known, merges = set(texts), []
        for piece in sorted((p for p in texts if len(p) > 1), key=lambda piece: -score[piece]):
            halves = ((piece[:at], piece[at:]) for at in range(1, len(piece)))
            merges += [(left, right) for left, right in halves if left in known and right in known]
        library = Tokenizer(models.BPE(ids, merges, unk_token=UNK, fuse_unk=True, byte_fallback=True))
    escapes = tokenizer.escapes
    library.normalizer = normalizers.Sequence([
        *(normalizers.Replace(char, escape) for char, escape in escapes.items()),
        normalizers.Prepend(SPACE_MARK), normalizers.Replace(" ", SPACE_MARK),
    ])  # fmt: skip
    library.decoder = decoders.Sequence([
        decoders.Replace(SPACE_MARK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0),
        *(decoders.Replace(escape, char) for char, escape in reversed(escapes.items())),
    ])  # fmt: skip
    return library, notes


def _cut(literal: str, texts: list[str]) -> int | None:
    """A position at which the text of a special piece can be split, so that the library does not recognise it as that token, and
    which no other piece of the text spans. None if there is no such position."""
    joined = "\0".join(texts)
    return next((at for at in range(1, len(literal)) if literal[at - 1 : at + 1] not in joined), None)


_MAKERS = {"characters": _characters, "bytes": _bytes, "words": _words, "sentencepiece": _sentencepiece}
