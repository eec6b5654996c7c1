"""`seqcli train lm` with several architectures: one tokenizer, one held-out part, one budget, a folder each, a table."""

import json
import os

import pytest

from seqcli.interfaces import SILENT
from seqcli.runs.model_folder import ModelFolder, history
from seqcli.scoring.sentences import score_texts
from seqcli.tasks.language.data import Corpus, read, split
from seqcli.tasks.language.load import open_model
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.text import BOS_ID

ARCHS = ("ngram", "gru", "feedforward")
SMALL = ("--preset", "tiny", "--set", "width=8", "--order", 2, "--threads", 1)


@pytest.fixture
def train(here, corpus):
    """`train("--steps", 2)`: all three into `m`."""
    return lambda *more, archs=ARCHS: here(
        "train", "lm", corpus, "-o", "m", *(word for arch in archs for word in ("--arch", arch)), *SMALL, *more
    )


def test_one_tokenizer_one_held_out_part_one_table(train, here, corpus, tmp_path):
    done = train("--steps", 2, "--tokenizer", "sentencepiece", "--vocab-size", 300)
    assert done.code == 0, done.err
    runs = {arch: ModelFolder.open(tmp_path / "m" / arch) for arch in ARCHS}
    assert len({run.config["tokenizer"] for run in runs.values()}) == 1
    assert len({(run.config["data"]["tokens"], run.config["valid"]["tokens"]) for run in runs.values()}) == 1
    assert runs["gru"].config["progress"]["step"] == runs["feedforward"].config["progress"]["step"] == 2
    # the table: best first, of what each folder says
    assert [len(row) for row in done.rows] == [7] * 3 and sorted(row[0] for row in done.rows) == sorted(ARCHS)
    bits = [float(row[6]) for row in done.rows]
    assert bits == sorted(bits)
    for name, parameters, _, _, perplexity, known, bits in done.rows:
        valid = runs[name].config["valid"]
        assert int(parameters) == runs[name].config["parameters"] and known == perplexity
        assert (perplexity, bits) == (f"{valid['perplexity']:.4f}", f"{valid['bits_per_byte']:.4f}")
    assert "-m m/ngram -m m/gru -m m/feedforward" in done.err.splitlines()[-1]
    # the held-out rows are those, in bytes too, one line and its two repeats; the n-gram has not read them
    opened = open_model(str(tmp_path / "m/ngram"))
    choice = TokenizerChoice(str(tmp_path / "m/gru"))
    stream = read(Corpus((str(corpus),)), choice, folder=tmp_path, threads=1, reporter=SILENT).stream
    kept, held_out = split(stream, unit="line", seed=0, folder=tmp_path)
    assert (held_out == BOS_ID).sum() == 3 and len(kept) + len(held_out) == len(stream)
    texts = opened.tokenizer.decode(held_out.tolist()).split("\n")
    valid = runs["ngram"].config["valid"]
    assert sum(score_texts(opened, texts)) == pytest.approx(valid["log_prob"])
    scored = here("score", *texts, "-m", "m/ngram", "--level", "corpus", "--json")
    assert json.loads(scored.out)["bits_per_byte"] == pytest.approx(valid["bits_per_byte"])
    assert runs["ngram"].config["data"]["tokens"] == len(kept) - 33


def test_settings_apply_to_the_architectures_that_have_them(train, tmp_path):
    assert train("--steps", 1, "--set", "embedding=4", "--set", "learning_rate=0.01").code == 0
    settings = {arch: ModelFolder.open(tmp_path / "m" / arch).config for arch in ARCHS}
    assert settings["feedforward"]["settings"]["embedding"] == 4 and settings["ngram"]["settings"]["order"] == 2
    assert settings["gru"]["settings"]["width"] == 8 and settings["gru"]["training"]["learning_rate"] == 0.01


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--set", "widht=8"], "--set: unknown setting 'widht'; did you mean 'width'?"),
        (["--preset", "gpt2-small"], "--preset is given twice but takes a single value"),
        (["--arch", "gru"], "an architecture is given twice"),
        (["--arch", "ngrm"], "did you mean 'ngram'?"),
        (["--set", "dropout=2"], "dropout"),
        (["--resume", "--force"], "--resume cannot be combined with --force"),
    ],
)
def test_2_settings_that_no_architecture_has(train, tmp_path, arguments, says):
    done = train(*arguments)
    assert done.code == 2 and says in done.err and done.err.count("\n") == 1 and os.listdir(tmp_path) == []


def test_all_folders_are_refused_before_any_is_trained(train, tmp_path):
    (tmp_path / "m/feedforward").mkdir(parents=True)
    (tmp_path / "m/feedforward/mine").write_text("")
    done = train("--steps", 1, "--force")
    assert done.code == 2 and "m/feedforward" in done.err and os.listdir(tmp_path / "m") == ["feedforward"]


def test_several_models_are_not_written_into_a_model_folder(train, here, corpus, tmp_path):
    assert here("train", "lm", corpus, "-o", "m").code == 0
    done = train("--steps", 1, "--force")
    assert done.code == 2 and "m" in done.err and not (tmp_path / "m/gru").exists()


def test_standard_input_can_train_one_model_only(here, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    done = here("train", "lm", "pipe", "-o", "m", "--arch", "ngram", "--arch", "gru", *SMALL)
    assert done.code == 3 and "pipe: a pipe can be read only once" in done.err and not (tmp_path / "m").exists()


def test_resuming_continues_unfinished_trainings(train, tmp_path):
    assert train("--steps", 2, archs=ARCHS[:2]).code == 0
    assert train("--steps", 2).code == 2  # holds models already
    counted = ModelFolder.open(tmp_path / "m/ngram")
    done = train("--steps", 3, "--resume")
    assert done.code == 0 and len(done.rows) == 3
    assert ModelFolder.open(tmp_path / "m/ngram").manifest == counted.manifest  # it was done
    assert "gru: " in done.err and history(tmp_path / "m/feedforward")[-1]["step"] == 3
    assert train("--steps", 3, "--resume", "--set", "prune=[0, 1]").code == 2
    assert train("--steps", 1, "--force").code == 0


def test_a_failed_training_leaves_nothing(here, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    done = here("train", "lm", "empty.txt", "-o", "m", "--arch", "ngram", "--arch", "gru", *SMALL)
    assert done.code == 3 and os.listdir(tmp_path) == ["empty.txt"]


def test_running_text_is_held_out_from_its_end(train, tmp_path):
    assert train("--steps", 1, "--unit", "document", "--tokenizer", "characters", archs=ARCHS[:2]).code == 0
    valid = [ModelFolder.open(tmp_path / "m" / arch).config["valid"] for arch in ARCHS[:2]]
    assert valid[0]["tokens"] == valid[1]["tokens"] > 20 and valid[0]["bits_per_byte"] > 0


def test_labels_in_the_text_of_a_language_model_are_noted_once(here, tmp_path):
    (tmp_path / "a.txt").write_text("__label__good a b\n__label__bad c d\n" * 3)
    (tmp_path / "b.txt").write_text("a b __label__x\nc d\n" * 3)
    for name, arch in (("a.txt", "ngram"), ("a.txt", "gru"), ("b.txt", "ngram")):
        done = here(
            "train",
            "lm",
            name,
            "-o",
            "m",
            "--force",
            *(["--arch", "gru", "--steps", 1, *SMALL[:4]] if arch == "gru" else []),
        )
        assert done.code == 0
        assert done.err.count("__label__ and the label after it are read as words") == (name == "a.txt")
