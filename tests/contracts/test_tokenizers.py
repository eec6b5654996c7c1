"""Every tokenizer in the folder keeps the promises of `interfaces.Tokenizer`; a new file is tried here at once."""

import re
import unicodedata
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import foreign_tokenizers as made
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli import catalog, tokenizers
from seqcli.errors import InputError, ModelError, UsageError
from seqcli.text import BOS_ID, EOS_ID, SPECIALS, UNK_ID, Normalisation, nfc

KINDS = catalog.trained_tokenizers()
FOREIGN = {  # as their folders are made: text comes back, or loses case and white space
    "byte-level": made.byte_level,
    "metaspace": made.metaspace,
    "word piece": made.word_piece,
    "marian": lambda folder, texts: made.marian(folder, texts, texts),
}
LOSSY = ("word piece", "marian")
NAMES = [*KINDS, *FOREIGN]
LEARNT_FROM = "나는 기계 학습을 공부한다 .\nI study machine learning , e\u0301t\u00e9 !\na b  ▁ c\n" * 20
TRICKY = ["<s>", "</s>", "<unk>", "<0x41>", "▁", "▅", "\x1a", "\x1a0", "\x1a1", "  ", "\t", "\r", "\0", "\x85", "\u2028", "\ufeff",
          "😀", "👩‍🔬", "e\u0301", "한", "글", "가", "\u0958", "A\u030a\u0323", "study", " a", "나는", "\\x20", "<0xE"]  # fmt: skip
WRITTEN = re.compile("</?s>|<unk>|<pad>|<0x..>|▁|>>")  # tokens of other tools that a text may spell out
RECORDS = st.lists(
    st.sampled_from(TRICKY) | st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=12
).map("".join)


def learnt(kind: str, *, unit: str = "line"):
    tokenizer, _ = catalog.load("tokenizers", kind).train([nfc(LEARNT_FROM).encode()], vocab_size=400, unit=unit)
    return tokenizer


def opened(name: str):
    with TemporaryDirectory() as folder:
        return tokenizers.open_foreign(FOREIGN[name](Path(folder), made.samples(300)))


OPENED = {name: opened(name) for name in FOREIGN}
TOKENIZERS = {kind: learnt(kind) for kind in KINDS} | OPENED
DOCUMENTS = {kind: learnt(kind, unit="document") for kind in KINDS} | OPENED


@pytest.fixture(params=NAMES)
def tokenizer(request):
    return TOKENIZERS[request.param]


def lines_of(records: list[str]) -> bytes:
    return "".join(record + "\n" for record in records).encode()


def rows(batch) -> list[list[int]]:
    return [row.tolist() for row in np.split(batch.tokens, np.cumsum(batch.lengths)[:-1])] if len(batch.lengths) else []


def expected_text(tokenizer, record: str) -> str:
    """What decoding gives back: NFC, or the text as given; of words, the words; what has no id is `<unk>`."""
    if tokenizer.normalisation is Normalisation.NONE:
        return record
    record, known = nfc(record), set(tokenizer.vocabulary())
    if tokenizer.KIND == "words":
        words = [word for word in re.split("[\0\t\n\v\f\r ]+", record) if word and word not in SPECIALS[1:]]
        return " ".join(word if word in known else "<unk>" for word in words)
    if tokenizer.KIND == "characters":
        return "".join(char if char in known else "<unk>" for char in record)
    return record


