"""Classification as a task: what is held out, what is counted, what a network begins with, and that training can be repeated."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from seqcli import config, tokenizers
from seqcli.errors import InputError, ModelError, UsageError
from seqcli.interfaces import SILENT, Scores
from seqcli.models import ngram
from seqcli.models.ngram_classifier import NgramClassifier
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import writing_model
from seqcli.tasks.classification import train_several
from seqcli.tasks.classification.classify import Classified
from seqcli.tasks.classification.data import Texts, split, weights_of_labels
from seqcli.tasks.classification.evaluate import figures
from seqcli.tasks.classification.load import open_classifier
from seqcli.tasks.classification.train import TrainingTexts, train_classifier
from seqcli.tasks.initial_weights import InitialModel
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.load import open_model
from seqcli.tasks.language.train import train_network
from seqcli.tasks.language.train_counted import train_counted
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.token_batch import TokenBatch
from seqcli.training.config import Request

SIDES = {
    "bad": [f"a {how} {what} 정말" for how in ("dull", "poor", "지루한") for what in ("film", "book", "day", "song")],
    "good": [f"a {how} {what}" for how in ("fine", "great", "좋은") for what in ("film", "book", "day")],
    "so so": [f"one {what}" for what in ("film", "book", "day", "song", "영화")],
}


pytestmark = pytest.mark.usefixtures("one_thread")


def texts_of(sides: dict[str, list[str]]) -> Texts:
    pairs = [(text, number) for number, own in enumerate(sides.values()) for text in own]
    pairs = [pairs[i] for i in np.random.default_rng(1).permutation(len(pairs))]
    data = "".join(f"{text}\n" for text, _ in pairs).encode()
    return Texts(data, np.array([number for _, number in pairs], np.int32), list(sides))


TEXTS = texts_of(SIDES)
GIVEN = TrainingTexts(TEXTS, texts_of({label: own[:2] for label, own in SIDES.items()}), ("texts.tsv",), threads=1)
SMALL = [
    "preset tiny",
    {"width": 8, "embedding": 8, "filters": 4, "layers": 1, "heads": 2, "batch_tokens": 48, "buckets": 512},
]


def request(arch: str, **settings) -> Request:
    from dataclasses import fields

    from seqcli.training.config import kinds_of

    known = {field.name for kind in kinds_of("classification", arch) for field in fields(kind)}
    values = {name: value for name, value in SMALL[1].items() if name in known}
    return Request(
        "classification", arch, "tiny", (("test", {**values, **settings}),), device="cpu", precision="fp32", threads=1
    )


def trained(
    folder, arch: str, *, given: TrainingTexts = GIVEN, resume: bool = False, init: str | None = None, **settings
):
    choice = TokenizerChoice("words")
    with writing_model(folder, resume=resume) as writer:
        return train_classifier(
            writer, given, choice, request(arch, **settings), resume=resume, init=init, reporter=SILENT
        )


# --- what is held out -------------------------------------------------------------------------------------------------


def rows_of(texts: Texts) -> list[tuple[str, str]]:
    return [(text, texts.labels[k]) for text, k in zip(texts.data.decode().split("\n"), texts.targets, strict=False)]


def test_a_seeded_tenth_of_every_label_is_held_out():
    many = texts_of({label: [f"{label} {k}" for k in range(n)] for label, n in (("a", 200), ("b", 50), ("c", 3))})
    kept, held_out = split(many, seed=4)
    assert np.bincount(held_out.targets, minlength=3).tolist() == [20, 5, 0] and len(kept) + len(held_out) == len(many)
    assert sorted(rows_of(kept) + rows_of(held_out)) == sorted(rows_of(many))
    assert kept.labels == held_out.labels == many.labels
    assert [row for row in rows_of(many) if row in {*rows_of(kept)}] == rows_of(kept)  # in the order they came in
    again, other = split(many, seed=4)[1], split(many, seed=5)[1]
    assert (
        again.data == held_out.data and np.array_equal(again.targets, held_out.targets) and other.data != held_out.data
    )


@pytest.mark.parametrize("sizes", [(2, 1), (1, 2), (2, 2), (4, 1, 1)])
def test_of_few_texts_one_is_held_out_and_no_label_is_lost(sizes):
    few = texts_of({f"label {k}": [f"{k} {i}" for i in range(n)] for k, n in enumerate(sizes)})
    for seed in range(5):
        kept, held_out = split(few, seed=seed)
        assert len(held_out) == 1 and np.bincount(kept.targets, minlength=len(sizes)).min() == 1


def test_nothing_to_spare():
    with pytest.raises(InputError, match="--valid"):
        split(texts_of({"a": ["x"], "b": ["y"]}), seed=0)


def test_equal_texts_that_differ_in_label_are_one_side_or_noted():
    """Where there is but one text, it is on both sides, and that is said."""
    notes = []
    reporter = SimpleNamespace(note=notes.append, progress=lambda *_: None)
    one = Texts(b"same words here\n" * 10, np.array([0] * 6 + [1] * 4, np.int32), ["x", "y"])
    kept, held_out = split(one, seed=0, reporter=reporter)
    assert len(kept) == 9 and len(held_out) == 1 and len(notes) == 1 and "also occur in the training texts" in notes[0]
    repeated = texts_of({label: [f"{label} {k}" for k in range(100)] * 3 for label in "ab"})
    kept, held_out = split(repeated, seed=0, reporter=reporter)
    assert len(held_out) == 60 and not {*rows_of(kept)} & {*rows_of(held_out)} and len(notes) == 1


def test_the_temperature_of_training_is_that_of_calibrate():
    """Few texts that are all right do not make a model certain: Platt's target for one text of two labels is 2 / 3."""
    found = figures(np.array([[1.0, 0.0]]), np.array([0]))
    assert math.exp(1 / found["temperature"]) == pytest.approx(2)


