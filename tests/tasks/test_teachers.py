"""`--distill`: networks learn the probabilities of other models, which are computed as `classify` and `score` show them."""

import json
from pathlib import Path

import numpy as np
import pytest

import seqcli
from seqcli.errors import UsageError
from seqcli.interfaces import SILENT
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.classification.data import LabelledFiles
from seqcli.tasks.teachers import Teachers

FAST = ("--preset", "tiny", "--steps", 3, "--threads", 1, "--set", "width=8")


@pytest.fixture
def texts(tmp_path):
    lines = [
        f"{a} {b} {c}" for a in ("good", "bad") for b in ("film", "plot", "actor") for c in ("here", "there", "then")
    ]
    (tmp_path / "texts.tsv").write_text("text\tlabel\n" + "".join(f"{line}\t{line[0]}\n" for line in lines))
    (tmp_path / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    return lines


def test_a_classifier_learns_the_mean_of_what_its_teachers_classify(here, texts):
    for name, seed in (("t1", 1), ("t2", 2)):
        assert here("train", "classifier", "texts.tsv", "-o", name, "--arch", "gru", "--seed", seed, *FAST).code == 0
    shares = []
    for name in ("t1", "t2"):
        rows = map(json.loads, here("classify", "-m", name, "--json", *texts).out.splitlines())
        shares.append([{each["label"]: each["probability"] for each in row["labels"]} for row in rows])
    read = LabelledFiles(("texts.tsv",)).read()
    found = Teachers(("t1", "t2")).soft_labels(read, share=0.7, reporter=SILENT)
    wanted = [
        [0.3 * (label == line[0]) + 0.35 * (a[label] + b[label]) for label in read.labels]
        for line, a, b in zip(texts, *shares, strict=True)
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-6)

    own = {}
    for name, more in (("student", ("--distill", "t1", "--distill", "t2")), ("alone", ())):
        assert here("train", "classifier", "texts.tsv", "-o", name, "--arch", "gru", *FAST, *more).code == 0
        own[name] = here("classify", "-m", name, *texts).out
    assert own["student"] != own["alone"]


def test_a_language_model_learns_from_others_with_their_tokenizer(here, texts):
    options = ("--arch", "gru", "--arch", "lstm", *FAST, "--tokenizer", "characters")
    assert here("train", "lm", "text.txt", "-o", "t", *options).code == 0
    scores = {}
    for name, share in (("s1", 0.5), ("s2", 1)):
        more = ("--distill", "t/gru", "--distill", "t/lstm", "--set", f"distill_share={share}")
        done = here("train", "lm", "text.txt", "-o", name, "--arch", "transformer", *FAST, *more)
        assert done.code == 0, done.err
        scores[name] = here("score", "-m", name, "good film").rows[0][0]
    assert Teachers(("s1", "t/gru")).choice().opened.KIND == "characters"
    assert scores["s1"] != scores["s2"]


def test_python_takes_one_teacher_or_several(texts, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    about = {"preset": "tiny", "steps": 2, "threads": 1, "settings": {"width": 8}}
    for name in ("a", "b"):
        seqcli.train_classifier("texts.tsv", name, arch="gru", **about)
    for teachers in ("a", Path("a"), ["a", Path("b")]):
        seqcli.train_classifier("texts.tsv", "student", arch="gru", distill=teachers, force=True, **about)
        wanted = 2 if isinstance(teachers, list) else 1
        assert len(ModelFolder.open("student").config["distill"]) == wanted


def test_teachers_that_cannot_teach_are_refused_in_one_line(here, texts):
    assert here("train", "lm", "text.txt", "-o", "ngram").code == 0
    assert here("train", "classifier", "texts.tsv", "-o", "bag").code == 0
    assert here("train", "lm", "text.txt", "-o", "gru", "--arch", "gru", *FAST).code == 0
    lm, classifier = ("train", "lm", "text.txt", "-o", "x"), ("train", "classifier", "texts.tsv", "-o", "x")
    for command, code, what in (
        ((*lm, "--distill", "gru"), 2, "--distill has no effect with --arch ngram"),
        ((*lm, "--arch", "gru", "--distill", "ngram"), 2, "gives no probabilities of the next token"),
        ((*lm, "--arch", "gru", "--distill", "gru", "--tokenizer", "words"), 2, "--distill uses the tokenizer"),
        ((*lm, "--arch", "transformer", "--objective", "masked", "--distill", "gru"), 2, "--objective masked"),
        ((*lm, "--arch", "gru", "--distill", "bag"), 4, "is a classifier"),
        ((*classifier, "--arch", "gru", "--distill", "gru"), 4, "is a language model"),
        ((*classifier, "--arch", "gru", "--distill", "bag", "--label-map", "g=good"), 2, "has other labels"),
    ):
        done = here(*command)
        assert done.code == code and what in done.err and done.err.count("error") == 1, (command, done)


def test_models_with_different_tokenizers_cannot_teach_together(here, texts):
    for name, kind in (("w", "words"), ("c", "characters")):
        assert here("train", "lm", "text.txt", "-o", name, "--arch", "gru", *FAST, "--tokenizer", kind).code == 0
    with pytest.raises(UsageError, match=r"^c: has another tokenizer than w"):
        Teachers(("w", "c")).choice()
