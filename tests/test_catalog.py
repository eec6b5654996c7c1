"""Adding a thing is adding one file (and its presets): a tokenizer, a counted language model and a classifier that are in no list."""

import json
import math

import pytest

from seqcli import catalog
from seqcli.commands import completion

FILES = {
    "tokenizers/vowels.py": '''
"""Whether each byte is a vowel."""
from seqcli.tokenizers import bytes as plain

KIND = "vowels"

class Vowels(plain.Bytes):
    KIND = KIND

load = Vowels.load

def train(blocks, **settings):
    return Vowels(), []
''',
    "models/even.py": '''
"""All tokens are as probable as each other."""
from dataclasses import dataclass
import numpy as np
from seqcli.interfaces import Scores
from seqcli.models.ngram import Counted
from seqcli.ranges import check, within

TASK = "language"

@dataclass(frozen=True)
class Config:
    times: int = within(1, 9, default=1, help="how much less probable a token is")

    def __post_init__(self):
        check(self)

class Even:
    precision = "fp32"

    def __init__(self, log_prob):
        self.log_prob = float(log_prob[0])

    def score(self, batch, context=None, *, rank=False):
        return Scores(np.full(len(batch.tokens), self.log_prob), None, None)

def estimate(stream, config, *, vocab_size, arena, reporter):
    log_prob = np.array([-np.log(config.times * vocab_size)], dtype=np.float32)
    return Counted({"log_prob": log_prob}, {"settings": {"times": config.times}})

def load(settings, tensors, *, vocab_size):
    return Even(tensors["log_prob"])
''',
    "presets/language/even.toml": 'module = "even"\ncounted = true\n\n[small]\ntimes = 1\n\n[large]\ntimes = 2\n',
    "presets/classification/chars.toml": 'module = "bag_classifier"\ncounted = true\n\n[small]\nbuckets = 256\nwords = 0\n',
}


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    for name, content in FILES.items():
        file = tmp_path / "plugins" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    monkeypatch.setattr(catalog, "PLACES", [*catalog.PLACES, tmp_path / "plugins"])


def test_a_counted_language_model_is_a_file_and_its_presets(plugins, here, corpus):
    done = here("train", "lm", corpus, "-o", "m", "--arch", "even", "--set", "times=3", "--tokenizer", "words")
    assert done.code == 0, done.err
    (row,) = map(json.loads, here("score", "-m", "m", "the cat sleeps", "--json").out.splitlines())
    (about,) = map(json.loads, here("info", "m", "--json").out.splitlines())
    assert about["arch"] == "even" and about["settings"] == {"times": 3} and about["parameters"] == 1
    expected = -4 * math.log(3 * about["vocab_size"])  # three words and </s>
    assert row["scores"][0]["log_prob"] == pytest.approx(expected, rel=1e-5)
    done = here("help", "settings", "even")
    assert done.code == 0 and "How much less probable a token is" in done.out and "large" in done.out
    assert here("train", "lm", corpus, "-o", "n", "--arch", "even", "--set", "times=10").code == 2


def test_a_tokenizer_is_a_file(plugins, here, corpus):
    assert here("train", "tokenizer", corpus, "-o", "t", "--tokenizer", "vowels").code == 0
    assert here("tokenize", "-m", "t", "ab").rows == [["a b </s>"]] or here("tokenize", "-m", "t", "ab").rows == [
        ["a b"]
    ]
    assert dict(here("info", "t").rows)["kind"] == "vowels"
    done = here("train", "lm", corpus, "-o", "m", "--tokenizer", "vowels", "--order", "2")
    assert done.code == 0, done.err
    assert "vowels" in here("score", "-m", "m", "the cat").err


def test_a_classifier_is_its_presets_where_the_module_exists(plugins, here, tmp_path):
    rows = "".join(f"{'good film' if k % 2 else 'bad plot'} {k}\t{k % 2}\n" for k in range(60))
    (tmp_path / "texts.tsv").write_text("text\tlabel\n" + rows)
    done = here("train", "classifier", "texts.tsv", "-o", "m", "--arch", "chars")
    assert done.code == 0, done.err
    assert [row[0] for row in here("classify", "-m", "m", "good film", "bad plot").rows] == ["1", "0"]


def test_lists_are_of_the_folders(plugins, here):
    for task, name in (("language", "even"), ("classification", "chars")):
        assert name in catalog.architectures(task) and name in catalog.listed(catalog.architectures(task))
    assert "vowels" in catalog.names("tokenizers")
    assert "even" in here("help", "settings").out and "chars" in here("help", "settings").out
    assert "did you mean 'even'?" in here("train", "lm", "x.txt", "-o", "m", "--arch", "evn").err
    assert "seqcli train lm --arch even" in here("even").err

    class Context:
        info_name, params, args = "lm", {"arch": ["even"]}, ()

    assert completion.of("arch")(Context, "ev") == ["even"]
    assert completion.of("preset")(Context, "") == ["small", "large"]
    assert completion.of("tokenizer")(Context, "vow") == ["vowels"]
