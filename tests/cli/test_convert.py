"""`seqcli convert`: to ARPA and back with the same scores, whatever the tokenizer; what a file lacks is told."""

import pytest

TEXTS = ["the cat saw the dog", "my computer  is zzz", "나는 수학을 공부한다", "a\\b <s>", ""]
MISSING = "\\data\\\nngram 1=3\n\n\\1-grams:\n-99\t<s>\n-0.3\t</s>\n-0.3\ta\n\n\\end\\\n"


def assert_same(rows, others):
    for row, other in zip(rows, others, strict=True):
        assert float(row[0]) == pytest.approx(float(other[0]), abs=1e-4) and row[3:] == other[3:]


@pytest.mark.parametrize("name", ["words", "characters", "bytes", "document"])
def test_scores_are_the_same_there_and_back(here, models, name):
    own = here("score", *TEXTS, "-m", models(name))
    assert here("convert", models(name), "m.arpa").code == 0
    assert here("convert", "m.arpa", "back").code == 0
    for model in ("m.arpa", "back"):
        done = here("score", *TEXTS, "-m", model)
        assert done.code == 0
        assert_same(done.rows, own.rows)
    assert here("convert", "back", "again.arpa").code == 0


def test_an_arpa_file_of_subwords_needs_tokenized_text(here, models, tmp_path):
    source = models("sentencepiece")
    own = here("score", *TEXTS, "-m", source)
    done = here("convert", source, "m.arpa")
    assert done.code == 0 and f"seqcli tokenize -m {source}" in done.err
    pieces = here("tokenize", *TEXTS, "-m", source)
    done = here("score", *[" ".join(row) for row in pieces.rows], "-m", "m.arpa")
    assert "contains subword pieces" in done.err
    assert [float(row[0]) for row in done.rows] == pytest.approx([float(row[0]) for row in own.rows], abs=1e-4)


def test_notes_on_an_arpa_file_reach_the_user(here, tmp_path):
    (tmp_path / "m.arpa").write_text(MISSING)
    assert "m.arpa: no 1-gram <unk>" in here("score", "a b", "-m", "m.arpa").err
    assert "m.arpa: no 1-gram <unk>" in here("convert", "m.arpa", "m").err


def test_4_an_invalid_arpa_file(here, tmp_path):
    (tmp_path / "damaged.arpa.gz").write_bytes(b"\x1f\x8b\x08damaged")
    for name in ("absent.arpa", "damaged.arpa.gz"):
        assert here("score", "a", "-m", name).code == here("convert", name, "m").code == 4
        assert here("tokenize", "a", "-m", name).code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.arpa.gz"]


def test_4_a_folder_named_like_an_arpa_file(here, model, tmp_path):
    (tmp_path / "m.arpa").mkdir()
    done = here("convert", "m.arpa", "m")
    assert done.code == 4 and "m.arpa" in done.err and not (tmp_path / "m").exists()
    neither = here("convert", model, "m")
    assert neither.code == 2 and "neither source nor target is an ARPA file" in neither.err  # but a model


def test_a_context_without_a_back_off_weight_stays_without_one(here, tmp_path):
    """Six words once, three twice, four thrice: the discount of what was seen twice is 0 (equation 26)."""
    words = [f"w{number}" for number in range(13)]
    lines = [word for word, times in zip(words, [1] * 6 + [2] * 3 + [3] * 4) for _ in range(times)]
    (tmp_path / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    assert here("train", "lm", "text.txt", "-o", "m", "--order", 2, "-q").code == 0
    assert "3 back-offs are log10 of 0, written as -inf" in here("convert", "m", "m.arpa").err
    assert here("convert", "m.arpa", "back", "-q").code == 0
    texts = ["w6", "w6 w0", "w0 w6", "w9 w9", ""]
    rows = [[row[0] for row in here("score", *texts, "-m", model).rows] for model in ("m", "m.arpa", "back")]
    assert rows[0][1] == "-inf" and "-inf" not in rows[0][2:] + rows[0][:1] and rows[0] == rows[1] == rows[2]
