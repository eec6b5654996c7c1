"""A model folder is the old model or the new one, whole, whatever happens; and nothing else is ever replaced."""

import errno
import json
import os
import shutil
import signal
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from injected import Faults, killed_at

from seqcli import samples, tokenizers
from seqcli.errors import BusyError, ModelError, OutputError, UsageError
from seqcli.files import atomic, tensor_file
from seqcli.runs import model_folder
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import writing_model
from seqcli.runs.whole_folder import writing_tokenizer
from seqcli.tasks.language.load import open_model
from seqcli.tokenizers import characters, words

VOCABULARY = words.train([b"the cat saw the dog\n"])[0]
MADE = {".lock", "README.md", "manifest.json"}


def save_tokenizer(tokenizer, path, *, force=False):
    with writing_tokenizer(path, force=force) as save_into:
        save_into(tokenizer)


def save(folder: Path, value: int, *, force: bool = False) -> None:
    """A model that is `value` everywhere."""
    with writing_model(folder, force=force) as writer:
        tensors = {"x": tensor_file.tensor(np.full(50_000, value, np.int32))}
        writer.save(
            task="language", arch="ngram", config={"value": value}, tensors=tensors, tokenizer=VOCABULARY, card=f"{value}\n"
        )  # fmt: skip


def value_of(folder: Path) -> int:
    """Of a model that is whole by every checksum, and one model in all its parts."""
    run = ModelFolder.open(folder)
    run.verify()
    assert run.tokenizer().fingerprint == VOCABULARY.fingerprint
    (value,) = np.unique(run.tensors()["x"])
    assert run.config == {"value": value} and run.bytes() == sum(f.stat().st_size for f in run.state.rglob("*.*"))
    return int(value)


def listing(folder: Path) -> set[str]:
    """What lies in a model folder, states without their numbers."""
    states = [name for name in os.listdir(folder) if name.startswith("state-")]
    assert len(states) <= 1
    return {name if name not in states else "state" for name in os.listdir(folder)}


# --- save and open ----------------------------------------------------------------------------------------------------


def test_a_saved_model_is_found_again(tmp_path):
    save(tmp_path / "new/er/m", 1)
    assert value_of(tmp_path / "new/er/m") == 1
    assert listing(tmp_path / "new/er/m") == {*MADE, "state"}
    assert ModelFolder.open(tmp_path / "new/er/m").expect("language").arch == "ngram"
    with pytest.raises(ModelError, match="is a language model, but a classifier is needed"):
        ModelFolder.open(tmp_path / "new/er/m").expect("classification")


def test_settings_of_earlier_versions_have_todays_names(tmp_path):
    with writing_model(tmp_path / "m", force=False) as writer:
        config = {"settings": {"unsaid": [0], "width": 8}}
        tensors = {"x": tensor_file.tensor(np.zeros(1, np.float32))}
        writer.save(
            task="translation", arch="transformer", config=config, tensors=tensors, tokenizer=VOCABULARY, card=""
        )
    assert ModelFolder.open(tmp_path / "m").config["settings"] == {"suppress_tokens": [0], "width": 8}


def test_only_force_replaces_a_model(tmp_path):
    save(tmp_path / "m", 1)
    with pytest.raises(UsageError, match=r"already contains a model.*--force"):
        save(tmp_path / "m", 2)
    assert value_of(tmp_path / "m") == 1
    (tmp_path / "m/notes.txt").write_text("mine")
    save(tmp_path / "m", 2, force=True)
    assert value_of(tmp_path / "m") == 2 and (tmp_path / "m/README.md").read_text() == "2\n"
    assert listing(tmp_path / "m") == {*MADE, "state", "notes.txt"}


def test_a_training_that_fails_leaves_what_was_there(tmp_path):
    (tmp_path / "empty").mkdir()
    save(tmp_path / "old", 1)
    for name in ("absent", "empty", "old"):
        with pytest.raises(RuntimeError), writing_model(tmp_path / name, force=True) as writer:
            (writer.folder / "part").write_text("half")
            raise RuntimeError
    assert sorted(os.listdir(tmp_path)) == ["empty", "old"] and os.listdir(tmp_path / "empty") == []
    assert value_of(tmp_path / "old") == 1 and listing(tmp_path / "old") == {*MADE, "state"}


