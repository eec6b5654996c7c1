"""SentencePiece: exact round trips in both algorithms, vocabularies that fit, models from elsewhere, bad files."""

import json
import random
import subprocess
import sys
from array import array
from functools import partial
from pathlib import Path

import pytest
import sentencepiece as library
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sentencepiece import trained

import seqcli
from seqcli.errors import InputError, ModelError, UsageError
from seqcli.tasks.tokenizer_choice import open_tokenizer
from seqcli.text import EOS_ID, Normalisation, nfc
from seqcli.tokenizers import sentencepiece
from seqcli.tokenizers.sentencepiece import SentencePiece, open_file, train

TEXT = nfc(
    "나는 기계 학습을 공부한다 .\nI study machine learning , e\u0301t\u00e9 !\nthe cat sat on the mat\n" * 30
).encode()
ALGORITHMS = ("unigram", "bpe")
MADE = {algorithm: train([TEXT], vocab_size=400, algorithm=algorithm)[0] for algorithm in ALGORITHMS}


def foreign(*, vocab_size: int = 60, **settings) -> bytes:
    """A model as spm_train makes it."""
    return trained(TEXT.decode().split("\n"), vocab_size=vocab_size, **settings)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=100, deadline=None)
@given(
    record=st.text(st.sampled_from(" \t\r\0▁▅\x1a01a나한글e\u0301😀<s>/unk") | st.characters(exclude_categories=["Cs"]))
)
def test_text_comes_back_exactly(algorithm, record):
    tokenizer = MADE[algorithm]
    record = record.replace("\n", "")
    assert tokenizer.decode(tokenizer.encode((nfc(record) + "\n").encode()).tokens) == nfc(record)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ids_are_the_librarys(algorithm, tmp_path):
    MADE[algorithm].save(tmp_path)
    judge = library.SentencePieceProcessor(model_file=str(tmp_path / sentencepiece.FILE))
    for line in ("I study  machines", " 나는 학교에 😀", "<s> the </s>"):
        assert MADE[algorithm].encode((line + "\n").encode()).tokens.tolist() == [*judge.encode(line), EOS_ID]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_vocabularies_fit_the_text(algorithm):
    made, notes = train([TEXT], vocab_size=100_000, algorithm=algorithm)
    assert made.vocab_size < 1000 and notes == [
        f"vocabulary lowered from 100,000 to {made.vocab_size}: the text is too small for more"
    ]
    made, notes = train([TEXT], vocab_size=10**12, algorithm=algorithm)
    assert made.vocab_size < 1000
    for size in (260, 261, 262, 265, 275):  # no room for 40 characters
        made, notes = train([TEXT], vocab_size=size, algorithm=algorithm)
        assert made.vocab_size <= size and "rare characters are encoded as bytes" in notes[-1]
        assert made.decode(made.encode(TEXT).tokens) == nfc(TEXT.decode()).removesuffix("\n")
    with pytest.raises(UsageError, match="259 is too small; use 260 or more"):
        train([TEXT], vocab_size=259, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_long_lines_are_learnt_from_and_encoded(algorithm):
    long = "zebra quagga " * 20_000
    made, _ = train([f"{long}\n".encode()], vocab_size=300, algorithm=algorithm)
    assert {"▁zebra", "▁quagga"} <= set(made.vocabulary())
    assert made.decode(made.encode(f"{long}\n".encode()).tokens) == long


def test_long_texts_are_sampled_evenly():
    blocks = ["".join(f"{n:04}\n" for n in range(start, start + 7)).encode() for start in range(0, 70, 7)]
    lines, step = sentencepiece._sample(blocks, 50)
    assert (lines, step) == ([f"{n:04}" for n in range(0, 70, 8)], 8)
    _, notes = train(blocks, vocab_size=300, characters=50)
    assert "subwords trained on one line in 8" in notes


def test_samples_are_of_their_seed_in_every_process():
    tokenizer, text = MADE["unigram"], "나는 the machine  studies ▁"
    drawn = [tuple(tokenizer.sample(text, alpha=0.2, seed=seed)) for seed in range(20)]
    assert len(set(drawn)) > 5 and {tokenizer.decode(ids) for ids in drawn} == {text}
    assert len({tuple(tokenizer.sample(text, alpha=100, seed=seed)) for seed in range(20)}) == 1
    program = (
        "import sys; from seqcli.tokenizers.sentencepiece import SentencePiece;"
        "tokenizer = SentencePiece(sys.stdin.buffer.read());"
        "print([tuple(tokenizer.sample(sys.argv[1], alpha=0.2, seed=seed)) for seed in range(20)])"
    )
    other = subprocess.run(
        [sys.executable, "-c", program, text],
        input=tokenizer._model,
        capture_output=True,
        check=True,
        cwd=Path(seqcli.__file__).parents[1],
    )
    assert other.stdout.decode().strip() == str(drawn)
    assert not other.stderr


def test_nbest_begins_with_the_best():
    text = "I study machines ▁ 😀"
    found = MADE["unigram"].nbest(text, k=5)
    assert list(found[0][0]) == [piece.id for piece in MADE["unigram"].pieces(text)]
    scores = [score for _, score in found]
    assert len(found) == len({tuple(ids) for ids, _ in found}) == 5 and scores == sorted(scores, reverse=True)
    assert {MADE["unigram"].decode(ids) for ids, _ in found} == {text}
    with pytest.raises(UsageError, match="no alternative segmentations"):
        MADE["bpe"].nbest(text, k=5)
    assert MADE["unigram"].nbest("", k=5) == [(array("i"), 0)] and not MADE["unigram"].sample("", alpha=1, seed=1)


def test_nbest_of_a_line_longer_than_a_window_is_the_librarys_of_the_whole_line(monkeypatch):
    text = "I study machines 😀 and the learning cat mat sat"
    whole = MADE["unigram"].nbest(text, k=20)
    monkeypatch.setattr(sentencepiece, "_WINDOW", 16)
    found = MADE["unigram"].nbest(text, k=20)
    assert [score for _, score in found] == pytest.approx([score for _, score in whole], abs=1e-4)
    assert len({tuple(ids) for ids, _ in found}) == 20 and {MADE["unigram"].decode(ids) for ids, _ in found} == {text}


def test_3_a_word_or_a_foreign_models_line_with_too_many_segmentations(monkeypatch):
    monkeypatch.setattr(sentencepiece, "_WINDOW", 16)
    model = SentencePiece(foreign(vocab_size=60))
    model.normalisation = Normalisation.NONE
    for tokenizer, text, kind in (
        (MADE["unigram"], "machines" * 3, "word of 24"),
        (model, "the cat sat on the mat", "line of 22"),
    ):
        for several in (partial(tokenizer.nbest, text, k=2), partial(tokenizer.sample, text, alpha=1, seed=1)):
            with pytest.raises(
                InputError, match=f"a {kind} bytes has too many segmentations; the longest .* is 16 bytes"
            ):
                several()


def test_offsets_of_bytes_and_of_the_space_put_first():
    pieces = list(MADE["unigram"].pieces("e\u0301😀▁the"))
    assert [(p.text, p.start, p.end) for p in pieces] == [
        ("▁", 0, 0), ("é", 0, 2), *((f"<0x{byte:02X}>", 2, 3) for byte in "😀".encode()),
        ("<0x1A>", 3, 4), ("<0x31>", 3, 4), ("t", 4, 5), ("h", 5, 6), ("e", 6, 7),
    ]  # fmt: skip


def test_a_model_from_elsewhere_reads_text_as_given(tmp_path):
    path = tmp_path / "their.model"
    path.write_bytes(foreign(pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    judge, theirs = library.SentencePieceProcessor(model_file=str(path)), open_file(path)
    text = "ｔｈｅ  cat \u2581 e\u0301t\u00e9 漢"  # its normalisation is its own
    pieces = list(theirs.pieces(text))
    assert [text[p.start : p.end] for p in pieces if p.text == "漢"] == ["漢"]
    assert theirs.decode([*judge.encode("the cat"), 1]) == "the cat"
    assert theirs.join(piece.text for piece in theirs.pieces("the 漢")) == "the 漢"
    with pytest.raises(ModelError, match=r"their\.model: .*\(2, -1, 1\), not \(0, 1, 2\); .*--bos_id 1"):
        open_tokenizer(str(path))
    path.write_bytes(foreign())
    open_file(path).save(tmp_path)
    assert (tmp_path / sentencepiece.FILE).read_bytes() == path.read_bytes()


def test_what_ends_a_line_is_no_text(here, tmp_path):
    """Nor is what a batch was padded with behind it."""
    (tmp_path / "their.model").write_bytes(foreign(pad_id=3))
    judge = library.SentencePieceProcessor(model_file=str(tmp_path / "their.model"))
    ids = [1, *judge.encode("the cat"), 2, 3, 3, 2]
    decode = ["tokenize", "-m", "their.model", "--decode", "--json"]
    for form, row in ((["--ids"], ids), ([], map(judge.id_to_piece, ids))):
        (found,) = map(json.loads, here(*decode, *form, " ".join(map(str, row))).out.splitlines())
        assert found["text"] == judge.decode(ids) == "the cat"


FOREIGN = [
    foreign(),
    foreign(normalization_rule_name="identity", byte_fallback=True, vocab_size=320, remove_extra_whitespaces=False),
    foreign(normalization_rule_name="identity", model_type="bpe", byte_fallback=True, vocab_size=320),
    foreign(treat_whitespace_as_suffix=True),
    foreign(add_dummy_prefix=False),
]
HOSTILE = st.text(
    st.sampled_from("the cat e\u0301é\u1112\u1161\u11a8학\u2581\x1a01 \t\u00a0\u3000ﬁ漢<unk>😀\0"), max_size=30
)


@pytest.mark.parametrize("model", FOREIGN, ids=["nmt", "bytes", "bpe", "suffix", "no prefix"])
@settings(deadline=None)
@given(text=HOSTILE)
def test_ids_of_a_foreign_model_are_the_librarys(tmp_path_factory, model, text):
    path = tmp_path_factory.getbasetemp() / "foreign.model"
    path.write_bytes(model)
    judge, theirs = library.SentencePieceProcessor(model_proto=model), open_file(path)
    assert theirs.encode(f"{text}\n".encode()).tokens[:-1].tolist() == judge.encode(text)
    assert [piece.id for piece in theirs.pieces(text)] == judge.encode(text)
    assert theirs.decode(judge.encode(text)) == judge.decode(judge.encode(text)).removesuffix(
        " " * theirs.spaces_follow
    )


@pytest.mark.parametrize("model", FOREIGN, ids=["nmt", "bytes", "bpe", "suffix", "no prefix"])
def test_text_is_written_as_a_foreign_model_decodes_it(tmp_path, model):
    """So that a stop string finds what was generated; blanks at its ends stay, which decoding drops as those of a text."""
    (tmp_path / "foreign.model").write_bytes(model)
    judge, theirs = library.SentencePieceProcessor(model_proto=model), open_file(tmp_path / "foreign.model")
    for text in ("the cat", "the\u3000cat", "ｔｈｅ  cat", "e\u0301t\u00e9", "\u1112\u1161\u11a8", "the \u2581cat", ""):
        unknown = judge.unk_id() in judge.encode(text)
        assert (
            theirs.written(text) == judge.decode(judge.encode(text)).removesuffix(" " * theirs.spaces_follow) or unknown
        )
        assert [theirs.written(given) for given in (f" {text}", f"{text} ", f"{text}\nx")] == [
            f" {theirs.written(text)}", f"{theirs.written(text)} " if text else " ", f"{theirs.written(text)}\nx"
        ]  # fmt: skip


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("word", ["the cat sat ", "thecatsat", "학교에 가", "a", " ", "\u2581e\u0301"])
def test_a_long_line_is_tokenized_as_a_short_one(monkeypatch, kind, word):
    tokenizer, text = MADE[kind], nfc(word * 60)
    whole = tokenizer.encode(f"{text}\n".encode()).tokens.tolist()
    monkeypatch.setattr(sentencepiece, "_WINDOW", 64)
    monkeypatch.setattr(sentencepiece, "_OVERLAP", 32)
    parts = tokenizer.encode(f"a\n{text}\n".encode())
    assert parts.rows[1].tolist() == whole == [*(piece.id for piece in tokenizer.pieces(text)), 2]
    places = [piece.start for piece in tokenizer.pieces(text)]
    assert places == sorted(places) and tokenizer.decode(whole) == text


def test_free_places_go_to_characters():
    """Where long pieces do not fill the vocabulary, no character with a place in it is spelled in bytes."""
    few = b"the cat sat on a mat\na dog ran far off\ntwo red cars ran near a dog\n"
    tokenizer, notes = train([few], vocab_size=270)
    assert tokenizer.vocab_size == 270 and len(notes) == 1 and "encoded as bytes" in notes[0]
    tokenizer, notes = train([few], vocab_size=400)
    assert tokenizer.vocab_size < 400 and len(notes) == 1 and "lowered" in notes[0]


def test_malformed_models_are_model_errors(tmp_path):
    chance = random.Random(7)
    models = [foreign(), foreign(normalization_rule_name="identity", byte_fallback=True, vocab_size=320)]
    for model in [b"", b"x", b"\x80\x04N.", TEXT, models[0][:-1], models[0] * 2]:
        with pytest.raises(ModelError, match=r"not a SentencePiece model|not a SentencePiece"):
            SentencePiece(model)
    for trial in range(300):
        model = bytearray(models[trial % 2])
        for _ in range(chance.choice([1, 5])):
            model[chance.randrange(len(model))] = chance.randrange(256)
        try:
            tokenizer = SentencePiece(bytes(model))
            tokenizer.decode(tokenizer.encode(TEXT).tokens)
            list(tokenizer.pieces("나는 a cat 😀\0"))
        except ModelError:
            pass
    with pytest.raises(ModelError, match=r"no\.model"):
        open_file(tmp_path / "no.model")


def test_a_long_line_is_drawn_in_parts(monkeypatch):
    tokenizer, text = MADE["unigram"], "the cat sat on the mat " * 9
    monkeypatch.setattr(sentencepiece, "_WINDOW", 32)
    drawn = [tokenizer.sample(text, alpha=0.2, seed=seed) for seed in range(20)]
    assert {tokenizer.decode(ids) for ids in drawn} == {text} and len(set(map(tuple, drawn))) > 10