def test_blank_texts_are_texts():
    blank = texts_of({"a": ["", "x", ""], "b": ["", "y"]})
    assert len(blank.only(blank.targets == 0)) == 3 and blank.only(blank.targets == 1).data.count(b"\n") == 2
    assert b"".join(blank.blocks()) == blank.data


def test_weights_of_labels():
    assert weights_of_labels(None, TEXTS) is None
    balanced = weights_of_labels("balanced", TEXTS)
    counts = np.array([len(own) for own in SIDES.values()])
    assert np.ptp(balanced * counts) < 1e-9 and (balanced * counts).sum() == pytest.approx(counts.sum())
    given = weights_of_labels("good=3,so so=0", TEXTS)
    assert (
        given[1] / given[0] == pytest.approx(3)
        and given[2] == 0
        and (given * counts).sum() == pytest.approx(counts.sum())
    )
    for wrong in (
        "fine=1",
        "good",
        "good=x",
        "good=-1",
        "good=nan",
        "good=inf",
        "good=0,bad=0,so so=0",
        "",
        "good=1,good=2",
    ):
        with pytest.raises(UsageError, match="--label-weights"):
            weights_of_labels(wrong, TEXTS)


def test_labels_in_another_order_and_of_no_model():
    other = TEXTS.with_labels(["so so", "good", "more", "bad"])
    assert [label for _, label in rows_of(other)] == [label for _, label in rows_of(TEXTS)] and other.targets.max() == 3
    notes: list[str] = []
    reporter = SimpleNamespace(note=notes.append)
    known = TEXTS.of_known_labels(["good", "bad"], to="m", where="here", reporter=reporter)
    assert rows_of(known) == [row for row in rows_of(TEXTS) if row[1] != "so so"] and known.labels == ["good", "bad"]
    assert len(known) < len(TEXTS)
    count = f"{len(TEXTS) - len(known):,} texts have labels"
    assert notes == [f"here: {count} unknown to m, left out: so so"]
    with pytest.raises(InputError, match="here: no text has a label known to m; did you mean 'so-so'"):
        TEXTS.only(TEXTS.targets == TEXTS.labels.index("so so")).of_known_labels(
            ["so-so", "x"], to="m", where="here", reporter=reporter
        )


# --- counted ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 4.0]])
def test_an_ngram_classifier_is_bayes_rule_over_language_models(tmp_path, weights):
    given = TrainingTexts(
        TEXTS, GIVEN.valid, ("texts.tsv",), weights=None if weights is None else np.array(weights), threads=1
    )
    opened = trained(tmp_path / "c", "ngram", given=given).opened
    asked = ["a fine film", "one 지루한 day", "", "a zebra"]
    lines = "".join(f"{text}\n" for text in asked).encode()
    found = opened.logits(lines)
    tokenizer = next((tmp_path / "c").glob("state-*")) / "tokenizer"
    prior = np.array([len(own) for own in SIDES.values()]) * (1.0 if weights is None else np.array(weights))
    want = np.empty((len(asked), len(SIDES)))
    for k, _own in enumerate(SIDES.values()):
        (tmp_path / f"{k}.txt").write_text(
            "".join(text + "\n" for text, label in rows_of(TEXTS) if label == list(SIDES)[k])
        )
        with writing_model(tmp_path / f"lm{k}") as writer:
            corpus, choice = Corpus((str(tmp_path / f"{k}.txt"),)), TokenizerChoice(str(tokenizer))
            train_counted(writer, corpus, choice, ngram.Config(order=2), memory=1 << 30)
        lm = open_model(str(tmp_path / f"lm{k}"))
        batch = tokenizers.load(tokenizer).encode(lines)
        scores = np.split(lm.model.score(batch).log_prob.astype(np.float64), batch.lengths.cumsum()[:-1])
        want[:, k] = [scores_.sum() + math.log(prior[k] / prior.sum()) for scores_ in scores]
    np.testing.assert_allclose(found - found[:, :1], want - want[:, :1], atol=1e-4)


