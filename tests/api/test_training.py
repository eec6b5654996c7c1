"""Training from Python: the same folders as the command line makes, with a callback, for scripts and notebooks."""

import logging
import os
import pydoc
import signal
import threading

import pytest

import seqcli
from seqcli.runs.model_folder import ModelFolder

TINY = {"width": 8}


def weights(folder) -> str:
    return ModelFolder.open(folder).weights_checksum


def test_the_model_is_the_one_of_the_command_line(corpus, tmp_path, here):
    """Counted and trained: byte for byte the same weights for the same options."""
    lm = seqcli.train_lm(corpus, tmp_path / "python", order=3)
    assert here("train", "lm", str(corpus), "-o", str(tmp_path / "shell"), "--order", "3", "-q").code == 0
    assert weights(tmp_path / "python") == weights(tmp_path / "shell")
    text = "I study machine learning"
    assert lm.score(text) == seqcli.load(tmp_path / "shell").score(text)
    options = ["--arch", "gru", "--steps", "3", "--seed", "5", "--tokenizer", "characters", "--threads", "1"]
    sizes = [f"--set={key}={value}" for key, value in TINY.items()]
    assert here("train", "lm", str(corpus), "-o", str(tmp_path / "gru"), "-q", *options, *sizes).code == 0
    seqcli.train_lm(
        str(corpus), tmp_path / "gru2", arch="gru", steps=3, seed=5, tokenizer="characters", threads=1, settings=TINY
    )
    assert weights(tmp_path / "gru") == weights(tmp_path / "gru2")


def test_several_architectures_come_by_name(corpus, tmp_path):
    models = seqcli.train_lm([corpus], tmp_path / "both", arch=["ngram", "rnn"], steps=2, settings=TINY, threads=1)
    assert list(models) == ["ngram", "rnn"]
    for name, lm in models.items():
        assert lm.record == seqcli.load(tmp_path / "both" / name).record
        assert lm.record["valid"]["perplexity"] > 1
        assert lm.next("I study", k=2)


def test_classifiers_translators_and_tokenizers(tmp_path):
    labelled, pairs = tmp_path / "labelled.tsv", tmp_path / "pairs.tsv"
    labelled.write_text("text\tlabel\n" + "".join(f"good {i}\tpos\nbad {i}\tneg\n" for i in range(20)))
    pairs.write_text("source\ttarget\n" + "".join(f"word {i}\t단어 {i}\n" for i in range(40)))
    classifier = seqcli.train_classifier(labelled, tmp_path / "classifier")
    assert classifier.classify("good 3").label == "pos" and classifier.labels == ["neg", "pos"]
    translator = seqcli.train_translator(
        pairs, tmp_path / "translator", arch="gru", steps=2, tokenizer="characters", settings=TINY
    )
    assert isinstance(translator.translate("word 3").translation, str)
    tokenizer = seqcli.train_tokenizer(pairs, tmp_path / "tokenizer", tokenizer="words", text_column="target")
    assert tokenizer.KIND == "words" and (tmp_path / "tokenizer").is_dir()


def test_the_callback_hears_of_the_work_and_the_logger_of_notes(corpus, tmp_path, caplog):
    heard = []
    with caplog.at_level(logging.INFO, logger="seqcli"):
        seqcli.train_lm(corpus, tmp_path / "m", arch="rnn", epochs=2, settings=TINY, threads=1, progress=heard.append)
    assert all(0 <= each.share <= 1 and isinstance(each.what, str) for each in heard)
    assert any("loss" in each.what for each in heard)
    assert any("perplexity" in record.getMessage() for record in caplog.records)


def test_what_the_command_line_refuses(corpus, tmp_path):
    for options in ({"minutes": -1}, {"arch": "lsmt"}, {"order": 3, "arch": "rnn"}, {"settings": {"widht": 8}}):
        with pytest.raises(seqcli.SeqcliError):
            seqcli.train_lm(corpus, tmp_path / "m", **{"arch": "rnn", **options})
    with pytest.raises(TypeError, match="did you mean learning_rate"):
        seqcli.train_lm(corpus, tmp_path / "m", learning_rat=1)
    seqcli.train_lm(corpus, tmp_path / "m", order=2)
    with pytest.raises(seqcli.SeqcliError, match="--force"):
        seqcli.train_lm(corpus, tmp_path / "m", order=2)
    seqcli.train_lm(corpus, tmp_path / "m", order=2, force=True)


def test_an_interrupt_saves_and_the_training_resumes(corpus, tmp_path):
    def interrupt(progress):
        if "loss" in progress.what:
            os.kill(os.getpid(), signal.SIGINT)

    options = {"arch": "rnn", "steps": 60, "settings": TINY, "threads": 1}
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        seqcli.train_lm(corpus, tmp_path / "m", progress=interrupt, **options)
    assert signal.getsignal(signal.SIGINT) == before
    lm = seqcli.train_lm(corpus, tmp_path / "m", resume=True, **options)
    whole = seqcli.train_lm(corpus, tmp_path / "whole", **options)
    assert weights(tmp_path / "m") == weights(tmp_path / "whole")
    assert lm.record["valid"] == whole.record["valid"]


def test_a_training_runs_in_any_thread(corpus, tmp_path):
    made = []
    thread = threading.Thread(
        target=lambda: made.append(
            seqcli.train_lm(corpus, tmp_path / "m", arch="rnn", steps=2, settings=TINY, threads=1)
        )
    )
    thread.start()
    thread.join()
    assert made[0].score("I study").tokens == 3


def test_help_teaches():
    text = pydoc.render_doc(seqcli, renderer=pydoc.plaintext)
    for name in (
        "load(",
        "train_lm(",
        "train_classifier(",
        "train_translator(",
        "train_tokenizer(",
        "pandas.DataFrame",
    ):
        assert name in text
    assert set(seqcli.__all__) <= set(dir(seqcli))


def test_results_become_data_frames_and_tables(model):
    pandas = pytest.importorskip("pandas")
    lm = seqcli.load(model)
    scores = lm.score(["I study", "the <b>cat</b>"])
    frame = pandas.DataFrame(scores)
    assert list(frame.columns) == [*scores[0].keys()] and frame["log_prob"].tolist() == [s.log_prob for s in scores]
    page = scores._repr_html_()
    assert page.count("<tr>") == 3 and "&lt;b&gt;cat&lt;/b&gt;" in page and "<b>" not in page
    assert "log_prob" in scores[0]._repr_html_()