FOREIGN = {
    "a file": {"thesis.txt": "years of work"},
    "another manifest": {"manifest.json": '{"name": "a web page"}', "index.html": ""},
    "a damaged manifest": {"manifest.json": '{"format": 1, "run": "x", "curr', "state-00000001/model.safetensors": "weights"},
    "states without a manifest": {".lock": "", "state-00000001/model.safetensors": "weights"},
    "a Hugging Face model": {"tokenizer.json": '{"version": "1.0"}', "config.json": "{}", "model.safetensors": "weights"},
    "a tokenizer of another": {"tokenizer.json": '{"kind": "words"}', "model.safetensors": "weights"},
    "a tokenizer of no kind": {"tokenizer.json": '{"kind": ["words"]}'},
}  # fmt: skip


@pytest.mark.parametrize("files", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("make", [save, lambda path, value, force: save_tokenizer(VOCABULARY, path, force=force)])
def test_not_even_force_replaces_what_seqcli_did_not_make(tmp_path, files, make):
    for name, text in files.items():
        (tmp_path / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "theirs" / name).write_text(text)
    with pytest.raises(UsageError, match=r"contains no seqcli model|is not a seqcli tokenizer"):
        make(tmp_path / "theirs", 1, force=True)
    found = [path for path in (tmp_path / "theirs").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "theirs").as_posix(): path.read_text() for path in found} == files
    assert os.listdir(tmp_path) == ["theirs"]


def test_a_tokenizer_folder_is_replaced_whole(tmp_path):
    other = characters.train([b"abc\n"])[0]
    save_tokenizer(other, tmp_path / "a/t")
    with pytest.raises(UsageError, match="--force"):
        save_tokenizer(VOCABULARY, tmp_path / "a/t")
    save_tokenizer(VOCABULARY, tmp_path / "a/t", force=True)
    assert tokenizers.load(tmp_path / "a/t").fingerprint == VOCABULARY.fingerprint
    assert sorted(os.listdir(tmp_path / "a/t")) == ["tokenizer.json", "words.safetensors"]
    assert os.listdir(tmp_path / "a") == ["t"]
    save_tokenizer(other, tmp_path / "a/t", force=True)
    assert sorted(os.listdir(tmp_path / "a/t")) == ["characters.json", "tokenizer.json"]
    assert (tmp_path / "a/t").stat().st_mode & 0o777 == (tmp_path / "a").stat().st_mode & 0o777


def test_two_processes_do_not_write_one_folder(tmp_path):
    save(tmp_path / "m", 1)
    with writing_model(tmp_path / "m", force=True):
        with pytest.raises(BusyError) as refusal:
            save(tmp_path / "m", 2, force=True)
        assert refusal.value.exit_code == 7 and refusal.value.where == str(tmp_path / "m")
        assert f"{os.uname().nodename}, process {os.getpid()}, since 2" in refusal.value.what
        assert value_of(tmp_path / "m") == 1  # and everybody may read
    save(tmp_path / "m", 3, force=True)
    assert value_of(tmp_path / "m") == 3


def test_two_processes_do_not_write_one_tokenizer_folder(tmp_path):
    with writing_tokenizer(tmp_path / "t") as write:
        with pytest.raises(BusyError, match=f"process {os.getpid()}, since 2") as refusal:
            save_tokenizer(VOCABULARY, tmp_path / "t", force=True)
        assert refusal.value.exit_code == 7
        save_tokenizer(VOCABULARY, tmp_path / "other")
        write(VOCABULARY)
    assert sorted(os.listdir(tmp_path)) == ["other", "t"]


def test_the_lock_of_a_dead_process_holds_nobody(tmp_path):
    save(tmp_path / "m", 1)
    (tmp_path / "m/.lock").write_text("elsewhere, process 1, since 2020-01-01 00:00:00\n")
    save(tmp_path / "m", 2, force=True)
    assert value_of(tmp_path / "m") == 2