def test_a_label_of_no_weight_is_never_told(tmp_path):
    weights = weights_of_labels("good=0", TEXTS)
    for arch in ("ngram", "bag"):
        made = trained(
            tmp_path / arch, arch, given=TrainingTexts(TEXTS, GIVEN.valid, ("t",), weights=weights, threads=1)
        )
        shares = made.opened.probabilities(TEXTS.data)
        assert (
            (shares.argmax(axis=1) != 1).all()
            and np.isfinite(shares).all()
            and math.isfinite(made.record["valid"]["loss"])
        )


def test_long_texts_keep_their_digits():
    """Sums over a million tokens differ in less than float32 holds of them."""

    class Even:
        precision = "fp32"

        def score(self, batch):
            return Scores(np.full(len(batch.tokens), -8.0, np.float32))

    model = NgramClassifier([Even(), Even()], np.log([0.6, 0.4]))
    logits = model.classify(TokenBatch(np.zeros(10**6 + 1, np.int32), np.array([10**6, 1])))
    np.testing.assert_allclose(logits[:, 0] - logits[:, 1], math.log(1.5), rtol=1e-6)


# --- networks ---------------------------------------------------------------------------------------------------------

CASES = {
    "cnn": ("cnn", {"word_dropout": 0.2}),
    "lstm": ("lstm", {"weight_dropout": 0.2, "pooling": ["max", "attention"]}),
    "transformer": ("transformer", {"dropout": 0.2, "ema": 0.5}),
    "rnn, several members": ("rnn", {"members": 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_resumed_is_bitwise_equal(tmp_path, case):
    arch, settings = CASES[case]
    settings = {
        **settings,
        "warmup": 2,
        "schedule": "constant",
        "evaluate_every": 2,
    }  # the first part ends where both are judged
    trained(tmp_path / "whole", arch, steps=7, **settings)
    trained(tmp_path / "parts", arch, steps=4, **settings)
    trained(tmp_path / "parts", arch, steps=7, resume=True, **settings)
    (whole, progress), (parts, resumed) = (
        checkpoint.newest(tmp_path / name, reporter=SILENT) for name in ("whole", "parts")
    )
    assert whole.keys() == parts.keys() and {name.partition(".")[0] for name in whole} >= {
        "weight",
        "random",
        "optimizer",
    }
    assert all(np.array_equal(array, parts[name]) for name, array in whole.items())
    for field in ("step", "epoch", "index", "tokens", "best", "best_step"):
        assert progress["progress"][field] == resumed["progress"][field]
    whole, parts = (ModelFolder.open(tmp_path / name).tensors() for name in ("whole", "parts"))
    assert all(np.array_equal(array, parts[name]) for name, array in whole.items())


def test_resuming_with_other_labels_or_texts_is_refused(tmp_path):
    trained(tmp_path / "m", "cnn", steps=2)
    other = Texts(TEXTS.data, (TEXTS.targets + 1) % 3, TEXTS.labels)
    with pytest.raises(UsageError, match="text was"):
        trained(tmp_path / "m", "cnn", given=TrainingTexts(other, GIVEN.valid, ("t",), threads=1), steps=4, resume=True)
    with pytest.raises(UsageError, match="filters was 4, now 5"):
        trained(tmp_path / "m", "cnn", steps=4, resume=True, filters=5)


@pytest.mark.parametrize("arch", ["bag", "cnn"])
def test_the_same_seed_is_the_same_model(tmp_path, arch):
    budget = {} if arch == "bag" else {"steps": 3}
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        trained(tmp_path / name, arch, seed=seed, **budget)
    one, two, three = (ModelFolder.open(tmp_path / name).tensors() for name in ("one", "two", "three"))
    assert all(np.array_equal(array, two[name]) for name, array in one.items())
    assert not all(np.array_equal(array, three[name]) for name, array in one.items())


def test_a_network_learns_and_is_opened_as_it_was(tmp_path):
    made = trained(tmp_path / "m", "cnn", steps=60, learning_rate=0.02, dropout=0.0)
    assert made.record["valid"]["accuracy"] == 1 and made.record["labels"] == list(SIDES)
    opened = open_classifier(str(tmp_path / "m"))
    np.testing.assert_array_equal(opened.logits(TEXTS.data), made.opened.logits(TEXTS.data))
    assert (opened.probabilities(TEXTS.data).argmax(axis=1) == TEXTS.targets).mean() > 0.9
    assert opened.temperature == pytest.approx(made.record["valid"]["temperature"])


# --- beginning with a language model's body ---------------------------------------------------------------------------

BODIES = {
    "lstm": ["width=12", "embedding=6", "layers=2"],
    "transformer": ["width=12", "heads=3", "layers=2", "window=32"],
}


@pytest.fixture(scope="module")
def bodies(tmp_path_factory):
    """Language models of the texts, a step old."""
    folder = tmp_path_factory.mktemp("bodies")
    (folder / "text.txt").write_bytes(TEXTS.data)
    corpus = Corpus((str(folder / "text.txt"),))
    for arch, settings in BODIES.items():
        values = config.parse_assignments([*settings, "steps=1", "batch_tokens=64"])
        with writing_model(folder / arch) as writer:
            train_network(
                writer, corpus, TokenizerChoice("words"), Request("language", arch, "tiny", (("test", values),), device="cpu",
                precision="fp32", threads=1), valid=None, resume=False, reporter=SILENT,
            )  # fmt: skip
    with writing_model(folder / "ngram") as writer:
        train_counted(writer, corpus, TokenizerChoice("words"), ngram.Config(order=2), memory=1 << 30)
    return folder


@pytest.mark.parametrize("arch", BODIES)
def test_the_body_is_the_language_models(tmp_path, bodies, arch):
    source = str(bodies / arch)
    settings = {**settings_of_body(source, arch), "steps": 1, "learning_rate": 1e-12, "weight_decay": 0.0, "window": 32}
    with writing_model(tmp_path / "c") as writer:
        asked = Request(
            "classification", arch, "tiny", (("body", settings),), device="cpu", precision="fp32", threads=1
        )
        made = train_classifier(writer, GIVEN, TokenizerChoice("bytes"), asked, init=source, reporter=SILENT)
    own, theirs = ModelFolder.open(tmp_path / "c"), ModelFolder.open(source)
    body = {name: array for name, array in theirs.tensors().items() if name.startswith("body.")}
    assert body and all(np.allclose(own.tensors()[name], array, atol=1e-7, rtol=0) for name, array in body.items())
    assert own.tokenizer().fingerprint == theirs.tokenizer().fingerprint and made.record["init"] == arch
    assert (
        not {"dropout", "weight_dropout", "word_dropout", "window", "members"} & settings_of_body(source, arch).keys()
    )


@pytest.mark.parametrize(
    "arch, change", [("lstm", {"width": 10}), ("lstm", {"layers": 1}), ("transformer", {"layers": 1})]
)
def test_a_body_of_another_shape_is_refused(tmp_path, bodies, arch, change):
    settings = {**settings_of_body(str(bodies / arch), arch), "steps": 1, **change}
    with pytest.raises(ModelError, match="another shape"), writing_model(tmp_path / "c") as writer:
        asked = Request(
            "classification", arch, "tiny", (("body", settings),), device="cpu", precision="fp32", threads=1
        )
        train_classifier(writer, GIVEN, TokenizerChoice("words"), asked, init=str(bodies / arch), reporter=SILENT)
    assert not (tmp_path / "c").exists()


def test_what_is_no_body(tmp_path, bodies):
    with pytest.raises(UsageError, match="has architecture lstm"):
        settings_of_body(str(bodies / "lstm"), "gru")
    with pytest.raises(ModelError, match="is a counted model"):
        settings_of_body(str(bodies / "ngram"), "lstm")
    with pytest.raises(ModelError, match="is a counted model"):
        trained(tmp_path / "c", "lstm", init=str(bodies / "ngram"), steps=1)
    trained(tmp_path / "bag", "bag")
    with pytest.raises(ModelError):
        settings_of_body(str(tmp_path / "bag"), "lstm")


def settings_of_body(source, arch):
    first = InitialModel.open(source)
    first.check(arch)
    return first.settings_of_body()


# --- several ----------------------------------------------------------------------------------------------------------


def test_places_of_architectures_and_seeds():
    asked = {arch: request(arch) for arch in ("ngram", "bag", "cnn")}
    places = lambda *archs, runs=1: {  # noqa: E731
        str(path): dict(kv for _, values in of.settings for kv in values.items()).get("seed")
        for path, of in train_several.places("m", [asked[arch] for arch in archs], runs, seed=7).items()
    }
    assert places("cnn") == {"m": None} and places("cnn", "bag") == {"m/cnn": None, "m/bag": None}
    assert places("bag", runs=2) == {"m/seed-7": 7, "m/seed-8": 8}
    assert places("ngram", runs=3) == {"m": None}  # nothing is drawn by chance
    assert places("ngram", "cnn", runs=2) == {"m/ngram": None, "m/cnn/seed-7": 7, "m/cnn/seed-8": 8}


def test_runs_are_compared_by_mean_and_deviation(here, tmp_path):
    rows = "".join(f"{label}\t{text}\n" for text, label in rows_of(TEXTS) * 3)
    (tmp_path / "texts.tsv").write_text("label\ttext\n" + rows)
    done = here(
        "train", "classifier", "texts.tsv", "-o", "m", "--arch", "cnn", "--arch", "ngram", "--runs", 3, "--seed", 5,
        "--preset", "tiny", "--steps", 4, "--set", "filters=4", "--set", "embedding=8", "--tokenizer", "words", "--threads", 1,
    )  # fmt: skip
    assert done.code == 0, done.err
    places = sorted(
        path.parent for path in (tmp_path / "m").glob("**/manifest.json") if "checkpoints" not in path.parts
    )
    assert [str(path.relative_to(tmp_path / "m")) for path in places] == [
        "cnn/seed-5",
        "cnn/seed-6",
        "cnn/seed-7",
        "ngram",
    ]
    runs = [ModelFolder.open(tmp_path / f"m/cnn/seed-{seed}").config for seed in (5, 6, 7)]
    assert len({run["tokenizer"] for run in runs}) == 1 and [run["training"]["seed"] for run in runs] == [5, 6, 7]
    accuracy = [100 * run["valid"]["accuracy"] for run in runs]
    table = {row[0]: row for row in done.rows}
    assert table.keys() == {"cnn", "ngram"} and all(len(row) == 8 for row in done.rows)
    assert float(table["cnn"][3]) == pytest.approx(np.mean(accuracy), abs=0.006) and table["cnn"][4] == "3"
    assert float(table["cnn"][5]) == pytest.approx(np.std(accuracy, ddof=1), abs=0.006)
    assert float(table["cnn"][7]) == pytest.approx(np.mean([run["valid"]["loss"] for run in runs]), abs=1e-4)
    assert table["ngram"][4] == "1" and table["ngram"][5] in ("", "nan", "-")
    means = [float(row[3]) for row in done.rows]
    assert means == sorted(means, reverse=True)


def test_the_metric_says_which_is_best(here, tmp_path):
    valid = ["rain\tbad", "rain\tgood", "rain\tgood"]  # both err as often, the n-grams with less certainty
    for name, rows in (("texts", [*valid, *["sun\tgood"] * 9]), ("valid", valid)):
        (tmp_path / f"{name}.tsv").write_text("text\tlabel\n" + "".join(row + "\n" for row in rows))
    command = [
        "train", "classifier", "texts.tsv", "--valid", "valid.tsv", "--arch", "bag", "--arch", "ngram", "--preset", "tiny",
        "--tokenizer", "words", "--label-weights", "bad=2.5", "--threads", 1,
    ]  # fmt: skip
    best = {}
    for metric, column, sign in (("accuracy", 3, -1), ("loss", 5, 1)):
        done = here(*command, "-o", metric, "--metric", metric)
        assert done.code == 0, done.err
        best[metric], figures = done.rows[0][0], [sign * float(row[column]) for row in done.rows]
        assert (
            figures == sorted(figures) and f"seqcli classify -m {metric}/{best[metric]} " in done.err.splitlines()[-1]
        )
    assert best == {"accuracy": "bag", "loss": "ngram"}


@pytest.mark.parametrize("top_k", [None, 1, 2, 9])
def test_the_objects_of_json_are_the_results(top_k):
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [1, 0, 0]])
    found = Classified(["a", "b", "c"], probabilities, threshold=0.45)
    objects = list(found.objects(["x", "", "z"], top_k=top_k))
    assert objects == [result.to_dict() for result in found.results(["x", "", "z"], top_k=top_k)]
    assert [row["label"] for row in objects] == ["b", "?", "a"]
