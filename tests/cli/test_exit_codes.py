"""Every kind of failure has its exit code and one line that says what, where and the way out."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqcli.files import tensor_file
from seqcli.runs.model_writer import writing_model


def one_line(done, *, command: str) -> str:
    """The error of a command that printed nothing else."""
    assert done.out == ""
    match = re.fullmatch(rf"seqcli{command}: error: (.+)\n", done.err)
    assert match, done.err
    return match[1]


USAGE = {
    "misspelt command": (["scoer", "x"], "", "seqcli score x"),
    "misspelt option": (["score", "--hedaer", "x"], " score", "--header"),
    "misspelt level": (["score", "--level", "tokens", "x"], " score", "sentence, token, word, corpus"),
    "misspelt architecture": (["train", "lm", "CORPUS", "-o", "new", "--arch", "ngrm"], " train lm", "ngram"),
    "misspelt tokenizer": (["train", "lm", "CORPUS", "-o", "new", "--tokenizer", "wrods"], " train lm", "words"),
    "misspelt setting": (["train", "lm", "CORPUS", "-o", "new", "--set", "ordr=3"], " train lm", "'order'"),
    "setting out of range": (["train", "lm", "CORPUS", "-o", "new", "--set", "order=11"], " train lm", "1 to 10"),
    "not a setting": (["train", "lm", "CORPUS", "-o", "new", "--set", "order"], " train lm", "KEY=VALUE"),
    "unigrams pruned": (["train", "lm", "CORPUS", "-o", "new", "--prune", "1"], " train lm", "--min-count"),
    "prunes no numbers": (["train", "lm", "CORPUS", "-o", "new", "--prune", "a,b"], " train lm", "--prune 0,0,1"),
    "no such TOML": (["train", "lm", "CORPUS", "-o", "new", "--config", "no.toml"], " train lm", "no.toml"),
    "folder is a file": (["train", "lm", "CORPUS", "-o", "CORPUS"], " train lm", "-o"),
    "missing option": (["train", "lm", "CORPUS"], " train lm", "--help"),
    "text and file": (["score", "x", "-i", "CORPUS"], " score", "one of them"),
    "two modes": (["score", "x", "--scramble", "--choices"], " score", "--choices"),
    "mode and level": (["score", "x", "--scramble", "--level", "token"], " score", "--level"),
    "rank without tokens": (["score", "x", "--rank"], " score", "--level token"),
    "columns of a text": (["score", "-i", "CORPUS", "--text-column", "a"], " score", ".tsv"),
    "unknown encoding": (["score", "-i", "CORPUS", "--encoding", "utf-9"], " score", "cp949"),
}


@pytest.mark.parametrize("arguments, command, cure", USAGE.values(), ids=USAGE)
def test_2_invalid_command_lines(here, corpus, tmp_path, arguments, command, cure):
    done = here(*(str(corpus) if argument == "CORPUS" else argument for argument in arguments))
    assert done.code == 2 and cure in one_line(done, command=command)
    assert os.listdir(tmp_path) == []


def test_2_bad_toml_names_its_place(here, corpus, tmp_path):
    (tmp_path / "c.toml").write_text("order = 3\nprune = [")
    done = here("train", "lm", corpus, "-o", "new", "--config", "c.toml")
    assert done.code == 2 and "not TOML" in one_line(done, command=" train lm") and "c.toml" in done.err


@pytest.mark.parametrize("arguments", [[], ["train"]])
def test_2_no_command_shows_the_help(here, arguments):
    done = here(*arguments)
    assert done.code == 2 and done.out == "" and done.err.startswith("Usage: seqcli") and "Commands:" in done.err


INPUT = {
    "no such file": (["score", "-i", "absent.txt"], b"", "absent.txt: no such file"),
    "a folder": (["score", "-i", "."], b"", "a.csv"),
    "an image": (["score"], b"\x89PNG\r\n\x1a\n", "PNG"),
    "CP949": (["score"], "나는 기계 학습을\n".encode("cp949"), "--encoding cp949"),
    "not UTF-8, strictly": (["score", "--strict"], b"ok\nab\xff\n", "line 2, byte 3"),
    "an argument that is not, either": (["score", "--strict", "a", "b\udcff"], b"", "text 2"),
    "not a pair": (["score", "--pairs", "/dev/stdin"], b"a\tb\n\nonly good\n", "line 3"),
    "no pairs": (["score", "--pairs", "/dev/stdin"], b"\n", "no pairs"),
    "no choice": (["score", "--choices"], b"My [computer|dog]\nMy computer\n", "record 2"),
    "open choice": (["score", "--choices"], b"My [computer\n", "unclosed"),
    "too few contexts": (["score", "--context-file", "two.txt"], b"a\nb\nc\n", "2 contexts"),
    "damaged gzip": (["score", "-i", "bad.gz"], b"", "gzip"),
    "no text to learn": (["train", "lm", "blank.txt", "-o", "new"], b"", "no text"),
    "no training file": (["train", "lm", "absent.txt", "-o", "new"], b"", "absent.txt"),
    "no list of words": (["train", "lm", "two.txt", "--limit-vocab", "absent", "-o", "new"], b"", "absent"),
    "no data set": (["train", "lm", "hf:./absent/set", "-o", "new"], b"", "hf:./absent/set"),
    "no valid file": (["train", "lm", "two.txt", "--valid", "absent.txt", "-o", "new"], b"", "absent.txt"),
    "blank CSV column": (["score", "-i", "a.csv", "--text-column", "text"], b"", "a.csv"),
    "jsonl that is not": (["score", "-i", "a.jsonl"], b"", "a.jsonl, line 2"),
}


@pytest.mark.parametrize("arguments, stdin, where", INPUT.values(), ids=INPUT)
def test_3_unreadable_input(here, model, tmp_path, arguments, stdin, where):
    (tmp_path / "two.txt").write_text("a b\nc d\n")
    (tmp_path / "blank.txt").write_text("\n \n\n")
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"x" * 1000)[:-12])
    (tmp_path / "a.csv").write_text('id,text\n1,"never closed\n')
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n{"text": \n')
    if "/dev/stdin" in arguments:
        (tmp_path / "pairs.tsv").write_bytes(stdin)
        arguments = [argument.replace("/dev/stdin", "pairs.tsv") for argument in arguments]
    before = sorted(os.listdir(tmp_path))
    done = here(*arguments, *(["-m", model] if arguments[0] == "score" else []), stdin=stdin)
    assert done.code == 3 and where in done.err.splitlines()[-1] and done.err.startswith(f"seqcli {arguments[0]}")
    assert done.err.count("error:") == 1
    assert sorted(os.listdir(tmp_path)) == before


def changed(model, folder, **values) -> None:
    """A copy of a model with another manifest."""
    shutil.copytree(model, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **values}))


def test_4_a_model_that_cannot_be_used(here, model, models, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    changed(model, tmp_path / "newer", format=2)
    changed(model, tmp_path / "older", format=0)
    changed(model, tmp_path / "other", task="classification")
    changed(model, tmp_path / "alien", arch="nfram")
    (tmp_path / "bad.arpa").write_text("\\data\\\nngram 1=100000000000\n")
    shutil.copytree(model, tmp_path / "mixed")
    for state in (tmp_path / "mixed").glob("state-*"):  # the tokenizer is not the model's
        shutil.rmtree(state / "tokenizer")
        shutil.copytree(next(models("characters").glob("state-*")) / "tokenizer", state / "tokenizer")
    for name, what in [
        ("absent", "no such model"), ("empty", "no manifest.json"), ("file", "not a model folder"),
        ("newer", "upgrade seqcli"), ("older", "train again"), ("other", "is a classifier"),
        ("alien", "unknown architecture 'nfram'"), ("mixed", "damaged"), ("bad.arpa", "bad.arpa"),
    ]:  # fmt: skip
        done = here("score", "-m", name, "x")
        assert done.code == 4 and what in one_line(done, command=" score"), name


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"settings": None, "unit": "line"}, {"settings": {"order": 3}, "unit": "line"},
        {"settings": {"order": "3", "prune": []}, "unit": "line"}, {"settings": {"order": 3, "prune": 0}, "unit": "line"},
        {"settings": {"order": 10**12, "prune": []}, "unit": "line"}, {"settings": {"order": 3, "prune": []}},
        {"settings": {"order": 3, "prune": []}, "unit": "page"}, {"settings": {"order": 4, "prune": []}, "unit": "line"},
        {"settings": {"order": float("inf"), "prune": []}, "unit": "line"},
    ],
)  # fmt: skip
def test_4_invalid_settings_in_a_model_folder(here, opened, tmp_path, settings):
    """Whole by every checksum, but not what training writes."""
    tensors = {name: tensor_file.tensor(array) for name, array in opened.model.table.tensors().items()}
    with writing_model(tmp_path / "bad") as writer:
        writer.save(
            task="language", arch="ngram", config=settings, tensors=tensors, tokenizer=opened.tokenizer, card=""
        )
    done = here("score", "-m", "bad", "x")
    assert done.code == 4 and "bad" in one_line(done, command=" score")


def test_5_outputs_that_cannot_be_written(here, model, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for target in ("folder", "absent/x", "file/x", "/dev/full", "/proc/x"):
        done = here("score", "-m", model, "x", "-o", target)
        assert done.code == 5 and one_line(done, command=" score").startswith(f"{target}: ")
    assert here("train", "lm", "file", "-o", "/proc/x").code == 5
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_1_an_unexpected_exception(here, model, monkeypatch):
    monkeypatch.setattr("seqcli.commands.score.sentences.sentences", lambda *_, **__: 1 / 0)
    done = here("score", "-m", model, "x")
    assert done.code == 1 and one_line(done, command=" score") == (
        "unexpected ZeroDivisionError: division by zero; use --debug for a traceback"
    )
    with pytest.raises(ZeroDivisionError):
        here("score", "-m", model, "x", "--debug")


def test_5_memory_exhausted(here, model, monkeypatch):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr("seqcli.commands.score.sentences.sentences", exhausted)
    done = here("score", "-m", model, "x")
    assert done.code == 5 and "out of memory" in one_line(done, command=" score")


# --- processes that wait, and what ends them --------------------------------------------------------------------------


def started(environment, folder, *arguments, **streams) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "seqcli", *map(str, arguments)], cwd=folder, env=environment, **streams
    )


def wait_for(condition, *, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def training(environment, corpus, tmp_path):
    """A training that waits for more text, its folder locked."""
    process = started(environment, tmp_path, "train", "lm", "-", "-o", "new", stdin=-1, stdout=-1, stderr=-1)
    process.stdin.write(corpus.read_bytes())
    process.stdin.flush()
    wait_for(lambda: process.poll() is not None or list(tmp_path.glob("new/.new-*")))
    assert process.poll() is None, process.communicate()
    yield process
    process.kill()
    process.communicate()


def test_7_a_folder_that_another_process_is_writing(here, training, corpus, tmp_path):
    done = here("train", "lm", corpus, "-o", "new")
    message = one_line(done, command=" train lm")
    assert done.code == 7 and f"process {training.pid}" in message and os.uname().nodename in message
    _, error = training.communicate()  # the first goes on, undisturbed
    assert training.returncode == 0, error
    assert here("score", "-m", "new", "x").code == 0


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_training_and_leaves_nothing(training, tmp_path, number, code):
    training.send_signal(number)
    out, error = training.communicate(timeout=30)
    assert training.returncode == code and out == b"" and b"Traceback" not in error
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_scoring_and_leaves_the_old_results(environment, model, tmp_path, number, code):
    (tmp_path / "out.tsv").write_text("old\n")
    process = started(environment, tmp_path, "score", "-m", model, "-o", "out.tsv", stdin=-1, stderr=-1)
    process.stdin.write(b"the cat\n")
    process.stdin.flush()
    wait_for(lambda: len(os.listdir(tmp_path)) > 1)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == code and error == b""
    assert os.listdir(tmp_path) == ["out.tsv"] and (tmp_path / "out.tsv").read_text() == "old\n"


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_processes(environment, model, tmp_path, number, code):
    (tmp_path / "big.txt").write_bytes(b"the cat saw the dog\n" * 2_000_000)
    process = started(
        environment, tmp_path, "score", "-m", model, "-i", "big.txt", "-o", "out.tsv", "--threads", 2,
        stderr=-1, start_new_session=True,
    )  # fmt: skip
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_for(lambda: len(children.read_text().split()) >= 2)
    workers = children.read_text().split()
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == code and error == b"" and os.listdir(tmp_path) == ["big.txt"]
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))
