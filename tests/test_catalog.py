"""Adding a thing is adding one file (and its presets): a tokenizer, language models, classifiers and a translator that are in no list."""

import importlib
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

def estimate(stream, config, *, vocab_size, arena, workers, reporter):
    log_prob = np.array([-np.log(config.times * vocab_size)], dtype=np.float32)
    return Counted({"log_prob": log_prob}, {"settings": {"times": config.times}})

def load(settings, tensors, *, vocab_size):
    return Even(tensors["log_prob"])
''',
    "models/last_token.py": '''
"""The next token by the last one."""
from dataclasses import dataclass
from torch import nn
from seqcli.nn.weights import initialise
from seqcli.nn.language_model import NeuralLanguageModel
from seqcli.nn.linear import Linear
from seqcli.nn.weights import restored
from seqcli.ranges import check, within

TASK = "language"

@dataclass(frozen=True)
class Config:
    width: int = within(1, 64, default=8, help="width of a token's vector")

    def __post_init__(self):
        check(self)

class Nothing:
    """A state that remembers nothing."""
    def reorder(self, rows):
        return self

    def joined(self, states):
        return self

class LastToken(NeuralLanguageModel):
    def __init__(self, config, *, vocab_size):
        super().__init__()
        self.body = nn.ModuleDict({"embedding": nn.Embedding(vocab_size, config.width)})
        self.head = Linear(config.width, vocab_size)
        initialise(self)

    def features(self, tokens, state=None):
        return self.body["embedding"](tokens), None

    def beginning(self, rows):
        return Nothing()

    def read(self, tokens, state):
        return self.features(tokens)[0], state

def build(config, *, vocab_size):
    return LastToken(config, vocab_size=vocab_size)

def load(settings, named, *, vocab_size):
    return restored(lambda: build(Config(**settings), vocab_size=vocab_size), named)
''',
    "models/mean_vector.py": '''
"""A label by the mean of the tokens' vectors."""
from dataclasses import dataclass
from torch import nn
from seqcli.nn.classifier import NeuralClassifier
from seqcli.nn.weights import initialise
from seqcli.nn.linear import Linear
from seqcli.nn.weights import restored
from seqcli.ranges import check, within

TASK = "classification"

@dataclass(frozen=True)
class Config:
    width: int = within(1, 64, default=8, help="width of a token's vector")

    def __post_init__(self):
        check(self)

class MeanVector(NeuralClassifier):
    def __init__(self, config, *, vocab_size, labels):
        super().__init__()
        self.body = nn.ModuleDict({"embedding": nn.Embedding(vocab_size, config.width)})
        self.head = Linear(config.width, labels)
        initialise(self, deviation=0.5)

    def features(self, tokens, real):
        share = real[..., None].float()
        return (self.body["embedding"](tokens) * share).sum(1) / share.sum(1).clamp_min(1)

def build(config, *, vocab_size, labels):
    return MeanVector(config, vocab_size=vocab_size, labels=labels)

def load(settings, named, *, vocab_size, labels):
    return restored(lambda: build(Config(**settings), vocab_size=vocab_size, labels=labels), named)
''',
    "models/one_layer_translator.py": '''
"""A Transformer translator that is never deeper than a layer."""
from dataclasses import replace
from seqcli.models import transformer_translator
from seqcli.models.transformer_translator import Config
from seqcli.nn.weights import restored

TASK = "translation"

def build(config, **sizes):
    return transformer_translator.build(replace(config, layers=1, decoder_layers=1), **sizes)

def load(settings, named, **sizes):
    return restored(lambda: build(Config(**settings), **sizes), named)
''',
    "interop/formats/plain.py": '''
"""n-gram models as JSON: what the tables and the vocabulary hold, as lists."""
import json
import numpy as np
from seqcli import tokenizers
from seqcli.runs.model_folder import ModelFolder

TOOL = "plain JSON"

class Plain(ModelFolder):
    def tensors(self, *, whole=False):
        return {name: np.array(values, dtype) for name, (dtype, values) in self.manifest["tensors"].items()}

    def tokenizer(self):
        return tokenizers.load(self.path / "words")

    def tokenizers(self):
        both = self.tokenizer()
        return both, both

    def verify(self):
        pass

    def bytes(self):
        return (self.path / "model.json").stat().st_size

def recognises(path):
    return path.endswith(".plain")

def open(path):
    from pathlib import Path
    content = json.loads((Path(path) / "model.json").read_text())
    return Plain(Path(path), content, content["config"], Path(path))

def write(model, folder):
    tensors = {name: (array.dtype.str, array.tolist()) for name, array in model.tensors().items()}
    content = {"format": TOOL, "task": model.task, "arch": model.arch, "config": model.config, "tensors": tensors}
    (folder / "model.json").write_text(json.dumps(content))
    (folder / "words").mkdir()
    tokenizers.save(model.tokenizer(), folder / "words")

