"""What `score` says of several models and of impossible texts: the differences agree with the figures beside them, there is
no verdict where none can be known, and no warning of numpy reaches anybody."""

import json
import math
import re
import warnings

import pytest
import small_arpa

BASE = small_arpa.text(unk="-1.5")
LOG_2 = math.log10(2)


@pytest.fixture
def arpa(tmp_path):
    """base.arpa; inf.arpa, to which an unknown word is impossible; wide.arpa, which knows a `c` that base does not;
    rare.arpa, whose p(b) is less."""
    (tmp_path / "base.arpa").write_text(BASE)
    (tmp_path / "inf.arpa").write_text(BASE.replace("-1.5\t<unk>", "-inf\t<unk>"))
    (tmp_path / "rare.arpa").write_text(BASE.replace("-0.5\tb", "-0.9\tb"))
    (tmp_path / "wide.arpa").write_text(BASE.replace("1=5", "1=6").replace("\n\\2-", "-1.5\tc\n\n\\2-"))


def notes(done) -> list[str]:
    return [line for line in done.err.splitlines() if " - " in line]


@pytest.mark.parametrize("level", ["sentence", "corpus"])
def test_each_model_is_divided_by_its_own_bytes(here, tmp_path, level):
    """A model of characters of documents predicts no line ends, and its bytes are fewer."""
    (tmp_path / "ab.txt").write_text("a b\nb a\n" * 20)
    (tmp_path / "doc.txt").write_text("a b\nb a\na\n")
    options = ["--order", 2, "--unit", "document", "-q"]
    for name, kind in (("chars", ["--tokenizer", "characters"]), ("words", [])):
        assert here("train", "lm", "ab.txt", "-o", name, *options, *kind).code == 0
    done = here("score", "-m", "chars", "-m", "words", "-i", "doc.txt", "--level", level)
    figures = (
        [float(row[7]) for row in done.rows]
        if level == "corpus"
        else map(float, re.findall(r"([\d.]+) bits per byte ", done.err))
    )
    first, second = figures
    assert f"chars - words: {first - second:+.4f} bits per byte, 95 % interval " in notes(done)[0]
    done = here("score", "-m", "words", "-m", "chars", "-i", "doc.txt", "--level", level)
    assert (
        f"words - chars: {second - first:+.4f} bits per byte" in notes(done)[0]
        and "(paired bootstrap, 1,000 samples)" in done.err
    )


@pytest.mark.parametrize(
    "models, texts, why",
    [
        (("base", "wide"), ["a b"], "one record gives no interval"),
        (("base", "rare"), ["b b"] * 3, "all records are equal"),
        (("base", "inf"), ["c a b", "a b"], "inf gives a record probability zero"),
        (("base", "wide"), ["c a b", "a b"], "the numbers of unknown tokens differ (base: 1, wide: 0)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("level", ["sentence", "corpus"])
def test_no_verdict_without_enough_evidence(here, arpa, models, texts, why, level):
    first, second = models
    done = here("score", "-m", f"{first}.arpa", "-m", f"{second}.arpa", "--level", level, *texts)
    (note,) = notes(done)
    assert note.endswith(f": no verdict, since {why}") and "nan" not in done.err and "interval +" not in done.err


def test_a_verdict_with_enough_evidence(here, arpa):
    done = here("score", "-m", "base.arpa", "-m", "wide.arpa", "a b", "b a b")
    assert notes(done)[0].endswith(
        "base - wide: +0.0000 bits per byte, 95 % interval +0.0000 to +0.0000 (paired bootstrap, 1,000 samples): no clear difference"
    )
    assert not notes(here("score", "-m", "base.arpa", "-m", "wide.arpa", stdin=b""))


def test_orderings_of_probability_zero_tie_and_have_no_share(here, arpa):
    done = here("score", "-m", "inf.arpa", "--scramble", "c a b", "--json")
    (row,) = map(json.loads, done.out.splitlines())
    assert (row["rank"], row["ties"], row["mass"], row["log_prob"]) == (1, 5, None, None)
    assert here("score", "-m", "inf.arpa", "--scramble", "c a b").rows == [["1", "1", "6", "", "5", "-inf", "c a b"]]


def test_choices_of_probability_zero_have_no_share(here, arpa):
    rows = here("score", "-m", "inf.arpa", "--choices", "[c|b] a", "[c|cc] a").rows
    assert [row[1:4:2] for row in rows] == [["1", "1.000000"], ["2", "0.000000"], ["1", ""], ["1", ""]]


def test_perplexity_over_known_tokens_of_a_corpus_of_probability_zero(here, arpa):
    (row,) = here("score", "-m", "inf.arpa", "--level", "corpus", "c a b", "a b").rows
    by_hand = 10 ** ((0.6 + 0.3 + 0.4 + 0.2 + 0.3 + 0.4) / 6)  # the unigram a after <unk>, and all of "a b"
    assert row[4:6] == ["-inf", "inf"] and float(row[6]) == pytest.approx(by_hand, abs=1e-4)


ASKED = [
    [], ["--json"], ["--level", "token", "--rank"], ["--level", "word"], ["--level", "corpus"], ["--scramble"], ["--context", "c"],
    ["--context", ""], ["--base", "2"], ["--unit", "document"], ["--unit", "document", "--level", "corpus"], ["--mix", "0.5,0.5"],
]  # fmt: skip


@pytest.mark.parametrize("options", ASKED, ids=" ".join)
@pytest.mark.parametrize("texts", [[""], ["c a b", ""], ["c", "c"]], ids=["empty", "mixed", "impossible"])
def test_no_mode_of_score_warns(here, arpa, options, texts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = here(
            "score",
            "-m",
            "inf.arpa",
            "-m",
            "base.arpa",
            *options,
            *([] if "document" in options else texts),
            stdin="\n".join(texts).encode(),
        )
    assert done.code == 0 and "nan" not in done.out + done.err.replace("unknown", "")


def test_no_other_command_warns_about_texts_of_probability_zero(here, arpa, tmp_path):
    (tmp_path / "pairs.tsv").write_text("a b\tc a\nc\tc c\nc a\ta\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = here("score", "-m", "inf.arpa", "-m", "base.arpa", "--pairs", "pairs.tsv")
        assert [row[2:5] for row in done.rows] == [["3", "1", "1"], ["3", "2", "0"]]
        assert here("score", "-m", "inf.arpa", "--choices", "[c|cc|a]", "[c|]").code == 0
        for options in (
            ["--next", 3],
            [],
            ["--temperature", 0],
            ["--beam-size", 3, "--num-samples", 3],
            ["--top-p", "0"],
        ):
            for prompt in ("", "c", "a c"):
                assert here("generate", "-m", "inf.arpa", prompt, *options, "--max-new-tokens", 5).code == 0
        assert here("tokenize", "-m", "inf.arpa", "", "--stats").code == 0
