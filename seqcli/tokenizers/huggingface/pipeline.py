"""A tokenizer of the `tokenizers` library from the files of a Hugging Face folder, and which tokens are special in it.

    tokenizer.json                               the library's own file, read as it is
    vocab.json and merges.txt                    byte-level BPE (GPT-2, RoBERTa)
    vocab.txt                                    WordPiece (BERT, ELECTRA, DistilBERT)
    tokenizer_config.json, special_tokens_map.json, added_tokens.json, config.json
                                                 options, and the names or ids of special tokens

The files are anyone's: they are bounded before a parser sees them, and the library's panics are errors of the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from seqcli.errors import ModelError, SeqcliError
from seqcli.files import foreign
from seqcli.files.foreign import CURE, content

FILE = "tokenizer.json"
_FILES = ((FILE,), ("vocab.json", "merges.txt"), ("vocab.txt",))
SPACES = "\u0120\u2581"  # how a space is written in the pieces of byte-level BPE and of SentencePiece
_MOST = 1 << 22  # maximum size of a vocabulary
_MOST_TOKENS, _MOST_MERGES = 1 << 20, 1 << 21
_TRIED = (
    "a b\n\0\t c\u00e9e\u0301\ud55c\u1112\u1161\u11ab\U0001f600 1,000.5"  # a file whose pipeline fails shows it on this
)
_ROLES = ("unk", "bos", "eos", "cls", "sep", "pad", "mask")
_BERT = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
_GPT2 = {"unk": "<|endoftext|>", "bos": "<|endoftext|>", "eos": "<|endoftext|>"}
_ROBERTA = {
    "unk": "<unk>", "bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "pad": "<pad>", "mask": "<mask>",
}  # fmt: skip
_USUAL = {  # default names of special tokens; the first that the vocabulary has is used
    "unk": ("<unk>", "[UNK]", "<|endoftext|>"),
    "bos": ("<s>", "[CLS]", "<|begin_of_text|>", "<bos>", "<|startoftext|>", "<|endoftext|>"),
    "eos": ("</s>", "[SEP]", "<|end_of_text|>", "<eos>", "<|im_end|>", "<|endoftext|>"),
    "mask": ("[MASK]", "<mask>"),
}


@dataclass(frozen=True)
class Opened:
    """A tokenizer, and the file's ids of its special tokens. where: the file, for errors."""

    library: Tokenizer
    where: str
    unk: int | None = None
    bos: int | None = None
    eos: int | None = None
    mask: int | None = None
    rows: int = 0  # of the embedding, if it has more rows than there are tokens
    plain: bool = False  # whether special tokens written in a text are text


@contextmanager
def guarded(where: str, *, quiet: bool = True) -> Iterator[None]:
    """A context that raises the library's errors and panics as ModelError. quiet: suppress Rust's output on standard error."""
    silenced = _silence() if quiet else None
    try:
        yield
    except SeqcliError:
        raise
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"  # its module cannot be imported
        if not panic and not isinstance(error, Exception):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"the tokenizers library cannot use it ({reason})", where=where, cure=CURE) from None
    finally:
        if silenced is not None:
            os.dup2(silenced, 2)
            os.close(silenced)


def _silence() -> int | None:
    """Redirects standard error to the null device; returns a copy of its descriptor."""
    try:
        before = os.dup(2)
    except OSError:
        return None
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return before


def from_json(data: bytes, *, where: str, plain: bool = False) -> Tokenizer:
    """The tokenizer of a tokenizer.json, for encoding whole texts. plain: see `Opened`. Raises ModelError."""
    foreign.check_json(data, where=where)
    with guarded(where):
        library = Tokenizer.from_str(data.decode())
        library.encode_special_tokens = plain
    return _checked(library, where)


def has_one(folder: Path) -> bool:
    """Whether a folder has files from which a tokenizer of the library can be made."""
    return any(all(foreign.find(folder, name) for name in names) for names in _FILES)


def of_folder(folder: Path, *, only: str | None = None) -> Opened:
    """The tokenizer of a folder, from tokenizer.json if there is one. only: use this file instead."""
    settings = _settings(folder)
    names = [only] if only else os.listdir(folder) if folder.is_dir() else []
    if FILE in names or (only and only.endswith(".json")):
        path = folder / (only or FILE)
        library, usual = from_json(foreign.read(folder, path.name), where=str(path)), {}
    elif "vocab.json" in names and "merges.txt" in names:
        path = folder / "vocab.json"
        usual = _ROBERTA if _is_like_roberta(settings) else _GPT2
        library = _byte_level(folder, settings, usual)
    elif "vocab.txt" in names or (only and only.endswith(".txt")):
        path, usual = folder / (only or "vocab.txt"), _BERT
        library = _word_piece(path, settings)
    else:
        cure = "give a folder with tokenizer.json, vocab.json and merges.txt, or vocab.txt"
        raise ModelError("has no tokenizer", where=str(folder), cure=cure)
    where = str(path)
    named = _named(settings)
    with guarded(where):
        _add_tokens(library, folder, settings, {**usual, **named})
    _checked(library, where)
    ids = _special_ids(library, folder, usual, named)
    plain = settings.get("split_special_tokens") is True
    with guarded(where):
        library.encode_special_tokens = plain
    return Opened(library, where, ids["unk"], ids["bos"], ids["eos"], ids["mask"], plain=plain)