def is_written(folder):
    return {path.name for path in folder.iterdir()} == {"model.json", "words"}
''',
    "metrics/classifier/error_rate.py": '''
"""The share of texts with another label."""
LOWER_IS_BETTER = True

def score(logits, targets):
    return (logits.argmax(axis=1) != targets).mean()
''',
    "interop/formats/comma.py": '''
"""Vectors as a word and its numbers, separated by commas."""
import numpy as np
from seqcli.embeddings.vectors import WordVectors, vocabulary

TOOL = "comma"
HOLDS = "word vectors"
SUFFIXES = (".comma",)
KEEPS_NGRAMS = False

def matches(head):
    return head.count(b",") > 1

def read(path, *, threads=None):
    rows = [line.split(",") for line in open(path).read().splitlines()]
    words, kept = vocabulary([row[0].encode() for row in rows])
    return WordVectors.checked(words, np.array([row[1:] for row in rows], np.float32)[kept])

def write(path, vectors):
    with open(path, "w") as file:
        for index, row in enumerate(vectors.vectors.tolist()):
            print(vectors.word(index), *row, sep=",", file=file)
''',
    "metrics/translator/length_ratio.py": '''
"""Characters of the translations per character of the references."""
from seqcli.metrics.translator import Score
TITLE = "length ratio"
LOWER_IS_BETTER = True

def score(translations, references, *, tokenize=None, lowercase=False):
    return Score(len("".join(translations)) / len("".join(references[0])), "length")
