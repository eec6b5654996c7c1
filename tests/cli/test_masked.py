"""Masked and hybrid Transformers on the command line."""

import json

import pytest

import seqcli

TINY = [
    "--arch",
    "transformer",
    "--steps",
    "8",
    "--set",
    "width=16",
    "--set",
    "layers=1",
    "--set",
    "heads=2",
    "--set",
    "window=32",
]


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("masked")
    for objective in ("masked", "hybrid"):
        for tokenizer in ("words", "characters", "sentencepiece"):
            seqcli.train_lm(
                corpus, folder / f"{objective}-{tokenizer}", arch="transformer", objective=objective, steps=8,
                tokenizer=tokenizer, vocab_size=300, threads=1, settings={"width": 16, "layers": 1, "heads": 2, "window": 64},
            )  # fmt: skip
    return folder


@pytest.mark.parametrize("name", ["masked-words", "hybrid-words", "masked-characters", "hybrid-sentencepiece"])
def test_fill(trained, here, name):
    text = "my [MASK] is very [MASK]"
    done = here("generate", "-m", str(trained / name), "--fill", text, "--json", "--top-k", "3", "-q")
    assert done.code == 0, done.err
    (found,) = map(json.loads, done.out.splitlines())
    assert found["line"] == 1 and found["text"] == text and found["model"] == name
    assert [len(mask) for mask in found["masks"]] == [3, 3]
    filled = seqcli.load(trained / name).fill(text, k=3).to_dict()
    assert filled["masks"] == [[pytest.approx(row) for row in mask] for mask in found["masks"]]
    rows = here("generate", "-m", str(trained / name), "--fill", text, "--top-k", "3", "-q").rows
    assert [row[:3] for row in rows] == [["1", str(mask), str(rank)] for mask in (1, 2) for rank in (1, 2, 3)]


def test_fill_side_by_side(trained, here):
    asked = [part for name in ("masked-words", "hybrid-words") for part in ("-m", str(trained / name))]
    rows = here("generate", *asked, "--fill", "my [MASK]", "-q").rows
    assert len(rows) == 10 and {len(row) for row in rows} == {7}


def test_the_signature_names_the_pseudo_log_likelihood(trained, here):
    done = here("score", "-m", str(trained / "masked-words"), "my shirt is clean")
    assert "|score:pll|" in done.err
    assert "|score:pll|" not in here("score", "-m", str(trained / "hybrid-words"), "my shirt is clean").err
    assert "pll" in seqcli.load(trained / "masked-words").signature


def test_a_pseudo_log_likelihood_is_never_compared_with_p_of_a_text(trained, model, here, corpus):
    asked = ["-m", str(model), "-m", str(trained / "masked-words")]
    done = here("score", *asked, "-i", str(corpus))
    assert "no verdict" in done.err and "pseudo-log-likelihood" in done.err
    done = here("score", *asked, "--mix", "0.5,0.5", "the cat")
    assert done.code == 4 and "masked" in done.err


@pytest.mark.parametrize(
    "arguments, code, named",
    [
        (["generate", "a"], 2, "--fill"),
        (["generate", "--next", "3", "a"], 2, "--fill"),
        (["generate", "--fill", "no mask"], 3, "[MASK]"),
        (["generate", "--fill", "--temperature", "2", "a [MASK]"], 2, "--temperature"),
        (["generate", "--fill", "--next", "3", "a [MASK]"], 2, "--next"),
        (["generate", "--fill", "[MASK] " * 70], 2, "shorter"),
    ],
)
def test_what_is_refused(trained, here, arguments, code, named):
    done = here(*arguments, "-m", str(trained / "masked-words"))
    assert done.code == code and named in done.err and done.err.count("\n") == 1


def test_models_that_cannot_fill_masks(model, here):
    done = here("generate", "--fill", "a [MASK]", "-m", str(model))
    assert done.code == 2 and "--objective" in done.err


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--arch", "lstm", "--objective", "masked"], "has no effect"),
        (["--objective", "masked"], "has no effect"),
        (["--arch", "lstm", "--arch", "transformer", "--objective", "masked"], "hybrid"),
        (["--arch", "transformer", "--objective", "bert"], "causal"),
    ],
)
def test_trainings_that_are_refused(corpus, tmp_path, here, arguments, named):
    done = here("train", "lm", str(corpus), "-o", str(tmp_path / "m"), *arguments)
    assert done.code == 2 and named in done.err and not (tmp_path / "m").exists()


def test_a_classifier_is_initialized_from_a_masked_model(trained, tmp_path, here):
    labelled = tmp_path / "labelled.tsv"
    labelled.write_text("text\tlabel\n" + "the cat sleeps\tyes\nmy computer is slow\tno\n" * 12)
    for name in ("masked-words", "hybrid-words"):
        done = here(
            "train", "classifier", str(labelled), "-o", str(tmp_path / name), "--arch", "transformer", "--init",
            str(trained / name), "--steps", "2", "-q",
        )  # fmt: skip
        assert done.code == 0, done.err


def test_an_interrupted_masked_training_ends_like_one_that_was_not(corpus, tmp_path, here):
    """Batches depend on (seed, epoch, index) alone, so that resuming gives the same weights."""
    from seqcli.runs.model_folder import ModelFolder

    how = ["--objective", "hybrid", "--threads", "1", "-q", "--set", "evaluate_every=4"]
    common = ["train", "lm", str(corpus), *TINY, *how]
    assert here(*common, "-o", str(tmp_path / "whole")).code == 0
    shorter = ["4" if part == "8" else part for part in common]
    assert here(*shorter, "-o", str(tmp_path / "parts")).code == 0
    done = here(*common, "-o", str(tmp_path / "parts"), "--resume")
    assert done.code == 0, done.err
    checksums = [ModelFolder.open(tmp_path / name).config["progress"]["tokens"] for name in ("whole", "parts")]
    assert checksums[0] == checksums[1]
