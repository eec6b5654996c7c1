"""Numbers that cannot be meant: exit 2 with the range, before anything is read or written."""

import os

import pytest

from seqcli.commands.options import memory_size, real, whole

HOPELESS = ("nan", "inf", "-inf", "-1", "", "x", "1e999", "0x10", "1.5", "１２x")
SCORE, TRAIN = ["score", "the cat", "-m", "MODEL"], ["train", "lm", "CORPUS", "-o", "new"]
TOKENIZE = ["tokenize", "the cat", "-m", "MODEL"]
OPTIONS = [  # command, option, what it says, 0 and 1e9 where they cannot be meant
    ([*SCORE, "--scramble"], "--orderings", "from 2 to 1000000", ("0", "1e9")),
    (SCORE, "--seed", "from 0 to 9223372036854775807", ()),
    (SCORE, "--threads", "from 1 to 1024", ("0", "1e9")),
    (TRAIN, "--order", "from 1 to 10", ("0", "1e9")),
    (TRAIN, "--vocab-size", "from 4 to 2147483647", ("0",)),
    (TRAIN, "--min-count", "from 1 to 2147483647", ("0",)),
    (TRAIN, "--memory", "from 1M to 1024T", ("0",)),
    (TRAIN, "--threads", "from 1 to 1024", ("0", "1e9")),
    (TOKENIZE, "--n-best", "from 1 to 10000", ("0", "1e9")),
    (["train", "tokenizer", "CORPUS", "-o", "new"], "--vocab-size", "from 4 to 2147483647", ("0",)),
    (["train", "tokenizer", "CORPUS", "-o", "new"], "--min-count", "from 1 to 2147483647", ("0",)),
]


@pytest.mark.parametrize(
    "command, option, allowed, more", OPTIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_2_numbers_out_of_range(here, model, corpus, tmp_path, command, option, allowed, more):
    command = [{"MODEL": str(model), "CORPUS": str(corpus)}.get(word, word) for word in command]
    for value in (*HOPELESS, *more):
        done = here(*command, option, value)
        assert done.code == 2 and done.out == "" and done.err.count("\n") == 1, value
        assert option in done.err and repr(value) in done.err and allowed in done.err, value
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "x", "1e9"])
def test_2_alpha_out_of_range(here, model, value):
    done = here("tokenize", "the cat", "-m", model, "--sample", value)
    assert done.code == 2 and "from 0 to 1e+06" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e9", "0,0,-1", "0,2,1", "1", "0,0,0,0,0,1"])
def test_2_prunes_that_are_none(here, corpus, tmp_path, value):
    done = here("train", "lm", corpus, "-o", "new", f"--prune={value}")
    assert done.code == 2 and "prune" in done.err and done.err.count("\n") == 1 and os.listdir(tmp_path) == []


@pytest.mark.parametrize("key", ["order", "prune"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "1e9", '"x"', "[1]", "[nan]", "{}"])
def test_2_settings_out_of_range(here, corpus, tmp_path, key, value):
    done = here("train", "lm", corpus, "-o", "new", "--set", f"{key}={value}")
    assert done.code == 2 and key in done.err and done.err.count("\n") == 1 and os.listdir(tmp_path) == []


def test_what_numbers_may_look_like():
    parse = whole(1, 2_000_000)
    assert [parse(text) for text in ("7", " 7 ", "2_000", "1e6", "2E3", "1.0", 5)] == [7, 7, 2000, 10**6, 2000, 1, 5]
    assert [real(0, 1)(text) for text in ("0.5", "1", "1e-3", 0.25)] == [0.5, 1.0, 0.001, 0.25]
    sizes = {
        "500M": 500 << 20,
        "2G": 2 << 30,
        "1.5g": 3 << 29,
        "800000000": 800_000_000,
        "2GB": 2 << 30,
        "2GiB": 2 << 30,
    }
    assert {text: memory_size(text) for text in sizes} == sizes
