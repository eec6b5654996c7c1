"""tasks/language: n-gram models are counted from text as their tokenizers see it, judged as they score, the same to the
last bit however little memory they get."""

import gzip
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli import catalog, samples, tokenizers
from seqcli.data import lines
from seqcli.data.lines import read_blocks
from seqcli.data.records import check_readable
from seqcli.errors import InputError, ModelError, UsageError
from seqcli.metrics.perplexity import Totals
from seqcli.models import ngram
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import writing_model
from seqcli.runs.whole_folder import writing_tokenizer
from seqcli.scoring.sentences import score_block, score_documents
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.evaluate import figures_of
from seqcli.tasks.language.load import named, open_model
from seqcli.tasks.language.train_counted import train_counted
from seqcli.tasks.tokenizer_choice import TokenizerChoice, open_tokenizer, train_tokenizer
from seqcli.tokenizers import sentencepiece, words

ENGLISH = samples.folder() / "english.txt"
PIECES = {"sentencepiece": 300}


class Notes:
    """A reporter that remembers."""

    def __init__(self):
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    def progress(self, *_) -> None:
        pass


def train(folder: Path, *paths: Path | str, order: int = 3, memory: int = 1 << 30, **settings):
    """`Trained`. settings: of the corpus (unit, ...), of the tokenizer (name, vocab_size, ...), and the rest."""
    of_corpus = {key: settings.pop(key) for key in ("unit", "text_column", "encoding", "strict") if key in settings}
    rest = {key: settings.pop(key) for key in ("valid", "threads", "reporter") if key in settings}
    with writing_model(folder) as writer:
        return train_counted(
            writer, Corpus(tuple(map(str, paths)), **of_corpus), TokenizerChoice(**settings), ngram.Config(order=order),
            memory=memory, **rest,
        )  # fmt: skip