@pytest.mark.parametrize("kind", NAMES)
@settings(max_examples=60, deadline=None)
@given(records=st.lists(RECORDS, max_size=4))
def test_a_block_is_encoded_as_its_lines_and_comes_back(kind, records):
    tokenizer = TOKENIZERS[kind]
    batch = tokenizer.encode(lines_of(records))
    assert batch.tokens.dtype == np.int32 and batch.lengths.dtype == np.int64
    assert rows(batch) == [row for record in records for row in rows(tokenizer.encode(lines_of([record])))]
    assert len(batch.lengths) == len(records) and batch.lengths.sum() == len(batch.tokens)
    for record, row in zip(records, rows(batch), strict=True):
        assert row[-1] == EOS_ID
        if kind in KINDS or not WRITTEN.search(record):  # another tool's special tokens may be written in a text
            assert EOS_ID not in row[:-1] and BOS_ID not in row
        assert all(0 <= id < tokenizer.vocab_size for id in row)
        if kind not in LOSSY and (kind in KINDS or not WRITTEN.search(record)):
            assert tokenizer.decode(row) == tokenizer.decode(row[:-1]) == expected_text(tokenizer, record)
    if records and kind in KINDS:
        assert tokenizer.decode(batch.tokens) == "\n".join(expected_text(tokenizer, record) for record in records)


@pytest.mark.parametrize("kind", NAMES)
@settings(max_examples=60, deadline=None)
@given(record=RECORDS, form=st.sampled_from(["NFC", "NFD", None]))
def test_pieces_are_the_tokens_and_point_at_their_text(kind, record, form):
    tokenizer = TOKENIZERS[kind]
    record = unicodedata.normalize(form, record) if form else record
    pieces = list(tokenizer.pieces(record))
    assert [piece.id for piece in pieces] == rows(tokenizer.encode(lines_of([record])))[0][:-1]
    vocabulary = tokenizer.vocabulary()
    assert all(piece.text == vocabulary[piece.id] for piece in pieces if piece.id not in (UNK_ID, BOS_ID, EOS_ID))
    if kind not in LOSSY and not (kind == "metaspace" and WRITTEN.search(record)):
        assert tokenizer.join([piece.text for piece in pieces]) == (
            " ".join(piece.text for piece in pieces) if kind == "words" else tokenizer.normalisation.text(record)
        )
    covered = set()
    assert all(before.start <= after.start and before.end <= after.end for before, after in pairwise(pieces))
    for piece in pieces:
        assert 0 <= piece.start <= piece.end <= len(record)
        covered.update(range(piece.start, piece.end))
        text = nfc(record[piece.start : piece.end])
        if kind in ("words", "characters") and len(text) == len(piece.text):  # else one of several from one character
            assert text == piece.text
        if (
            kind == "sentencepiece"
            and re.fullmatch("▁?[^▁<\x1a01]+", piece.text)
            and "\x1a" not in text
            and "▁" not in text
        ):
            assert text.replace(" ", "▁") in (piece.text, piece.text.removeprefix("▁"))
    left_out = set(range(len(record))) - covered
    if kind in LOSSY:  # white space, control characters and accents leave no trace
        assert all(unicodedata.category(record[at])[0] in "ZCM" or record[at] in "\ufffd▁" for at in left_out)
    elif kind != "words":
        assert not left_out


@pytest.mark.parametrize("kind", NAMES)
@settings(max_examples=30, deadline=None)
@given(records=st.lists(RECORDS, max_size=4))
def test_a_document_is_one_row(kind, records):
    tokenizer = DOCUMENTS[kind]
    lines = lines_of(records)
    batch = tokenizer.encode(lines, unit="document")
    assert batch.lengths.tolist() == [len(batch.tokens)]
    if not tokenizer.ends_rows:
        if not WRITTEN.search(lines.decode()):
            assert EOS_ID not in batch.tokens
            assert tokenizer.decode(batch.tokens) == expected_text(tokenizer, lines.decode())
        if kind in FOREIGN:
            assert batch.tokens.tolist() == [piece.id for piece in tokenizer.pieces(lines.decode())]
    else:
        assert (batch.tokens == EOS_ID).sum() == len(records) or WRITTEN.search(lines.decode())
        assert batch.tokens.tolist() == tokenizer.encode(lines).tokens.tolist()