def test_a_folder_that_cannot_be_written_is_an_output_error():
    with pytest.raises(OutputError, match=r"/proc/m: cannot write"):
        save(Path("/proc/m"), 1)
    with pytest.raises(OutputError, match=r"/proc/m/t: cannot write"):
        save_tokenizer(VOCABULARY, Path("/proc/m/t"))


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_killed_at_every_step_of_replacing_a_model_it_is_the_old_or_the_new_one(tmp_path):
    save(tmp_path / "m", 1)
    seen = []
    for step in count(1):
        shutil.copytree(tmp_path / "m", tmp_path / "k")
        killed = killed_at(step, lambda: save(tmp_path / "k", 2, force=True))
        seen.append(value_of(tmp_path / "k"))
        save(tmp_path / "k", 3, force=True)
        assert value_of(tmp_path / "k") == 3 and listing(tmp_path / "k") == {*MADE, "state"}
        shutil.rmtree(tmp_path / "k")
        if not killed:
            break
    assert len(seen) > 25 and seen == sorted(seen) and {1, 2} == set(seen)  # old until the commit, new from there


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_killed_at_every_step_of_a_first_training_there_is_a_whole_model_or_none(tmp_path):
    seen = []
    for step in count(1):
        killed = killed_at(step, lambda: save(tmp_path / "k", 2))
        try:
            seen.append(value_of(tmp_path / "k"))
        except ModelError:
            seen.append(0)
        save(tmp_path / "k", 3, force=seen[-1] != 0)  # what is no model needs no --force
        assert value_of(tmp_path / "k") == 3 and listing(tmp_path / "k") == {*MADE, "state"}
        shutil.rmtree(tmp_path / "k")
        if not killed:
            break
    assert len(seen) > 25 and seen == sorted(seen) and {0, 2} == set(seen)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_killed_at_every_step_of_replacing_a_tokenizer_one_is_left(tmp_path):
    other, kinds = characters.train([b"abc\n"])[0], []
    for step in count(1):
        (tmp_path / "k").mkdir()
        save_tokenizer(other, tmp_path / "k/t")
        killed = killed_at(step, lambda: save_tokenizer(VOCABULARY, tmp_path / "k/t", force=True))
        kinds.append(tokenizers.load(tmp_path / "k/t").KIND)
        shutil.rmtree(tmp_path / "k")
        if not killed:
            break
    assert step > 10 and kinds == sorted(kinds) and {*kinds} == {"characters", "words"}