@pytest.fixture
def text(tmp_path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("a b c a b\na b b\nc a rare b\na b c scarce\n\n", encoding="utf-8")
    return path


# --- tokenizers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["line", "document"])
@pytest.mark.parametrize("kind", catalog.trained_tokenizers())
def test_every_tokenizer_makes_a_model(tmp_path, corpus, kind, unit):
    trained = train(tmp_path / "m", corpus, name=kind, vocab_size=PIECES.get(kind), unit=unit)
    opened = open_model(str(tmp_path / "m"))
    assert (opened.tokenizer.KIND, opened.unit, opened.arch, opened.name) == (kind, unit, "ngram", "m")
    assert opened.tokenizer.fingerprint == trained.opened.tokenizer.fingerprint
    batch = opened.tokenizer.encode(corpus.read_bytes(), unit=unit)
    rows = 36 if unit == "line" else 1
    data = {"files": ["corpus.txt"], "rows": rows, "tokens": len(batch.tokens)}
    assert {name: trained.record["data"][name] for name in data} == data
    assert np.array_equal(opened.model.score(batch).log_prob, trained.opened.model.score(batch).log_prob)
    for place in (0, 1, 5):
        p = opened.model.next_distribution(batch.tokens[:place])
        assert p.sum() == pytest.approx(1, abs=1e-6) and p.shape == (opened.tokenizer.vocab_size,)
    ModelFolder.open(tmp_path / "m").verify()


def test_a_tokenizer_that_exists_is_used_as_it_is(tmp_path, corpus, models):
    own = sentencepiece.train([corpus.read_bytes()], vocab_size=300)[0]
    with writing_tokenizer(tmp_path / "t") as save:
        save(own)
    for place in (tmp_path / "t", tmp_path / "t/tokenizer.model", models("characters")):
        trained = train(tmp_path / "m", corpus, name=str(place))
        expected = "characters" if place == models("characters") else "sentencepiece"
        assert expected == trained.opened.tokenizer.KIND
        if expected == "sentencepiece":
            assert trained.opened.tokenizer.vocabulary() == own.vocabulary()
        shutil.rmtree(tmp_path / "m")


def test_tokenizers_that_are_none(tmp_path, corpus):
    (tmp_path / "empty").mkdir()
    for name, error in [("wrods", UsageError), ("no/such", ModelError), (str(tmp_path / "empty"), ModelError)]:
        with pytest.raises(error):
            train(tmp_path / "m", corpus, name=name)
        assert not (tmp_path / "m").exists()


def test_words_that_are_not_known_are_counted_as_one(tmp_path, text):
    """With the vocabulary fixed first, `<unk>` is a word of the text: `a <unk> b` has been seen."""
    listed = tmp_path / "list.txt"
    listed.write_text("a b\nc not-there\n")
    for name, limits in [("min", {"min_count": 2}), ("size", {"vocab_size": 6}), ("list", {"limit": str(listed)})]:
        opened = train(tmp_path / name, text, **limits).opened
        assert sorted(opened.tokenizer.vocabulary()[3:]) == ["a", "b", "c"], name
        batch = opened.tokenizer.encode(b"c a never b\n")
        assert batch.tokens[2] == 0 and opened.model.score(batch).order.tolist()[2:4] == [3, 3]
    opened = train(tmp_path / "all", text).opened
    assert set(opened.tokenizer.vocabulary()) > {"rare", "scarce"}
    assert opened.model.score(opened.tokenizer.encode(b"c a never b\n")).order.tolist()[2:4] == [1, 1]


def test_a_vocabulary_larger_than_the_text_is_lowered_with_a_note(tmp_path, corpus):
    notes = Notes()
    train(tmp_path / "m", corpus, name="characters", vocab_size=10_000, reporter=notes)
    assert any("lowered from 10,000" in line for line in notes.lines)


def test_words_are_lowered_with_a_note_too(tmp_path, text):
    notes = Notes()
    train(tmp_path / "m", text, vocab_size=1_000_000, reporter=notes)
    assert notes.lines[0].startswith("vocabulary lowered from 1,000,000 to 8")


def test_a_tokenizer_counts_malformed_text_once(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"a\xff b\xff\nc\n")
    for make in (
        lambda notes: train_tokenizer(
            Corpus((str(tmp_path / "a.txt"),)),
            TokenizerChoice("characters"),
            str(tmp_path / "t"),
            force=True,
            reporter=notes,
        ),
        lambda notes: train(tmp_path / "m", tmp_path / "a.txt", name="characters", reporter=notes),
    ):
        make(notes := Notes())
        assert [line[:21] for line in notes.lines if "UTF-8" in line] == ["2 malformed UTF-8 seq"]


def test_a_tokenizer_folder_is_looked_at_before_any_learning(tmp_path, corpus, monkeypatch):
    def learn(*_, **__):
        raise AssertionError("learns")

    monkeypatch.setattr("seqcli.tasks.tokenizer_choice.learn_tokenizer", learn)
    (tmp_path / "t").mkdir()
    (tmp_path / "t/mine").write_text("")
    with pytest.raises(UsageError, match="not a seqcli tokenizer"):
        train_tokenizer(
            Corpus((str(corpus),)), TokenizerChoice("characters"), str(tmp_path / "t"), force=True, reporter=Notes()
        )
    assert os.listdir(tmp_path) == ["t"]


def test_a_list_of_words_is_looked_at_before_the_text(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr(Corpus, "files", None)
    with pytest.raises(InputError, match="nosuch: no such file"):
        train(tmp_path / "m", corpus, limit="nosuch")


def test_a_data_set_is_a_text(tmp_path, text, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    (tmp_path / "set").mkdir()
    rows = [json.dumps({"id": 1, "line": line}) + "\n" for line in text.read_text().splitlines()]
    (tmp_path / "set/train.jsonl").write_text("".join(rows))
    address = f"hf:{tmp_path / 'set'}"
    check_readable([address], text_column="line")
    for kind in ("words", "characters"):
        train(tmp_path / kind / "m", address, name=kind, text_column="line")
        lines = tmp_path / "lines.txt"  # blank rows at the end of a table are left out
        lines.write_text(text.read_text().rstrip("\n") + "\n")
        train(tmp_path / kind / "n", lines, name=kind)
        assert weights(tmp_path / kind / "m") == weights(tmp_path / kind / "n")
    with pytest.raises(InputError, match="Available splits"):
        check_readable([f"{address}@nosuch"])


def test_specials_written_in_the_text_count_as_spaces(tmp_path, text):
    marked, notes = tmp_path / "marked.txt", Notes()
    marked.write_text(text.read_text().replace("a b b", "a <unk> b </s> b <s>"))
    train(tmp_path / "m", marked, reporter=notes)
    train(tmp_path / "n", text)
    assert any(line.startswith("3 <s>, </s> or <unk>") for line in notes.lines)
    assert weights(tmp_path / "m") == weights(tmp_path / "n")


# --- text -------------------------------------------------------------------------------------------------------------


def weights(folder: Path) -> bytes:
    return (ModelFolder.open(folder).state / "model.safetensors").read_bytes()


def test_several_files_are_one_text_of_lines(tmp_path, text):
    lines = text.read_text().splitlines(keepends=True)
    (tmp_path / "a.txt").write_text("".join(lines[:2]).rstrip("\n"))
    (tmp_path / "b.tsv").write_text("text\n" + "".join(lines[2:4]))
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress("".join(lines[4:]).encode()))
    train(tmp_path / "whole", text)
    trained = train(tmp_path / "parts", *(tmp_path / name for name in ("a.txt", "b.tsv", "c.txt.gz")))
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")
    whole = ModelFolder.open(tmp_path / "whole").config["data"]
    assert trained.record["data"] == {**whole, "files": ["a.txt", "b.tsv", "c.txt.gz"], "rows": 5, "tokens": 21}


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_every_file_is_one_document(tmp_path, text, kind):
    (tmp_path / "empty.txt").write_text("")
    trained = train(tmp_path / "m", text, text, tmp_path / "empty.txt", unit="document", name=kind)
    assert trained.record["data"]["rows"] == 2
    across = trained.opened.tokenizer.encode(b"b\na b\n", unit="document")
    place = 2  # the token after the line end has been seen with what was before it
    assert trained.opened.model.score(across).order[place] == 3


def test_nothing_to_learn_from(tmp_path):
    (tmp_path / "blank.txt").write_text("\n\n  \n")
    (tmp_path / "empty.txt").write_text("")
    for name in ("blank.txt", "empty.txt"):
        for kind in ("words", "characters", "sentencepiece"):
            for unit in ("line", "document"):
                if name == "blank.txt" and kind != "words":
                    continue  # two blanks are text there
                with pytest.raises(InputError, match="no text"):
                    train(tmp_path / "m", tmp_path / name, name=kind, unit=unit)
                assert not (tmp_path / "m").exists()


def test_text_that_is_read_once_teaches_no_tokenizer(tmp_path, corpus):
    os.mkfifo(tmp_path / "pipe")
    for path in ("-", tmp_path / "pipe"):
        with pytest.raises(InputError, match="read only once"):
            train(tmp_path / "m", corpus, path, name="characters")


def test_readable_is_checked_before_any_work(tmp_path, corpus, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    check_readable([str(corpus), str(tmp_path / "pipe")])  # which would wait for a writer
    with pytest.raises(InputError, match="no such file"):
        check_readable([str(corpus), str(tmp_path / "absent")])
    with pytest.raises(UsageError, match="--text-column"):
        check_readable([str(corpus)], text_column="a")
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        check_readable(["-"])


# --- judging ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["words", "characters"])
@pytest.mark.parametrize("unit", ["line", "document"])
def test_valid_figures_are_those_of_scoring(tmp_path, corpus, kind, unit):
    held = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path, rows in zip(held, (["the cat saw my shirt", "", "zebra"], ["I study"])):
        path.write_text("".join(line + "\n" for line in rows))
    valid = Corpus(tuple(map(str, held)), unit=unit)
    trained = train(tmp_path / "m", corpus, name=kind, unit=unit, valid=valid)
    opened = open_model(str(tmp_path / "m"))
    expected = Totals()
    for path in held:
        blocks = read_blocks(str(path))
        if unit == "document":
            ((_, sums),) = score_documents(lambda block: [opened], blocks)
            sums = sums[opened.name]
        else:
            sums = score_block(opened, next(blocks))
        expected += sums.totals
    assert trained.record["valid"] == figures_of(expected) and expected.sentences == (4 if unit == "line" else 2)
    assert ModelFolder.open(tmp_path / "m").config["valid"] == figures_of(expected)
    assert f"perplexity {expected.perplexity:.2f}" in (tmp_path / "m/README.md").read_text()


def test_figures_of_nothing_are_null(tmp_path, corpus):
    (tmp_path / "empty.txt").write_text("")
    trained = train(tmp_path / "m", corpus, valid=Corpus((str(tmp_path / "empty.txt"),)))
    assert trained.record["valid"] == figures_of(Totals())
    assert "NaN" not in (ModelFolder.open(tmp_path / "m").state / "config.json").read_text()
    assert "NaN" not in (tmp_path / "m/metrics.jsonl").read_text()
    assert ModelFolder.open(tmp_path / "m").config["valid"]["perplexity"] is None


# --- memory and threads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["words", "characters"])
def test_little_memory_and_any_threads_give_the_same_bytes(tmp_path, kind):
    notes = Notes()
    train(tmp_path / "large", ENGLISH, name=kind, order=4, threads=1, reporter=notes)
    train(tmp_path / "small", ENGLISH, name=kind, order=4, memory=1 << 20, threads=2)
    assert weights(tmp_path / "small") == weights(tmp_path / "large")
    assert sorted(os.listdir(tmp_path / "small")) == sorted(os.listdir(tmp_path / "large"))
    assert len([name for name in os.listdir(tmp_path / "small") if name.startswith(".")]) == 1  # the lock


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_many_blocks_in_many_processes_give_the_same_bytes(tmp_path, monkeypatch):
    defaults = lines.read_blocks.__kwdefaults__
    train(tmp_path / "one", ENGLISH, threads=1)
    monkeypatch.setattr(lines.read_blocks, "__kwdefaults__", {**defaults, "size": 5000})
    for threads in (1, 2):
        train(tmp_path / f"many{threads}", ENGLISH, threads=threads)
        assert weights(tmp_path / f"many{threads}") == weights(tmp_path / "one")


# --- names and folders ------------------------------------------------------------------------------------------------


def test_names_of_models_are_unique(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b").mkdir()
    given = ["x/m", "m", "mine=x/m", "m.arpa.gz", "a=b", "m#2=x", "m", ".", "t.model"]
    assert list(named(given)) == [
        ("m", "x/m"), ("m#2", "m"), ("mine", "x/m"), ("m#3", "m.arpa.gz"), ("a=b", "a=b"), ("m#2#2", "x"), ("m#4", "m"),
        (tmp_path.name, "."), ("t", "t.model"),
    ]  # fmt: skip


def test_tokenizers_are_opened_from_wherever_they_are(tmp_path, model, here):
    fingerprint = tokenizers.load(next(model.glob("state-*")) / "tokenizer").fingerprint
    assert open_tokenizer(str(model)).fingerprint == fingerprint
    assert open_tokenizer(str(next(model.glob("state-*")) / "tokenizer")).fingerprint == fingerprint
    assert here("convert", model, "m.arpa").code == 0
    assert sorted(open_tokenizer("m.arpa").vocabulary()) == sorted(
        words.load(next(model.glob("state-*")) / "tokenizer").vocabulary()
    )
    with pytest.raises(ModelError):
        open_tokenizer(str(tmp_path / "absent"))


def test_a_converted_model_is_a_model_folder(tmp_path, model, here):
    assert here("convert", model, "m.arpa").code == 0 and here("convert", "m.arpa", "again").code == 0
    own, other = (open_model(str(place)) for place in (model, "again"))
    text = b"the cat saw the zebra\n"
    np.testing.assert_allclose(
        own.model.score(own.tokenizer.encode(text)).log_prob,
        other.model.score(other.tokenizer.encode(text)).log_prob,
        atol=1e-5,
    )
    assert here("convert", "m.arpa", "again").code == 2 and here("convert", "m.arpa", "again", "--force").code == 0
    assert here("convert", model, "m.arpa").code == 2 and here("convert", model, "m.arpa", "--force").code == 0


def test_a_quantised_model_is_opened_by_every_verb(tmp_path, corpus, model, here):
    whole, small = open_model(str(model)), tmp_path / "small"
    order = str(whole.model.table.order)
    assert here("train", "lm", corpus, "-o", small, "--order", order, "--quantize", "8", "--valid", corpus).code == 0
    assert here("convert", model, "converted", "--quantize", "8").code == 0
    assert here("convert", model, "m.arpa").code == 0
    assert here("convert", "m.arpa", "of-arpa", "--quantize", "8").code == 0
    batch = whole.tokenizer.encode(corpus.read_bytes() + b"the cat saw the zebra\n")
    for made in (small, "converted", "of-arpa"):
        opened = open_model(str(made))
        text = batch if made != "of-arpa" else opened.tokenizer.encode(corpus.read_bytes() + b"the cat saw the zebra\n")
        mine, its = opened.model.score(text), whole.model.score(batch)
        np.testing.assert_allclose(mine.log_prob, its.log_prob, rtol=1e-3)
        assert np.array_equal(mine.order, its.order) and opened.model.precision == "q8"
        info = json.loads(here("info", made, "--json", "--verify").out)
        assert info["parameters"] == json.loads(here("info", model, "--json").out)["parameters"]
        assert info["settings"]["quantize"] == 8
        assert info["bytes_per_ngram"] == round(info["bytes"] / sum(info["ngrams"]), 2)
    assert "prec:q8" in here("score", "-m", "converted", "the cat", "--json").err
    for verb, *options in (
        ["generate", "--next", "3"],
        ["generate"],
        ["explain"],
        ["score", "--level", "token", "--rank"],
    ):
        assert here(verb, "-m", "converted", "the cat", *options).code == 0
    assert here("convert", "converted", "back.arpa").code == 0
    back = open_model("back.arpa")
    np.testing.assert_allclose(
        back.model.score(back.tokenizer.encode(b"the cat saw the dog\n")).log_prob,
        open_model("converted").model.score(whole.tokenizer.encode(b"the cat saw the dog\n")).log_prob,
        rtol=1e-5,
    )


def test_what_cannot_be_quantised_says_why(model, here):
    assert here("convert", model, "q", "--quantize", "8").code == 0
    assert "already quantized" in here("convert", "q", "again", "--quantize", "8").err
    assert "ARPA" in here("convert", model, "m.arpa", "--quantize", "8").err
    assert "must be 8, got '4'" in here("convert", model, "m", "--quantize", "4").err
    assert here("convert", model, "m", "--quantize", "8", "--encoding", "latin-1").code == 2
    assert here("train", "lm", "x.txt", "-o", "n", "--arch", "lstm", "--quantize", "8").code == 2


# --- too little text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", [(), ("--arch", "gru", "--preset", "tiny", "--steps", 1)])
@pytest.mark.parametrize(
    "text, says",
    [
        ("a b c\n", "only one line of text"), ("\n  \na b c\n\n", "only one line of text"), ("\n\n \n", "all lines are blank"),
        ("", "no text to train on"),
    ],
)  # fmt: skip
def test_3_too_little_text(here, tmp_path, text, says, arch):
    (tmp_path / "t.txt").write_text(text)
    done = here("train", "lm", "t.txt", "-o", "m", *arch)
    assert done.code == 3 and says in done.err and done.err.count("\n") == 1 and not (tmp_path / "m").exists()


def test_3_nothing_is_left_to_judge_on(here, tmp_path):
    (tmp_path / "t.txt").write_text("a b c\n" * 9)
    network = ("--arch", "gru", "--preset", "tiny", "--steps", 1, "--set", "width=8", "--threads", 1)
    done = here("train", "lm", "t.txt", "-o", "m", *network)
    assert done.code == 3 and "all lines are equal" in done.err
    (tmp_path / "v.txt").write_text("a b\n")
    assert here("train", "lm", "t.txt", "-o", "m", *network, "--valid", "v.txt").code == 0


@given(st.lists(st.sampled_from(["a", "b a", "c", "d d"]), min_size=1, max_size=40), st.integers(0, 3))
def test_equal_lines_are_held_out_together(tmp_path_factory, lines, seed):
    from seqcli.tasks.language.data import split

    ids, lines = {"a": 3, "b": 4, "c": 5, "d": 6}, [*lines, "a c"]  # never all equal
    stream = np.array([token for line in lines for token in (1, *(ids[word] for word in line.split()), 2)], np.int32)
    parts = split(stream, unit="line", seed=seed, folder=tmp_path_factory.getbasetemp())
    sides = [{tuple(row) for row in np.split(part, np.flatnonzero(part == 1)[1:])} for part in parts]
    assert sides[0] and sides[1] and not sides[0] & sides[1]