''',
    "presets/language/last.toml": 'module = "last_token"\n\n[small]\nwidth = 4\nlearning_rate = 0.1\n',
    "presets/classification/mean.toml": 'module = "mean_vector"\n\n[small]\nwidth = 4\nlearning_rate = 0.1\n',
    "presets/translation/shallow.toml": 'module = "one_layer_translator"\n\n[small]\nwidth = 16\nheads = 2\nlayers = 3\n',
    "presets/language/even.toml": 'module = "even"\ncounted = true\n\n[small]\ntimes = 1\n\n[large]\ntimes = 2\n',
    "presets/classification/chars.toml": 'module = "bag_classifier"\ncounted = true\n\n[small]\nbuckets = 256\nwords = 0\n',
}


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    for command in ("train.lm", "train.classifier", "train.translator", "convert"):
        importlib.import_module(f"seqcli.commands.{command}")  # their help lists what there is when they are imported
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


def test_a_network_is_a_file_and_its_presets(plugins, here, corpus):
    how = ("--steps", "20", "--tokenizer", "words", "--threads", "1")
    done = here("train", "lm", corpus, "-o", "m", "--arch", "last", *how)
    assert done.code == 0, done.err
    alone, after = (
        json.loads(here("score", "-m", "m", "--level", "token", "--json", text).out.splitlines()[-1])
        for text in ("sleeps", "the cat sleeps")
    )
    assert alone["token"] == "</s>" and alone["log_prob"] == pytest.approx(
        after["log_prob"], abs=1e-6
    )  # by the last token alone
    assert here("generate", "-m", "m", "the", "--max-new-tokens", "3").code == 0
    assert "Width of a token's vector" in here("help", "settings", "last").out


def test_a_classifier_with_a_network_of_its_own_is_a_file_and_its_presets(plugins, here, tmp_path):
    rows = "".join(f"{'good film' if k % 2 else 'bad plot'} {k}\t{k % 2}\n" for k in range(60))
    (tmp_path / "texts.tsv").write_text("text\tlabel\n" + rows)
    how = ("--steps", "40", "--tokenizer", "words", "--threads", "1")
    done = here("train", "classifier", "texts.tsv", "-o", "m", "--arch", "mean", *how)
    assert done.code == 0, done.err
    assert [row[0] for row in here("classify", "-m", "m", "good film", "bad plot").rows] == ["1", "0"]


def test_a_translator_is_a_file_and_its_presets(plugins, here, tmp_path):
    rows = "".join(f"one {k}\thana {k}\n" for k in range(30))
    (tmp_path / "pairs.tsv").write_text("source\ttarget\n" + rows)
    how = ("--steps", "3", "--tokenizer", "words", "--threads", "1")
    done = here("train", "translator", "pairs.tsv", "-o", "m", "--arch", "shallow", *how)
    assert done.code == 0, done.err
    assert here("translate", "-m", "m", "one 3").code == 0
    assert json.loads(here("info", "m", "--json").out)["module"] == "one_layer_translator"


def test_a_format_of_another_tool_is_a_file(plugins, here, corpus, tmp_path):
    """Written, opened by the commands, and converted back, a model gives the same scores."""
    assert here("train", "lm", corpus, "-o", "m", "--order", "2", "--tokenizer", "words").code == 0
    done = here("convert", "m", "m.plain", "--to", "plain")
    assert done.code == 0 and "m -> m.plain: ngram" in done.err, done.err
    assert json.loads((tmp_path / "m.plain/model.json").read_text())["task"] == "language"
    assert here("convert", "m.plain", "back").code == 0
    asked = ("the cat sleeps", "a dog", "--json")
    (want, plain, back) = (
        [json.loads(line)["scores"][0]["log_prob"] for line in here("score", "-m", name, *asked).out.splitlines()]
        for name in ("m", "m.plain", "back")
    )
    assert want == plain == back and len(want) == 2
    assert json.loads(here("info", "m.plain", "--json").out)["arch"] == "ngram"
    again = here("convert", "m", "m.plain", "--to", "plain")
    assert again.code == 2 and "already contains a plain JSON folder" in again.err
    assert here("convert", "m", "m.plain", "--to", "plain", "--force").code == 0
    assert "plain" in here("convert", "m", "x", "--to", "plian").err


def test_a_format_of_word_vectors_is_a_file(plugins, here, tmp_path):
    (tmp_path / "v.vec").write_text("2 3\ncat 1 2 3\ndog 3 2 1\n")
    assert (
        here("convert", "v.vec", "v.comma").code == 0
        and (tmp_path / "v.comma").read_text() == "cat,1.0,2.0,3.0\ndog,3.0,2.0,1.0\n"
    )
    assert here("convert", "v.comma", "again", "--to", "glove").code == 0
    assert (tmp_path / "again").read_text() == "cat 1.0 2.0 3.0\ndog 3.0 2.0 1.0\n"
    assert here("convert", "v.comma", "x", "--to", "arpa").err.endswith(
        "--to arpa applies to n-gram models; leave it out\n"
    )
    assert here("embed", "-m", "v.comma", "--neighbours", "cat").code == 0


def test_a_metric_is_a_file(plugins, here, tmp_path):
    rows = "".join(f"{'good film' if k % 2 else 'bad plot'} {k}\t{k % 2}\n" for k in range(60))
    (tmp_path / "texts.tsv").write_text("text\tlabel\n" + rows)
    (tmp_path / "judged.tsv").write_text("text\tlabel\ngood film\t1\nbad plot\t0\ngood film\t0\nbad plot\t2\n")
    how = (
        "--valid",
        "judged.tsv",
        "--arch",
        "bag",
        "--arch",
        "ngram",
        "--metric",
        "error_rate",
        "--tokenizer",
        "words",
    )
    done = here("train", "classifier", "texts.tsv", "-o", "models", *how)
    assert done.code == 0 and "seqcli classify" in done.err, done.err
    for arch in ("bag", "ngram"):
        valid = json.loads(here("info", f"models/{arch}", "--json").out)["valid"]
        assert valid["error_rate"] == 0.5 == 1 - valid["accuracy"]
        judged = ("classify", "-m", f"models/{arch}", "--evaluate", "-i", "judged.tsv")
        assert json.loads(here(*judged, "--json").out)["error_rate"] == 0.5
        assert [row[3] for row in here(*judged).rows if row[1] == "error_rate"] == ["0.500000"]
    assert "error_rate" in here("train", "classifier", "texts.tsv", "-o", "x", "--metric", "eror").err


def test_a_metric_of_translators_is_a_file(plugins, here, tmp_path):
    (tmp_path / "pairs.tsv").write_text("source\ttarget\n" + "".join(f"one {k}\thana {k}\n" for k in range(30)))
    (tmp_path / "right.txt").write_text("hana 3\n")
    how = (
        "--arch",
        "gru",
        "--preset",
        "tiny",
        "--steps",
        "3",
        "--tokenizer",
        "words",
        "--threads",
        "1",
        "--metric",
        "length_ratio",
    )
    done = here("train", "translator", "pairs.tsv", "-o", "m", *how)
    assert done.code == 0, done.err
    assert json.loads(here("info", "m", "--json").out)["valid"]["length_ratio_signature"] == "length"
    done = here("translate", "-m", "m", "one 3", "--reference", "right.txt", "--metrics", "m.json")
    ratio = len(done.out.rstrip("\n")) / len("hana 3")
    assert json.loads((tmp_path / "m.json").read_text())["length_ratio"]["score"] == pytest.approx(ratio)
    assert f"length ratio {ratio:.2f}" in done.err
    assert "length_ratio" in here("train", "translator", "pairs.tsv", "-o", "x", "--metric", "ratio").err


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