@pytest.mark.parametrize("before", [None, 1], ids=["a first training", "an old model"])
def test_5_a_disk_that_is_full_from_the_kth_write_on(here, corpus, model, tmp_path, before):
    arguments = ("train", "lm", corpus, "-o", "k", "--order", "2", "--force", "--threads", "1")
    for at in count(1):
        if before:
            shutil.copytree(model, tmp_path / "k", dirs_exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            faults = Faults(patch, at=at, full=True)
            done = here(*arguments)
        if faults.steps < at:
            break
        assert done.code == 5 and done.err.count("error: ") == 1, done
        assert "no space left" in done.err.splitlines()[-1] or "No space left" in done.err.splitlines()[-1]
        if before or (tmp_path / "k").exists():
            assert listing(tmp_path / "k") - {"metrics.jsonl", "README.md"} == {".lock", "manifest.json", "state"}
            opened = open_model(str(tmp_path / "k"))
            ModelFolder.open(tmp_path / "k").verify()
            assert opened.model.table.order == 2 or before
            shutil.rmtree(tmp_path / "k")
        assert os.listdir(tmp_path) == []
    assert done.code == 0 and at > 15


# --- damage -----------------------------------------------------------------------------------------------------------


def files_of(folder: Path) -> list[Path]:
    state = next(folder.glob("state-*"))
    return [folder / "manifest.json", *sorted(path for path in state.rglob("*") if path.is_file())]


def scores(folder: Path) -> bytes:
    """What a model says, after the check that `info --verify` makes."""
    opened = open_model(str(folder))
    ModelFolder.open(folder).verify()
    return opened.model.score(opened.tokenizer.encode(b"the cat saw the zebra\n")).log_prob.tobytes()


@pytest.mark.parametrize("kind", ["words", "characters", "sentencepiece"])
def test_4_every_file_cut_anywhere(models, tmp_path, kind):
    shutil.copytree(models(kind), tmp_path / "m")
    for path in files_of(tmp_path / "m"):
        data = path.read_bytes()
        for size in {len(data) * part // 50 for part in range(50)} | {len(data) - 1}:
            path.write_bytes(data[:size])
            if path.name == "manifest.json" and not data[size:].strip():
                continue  # its last line feed is no loss
            with pytest.raises(ModelError):
                scores(tmp_path / "m")
        path.write_bytes(data + b" ")
        if path.name != "manifest.json":
            with pytest.raises(ModelError):
                scores(tmp_path / "m")
        path.unlink()
        with pytest.raises(ModelError):
            scores(tmp_path / "m")
        path.write_bytes(data)
    assert scores(tmp_path / "m") == scores(models(kind))


@pytest.mark.parametrize("kind", ["words", "characters", "sentencepiece"])
def test_4_every_file_with_a_byte_changed(models, tmp_path, kind):
    shutil.copytree(models(kind), tmp_path / "m")
    sound = scores(tmp_path / "m")
    rng = np.random.default_rng(0)
    for path in files_of(tmp_path / "m"):
        data = path.read_bytes()
        for place in {len(data) * part // 60 for part in range(60)}:
            changed = bytearray(data)
            changed[place] ^= 1 << rng.integers(8)
            path.write_bytes(changed)
            if path.name == "manifest.json":  # not all of it matters: the name of a run, a blank
                with suppress(ModelError):
                    assert scores(tmp_path / "m") == sound
            else:
                with pytest.raises(ModelError):
                    scores(tmp_path / "m")
        path.write_bytes(data)


def test_4_files_of_another_model(models, model, tmp_path):
    for name in ("config.json", "model.safetensors", "tokenizer/words.safetensors"):
        shutil.copytree(model, tmp_path / "m", dirs_exist_ok=True)
        state = next((tmp_path / "m").glob("state-*"))
        shutil.copy(next(models("document").glob("state-*")) / name, state / name)
        if (state / name).read_bytes() == (next(model.glob("state-*")) / name).read_bytes():
            continue  # the same words
        with pytest.raises(ModelError):
            scores(tmp_path / "m")


def with_manifest(model: Path, folder: Path, change) -> Path:
    """A copy of a model whose manifest `change` has had in hand."""
    shutil.copytree(model, folder, dirs_exist_ok=True)
    manifest = json.loads((model / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


TRICKS = {
    "a name above": lambda m: m["files"].update({"../secret.json": {"size": 6, "sha256": ""}}),
    "an absolute name": lambda m: m["files"].update({"/etc/passwd": {"size": 6, "sha256": ""}}),
    "a name that goes up again": lambda m: m["files"].update({"tokenizer/../../secret.json": {"size": 6, "sha256": ""}}),
    "a hidden name": lambda m: m["files"].update({".secret.json": {"size": 6, "sha256": ""}}),
    "a state above": lambda m: m.update(current="../state-00000001"),
    "an absolute state": lambda m: m.update(current="/state-00000001"),
    "a state with a newline": lambda m: m.update(current="state-00000001\n"),
    "a state that is a number": lambda m: m.update(current=1),
    "a state that is not there": lambda m: m.update(current="state-00000077"),
    "a list of files": lambda m: m.update(files=["config.json"]),
    "no weights": lambda m: m["files"].pop("model.safetensors"),
    "no settings": lambda m: m["files"].pop("config.json"),
    "a size beyond all": lambda m: m["files"]["config.json"].update(size=float("inf")),
    "a size of text": lambda m: m["files"]["config.json"].update(size="1"),
    "no task": lambda m: m.pop("task"),
    "a newer format": lambda m: m.update(format=2),
    "a format of text": lambda m: m.update(format="1"),
    "no format": lambda m: m.pop("format"),
}  # fmt: skip


@pytest.mark.parametrize("change", TRICKS.values(), ids=TRICKS)
def test_4_a_manifest_that_was_tampered_with(model, tmp_path, change):
    (tmp_path / "secret.json").write_text("secret")
    with pytest.raises(ModelError) as refusal:
        ModelFolder.open(with_manifest(model, tmp_path / "m", change))
    assert str(tmp_path / "m") in refusal.value.where and "secret" not in refusal.value.what


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b" " * (1 << 24) + b"{}", b"null"])
def test_4_a_manifest_that_is_none(tmp_path, data):
    (tmp_path / "manifest.json").write_bytes(data)
    with pytest.raises(ModelError, match=r"manifest\.json"):
        ModelFolder.open(tmp_path)


def test_4_links_out_of_the_folder_are_not_followed(model, tmp_path):
    name = next(model.glob("state-*")).name
    for linked in (name, f"{name}/config.json", f"{name}/tokenizer", f"{name}/model.safetensors"):
        shutil.copytree(model, tmp_path / "m")
        target = tmp_path / "m" / linked
        shutil.rmtree(target) if target.is_dir() else target.unlink()
        target.symlink_to(model / linked)
        with pytest.raises(ModelError, match="a link"):
            ModelFolder.open(tmp_path / "m")
        shutil.rmtree(tmp_path / "m")
    (tmp_path / "link").symlink_to(model)  # the folder itself may be one
    assert ModelFolder.open(tmp_path / "link").arch == "ngram"


@pytest.mark.parametrize("name", [".lock", "metrics.jsonl", "README.md", ".new-README.md", ".new-x", "state-00000007"])
def test_training_writes_through_no_link(corpus, here, model, tmp_path, name):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("precious")
    shutil.copytree(model, tmp_path / "m")
    (tmp_path / "m" / name).unlink(missing_ok=True)
    (tmp_path / "m" / name).symlink_to(tmp_path / "outside" / ("" if name.startswith("state") else "file"))
    done = here("train", "lm", corpus, "-o", "m", "--force", "--order", "2")
    assert done.code == (5 if name in (".lock", "metrics.jsonl") else 0), done.err
    assert (tmp_path / "outside/file").read_text() == "precious" and os.listdir(tmp_path / "outside") == ["file"]


def test_a_reader_whose_model_is_replaced_meanwhile_reads_the_new_one(corpus, here, model, tmp_path, monkeypatch):
    shutil.copytree(model, tmp_path / "m")
    tensors, trained = ModelFolder.tensors, []

    def late(run: ModelFolder, **named):
        if not trained:
            trained.append(None)  # once: training reads models, too
            trained[0] = here("train", "lm", corpus, "-o", "m", "--force", "--order", "2").code
        return tensors(run, **named)

    monkeypatch.setattr(ModelFolder, "tensors", late)
    assert open_model(str(tmp_path / "m")).model.table.order == 2 and trained == [0]


def test_format_is_the_one_that_is_documented():
    assert model_folder.FORMAT == 1


def test_5_a_disk_too_full_for_counting_is_an_error_and_no_signal(here, monkeypatch, tmp_path):
    """An array mapped from a file that has no room would end the process where it is touched."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    done = here("train", "lm", samples.folder() / "english.txt", "-o", "m", "--memory", "1M", "-q")
    assert done.code == 5 and "no space left" in done.err and os.listdir(tmp_path) == []


@pytest.mark.parametrize("line", [
    b"\xff\n", b"[1]\n", b"{}\n", b'{"event": 3}\n', b'{"event": "progress", "step": "x"}\n', b"[" * 100_000 + b"\n", b'{"event": "res',
    b'{"event": "started", "data": []}\n', b'{"event": "started", "preset": {}}\n',
])  # fmt: skip
def test_damaged_lines_of_the_log_are_left_out(tmp_path, line):
    begun = b'{"event": "started", "step": 0}\n'
    (tmp_path / model_folder.METRICS).write_bytes(b'{"event": "old"}\n' + begun + line)
    assert model_folder.history(tmp_path) == [json.loads(begun)]
    assert model_folder.beginning(tmp_path) == json.loads(begun)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_folder_is_made_leaves_none(tmp_path, corpus, here, monkeypatch, number):
    take = atomic.take_lock

    def interrupted(lock, path):
        take(lock, path)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(atomic, "take_lock", interrupted)
    for what in ("lm", "tokenizer"):
        done = here("train", what, str(corpus), "-o", str(tmp_path / "m"), "-q")
        assert done.code == 128 + number and not list(tmp_path.iterdir())


def test_what_a_kill_left_beside_a_counted_model_goes_when_the_others_are_resumed(tmp_path, corpus, here):
    """A kill between the manifest and the end of the command; of several models the counted one is not made again."""
    command = [
        "train",
        "lm",
        str(corpus),
        "-o",
        str(tmp_path / "m"),
        "--arch",
        "ngram",
        "--arch",
        "rnn",
        "--steps",
        "2",
        "-q",
    ]
    assert here(*command).code == 0
    left = tmp_path / "m" / "ngram" / ".new-abcdefgh"
    left.mkdir()
    (left / "weights").write_text("half")
    before = sorted(path.name for path in (tmp_path / "m" / "ngram").iterdir() if path != left)
    assert here(*command[:-2], "3", "--resume", "-q").code == 0
    assert sorted(path.name for path in (tmp_path / "m" / "ngram").iterdir()) == before
