"""Models are pickled as what opens them, so that engines such as Ray, Spark and Dask can send functions that use them."""

import os
import pickle
import shutil
import subprocess
import sys

import pytest
from small_classifiers import places  # noqa: F401

import seqcli
from seqcli import sources
from seqcli.api import opening
from seqcli.errors import ModelError, UsageError

TEXTS = ["I study machine learning", "", "the cat saw a zebra"]
FRESH = """
import pickle, sys
function, texts = pickle.load(sys.stdin.buffer)
pickle.dump(function(texts), sys.stdout.buffer)
"""


def elsewhere(function, folder, dumps=pickle.dumps):
    """What a function says of the texts in a process of its own, in another folder."""
    path = os.pathsep.join([os.path.dirname(os.path.dirname(seqcli.__file__)), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", FRESH], input=dumps((function, TEXTS)), capture_output=True, cwd=folder, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def test_a_language_model(models, tmp_path, monkeypatch):
    monkeypatch.chdir(models("words").parent)
    lm = seqcli.load("words")  # a relative path
    assert elsewhere(lm.score, tmp_path) == lm.score(TEXTS)
    again = pickle.loads(pickle.dumps(lm))
    assert again == pickle.loads(pickle.dumps(lm)) and again.opened.name == lm.opened.name and again.record == lm.record
    assert len(pickle.dumps(lm)) < 1000


def test_a_classifier_and_a_closure(request, tmp_path):
    cloudpickle = pytest.importorskip("cloudpickle", reason="closures travel by it")
    classifier = seqcli.load(request.getfixturevalue("places")("ngram"))
    said = elsewhere(lambda texts: [row.label for row in classifier.classify(texts)], tmp_path, dumps=cloudpickle.dumps)
    assert said == [row.label for row in classifier.classify(TEXTS)]


def test_a_translator_with_its_settings(translator, tmp_path):
    model = seqcli.load(translator, precision="int8", threads=1)
    again = pickle.loads(pickle.dumps(model))
    assert again.signature == model.signature and "int8" in model.signature
    assert again.translate(TEXTS, max_length_ratio=0.5) == model.translate(TEXTS, max_length_ratio=0.5)


def test_word_vectors_and_an_arpa_file(here, models, tmp_path):
    (tmp_path / "words.vec").write_text("2 2\nthe 1 0\ncat 0 1\n")
    words = seqcli.load(tmp_path / "words.vec")
    assert (pickle.loads(pickle.dumps(words)).embed(TEXTS) == words.embed(TEXTS)).all()
    assert here("convert", models("words"), tmp_path / "lm.arpa").code == 0
    lm = seqcli.load(tmp_path / "lm.arpa", encoding="utf-8")
    assert pickle.loads(pickle.dumps(lm)).score(TEXTS) == lm.score(TEXTS)


def test_a_model_that_was_just_trained(corpus, tmp_path):
    lm = seqcli.train_lm(corpus, tmp_path / "lm", order=2)
    assert pickle.loads(pickle.dumps(lm)).score(TEXTS) == lm.score(TEXTS)


def test_a_model_is_opened_once_in_a_process(models, monkeypatch):
    pickled = pickle.dumps(seqcli.load(models("characters")))
    opened, real = [], opening._opened
    monkeypatch.setattr(opening, "_opened", lambda *given, **how: opened.append(given) or real(*given, **how))
    first = pickle.loads(pickled)
    assert pickle.loads(pickled) is first and len(opened) == 1


def test_a_model_that_was_replaced_is_opened_again(models, corpus, tmp_path):
    shutil.copytree(models("words"), tmp_path / "lm")
    pickled = pickle.dumps(seqcli.load(tmp_path / "lm"))
    before = pickle.loads(pickled)
    shutil.rmtree(tmp_path / "lm")
    seqcli.train_lm(corpus, tmp_path / "lm", order=1)
    after = pickle.loads(pickled)
    assert after is not before and after.record["settings"]["order"] == 1
    shutil.rmtree(tmp_path / "lm")
    with pytest.raises(ModelError, match="no such model"):
        pickle.loads(pickled)


def test_a_model_that_is_in_no_file(models):
    with pytest.raises(UsageError, match=r"not opened from a file; save it, and open it with seqcli.load"):
        pickle.dumps(seqcli.LanguageModel(seqcli.load(models("words")).opened))


def test_how_another_process_finds_a_model():
    commit = "0123456789" * 4
    assert (
        sources.portable("hf:org/name@main", f"/cache/models--org--name/snapshots/{commit}") == f"hf:org/name@{commit}"
    )
    assert sources.portable("a/model", "a/model") == os.path.abspath("a/model")
    assert sources.portable("sample-english", "/cache/of/it") == "sample-english"
