"""SentencePiece: exact round trips in both algorithms, vocabularies that fit, models from elsewhere, bad files."""

import io
import random
import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece as library
from hypothesis import given, settings
from hypothesis import strategies as st

import seqcli
from seqcli.errors import ModelError, UsageError
from seqcli.text import EOS_ID, nfc
from seqcli.tokenizers import sentencepiece
from seqcli.tokenizers.sentencepiece import SentencePiece, open_file, train

TEXT = nfc(
    "나는 기계 학습을 공부한다 .\nI study machine learning , e\u0301t\u00e9 !\nthe cat sat on the mat\n" * 30
).encode()
ALGORITHMS = ("unigram", "bpe")
MADE = {algorithm: train([TEXT], vocab_size=400, algorithm=algorithm)[0] for algorithm in ALGORITHMS}


def foreign(*, vocab_size: int = 60, **settings) -> bytes:
    """A model as spm_train makes it."""
    model = io.BytesIO()
    library.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.decode().split("\n")), model_writer=model, vocab_size=vocab_size, minloglevel=3,
        hard_vocab_limit=False, **settings,
    )  # fmt: skip
    return model.getvalue()


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
        f"vocabulary lowered from 100,000 to {made.vocab_size}: the text supports no more"
    ]
    made, notes = train([TEXT], vocab_size=10**12, algorithm=algorithm)
    assert made.vocab_size < 1000
    for size in (260, 261, 262, 265, 275):  # no room for 40 characters
        made, notes = train([TEXT], vocab_size=size, algorithm=algorithm)
        assert made.vocab_size <= size and "rare characters are spelled in bytes" in notes[-1]
        assert made.decode(made.encode(TEXT).tokens) == nfc(TEXT.decode()).removesuffix("\n")
    with pytest.raises(UsageError, match="259 is too small; ask for 260 or more"):
        train([TEXT], vocab_size=259, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_long_lines_are_learnt_from_and_encoded(algorithm):
    long = "zebra quagga " * 20_000
    made, _ = train([f"{long}\n".encode()], vocab_size=300, algorithm=algorithm)
    assert {"▁zebra", "▁quagga"} <= set(made.vocabulary())
    assert made.decode(made.encode(f"{long}\n".encode()).tokens) == long


def test_long_texts_are_sampled_evenly(monkeypatch):
    monkeypatch.setattr(sentencepiece, "_ENOUGH", 50)
    blocks = ["".join(f"{n:04}\n" for n in range(start, start + 7)).encode() for start in range(0, 70, 7)]
    lines, step = sentencepiece._sample(blocks)
    assert (lines, step) == ([f"{n:04}" for n in range(0, 70, 8)], 8)
    _, notes = train(blocks, vocab_size=300)
    assert "subwords learnt from every 8th line" in notes


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
    assert found[0][0] == [piece.id for piece in MADE["unigram"].pieces(text)]
    scores = [score for _, score in found]
    assert len(found) == len({tuple(ids) for ids, _ in found}) == 5 and scores == sorted(scores, reverse=True)
    assert {MADE["unigram"].decode(ids) for ids, _ in found} == {text}
    with pytest.raises(UsageError, match="one segmentation only"):
        MADE["bpe"].nbest(text, k=5)
    assert MADE["unigram"].nbest("", k=5) == [([], 0)] and MADE["unigram"].sample("", alpha=1, seed=1) == []


def test_offsets_of_bytes_and_of_the_space_put_first():
    pieces = MADE["unigram"].pieces("e\u0301😀▁the")
    assert [(p.text, p.start, p.end) for p in pieces] == [
        ("▁", 0, 0), ("é", 0, 2), *((f"<0x{byte:02X}>", 2, 3) for byte in "😀".encode()),
        ("<0x1A>", 3, 4), ("<0x31>", 3, 4), ("t", 4, 5), ("h", 5, 6), ("e", 6, 7),
    ]  # fmt: skip


def test_a_model_from_elsewhere_keeps_its_ids(tmp_path):
    path = tmp_path / "their.model"
    path.write_bytes(foreign(pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
    judge, theirs = library.SentencePieceProcessor(model_file=str(path)), open_file(path)
    text = "ｔｈｅ  cat \u2581 e\u0301t\u00e9 漢"  # its normalisation is its own
    pieces = theirs.pieces(text)
    assert (
        [piece.id for piece in pieces]
        == judge.encode(nfc(text))
        == theirs.encode((nfc(text) + "\n").encode()).tokens[:-1].tolist()
    )
    assert [text[p.start : p.end] for p in pieces if p.text == "漢"] == ["漢"]
    assert theirs.decode([*judge.encode("the cat"), 1]) == "the cat"
    assert theirs.join(piece.text for piece in theirs.pieces("the 漢")) == "the 漢"
    with pytest.raises(ModelError, match=r"\(2, -1, 1\), not \(0, 1, 2\): .*their\.model; .*--bos_id 1"):
        theirs.save(tmp_path)
    path.write_bytes(foreign())
    open_file(path).save(tmp_path)
    assert (tmp_path / sentencepiece.FILE).read_bytes() == path.read_bytes()


def test_malformed_models_are_model_errors(tmp_path):
    chance = random.Random(7)
    models = [foreign(), foreign(normalization_rule_name="identity", byte_fallback=True, vocab_size=320)]
    for model in [b"", b"x", b"\x80\x04N.", TEXT, models[0][:-1], models[0] * 2]:
        with pytest.raises(ModelError, match="not a SentencePiece model|not a SentencePiece"):
            SentencePiece(model)
    for trial in range(300):
        model = bytearray(models[trial % 2])
        for _ in range(chance.choice([1, 5])):
            model[chance.randrange(len(model))] = chance.randrange(256)
        try:
            tokenizer = SentencePiece(bytes(model))
            tokenizer.decode(tokenizer.encode(TEXT).tokens)
            tokenizer.pieces("나는 a cat 😀\0")
        except ModelError:
            pass
    with pytest.raises(ModelError, match=r"no\.model"):
        open_file(tmp_path / "no.model")