def without_prefix(library: Tokenizer) -> Tokenizer:
    """A copy for text that continues, without a prepended space."""
    made = json.loads(library.to_str())
    for part in _steps(made):
        if part.get("type") in ("ByteLevel", "RobertaProcessing"):
            part["add_prefix_space"] = False
        if part.get("type") == "Metaspace":
            part["prepend_scheme"] = "never"
        if "normalizers" in part:
            part["normalizers"] = [step for step in part["normalizers"] if step.get("type") != "Prepend"]
    if (made.get("normalizer") or {}).get("type") == "Prepend":
        made["normalizer"] = None
    return Tokenizer.from_str(json.dumps(made))


def _steps(made: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The normalisation and other steps of a tokenizer.json, with sequences flattened."""
    left = [made[name] for name in ("normalizer", "pre_tokenizer", "post_processor") if made.get(name)]
    while left:
        step = left.pop()
        yield step
        for name in ("normalizers", "pretokenizers", "processors"):
            left.extend(step.get(name) or ())


# --- the library's tokenizer ------------------------------------------------------------------------------------------


def _checked(library: Tokenizer, where: str) -> Tokenizer:
    """The tokenizer without truncation, padding and dropout, which are for training. Raises ModelError if it does not work."""
    with guarded(where):
        library.no_truncation()
        library.no_padding()
        if getattr(library.model, "dropout", None):
            library.model.dropout = None
        if library.get_vocab_size(with_added_tokens=True) > _MOST_TOKENS:
            raise ModelError(f"has more than {_MOST_TOKENS:,} tokens", where=where, cure=CURE)
        tokens = library.get_vocab(with_added_tokens=True)
        if not tokens or max(tokens.values()) >= _MOST:
            raise ModelError(f"its ids are not below {_MOST:,}", where=where, cure=CURE)
        ids = library.encode(_TRIED, add_special_tokens=False).ids
        library.decode(ids, skip_special_tokens=False)
    return library


def _byte_level(folder: Path, settings: dict[str, Any], usual: dict[str, str]) -> Tokenizer:
    """The tokenizer of GPT-2 and RoBERTa, as built by `transformers`."""
    where = str(folder / "vocab.json")
    vocab = foreign.read_ids(folder, "vocab.json", below=_MOST)
    lines = foreign.read_lines(folder, "merges.txt", most=_MOST_MERGES)
    rules = [line.split(" ") for line in lines if not line.startswith("#version")]
    if any(len(rule) != 2 for rule in rules):
        raise ModelError("damaged (a merge is two tokens)", where=str(folder / "merges.txt"), cure=CURE)
    merges = [(left, right) for left, right in rules]
    prefixed = settings.get("add_prefix_space") is True
    with guarded(where):
        model = models.BPE(
            vocab=vocab, merges=merges, continuing_subword_prefix="", end_of_word_suffix="", fuse_unk=False
        )
        library = Tokenizer(model)
        library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefixed)
        library.decoder = decoders.ByteLevel()
        trimmed = settings.get("trim_offsets", usual is _ROBERTA) is True
        library.post_processor = processors.ByteLevel(add_prefix_space=prefixed, trim_offsets=trimmed)
    return library


def _word_piece(path: Path, settings: dict[str, Any]) -> Tokenizer:
    """The tokenizer of BERT, as built by `transformers`. Without lower-casing accents are kept, unless `strip_accents` is set."""
    vocab = {token: id for id, token in enumerate(foreign.read_lines(path.parent, path.name, most=_MOST_TOKENS))}
    unknown = content(settings.get("unk_token")) or _BERT["unk"]
    with guarded(str(path)):
        library = Tokenizer(models.WordPiece(vocab, unk_token=unknown, max_input_chars_per_word=100))
        library.normalizer = normalizers.BertNormalizer(
            clean_text=True,
            handle_chinese_chars=settings.get("tokenize_chinese_chars", True) is not False,
            strip_accents=settings.get("strip_accents"),
            lowercase=settings.get("do_lower_case", True) is not False,
        )
        library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        library.decoder = decoders.WordPiece(prefix="##")
    return library


def _add_tokens(library: Tokenizer, folder: Path, settings: dict[str, Any], named: dict[str, Any]) -> None:
    """Adds the tokens that are recognised before the model is applied: those of the settings, and the special tokens of the vocabulary."""
    there = {token.content for token in library.get_added_tokens_decoder().values()}
    special = {content(value) for value in named.values()}
    listed = {
        id: _added(value, special=content(value) in special)
        for id, value in _items(settings.get("added_tokens_decoder"))
    }
    if not listed:
        for text, id in (foreign.read_json(folder, "added_tokens.json") or {}).items():
            if isinstance(id, int):
                listed[id] = _added(text, special=text in special)
    for id, token in sorted(listed.items()):
        if token and token.content not in there and library.token_to_id(token.content) in (id, None):
            if library.token_to_id(token.content) is None and library.get_vocab_size() != id:
                continue  # it would get a different id
            library.add_tokens([token])
            there.add(token.content)
    for value in named.values():
        token = _added(value, special=True)
        if token and token.content not in there and library.token_to_id(token.content) is not None:
            library.add_special_tokens([token])
            there.add(token.content)


def _added(value: Any, *, special: bool) -> AddedToken | None:
    """A token from JSON: its text, or an object with its options."""
    text = content(value)
    if not text:
        return None
    flags = {} if isinstance(value, str) else {
        name: value[name] for name in ("single_word", "lstrip", "rstrip", "normalized") if type(value.get(name)) is bool
    }  # fmt: skip
    special = special or (isinstance(value, dict) and value.get("special") is True)
    return AddedToken(text, special=special, **{"normalized": not special, **flags})


# --- special tokens ---------------------------------------------------------------------------------------------------


def _special_ids(
    library: Tokenizer, folder: Path, usual: dict[str, str], named: dict[str, Any]
) -> dict[str, int | None]:
    """The file's ids of `<unk>`, `<s>`, `</s>` and the mask, None if there is none.

    They are found by name in the settings, from the tokens that the library adds around a text, by their usual names, or by id in
    config.json.
    """
    around = library.encode("a", add_special_tokens=True)
    placed = [id for id, special in zip(around.ids, around.special_tokens_mask) if special]
    leading = around.special_tokens_mask[:1] == [1] and len(placed) < len(around.ids)
    following = around.special_tokens_mask[-1:] == [1] and len(placed) < len(around.ids)
    config = foreign.read_json(folder, "config.json") or {}

    def of_name(name: Any) -> int | None:
        return library.token_to_id(text) if (text := content(name)) else None

    def of_config(role: str) -> int | None:
        value = config.get(f"{role}_token_id")
        value = value[0] if isinstance(value, list) and value else value
        if not isinstance(value, int) or not 0 <= value < _MOST or library.id_to_token(value) is None:
            return None
        return value

    def first(found: Iterable[int | None]) -> int | None:
        return next((id for id in found if id is not None), None)

    def found(role: str, other: str | None = None, place: int | None = None) -> Iterator[int | None]:
        for name in filter(None, (role, other)):
            yield of_name(named.get(name))
        yield place
        for name in filter(None, (role, other)):
            yield of_name(usual.get(name))
        yield from map(of_name, _USUAL[role])
        yield of_config(role)

    unknown = getattr(library.model, "unk_token", None)
    return {
        "unk": first(found("unk", place=of_name(unknown))),
        "bos": first(found("bos", "cls", placed[0] if leading else None)),
        "eos": first(found("eos", "sep", placed[-1] if following else None)),
        "mask": first(found("mask")),
    }


def _named(settings: dict[str, Any]) -> dict[str, Any]:
    """The special tokens named in the settings, by role."""
    return {role: settings[f"{role}_token"] for role in _ROLES if content(settings.get(f"{role}_token"))}


def _is_like_roberta(settings: dict[str, Any]) -> bool:
    name = f"{settings.get('tokenizer_class')} {settings.get('model_type')}".lower()
    return any(family in name for family in ("roberta", "bart", "longformer", "led"))


# --- files ------------------------------------------------------------------------------------------------------------


def _settings(folder: Path) -> dict[str, Any]:
    """tokenizer_config.json, completed from special_tokens_map.json, and the model type of config.json."""
    config = foreign.read_json(folder, "config.json") or {}
    settings = {"model_type": config.get("model_type")} | (foreign.read_json(folder, "tokenizer_config.json") or {})
    return (foreign.read_json(folder, "special_tokens_map.json") or {}) | {
        k: v for k, v in settings.items() if v is not None
    }


def _items(value: Any) -> Iterator[tuple[int, Any]]:
    """The items of an object whose keys are numbers."""
    for key, each in value.items() if isinstance(value, dict) else ():
        if key.isascii() and key.isdigit() and len(key) < 8:
            yield int(key), each
