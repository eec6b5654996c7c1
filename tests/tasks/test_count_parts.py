"""Parts of a corpus, counted alone and merged: the files of a single run, byte for byte."""

import random

import pytest

from seqcli.runs.model_folder import ModelFolder

PARTS = 4


@pytest.fixture
def text(tmp_path, monkeypatch):
    """Four files, and one of all their lines; words are Zipf-like, so that many are as frequent as others, or in one part only."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(7)
    lines = [" ".join(f"w{int(draw.paretovariate(0.7)) % 300}" for _ in range(draw.randrange(12))) for _ in range(400)]
    for part in range(PARTS):
        (tmp_path / f"p{part}.txt").write_text("".join(f"{line}\n" for line in lines[part::PARTS]))
    (tmp_path / "all.txt").write_text("".join((tmp_path / f"p{part}.txt").read_text() for part in range(PARTS)))
    (tmp_path / "words.txt").write_text("w1 w2 w3 w5 w8 w13 w21\n")
    return tmp_path


def files(folder):
    """The bytes of a model, but for what names its files and times."""
    state = ModelFolder.open(folder).state
    return {
        path.relative_to(state).as_posix(): path.read_bytes()
        for path in state.rglob("*")
        if path.is_file() and path.name != "config.json"
    }


@pytest.mark.parametrize(
    "options",
    [
        [], ["--order", "3", "--prune", "0,0,1"], ["--min-count", "3", "--vocab-size", "60"], ["--limit-vocab", "words.txt"],
        ["--quantize", "8", "--memory", "1M"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_4_parts_give_the_bytes_of_one_run(options, text, here):
    counts = [f"c{part}" for part in range(PARTS)]
    for part, folder in enumerate(counts):
        assert here("train", "lm", f"p{part}.txt", "-o", folder, "--counts-only").code == 0
    assert here("train", "lm", *counts, "-o", "merged", "--merge", *options).code == 0
    assert here("train", "lm", "all.txt", "-o", "one", *options).code == 0
    merged, one = files("merged"), files("one")
    assert merged.keys() == one.keys() and len(one) > 2
    for name in one:
        assert merged[name] == one[name], name
    record, its = (ModelFolder.open(folder).config for folder in ("merged", "one"))
    assert {**record["data"], "files": 0, "fingerprint": 0} == {**its["data"], "files": 0, "fingerprint": 0}
    for name in ("settings", "ngrams", "ngrams_seen", "discounts", "vocab_size", "tokenizer", "parameters"):
        assert record[name] == its[name], name


@pytest.mark.parametrize("kind", ["bytes", "characters"])
def test_parts_with_a_given_tokenizer(kind, text, here):
    assert here("train", "tokenizer", "all.txt", "-o", "t", "--tokenizer", kind).code == 0
    tokenizer = kind if kind == "bytes" else "t"
    for part in range(2):
        assert (
            here("train", "lm", f"p{part}.txt", "-o", f"c{part}", "--counts-only", "--tokenizer", tokenizer).code == 0
        )
    assert here("train", "lm", "c0", "c1", "-o", "merged", "--merge", "--valid", "p2.txt").code == 0
    done = here("train", "lm", "p0.txt", "p1.txt", "-o", "one", "--tokenizer", tokenizer, "--valid", "p2.txt")
    assert done.code == 0 and files("merged") == files("one")
    merged, one = (ModelFolder.open(folder).config for folder in ("merged", "one"))
    assert merged["valid"] == one["valid"] and merged["baseline"] == one["baseline"]
    assert here("train", "lm", "c0", "c1", "-o", "x", "--merge", "--min-count", "2").code == 2


def test_what_does_not_go_together_is_refused_with_the_cure(text, here):
    def refused(*command) -> str:
        done = here("train", "lm", *command)
        assert done.code in (2, 4) and not (text / "x").exists(), command
        return done.err

    assert here("train", "lm", "p0.txt", "-o", "c0", "--counts-only", "--order", "3").code == 0
    assert here("train", "lm", "p1.txt", "-o", "c1", "--counts-only", "--tokenizer", "bytes").code == 0
    assert here("train", "lm", "p1.txt", "-o", "c2", "--counts-only", "--unit", "document").code == 0
    assert here("train", "lm", "p0.txt", "-o", "model").code == 0
    assert "given twice" in refused("c0", "c0", "-o", "x", "--merge")
    assert "order 3, but --order 4" in refused("c0", "-o", "x", "--merge", "--order", "4")
    assert "another tokenizer" in refused("c0", "c1", "-o", "x", "--merge")
    assert "--unit" in refused("c0", "c2", "-o", "x", "--merge")
    assert "is a language model" in refused("model", "-o", "x", "--merge")
    assert "a text, not a model" in refused("p0.txt", "-o", "x", "--merge")
    assert "--tokenizer DIR" in refused("p0.txt", "-o", "x", "--counts-only", "--tokenizer", "sentencepiece")
    for option in (["--min-count", "2"], ["--prune", "0,1"], ["--valid", "p1.txt"], ["--quantize", "8"]):
        assert "use it with --merge" in refused("p0.txt", "-o", "x", "--counts-only", *option)
    assert "--arch ngram" in refused("p0.txt", "-o", "x", "--counts-only", "--arch", "lstm")
    assert "cannot be combined" in refused("c0", "-o", "x", "--counts-only", "--merge")
    assert "seqcli train lm --merge" in here("score", "-m", "c0", "a").err


def test_damaged_counts_are_refused(text, here):
    assert here("train", "lm", "p0.txt", "-o", "c0", "--counts-only").code == 0
    weights = ModelFolder.open("c0").state / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-3] ^= 1
    weights.write_bytes(data)
    done = here("train", "lm", "c0", "-o", "x", "--merge")
    assert done.code == 4 and "checksum" in done.err
