"""Mixtures: the sum of weighted probabilities, token by token, whoever asks; weights that are given, or fitted."""

import json
import math

import numpy as np
import pytest

from seqcli.errors import ModelError
from seqcli.interfaces import SILENT
from seqcli.tasks.language.load import open_model
from seqcli.tasks.language.mixture import fitted_weights, likeliest_weights, mixed

TEXT = "the cat saw my computer"


@pytest.fixture(scope="module")
def pair(corpus, tmp_path_factory, module_here):
    """Folders of an n-gram model and a network with one tokenizer."""
    folder = tmp_path_factory.mktemp("pair")
    sizes = ("--preset", "tiny", "--set", "width=8", "--steps", 3, "--order", 2, "--threads", 1)
    assert module_here("train", "lm", corpus, "-o", folder / "m", "--arch", "ngram", "--arch", "gru", *sizes) == 0
    return folder / "m/ngram", folder / "m/gru"


@pytest.fixture(scope="module")
def module_here():
    from seqcli import cli

    def run(*arguments) -> int:
        return cli.run(list(map(str, arguments)))

    return run


def token_probabilities(opened, text: str) -> np.ndarray:
    return np.exp(opened.model.score(opened.tokenizer.encode(f"{text}\n".encode())).log_prob.astype(np.float64))


def test_p_is_the_weighted_sum_token_by_token(here, pair):
    ngram, gru = (open_model(str(place)) for place in pair)
    p = 0.3 * token_probabilities(ngram, TEXT) + 0.7 * token_probabilities(gru, TEXT)
    both = ("-m", pair[0], "-m", pair[1], "--mix", "0.3,0.7")
    done = here("score", TEXT, *both, "--level", "token")
    assert done.code == 0 and [float(row[3]) for row in done.rows] == pytest.approx(np.log(p), abs=1e-5)
    (score,) = json.loads(here("score", TEXT, *both, "--json").out)["scores"]
    assert score["model"] == "mix" and score["log_prob"] == pytest.approx(np.log(p).sum(), abs=1e-4)
    assert "lm:0.3*ngram+0.7*gru|" in here("score", TEXT, *both).err
    assert here("score", TEXT, *both, "--scramble", "--header").rows[0][0] == "line"  # one model, not two
    for weights, alone in (("1,0", pair[0]), ("0,1", pair[1])):
        mixed = here("score", TEXT, "-m", pair[0], "-m", pair[1], "--mix", weights).rows[0]
        assert float(mixed[0]) == pytest.approx(float(here("score", TEXT, "-m", alone).rows[0][0]), abs=1e-4)


def test_ranks_are_those_of_the_mixture(here, pair):
    both = ("-m", pair[0], "-m", pair[1], "--mix", "0.5,0.5")
    done = here("score", TEXT, "--level", "token", "--rank", *both)
    for place, row in enumerate(done.rows):
        prompt = " ".join(TEXT.split()[:place])
        likeliest = [entry[2] for entry in here("generate", prompt, "--next", row[4], *both).rows]
        assert likeliest[-1] == row[2]


def test_a_mixture_generates(here, pair):
    both = ("-m", pair[0], "-m", pair[1], "--mix", "0.5,0.5")
    drawn = json.loads(here("generate", "the", "--json", *both).out)
    given = json.loads(here("score", drawn["text"].strip(), "--context", "the", "--json", *both).out)["scores"][0]
    assert drawn["finish_reason"] == "end" and drawn["log_prob"] == pytest.approx(given["log_prob"], abs=1e-4)
    assert here("generate", "the", "--beam-size", 3, *both).code == 0
    nexts = [here("generate", "the", "--next", 3, "-m", place, "--json").out for place in pair]
    (p,) = [e["probability"] for e in json.loads(here("generate", "the", "--next", 1, "--json", *both).out)["next"]]
    assert 0 < p <= max(e["probability"] for out in nexts for e in json.loads(out)["next"]) + 1e-6


def test_weights_are_fitted_to_a_file(here, pair, corpus):
    done = here("score", TEXT, "-m", pair[0], "-m", pair[1], "--mix", corpus)
    (line,) = [line for line in done.err.splitlines() if "fitted to" in line]
    first = float(line.partition("mix: ")[2].split()[0])
    assert first > 0.9 and done == here("score", TEXT, "-m", pair[0], "-m", pair[1], "--mix", corpus)


def test_the_fit_is_where_the_likelihood_is_greatest():
    rng = np.random.default_rng(0)
    log_prob = np.log(rng.random((2, 200)))
    (first, second), total = likeliest_weights(log_prob)
    grid = np.linspace(0, 1, 1001)
    totals = np.log(np.outer(grid, np.exp(log_prob[0])) + np.outer(1 - grid, np.exp(log_prob[1]))).sum(axis=1)
    assert first + second == pytest.approx(1) and first == pytest.approx(grid[totals.argmax()], abs=1e-3)
    assert total == pytest.approx(totals.max(), abs=1e-4)
    assert likeliest_weights(np.array([[0.0, 0.0], [-1.0, -9.0]]))[0] == pytest.approx([1, 0], abs=1e-5)
    assert likeliest_weights(np.array([[-math.inf], [-1.0]])) == ([0, 1], -1)


def test_tokens_that_are_impossible_to_all_models_change_no_weight():
    impossible = [-math.inf, -math.inf]
    log_prob = np.array([[-1.0, -2.0], [-1.5, -1.0]])
    weights, _ = likeliest_weights(log_prob)
    assert likeliest_weights(np.column_stack([log_prob, impossible])) == (weights, -math.inf)
    assert likeliest_weights(np.array(impossible)[:, None]) == ([0.5, 0.5], -math.inf)


@pytest.mark.parametrize(
    "mix, says",
    [("0.5,0.6", "sum to 1"), ("-1,2", "sum to 1"), ("nan,1", "sum to 1"), ("1", "1 weights for 2"), ("0.2,0.3,0.5", "3 weights for 2")],
)  # fmt: skip
def test_2_weights_that_are_none(here, pair, mix, says):
    done = here("score", TEXT, "-m", pair[0], "-m", pair[1], f"--mix={mix}")
    assert done.code == 2 and says in done.err and done.err.count("\n") == 1
    assert here("score", TEXT, "-m", pair[0], "--mix", "1").code == 2 and here("generate", "x", "--mix", "1").code == 2


def test_4_models_that_do_not_go_together(here, pair, models):
    done = here("score", TEXT, "-m", pair[0], "-m", models("characters"), "--mix", "0.5,0.5")
    assert done.code == 4 and "ngram and characters" in done.err and done.err.count("\n") == 1
    with pytest.raises(ModelError, match="units"):
        mixed([open_model(str(models(name))) for name in ("words", "document")], [0.5, 0.5])


def test_3_a_text_to_fit_to_that_is_none(here, pair, tmp_path):
    (tmp_path / "empty").write_text("")
    for name, says in (("empty", "no text to fit"), ("nosuch", "no such file")):
        done = here("score", TEXT, "-m", pair[0], "-m", pair[1], "--mix", name)
        assert done.code == 3 and says in done.err


def test_a_document_is_fitted_whole(models, corpus):
    opened = open_model(str(models("document")))
    same = mixed([opened, opened], fitted_weights([opened, opened], str(corpus), reporter=SILENT))
    batch = opened.tokenizer.encode(corpus.read_bytes(), unit="document")
    assert same.model.score(batch).log_prob == pytest.approx(opened.model.score(batch).log_prob, abs=1e-6)
    assert same.model.horizon == opened.model.horizon
