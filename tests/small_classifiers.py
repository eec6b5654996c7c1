"""Three small classifiers, made when first asked for: a bag (no tokenizer), n-grams, and a network; and what their command says.

Fixtures for those who import them.
"""

import json

import numpy as np
import pytest

from seqcli.interfaces import SILENT
from seqcli.runs.model_writer import writing_model
from seqcli.tasks.classification.data import LabelledFiles, Texts
from seqcli.tasks.classification.load import open_classifier
from seqcli.tasks.classification.train import TrainingTexts, train_classifier
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.text import nfc
from seqcli.training.config import Request

GOOD, BAD = ("fine", "great", "lovely", "좋은", "멋진"), ("dull", "poor", "awful", "나쁜", "지루한")
THINGS = ("film", "book", "day", "song", "영화", "노래")
PAIRS = [
    (f"a {how} {what}", label) for label, hows in (("good", GOOD), ("bad", BAD)) for how in hows for what in THINGS
]
ASKED = ["a fine film", "", "a dull day", "nothing known zzz", "좋은 영화", "a fine, awful film"]
JUDGED = [
    *PAIRS[:6],
    *PAIRS[30:38],
    ("a fine book", "bad"),
    ("an awful film", "good"),
    ("a poor, poor day", "good"),
    ("", "bad"),
]
SETTINGS = {
    "bag": {"buckets": 4096, "longest": 0},
    "ngram": {"order": 2},
    "cnn": {"embedding": 8, "filters": 8, "steps": 40, "learning_rate": 0.02, "batch_tokens": 256},
}


def table(pairs, names=("text", "label")) -> str:
    return "\t".join(names) + "\n" + "".join(f"{text}\t{label}\n" for text, label in pairs)


def trained(folder, path, arch: str):
    """Judged on texts of which every sixth has the wrong label, so that it is sure of nothing."""
    texts = LabelledFiles((str(path),)).read()
    wrong = Texts(texts.data, texts.targets ^ (np.arange(len(texts)) % 6 == 0), texts.labels)
    request = Request(
        "classification", arch, "tiny", (("test", SETTINGS[arch]),), device="cpu", precision="fp32", threads=1
    )
    with writing_model(folder) as writer:
        given = TrainingTexts(texts, wrong, (str(path),), threads=1)
        return train_classifier(writer, given, TokenizerChoice("words"), request, reporter=SILENT).opened


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of classifiers by architecture, made when first asked for; `texts.tsv` is what they learnt from."""
    folder = tmp_path_factory.mktemp("classifiers")
    (folder / "texts.tsv").write_text(table(PAIRS), encoding="utf-8")

    def made(arch: str):
        if not (folder / arch).exists():
            trained(folder / arch, folder / "texts.tsv", arch)
        return folder / arch

    return made


@pytest.fixture(scope="module")
def bag(places):
    return places("bag")


@pytest.fixture
def texts(bag):
    return bag.parent / "texts.tsv"


def shares(place, records: list[str]) -> np.ndarray:
    lines = "".join(nfc(record.replace("\n", " ")) + "\n" for record in records).encode()
    return open_classifier(str(place)).probabilities(lines)


def in_json(done) -> list[dict]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def one_line(done, *, command: str = "classify") -> str:
    """The error of a command that printed nothing else."""
    assert done.out == "" and done.err.count("\n") == 1 and done.err.startswith(f"seqcli {command}: error: "), done.err
    return done.err
