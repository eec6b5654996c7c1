"""Numbers that cannot be meant: exit 2 with the range, before anything is read or written."""

import os

import pytest

from seqcli.commands.parsers import memory_size, real, whole

HOPELESS = ("nan", "inf", "-inf", "-1", "", "x", "1e999", "0x10", "1.5", "１２x", "1_000", "١٢")
SCORE, TRAIN = ["score", "the cat", "-m", "MODEL"], ["train", "lm", "CORPUS", "-o", "new"]
TOKENIZE = ["tokenize", "the cat", "-m", "MODEL"]
OPTIONS = [  # command, option, what it says, 0 and 1e9 where they cannot be meant
    ([*SCORE, "--scramble"], "--orderings", "2 to 1,000,000", ("0", "1e9")),
    (SCORE, "--seed", "0 to 9,223,372,036,854,775,807", ()),
    (SCORE, "--threads", "1 to 1,024", ("0", "1e9")),
    (TRAIN, "--order", "1 to 10", ("0", "1e9")),
    (TRAIN, "--vocab-size", "4 to 2,147,483,647", ("0",)),
    (TRAIN, "--min-count", "1 to 2,147,483,647", ("0",)),
    (TRAIN, "--memory", "from 1M to 1024T", ("0",)),
    (TRAIN, "--threads", "1 to 1,024", ("0", "1e9")),
    (TOKENIZE, "--n-best", "1 to 10,000", ("0", "1e9")),
    (["train", "tokenizer", "CORPUS", "-o", "new"], "--vocab-size", "4 to 2,147,483,647", ("0",)),
    (["train", "tokenizer", "CORPUS", "-o", "new"], "--min-count", "1 to 2,147,483,647", ("0",)),
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
    assert done.code == 2 and "0 to 1,000,000" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("value", ["nan", "inf", "-1", "1e9", "0,0,-1", "0,2,1", "1", "0,0,0,0,0,1"])
def test_2_invalid_pruning_thresholds(here, corpus, tmp_path, value):
    done = here("train", "lm", corpus, "-o", "new", f"--prune={value}")
    assert done.code == 2 and "prune" in done.err and done.err.count("\n") == 1 and os.listdir(tmp_path) == []


@pytest.mark.parametrize("key", ["order", "prune"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1", "0", "1e9", '"x"', "[1]", "[nan]", "{}"])
def test_2_settings_out_of_range(here, corpus, tmp_path, key, value):
    done = here("train", "lm", corpus, "-o", "new", "--set", f"{key}={value}")
    assert done.code == 2 and key in done.err and done.err.count("\n") == 1 and os.listdir(tmp_path) == []


def test_accepted_spellings_of_numbers():
    parse = whole(1, 2_000_000)
    assert [parse(text) for text in ("7", " 7 ", "1e6", "2E3", "1.0", 5)] == [7, 7, 10**6, 2000, 1, 5]
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


# --- what the help shows, and options that change nothing --------------------------------------------------------------


def test_help_shows_the_value_that_an_option_takes(here):
    score, train = here("score", "--help").out, here("train", "lm", "--help").out
    for shown in ("--level LEVEL", "sentence, token, word or corpus.", "--base BASE", "--orderings N"):
        assert f" {shown} " in " ".join(score.split()), shown
    for shown in ("--memory SIZE", "--precision TYPE", "--minutes NUMBER", "--output DIR", "DATA... -o DIR"):
        assert f" {shown} " in " ".join(train.split()), shown
    assert " unigram or bpe. " in " ".join(here("train", "tokenizer", "--help").out.split())
    assert "SentencePiece .model" in " ".join(here("tokenize", "--help").out.split())


def test_the_help_has_the_commands_in_order_and_whole(here):
    lines = here("--help").out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == [
        "tokenize", "train", "generate", "translate", "classify", "embed", "score", "explain", "convert", "info",
        "demo", "help",
    ]  # fmt: skip
    assert not any(line.endswith("...") for line in lines)


@pytest.mark.parametrize(
    "arguments, what",
    [
        (["train", "tokenizer", "CORPUS", "-o", "new", "--tokenizer", "words", "--algorithm", "bpe"], "--algorithm"),
        (["train", "tokenizer", "CORPUS", "-o", "new", "--tokenizer", "bytes", "--min-count", "2"], "--min-count"),
        (["train", "lm", "CORPUS", "-o", "new", "--text-column", "text"], "--text-column"),
        (["train", "lm", "CORPUS", "-o", "new", "--arch", "gru", "--precision", "fp16"], "--precision fp16"),
        (["train", "lm", "CORPUS", "-o", "new", "--arch", "gru", "--precision", "int8"], "--precision int8"),
        ([*SCORE, "--orderings", "5"], "--orderings needs --scramble"),
        ([*SCORE, "--encoding", "cp949"], "--encoding"),
        (["score", "-m", "MODEL", "--pairs", "p.tsv", "--text-column", "a"], "--text-column"),
    ],
)
def test_2_options_without_effect(here, model, corpus, tmp_path, arguments, what):
    done = here(*({"MODEL": str(model), "CORPUS": str(corpus)}.get(word, word) for word in arguments))
    assert done.code == 2 and what in done.err and done.err.count("\n") == 1 and os.listdir(tmp_path) == []


LEARN = ["train", "tokenizer", "CORPUS", "-o", "learnt"]
NETWORKS = ["--device", "cpu", "--precision", "bf16", "--batch-tokens", "64"]


def test_every_command_accepts_the_machine_options(here, model, corpus):
    """And say so where they change nothing."""
    plain = here("score", "the cat", "-m", model)
    for command in (SCORE, TOKENIZE, ["generate", "the", "-m", "MODEL"], TRAIN, LEARN):
        command = [{"MODEL": str(model), "CORPUS": str(corpus)}.get(word, word) for word in command]
        done = here(*command, *NETWORKS, "--threads", 1, "--seed", 0, "-v")
        assert done.code == 0, done.err
        for name in NETWORKS[::2]:
            assert done.err.count(f"{name} has no effect: ") == 1, (command, done.err)
        if command[0] == "score":
            assert done.out == plain.out


def test_the_machine_of_a_network(here, corpus):
    assert here("train", "lm", corpus, "-o", "net", "--arch", "gru", "--preset", "tiny", "--steps", 2, "-q").code == 0
    exact = here("score", "the cat", "-m", "net")
    small = here("score", "the cat", "-m", "net", "--batch-tokens", 1, "--device", "cpu", "--threads", 1)
    rough = here("score", "the cat", "-m", "net", "--precision", "bf16")
    assert "|prec:fp32|" in exact.err and "|prec:bf16|" in rough.err and "has no effect" not in rough.err + small.err
    assert float(small.rows[0][0]) == pytest.approx(float(exact.rows[0][0]), abs=1e-4)
    assert float(rough.rows[0][0]) == pytest.approx(float(exact.rows[0][0]), rel=0.05)
    done = here("score", "the cat", "-m", "net", "--device", "gpu")
    assert done.code == 2 and "'gpu'" in done.err


def test_the_next_command_can_be_pasted(here, corpus):
    for command in (TRAIN, LEARN):
        command = [
            {"CORPUS": str(corpus), "new": "a model;ls", "learnt": "a tokenizer"}.get(word, word) for word in command
        ]
        assert f" -m '{command[-1]}' " in here(*command).err.splitlines()[-1]


def test_an_empty_file_name_does_not_mean_standard_input(here, model):
    done = here("score", "-i", "", "-m", model, stdin=b"the cat\n")
    assert done.code == 3 and "no such file" in done.err and done.out == ""


@pytest.mark.parametrize("level", [[], ["--level", "corpus"]])
def test_no_records_have_no_perplexity(here, model, level):
    done = here("score", *level, "-m", model, "-m", model, stdin=b"")
    assert done.code == 0 and "nan" not in done.err


@pytest.mark.parametrize("level", ["sentence", "token", "word"])
def test_3_more_contexts_than_records(here, model, tmp_path, level):
    (tmp_path / "three.txt").write_text("a\nb\nc\n")
    done = here("score", "x", "y", "-m", model, "--context-file", "three.txt", "--level", level, "-o", "out")
    assert done.code == 3 and "three.txt: 3 contexts for fewer records" in done.err
    assert os.listdir(tmp_path) == ["three.txt"]