def test_specials_come_first_and_pieces_are_distinct(tokenizer):
    vocabulary = tokenizer.vocabulary()
    assert tuple(vocabulary[:3]) == SPECIALS == ("<unk>", "<s>", "</s>") and tokenizer.specials == (0, 1, 2)
    assert len(vocabulary) == len(set(vocabulary)) == tokenizer.vocab_size
    assert tokenizer.decode([BOS_ID]) == tokenizer.decode([EOS_ID]) == tokenizer.decode([]) == ""


def test_saved_and_loaded_it_is_the_same(tokenizer, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        tokenizers.save(tokenizer, folder)
        again = tokenizers.load(folder, verify=True)
        assert again.vocabulary() == tokenizer.vocabulary() and again.fingerprint == tokenizer.fingerprint
        lines = lines_of(TRICKY)
        assert again.encode(lines).tokens.tolist() == tokenizer.encode(lines).tokens.tolist()
        tokenizer = again
    assert [file.read_bytes() for file in sorted(folders[0].iterdir())] == [
        file.read_bytes() for file in sorted(folders[1].iterdir())
    ]


def test_learning_or_opening_again_gives_the_same(tmp_path):
    for kind in KINDS:
        assert learnt(kind).fingerprint == TOKENIZERS[kind].fingerprint
        assert re.fullmatch("[0-9a-f]{16}", TOKENIZERS[kind].fingerprint)
    for name, make in FOREIGN.items():
        folder = make(tmp_path / name, made.samples(300))
        assert tokenizers.open_foreign(folder).fingerprint == tokenizers.open_foreign(folder).fingerprint


def test_fingerprints_differ():
    fingerprints = [tokenizer.fingerprint for tokenizer in TOKENIZERS.values()]
    assert len(set(fingerprints)) == len(fingerprints)
    other, _ = catalog.load("tokenizers", "characters").train([b"a b\n"])
    assert other.fingerprint != TOKENIZERS["characters"].fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_small_and_odd_texts_are_learnt_with_notes(kind):
    train = catalog.load("tokenizers", kind).train
    for text in ("a\n", "word\n" * 50, "^" * 50_000 + "\n", "\t\0 ▅ ▁x\n", "1\n\n2\n"):
        tokenizer, notes = train([text.encode()], vocab_size=5000)
        assert notes and tokenizer.vocab_size < 5000
        assert tokenizer.decode(tokenizer.encode(text.encode()).tokens) or kind == "words"
    if kind != "bytes":
        for blocks in ([], [b""], [b"\n\n"]):
            with pytest.raises(InputError, match="no text"):
                train(blocks)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vocabulary_is_no_larger_than_asked(kind):
    tokenizer, _ = catalog.load("tokenizers", kind).train([nfc(LEARNT_FROM).encode()], vocab_size=270)
    assert tokenizer.vocab_size <= 270


def test_damage_is_a_model_error(tokenizer, tmp_path):
    tokenizers.save(tokenizer, tmp_path)
    for file in sorted(tmp_path.iterdir()):
        whole = file.read_bytes()
        for damaged in (
            b"",
            whole[: len(whole) // 2],
            whole[:-1],
            b"\x80\x04}." + whole,
            whole.replace(b"a", b"b"),
            b"[" * 10**5,
        ):
            file.write_bytes(damaged)
            if damaged.strip() != whole.strip():
                with pytest.raises(ModelError):
                    tokenizers.load(tmp_path)
        file.unlink()
        with pytest.raises(ModelError, match=file.name):
            tokenizers.load(tmp_path)
        file.write_bytes(whole)


def test_an_unknown_kind_names_the_nearest(tmp_path):
    (tmp_path / tokenizers.FILE).write_text('{"kind": "../word", "vocab_size": 5, "fingerprint": "0"}')
    with pytest.raises(ModelError, match=r"unknown tokenizer kind '\.\./word'.*did you mean 'words'"):
        tokenizers.load(tmp_path)
    with pytest.raises(UsageError, match="did you mean 'sentencepiece'"):
        catalog.load("tokenizers", "sentencpiece")
