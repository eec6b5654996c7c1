"""`--seed 3`, `--set seed=3` and `seed = 3` in a configuration file are one setting of every training."""

import json

import pytest

NETWORK = ("--preset", "tiny", "--set", "width=8", "--steps", 1, "--precision", "fp32", "--threads", 1)
TRAININGS = {
    "lm": ("lm", "text.txt", "--arch", "gru", *NETWORK),
    "several lm": ("lm", "text.txt", "--arch", "ngram", "--arch", "gru", "--order", 2, *NETWORK),
    "bag": ("classifier", "labels.tsv", "--set", "buckets=512"),
    "ngram classifier": ("classifier", "labels.tsv", "--arch", "ngram"),
    "several classifiers": (
        "classifier",
        "labels.tsv",
        "--arch",
        "ngram",
        "--arch",
        "bag",
        "--runs",
        2,
        "--set",
        "buckets=512",
    ),
    "translator": ("translator", "pairs.tsv", "--arch", "gru", "--tokenizer", "words", "--metric", "loss", *NETWORK),
}
WAYS = {"option": ("--seed", 3), "set": ("--set", "seed=3"), "config": ("--config", "seed.toml")}


@pytest.fixture
def train(here, tmp_path):
    """`train("lm", "set", "--seed", 4)`: checksums of what is in the folder, by its models' names."""
    lines = [f"{a} {b} {c}" for a in "abcd" for b in "efgh" for c in "ij"]
    (tmp_path / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "labels.tsv").write_text(
        "text\tlabel\n" + "".join(f"{line}\t{'xy'[n % 3 % 2]}\n" for n, line in enumerate(lines))
    )
    (tmp_path / "pairs.tsv").write_text("source\ttarget\n" + "".join(f"{line}\t{line[::-1]}\n" for line in lines))
    (tmp_path / "seed.toml").write_text("seed = 3\n")

    def run(case: str, folder: str, *more) -> dict[str, dict]:
        done = here("train", *TRAININGS[case], "-o", folder, "-q", *more)
        assert done.code == 0, done.err
        found = {}
        for place in sorted((tmp_path / folder).rglob("manifest.json")):
            if "checkpoints" not in place.parts:
                manifest = json.loads(place.read_text())
                found[str(place.parent.relative_to(tmp_path / folder))] = manifest["files"]["model.safetensors"][
                    "sha256"
                ]
        return found

    return run


@pytest.mark.parametrize("case", TRAININGS)
def test_three_ways_to_set_the_seed(train, case):
    one, two, three = (train(case, name, *way) for name, way in WAYS.items())
    assert one == two == three and one
    assert train(case, "other", "--set", "seed=4") != one


def test_an_option_overrides_set_and_set_the_file(train):
    want = train("bag", "option", *WAYS["option"])
    assert train("bag", "both", "--seed", 3, "--set", "seed=4") == want
    assert train("bag", "file", "--set", "seed=3", "--config", "seed.toml") == want
    assert train("bag", "over", "--set", "seed=4", "--config", "seed.toml") == train("bag", "four", "--seed", 4) != want


def test_runs_begin_at_the_seed(train, tmp_path):
    assert {*train("several classifiers", "m", "--set", "seed=3")} == {"bag/seed-3", "bag/seed-4", "ngram"}


@pytest.mark.parametrize("value", ["-1", "x", "9223372036854775808", "1.5", "[1]"])
@pytest.mark.parametrize("case", ["lm", "bag", "ngram classifier", "translator"])
def test_2_invalid_seeds(train, here, tmp_path, case, value):
    done = here("train", *TRAININGS[case], "-o", "m", "--set", f"seed={value}")
    assert done.code == 2 and "seed" in done.err and "--set" in done.err and not (tmp_path / "m").exists()


def test_a_seed_that_changes_nothing_is_noted_however_it_is_given(here, train, tmp_path):
    for way in WAYS.values():
        done = here("train", "lm", "text.txt", "-o", "m", "--force", *way)
        assert done.code == 0 and "--seed has no effect" in done.err
