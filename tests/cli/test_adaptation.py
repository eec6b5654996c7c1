"""`score --cache` and `--dynamic` from the command line and from Python."""

import hashlib
import json

import pytest

import seqcli

TEXT = ["the cat saw the dog", "the dog saw the cat", "my shirt is very clean", "my shirt is very old"]


@pytest.fixture(scope="module")
def network(tmp_path_factory, corpus):
    folder = tmp_path_factory.mktemp("network") / "m"
    seqcli.train_lm(
        str(corpus), str(folder), arch="lstm", steps=20, settings={"width": 16}, precision="fp32", threads=1
    )
    return folder


def digest(folder) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def corpus_of(here, *arguments) -> dict:
    done = here("score", "--level", "corpus", "--json", *arguments)
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize("options", [["--cache"], ["--dynamic", "--learning-rate", 2], ["--cache", "--dynamic"]])
def test_adapted_scores_have_a_signature(here, network, options):
    before = digest(network)
    plain, adapted = (corpus_of(here, *TEXT, "-m", network, *some) for some in ([], options))
    assert adapted["log_prob"] != plain["log_prob"]
    signature = adapted["signature"]
    assert ("|cache:continuous,lambda=0.15,theta=" in signature) == ("--cache" in options)
    assert ("|dynamic:sgd,rate=" in signature) == ("--dynamic" in options)
    assert "cache" not in plain["signature"] and "dynamic" not in plain["signature"]
    assert digest(network) == before


def test_adaptation_is_reset_for_every_file(here, network, model, tmp_path):
    (tmp_path / "a").write_text("".join(line + "\n" for line in TEXT))
    rows = here("score", "-m", network, "--cache", "-i", "a").out.splitlines()
    twice = here("score", "-m", network, "--cache", "-i", "a", "-i", "a").out.splitlines()
    assert twice == rows * 2
    for options in (["-m", network, "--dynamic", "--cache"], ["-m", model, "--cache"]):
        for unit in ("line", "document"):
            once = corpus_of(here, *options, "--unit", unit, "-i", "a")
            both = corpus_of(here, *options, "--unit", unit, "-i", "a", "-i", "a")
            assert both["log_prob"] == pytest.approx(2 * once["log_prob"])


def test_an_ngram_model_has_a_unigram_cache(here, model):
    again = ["the cat sleeps"] * 3
    rows = [row.split("\t")[0] for row in here("score", *again, "-m", model, "--cache").out.splitlines()]
    assert len(set(rows)) > 1
    assert "|cache:unigram,lambda=0.15,window=2000|" in corpus_of(here, *again, "-m", model, "--cache")["signature"]
    tokens = here("score", *again, "-m", model, "--cache", "--level", "token").out.splitlines()
    sums = sum(float(row.split("\t")[3]) for row in tokens)
    assert sums == pytest.approx(sum(map(float, rows)), abs=1e-3)


def test_an_option_that_no_model_uses_is_noted(here, model, network):
    for models, noted in (([model], True), ([model, network], False)):
        options = [part for path in models for part in ("-m", path)]
        assert ("--theta has no effect" in here("score", "a", *options, "--cache", "--theta", 2).err) == noted


def test_steps_are_scaled_by_statistics_of_a_file(here, network, corpus):
    given = corpus_of(here, *TEXT, "-m", network, "--dynamic", "--statistics", corpus)
    assert "|dynamic:rms,rate=0.0003," in given["signature"]


def test_python_gives_the_same_numbers(here, network, model):
    lm = seqcli.load(str(network))
    for named, options in (
        ({"cache": True}, ["--cache"]),
        ({"dynamic": seqcli.Dynamic(1.0)}, ["--dynamic", "--learning-rate", 1]),
    ):
        shown = [float(row.split("\t")[0]) for row in here("score", *TEXT, "-m", network, *options).out.splitlines()]
        for _ in range(2):  # each call starts afresh
            assert [row.log_prob for row in lm.score(TEXT, **named)] == pytest.approx(shown, abs=1e-3)
        total = lm.corpus(TEXT, **named)
        assert total.log_prob == pytest.approx(sum(shown), abs=1e-3) and f"|{next(iter(named))}:" in total.signature
    assert seqcli.load(str(model)).score(TEXT, cache=seqcli.Cache(window=5))[0].log_prob < 0
    for wrong in ({"cache": 3}, {"dynamic": True, "contexts": "a"}):
        with pytest.raises(seqcli.SeqcliError):
            lm.score(TEXT, **wrong)
    with pytest.raises(seqcli.SeqcliError, match="needs a neural model"):
        seqcli.load(str(model)).score(TEXT, dynamic=True)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--lambda", 0.2], "--lambda needs --cache"),
        (["--cache", "--decay", 0.2], "--decay needs --dynamic"),
        (["--cache", "--context", "a"], "--cache cannot be combined with --context"),
        (["--dynamic", "--scramble"], "--dynamic cannot be combined with --scramble"),
        (["--cache", "--level", "token", "--rank"], "--cache cannot be combined with --rank"),
        (["--dynamic"], "--dynamic needs a neural model"),
        (["--cache", "--lambda", 1], "must be at least 0 and below 1, got 1"),
        (["--cache", "--ray", "local"], "--cache cannot be combined with --ray"),
    ],
)
def test_incompatible_options(here, model, options, message):
    done = here("score", "the cat", "-m", model, *options)
    assert done.code == 2 and message in done.err.replace("'", "") and done.err.count("\n") == 1


def test_the_help_tells_the_defaults(here):
    shown = " ".join(here("score", "--help").out.split())
    for kind, options in (
        (seqcli.Cache(), {"lambda": "weight", "theta": "theta", "window": "window"}),
        (seqcli.Dynamic(), {"decay": "decay", "segment": "segment", "learning-rate": "learning_rate"}),
    ):
        for option, name in options.items():
            text = shown.split(f" --{option} N")[1]
            assert text.split("[default: ")[1].split("]")[0].split(";")[0] == f"{getattr(kind, name):g}", option
