"""The Python door gives what the command line prints."""

import json

import pytest

import seqcli
from seqcli.errors import InputError, UsageError

TEXTS = ["I study machine learning", "", "the zebra sleeps", "나는 매일 수학을 공부한다"]


@pytest.fixture(scope="module")
def lm(model):
    return seqcli.load(str(model))


def test_the_same_numbers_as_the_command_line(lm, model, here):
    rows = [
        json.loads(line)["scores"][0]
        for line in here("score", "--json", "-q", "-m", str(model), *TEXTS).out.splitlines()
    ]
    for mine, theirs in zip(lm.score(TEXTS), rows, strict=True):
        assert {"model": theirs["model"], **mine.to_dict()} == {**theirs, "text": mine.text}
    corpus = json.loads(here("score", "--json", "-q", "--level", "corpus", "-m", str(model), *TEXTS).out)
    assert corpus == pytest.approx(lm.corpus(TEXTS).to_dict())


def test_parts_add_up(lm):
    (whole,) = lm.score(["I study machine learning"])
    for parts in (lm.tokens(whole.text), lm.words(whole.text)):
        assert sum(part.log_prob for part in parts) == pytest.approx(whole.log_prob, rel=1e-5)
    assert [piece.piece for piece in lm.tokenize("I  study")] == ["I", "study"]
    assert [(piece.start, piece.end) for piece in lm.tokenize("I  study")] == [(0, 1), (3, 8)]


def test_comparisons(lm):
    assert lm.scramble("I study machine learning").rank == 1
    assert lm.choices("my computer is very [slow|cat]")[0].text == "my computer is very slow"
    result = lm.pairs([("the cat sleeps", "sleeps cat the", "order"), ("the cat sleeps", "the cat sleeps")])
    assert [row.tag for row in result] == ["order", "overall"]
    assert result[0].correct == 1 and result[1].ties == 1 and result[1].pairs == 2


def test_one_text_has_one_answer_and_several_have_a_list(lm):
    """Every verb alike, whatever holds the texts."""
    two = ["the cat", "I study"]
    for ask in (
        lm.score, lm.tokenize, lm.tokens, lm.words, lm.scramble, lm.next, lambda texts: lm.generate(texts, temperature=0, max_new_tokens=5),
        lambda texts: lm.generate(texts, beam_size=3, num_samples=2), lambda texts: lm.score(texts, contexts="my"),
    ):  # fmt: skip
        assert ask(two) == [ask(text) for text in two] == ask(iter(two)) == ask(tuple(two))
        assert ask([]) == []
    assert lm.choices(["a [b|c]"]) == [lm.choices("a [b|c]")]
    assert lm.corpus("the cat") == lm.corpus(["the cat"])
    assert lm.score("cat", contexts="the") == lm.score(["cat"], contexts=["the"])[0]


def test_what_is_no_text_is_refused(lm):
    for wrong in (1, [1], ["a", None], [["a"]]):
        for ask in (lm.score, lm.next, lm.generate, lm.tokenize):
            with pytest.raises(UsageError, match="is not a text; give a string or several strings"):
                ask(wrong)
    with pytest.raises(InputError, match="1 contexts for 2 texts; give one for each text"):
        lm.score(["a", "b"], contexts=["c"])
    assert "ngram" in repr(lm)


def test_a_classifier_answers_as_on_the_command_line(tmp_path, here):
    lines = [
        f"__label__{label} it was {word} {n}" for n in range(20) for label, word in (("good", "fine"), ("bad", "awful"))
    ]
    (tmp_path / "train.txt").write_text("\n".join(lines) + "\n")
    here("train", "classifier", str(tmp_path / "train.txt"), "-o", str(tmp_path / "m"), "--preset", "tiny", "-q")
    classifier = seqcli.load(str(tmp_path / "m"))
    assert classifier.labels == ["bad", "good"]
    rows = classifier.classify(["it was fine", "", "awful"])
    shown = [
        json.loads(line)
        for line in here("classify", "-m", str(tmp_path / "m"), "--json", "it was fine", "", "awful").out.splitlines()
    ]
    assert [row.to_dict() for row in rows] == [
        {key: row[key] for key in ("label", "probability", "text", "labels")} for row in shown
    ]
    assert [row["label"] for row in rows][::2] == ["good", "bad"]
    explained = classifier.explain("it was fine")
    assert explained.text == "it was fine" and max(explained.words, key=lambda word: word.change).word == "fine"
    judged = [("it was fine", "good"), ("", "bad"), ("so awful", "good"), ("awful, it was", "bad"), ("it was", "fair")]
    (tmp_path / "judged.txt").write_text("".join(f"__label__{label} {text}\n" for text, label in judged))
    done = here("classify", "-m", str(tmp_path / "m"), "--evaluate", "-i", "judged.txt", "--json")
    figures = classifier.evaluate(*map(list, zip(*judged)))
    assert figures.to_dict() == json.loads(done.out)
    known = classifier.evaluate(*map(list, zip(*judged[:-1])))
    assert figures.loss == pytest.approx(known.loss)  # the last label is unknown to it
    assert figures["labels"][2].to_dict() == {"label": "fair", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    for ask in (
        lambda text: classifier.classify(text).labels, lambda text: classifier.explain(text).words,
        lambda text: classifier.evaluate([text], ["bad"]),
    ):  # fmt: skip
        assert ask("__label__good awful") == ask("awful")
    assert classifier.signature.startswith("clf:bag|") and classifier.signature in repr(classifier)
    assert classifier.classify("awful") == classifier.classify(["awful"])[0]
    assert [classifier.explain("it was fine")] == classifier.explain(["it was fine"])
    with pytest.raises(InputError, match="1 labels for 2 texts"):
        classifier.evaluate(["a", "b"], ["good"])


@pytest.mark.parametrize("pairs", [[("a",)], [("a", "b", "c", "d")], [(1, 2)], ["ab"], [("a", "b"), ("a",)], [3]])
def test_what_is_no_pair_is_refused(model, pairs):
    with pytest.raises(UsageError, match=r"a pair needs a good and a bad sentence|int is not a text"):
        seqcli.load(str(model)).pairs(pairs)


def test_a_stop_string_is_text(model):
    lm = seqcli.load(str(model))
    assert lm.generate("the", stop="cat", temperature=0) == lm.generate("the", stop=["cat"], temperature=0)
    for stop in (3, ["a", 3], ""):
        with pytest.raises(UsageError):
            lm.generate("the", stop=stop)


@pytest.mark.parametrize("wrong", [5, None, 2.5, b"text.txt"])
def test_what_is_no_path_is_refused(tmp_path, corpus, wrong):
    for call in (
        lambda: seqcli.load(wrong),
        lambda: seqcli.train_lm(wrong, tmp_path / "m"),
        lambda: seqcli.train_lm([corpus, wrong], tmp_path / "m"),
        lambda: seqcli.train_lm(corpus, wrong),
        lambda: seqcli.train_embeddings(wrong, tmp_path / "m"),
        lambda: seqcli.train_lm(corpus, tmp_path / "m", arch=5 if wrong is None else wrong),
    ):
        with pytest.raises(UsageError, match=r" is not a (path|string); "):
            call()
    assert not (tmp_path / "m").exists()


def test_errors_are_of_one_kind(tmp_path):
    with pytest.raises(seqcli.SeqcliError, match="no such model"):
        seqcli.load(str(tmp_path / "nowhere"))
    with pytest.raises(AttributeError, match="nothing"):
        _ = seqcli.nothing
