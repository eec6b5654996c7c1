"""ARPA files of other tools through the commands; right values by the definition of back-off, and by KenLM."""

import json
import math

import pytest
from small_arpa import BASE

PRUNED = """\\data\\
ngram 1=7
ngram 2=1
ngram 3=1
ngram 4=1

\\1-grams:
-1\t<unk>
-99\t<s>\t-0.1
-1\t</s>
-1\ta\t-0.1
-1\tb\t-0.1
-1\tc\t-0.1
-1\td\t-0.1

\\2-grams:
-0.5\ta b\t-0.2

\\3-grams:
-0.4\ta b c\t-0.3

\\4-grams:
-0.05\ta b c d

\\end\\
"""


@pytest.fixture
def written(tmp_path):
    def write(name, text, encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return name

    return write


def test_an_ngram_is_found_even_if_its_suffixes_are_pruned(here, written):
    model = written("pruned.arpa", PRUNED)
    done = here("score", "-m", model, "--base", "10", "a b c d", "a b c a")
    assert [row[0] for row in done.rows] == ["-3.150000", "-4.500000"]
    done = here("score", "-m", model, "--level", "token", "--json", "a b c d")
    assert [json.loads(line)["order"] for line in done.out.splitlines()] == [1, 2, 3, 4, 1]
    assert here("generate", "-m", model, "a b c", "--next", "1").rows == [["1", "1", "d", f"{10**-0.05:.6f}"]]
    (row,) = here("score", "-m", model, "--scramble", "--json", "a b c d").out.splitlines()
    assert json.loads(row)["rank"] == 1 and json.loads(row)["mass"] == pytest.approx(0.8547, abs=1e-4)


def test_generate_reports_the_probabilities_of_the_file(here, written):
    model = written("base.arpa", BASE)
    row = json.loads(here("generate", "a", "-m", model, "--temperature", "0", "--json").out)
    assert row["text"] == " b" and row["log_prob"] == pytest.approx(-0.7 * math.log(10), abs=1e-6)
    assert here("generate", "a", "-m", model, "--next", "1").rows == [["1", "1", "b", f"{10**-0.3:.6f}"]]


def test_a_probability_of_zero_is_kept_by_convert_and_left_out_of_the_known_tokens(here, written):
    model = written("inf.arpa", BASE.replace("-1.0\t<unk>", "-inf\t<unk>"))
    assert here("convert", model, "folder").code == here("convert", "folder", "again.arpa").code == 0
    for same in (model, "folder", "again.arpa"):
        done = here("score", "-m", same, "--level", "corpus", "--json", "c a b", "a b")
        figures = json.loads(done.out)
        assert figures["log_prob"] is None and figures["unknown"] == 1
        assert figures["perplexity_known"] == pytest.approx(10 ** ((0.6 + 0.3 + 0.4 + 0.2 + 0.3 + 0.4) / 6), abs=1e-4)


@pytest.mark.parametrize(("encoding", "a", "b"), [("latin-1", "café", "cafè"), ("cp949", "학교", "하교")])
def test_the_encoding_of_a_model_is_an_option(here, written, encoding, a, b):
    text = BASE.replace("a\t", f"{a}\t").replace("b\t", f"{b}\t").replace("<s> a", f"<s> {a}")
    model = written("other.arpa", text.replace("a b", f"{a} {b}").replace("b </s>", f"{b} </s>"), encoding)
    file = written("other.txt", f"{a} {b}\n", encoding)
    refused = here("score", "-m", model, "-i", "other.txt")
    assert refused.code in (3, 4) and "--encoding" in refused.err
    assert here("score", "-m", model, "a").code == 4
    for asked in (("-i", file), (f"{a} {b}",)):
        done = here("score", "-m", model, "--encoding", encoding, "--base", "10", *asked)
        assert done.rows == [["-0.900000", "1.9953", *done.rows[0][2:3], "3", "0", f"{a} {b}"]]
    assert here("tokenize", "-m", model, "--encoding", encoding, "--ids", f"{a} {b}").out == "3 4\n"
    assert here("info", model, "--encoding", encoding).code == 0
    assert here("convert", model, "folder", "--encoding", encoding).code == 0
    assert here("score", "-m", "folder", "--base", "10", f"{a} {b}").rows[0][0] == "-0.900000"
    assert here("convert", "folder", "again.arpa", "--encoding", encoding).code == 2
    assert here("convert", "folder", "again.arpa.xz").code == 2
    assert here("score", "-m", "folder", "--encoding", encoding, "a").code == 2  # it would change nothing


def test_a_vocabulary_in_nfd_is_used_and_kept(here, written):
    import unicodedata

    nfd = unicodedata.normalize("NFD", "학교")
    model = written("nfd.arpa", BASE.replace("\tb", f"\t{nfd}").replace(" b", f" {nfd}"))
    text = written("text.txt", f"a {nfd}\n{nfd} a\n")
    assert here("train", "lm", text, "--tokenizer", model, "--order", "2", "-o", "m", "-q").code == 0
    for source in (model, "m"):
        rows = here("score", "-m", source, f"a {nfd}", "a 학교").rows
        assert [row[4] for row in rows] == ["0", "1"]
        assert float(rows[0][2]) == pytest.approx(
            -float(rows[0][0]) / math.log(2) / len(f"a {nfd}\n".encode()), abs=1e-4
        )
