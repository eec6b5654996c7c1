"""log_prob and probability are the model's own in every command: what `score` says, though an ARPA file sum to less than one."""

import math

import numpy as np
import pytest
from small_arpa import BASE

from seqcli.data.lines import block_of
from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.sampling import Policy
from seqcli.decoding.token_predictions import NextTokenPredictor
from seqcli.scoring.sentences import score_block
from seqcli.tasks.language.load import open_model
from seqcli.tasks.language.mixture import mixed


@pytest.fixture
def base(tmp_path):
    (tmp_path / "base.arpa").write_text(BASE)
    return open_model(str(tmp_path / "base.arpa"))


@pytest.mark.parametrize(
    "how", [{"num_samples": 20}, {"policy": Policy(temperature=0)}, {"beam_size": 5, "num_samples": 5}]
)
def test_a_generated_text_has_the_log_prob_that_score_gives_it(base, how):
    ended = [
        row
        for row in generate(base, ["a", "b a"], GenerationSettings(max_new_tokens=30, **how))
        if row.finish_reason == "end"
    ]
    assert len(ended) >= 2
    for row in ended:
        given = score_block(base, block_of([row.text]), contexts=[row.prompt.text]).log_prob[0]
        assert row.log_prob == pytest.approx(given, abs=1e-5)


def test_the_next_token_has_the_probability_that_the_file_gives_it(base):
    known, unknown = NextTokenPredictor(base).after(["a", "c"], k=4)
    assert known[0] == ("b", pytest.approx(10**-0.3))
    assert dict(unknown) == pytest.approx({"b": 10**-0.5, "a": 10**-0.6, "</s>": 10**-0.7, "<unk>": 10**-1.0})


def test_a_mixture_of_such_models_is_the_mean_of_their_probabilities(base):
    (found,) = NextTokenPredictor(mixed([base, base], [0.3, 0.7])).after(["a"], k=1)
    assert found == [("b", pytest.approx(10**-0.3, rel=1e-6))]


def test_a_text_after_which_every_token_is_all_but_impossible_still_continues(tmp_path):
    (tmp_path / "low.arpa").write_text(BASE.replace("a\t-0.2", "a\t-5000").replace("-0.3\ta b", "-5000\ta b"))
    opened = open_model(str(tmp_path / "low.arpa"))
    (row,) = generate(opened, ["a"], GenerationSettings(policy=Policy(temperature=0), max_new_tokens=1))
    assert row.text == " b" and row.log_prob == pytest.approx(-5000 * math.log(10))
    assert np.isfinite(row.log_prob)
