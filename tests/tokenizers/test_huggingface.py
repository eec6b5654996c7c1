"""Folders that are damaged or hostile, long texts, and what the settings of a folder decide."""

from __future__ import annotations

import json
import os
import random
import time

import foreign_tokenizers as made
import numpy as np
import pytest

from seqcli import catalog, tokenizers
from seqcli.errors import ModelError
from seqcli.files import foreign
from seqcli.tokenizers import huggingface, marian


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With tokenizer.json alone: byte-level BPE."""
    made.byte_level(tmp_path_factory.mktemp("parts"), made.samples(300))
    opened = huggingface.open_folder(tmp_path_factory.getbasetemp() / "parts0")
    folder = tmp_path_factory.mktemp("whole")
    opened._library.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def changed(folder, tmp_path):
    """A function that opens tokenizer.json after a change of its content."""

    def opened(change, **files):
        content = json.loads((folder / "tokenizer.json").read_text())
        change(content)
        (tmp_path / "tokenizer.json").write_text(json.dumps(content))
        for name, value in files.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(value))
        return huggingface.open_folder(tmp_path)

    return opened


def nested(depth: int) -> bytes:
    return b'{"normalizer": ' * depth + b"1" + b"}" * depth


HOSTILE = {
    "empty": b"",
    "not JSON": b"\x80\x04}.",
    "an array": b"[]",
    "no model": b'{"version": "1.0", "model": 1}',
    "nested": nested(100_000),
    "nested in a string": json.dumps({"model": "[" * 1000}).encode(),
    "a huge number": b'{"model": {"type": "WordPiece", "vocab": {"a": 1' + b"0" * 5000 + b"}}}",
    "not UTF-8": b'{"model": "\xff"}',
    "cut off": b'{"model": {"type": "WordPiece", "vocab": {"a',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_model_errors_in_one_line(name, tmp_path, capfd):
    (tmp_path / "tokenizer.json").write_bytes(HOSTILE[name])
    with pytest.raises(ModelError, match=r"tokenizer\.json") as error:
        huggingface.open_folder(tmp_path)
    assert "\n" not in str(error.value) and capfd.readouterr() == ("", "")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with open(tmp_path / "tokenizer.json", "wb") as file:
        file.truncate(1 << 30)
    started = time.monotonic()
    with pytest.raises(ModelError, match="1,073,741,824 bytes"):
        huggingface.open_folder(tmp_path)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "vocab.txt"])
def test_links_out_of_the_folder_and_fifos_are_refused(name, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes((folder / "tokenizer.json").read_bytes())
    inside = tmp_path / "inside"
    inside.mkdir()
    if name == "tokenizer_config.json":
        (inside / "tokenizer.json").write_bytes(outside.read_bytes())
    (inside / name).symlink_to(outside)
    with pytest.raises(ModelError, match="a link out of the folder"):
        huggingface.open_folder(inside)
    (inside / name).unlink()
    os.mkfifo(inside / name)
    with pytest.raises(ModelError, match="not a regular file"):
        huggingface.open_folder(inside)


def swapped(content, name, value):
    content[name] = value


@pytest.mark.parametrize(
    "change",
    [
        lambda content: swapped(content, "normalizer", {"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        lambda content: content["model"].update(merges=[["a", "nothing"]]),
        lambda content: content["model"].update(merges=["a b c"]),
        lambda content: content["model"].update(vocab={"a": 4_000_000_000}, merges=[]),
        lambda content: content["model"].update(vocab={"a": -1}, merges=[]),
        lambda content: content["model"].update(vocab={}, merges=[]) or swapped(content, "added_tokens", []),
        lambda content: swapped(content, "pre_tokenizer", {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Removed", "invert": False}),
        lambda content: swapped(content, "decoder", {"type": "Nothing"}),
        lambda content: content["added_tokens"][0].update(id=10**12),
    ],
)  # fmt: skip
def test_lying_files_are_model_errors_without_the_librarys_panic(change, changed, capfd):
    with pytest.raises(ModelError) as error:
        changed(change)
    assert "\n" not in str(error.value) and capfd.readouterr() == ("", "")


def test_mutations_open_or_are_model_errors(folder, tmp_path, capfd):
    """Bytes that change, vanish or repeat; what opens also encodes, or says that it cannot."""
    whole, chance = (folder / "tokenizer.json").read_bytes(), random.Random(5)
    for _ in range(150):
        data, place = bytearray(whole), chance.randrange(len(whole))
        size = chance.choice((1, 1, 8, 100))
        data[place : place + size] = chance.choice(
            (b"", bytes([chance.randrange(256)]), b'"', data[:size], b"9" * size)
        )
        (tmp_path / "tokenizer.json").write_bytes(data)
        try:
            opened = huggingface.open_folder(tmp_path)
            opened.decode(opened.encode("나는 study\n<|endoftext|>\n".encode()).tokens.tolist())
        except ModelError as error:
            assert "\n" not in str(error)
    assert "panicked" not in capfd.readouterr().err


def test_texts_are_neither_cut_off_nor_padded_nor_random(changed):
    """Truncation, padding and dropout in the file are of training."""

    def change(content):
        content["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
        content["padding"] = {
            "strategy": {"Fixed": 10**12}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "!",
        }  # fmt: skip
        content["model"]["dropout"] = 0.9

    tokenizer, plain = changed(change), changed(lambda content: None)
    text = "a long text of many tokens " * 5
    assert [p.id for p in tokenizer.pieces(text)] == [p.id for p in plain.pieces(text)]


@pytest.mark.parametrize(
    "settings, config, expected",
    [
        ({}, {}, ["<|endoftext|>", "<|endoftext|>", "<|endoftext|>"]),
        ({"bos_token": "!", "eos_token": {"content": "#"}}, {}, ["<|endoftext|>", "!", "#"]),
        ({"bos_token": "not there", "unk_token": "$"}, {}, ["$", "<|endoftext|>", "<|endoftext|>"]),
        ({"bos_token": None, "eos_token": 7}, {"bos_token_id": 3}, ["<|endoftext|>"] * 3),
    ],
)
def test_special_tokens_are_found_by_name(settings, config, expected, changed):
    tokenizer = changed(lambda content: None, tokenizer_config=settings, config=config)
    names = tokenizer.file_vocabulary()
    assert [names[id] for id in tokenizer.file_ids[:3].tolist()] == expected
    assert tokenizer.vocab_size == len(names) - len(set(expected)) + 3


def test_special_tokens_are_found_by_id_as_a_last_resort(changed):
    def change(content):
        vocabulary = content["model"]["vocab"]
        vocabulary["<end>"] = vocabulary.pop("<|endoftext|>")
        content["added_tokens"][0]["content"] = "<end>"

    assert changed(change).file_ids[:3].tolist() == [-1, -1, -1]
    by_id = changed(change, config={"bos_token_id": 0, "eos_token_id": [0, 5], "pad_token_id": 10**9})
    assert by_id.file_ids[:3].tolist() == [-1, 0, 0]


def test_written_special_tokens_are_the_librarys(folder):
    """One that serves as `<s>` and `</s>` is `</s>`; in training text no token is `<s>`, which begins rows."""
    tokenizer = huggingface.open_folder(folder)
    assert tokenizer.encode(b"<|endoftext|>\n").tokens.tolist() == [2, 2]
    assert tokenizer.text_of(tokenizer.encode(b"a<|endoftext|>b\n").tokens.tolist()[:-1]) == "a<|endoftext|>b"


def test_training_text_has_no_begin_of_text_inside(tmp_path):
    tokenizer = huggingface.open_folder(
        made.byte_level(tmp_path, made.samples(100), specials=made.ROBERTA, tokenizer_class="Roberta")
    )
    assert tokenizer.encode(b"a<s>b\n").tokens.tolist()[1] == 1
    assert tokenizer.encode(b"a<s>b\n", learning=True).tokens.tolist()[1] == 0
    assert tokenizer.encode(b"a<s>b\n", unit="document", learning=True).tokens.tolist()[1] == 0


LONG = {
    "words": lambda draw, texts: " ".join(draw.choices(texts, k=400)),
    "no spaces": lambda draw, texts: "".join(draw.choices("나는기계학습을공부한다", k=15_000)),
    "one character": lambda draw, texts: "a" * 15_000,
    "blank": lambda draw, texts: " " * 15_000,
    "lines": lambda draw, texts: "\n\n".join(draw.choices(texts, k=400)),
}


@pytest.mark.parametrize("text", LONG)
@pytest.mark.parametrize(
    "make",
    [
        made.byte_level,
        lambda folder, texts: made.byte_level(folder, texts, add_prefix_space=True),
        made.word_piece,
        made.metaspace,
        lambda folder, texts: made.metaspace(folder, texts, legacy=False),
    ],
    ids=["byte-level", "byte-level, space first", "word piece", "metaspace, legacy", "metaspace"],
)
def test_a_long_text_has_the_tokens_that_it_has_whole(make, text, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface, "_LONG", 1 << 12)
    texts = made.samples(200)
    tokenizer = huggingface.open_folder(make(tmp_path, texts))
    text = LONG[text](random.Random(3), texts)
    whole = tokenizer._library.encode(text, add_special_tokens=False)
    assert tokenizer.file_ids[tokenizer.encode_documents(["b", text, "c"]).rows[1]].tolist() == whole.ids
    pieces = list(tokenizer.pieces(text))
    assert [(piece.start, piece.end) for piece in pieces] == whole.offsets
    assert max(len(part) for _, part in tokenizer._parts(text)) < 1 << 13 or len(pieces) < 3


def test_the_kinds_that_are_not_trained_open_folders():
    for name in catalog.names("tokenizers"):
        module = catalog.load("tokenizers", name)
        assert hasattr(module, "train") == (name in catalog.trained_tokenizers())


def test_marian_without_its_special_tokens_is_refused(tmp_path):
    texts = made.samples(300)
    made.marian(tmp_path, texts, texts)
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    del vocabulary["</s>"]
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(ModelError, match=r"vocab\.json: has no </s>"):
        marian.open_sides(tmp_path)
    (tmp_path / "vocab.json").write_text('{"a": 1e400, "b": [1]}')
    with pytest.raises(ModelError, match="ids are numbers"):
        marian.open_sides(tmp_path)
    (tmp_path / "source.spm").write_bytes(b"nothing")
    (tmp_path / "vocab.json").write_text('{"</s>": 0, "<unk>": 1, "<pad>": 2}')
    with pytest.raises(ModelError, match="not a SentencePiece model"):
        marian.open_sides(tmp_path)


def test_json_is_measured_outside_of_strings_across_parts():
    """Values are arrays, objects and what commas part: 3 in [1, 2], and a string is one whatever it holds."""
    text = json.dumps({"a": ["[" * 10, {"b": '\\"]{,'}], "c\\": "\\"})
    long = json.dumps({"a": '\\"[,' * 400_000, "b": [[1]]})
    for sound, values in ((text, 5), (long, 4)):
        foreign.check_json(sound.encode(), where="x", deepest=3, most=values)
        with pytest.raises(ModelError, match="more than 2 levels"):
            foreign.check_json(sound.encode(), where="x", deepest=2, most=values)
        with pytest.raises(ModelError, match=f"more than {values - 1} values"):
            foreign.check_json(sound.encode(), where="x", deepest=3, most=values - 1)


def test_saved_ids_that_the_file_does_not_have_are_refused(folder, tmp_path):
    tokenizers.save(huggingface.open_folder(folder), tmp_path)
    path = tmp_path / huggingface.FILE
    header, _, rest = path.read_bytes().partition(b"\n")
    for name, value in (("bos", 10**9), ("eos", -1), ("unk", "0"), ("mask", 10**6)):
        path.write_bytes(json.dumps(json.loads(header) | {name: value}).encode() + b"\n" + rest)
        with pytest.raises(ModelError):
            tokenizers.load(tmp_path)
    assert np.array_equal(huggingface.open_folder(folder).file_ids[:3], [0, 0, 0])
