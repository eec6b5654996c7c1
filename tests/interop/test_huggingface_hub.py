"""`hf:NAME`: what is fetched, what is not, and what is said where nothing can be; a hub on this machine answers."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import hostile_folders
import numpy as np
import pytest
import safetensors.numpy
from hub_server import CHUNK, running
from huggingface_hub import constants, hf_hub_download
from small_reporter import Notes

import seqcli
from seqcli import sources
from seqcli.errors import ModelError, OutputError
from seqcli.interop.huggingface import files
from seqcli.interop.huggingface import hub as ours
from seqcli.tasks.language.mixture import mixed

CONFIG = json.dumps({"model_type": "gpt2"}).encode()
WEIGHTS = safetensors.numpy.save({"a": np.arange(6, dtype=np.float32)})
TINY = {"config.json": CONFIG, "model.safetensors": WEIGHTS, "tokenizer.json": b"{}"}


@pytest.fixture(scope="module")
def server():
    with running() as hub:
        yield hub


@pytest.fixture
def hub(server, tmp_path, monkeypatch):
    """Of this test: nothing is in it, nothing in the cache."""
    server.repositories.clear()
    server.asked.clear()
    server.delay, server.status = 0.0, None
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    return server


@pytest.fixture
def reporter():
    return Notes()


@pytest.fixture
def located(reporter):
    return lambda source, **how: Path(sources.located(source, reporter=reporter, **how))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_is_fetched_once(hub, located, reporter):
    commit = hub.add("org/tiny", TINY).revisions["main"]
    folder = located("hf:org/tiny")
    assert content(folder) == TINY and folder.name == commit
    assert ours.snapshot_of(folder) == ("org/tiny", commit)
    assert np.array_equal(files.Weights(folder).array("a"), np.arange(6))
    assert reporter.notes == [f"fetching hf:org/tiny ({commit[:12]}, 0.0 MB) into {constants.HF_HUB_CACHE}"]
    assert reporter.steps[-1] == ("fetching", *[sum(map(len, TINY.values()))] * 2)
    assert hub.downloads[-1] == "config.json" and len(hub.downloads) == 3
    hub.asked.clear()
    assert located("hf:org/tiny") == folder
    assert hub.asked == ["GET /api/models/org/tiny"] and len(reporter.notes) == 1


SMALL = [
    "generation_config.json", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json", "vocab.json", "merges.txt", "vocab.txt",
    "tokenizer.model", "source.spm", "target.spm", "spiece.model", "source_vocab.json", "target_vocab.json", "1_Pooling/config.json",
    "modules.json",
]  # fmt: skip
NEVER = [
    "evil.py", "modeling_evil.py", "model.pkl", "pytorch_model.bin", "tf_model.h5", "training_args.bin", "README.md", "evil.json",
    "model.fp16.safetensors", "consolidated.safetensors", "onnx/model.onnx", "onnx/config.json", "checkpoint/model.safetensors",
    "../vocab.json", "/vocab.txt", "1_Pooling/../../config.json",
]  # fmt: skip


def test_only_named_files_are_fetched(hub, located):
    wanted = {**TINY, **{name: name.encode() for name in SMALL}}
    hub.add("org/tiny", {**wanted, **{name: f"never {name}".encode() for name in NEVER}})
    assert content(located("hf:org/tiny")) == wanted
    assert sorted(hub.downloads) == sorted(wanted)
    files = [path for path in Path(constants.HF_HUB_CACHE).rglob("*") if path.is_file()]
    assert not any(path.read_bytes().startswith(b"never") for path in files)


def test_of_a_sharded_model_the_shards_of_the_index(hub, located):
    index = json.dumps({"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}).encode()
    tiny = {
        "config.json": CONFIG, "model.safetensors.index.json": index, "model-1-of-2.safetensors": WEIGHTS,
        "model-2-of-2.safetensors": safetensors.numpy.save({"b": np.ones(2, np.float32)}),
    }  # fmt: skip
    hub.add("org/tiny", {**tiny, "consolidated.safetensors": WEIGHTS})
    folder = located("hf:org/tiny")
    assert content(folder) == tiny and sorted(files.Weights(folder).names) == ["a", "b"]
    assert located("hf:org/tiny") == folder and len(hub.downloads) == 4


def test_an_index_that_names_what_the_repository_does_not_have(hub, located):
    for shard, what in (
        ("model-2.safetensors", "has no model-2.safetensors"),
        ("../x.safetensors", "is not the name of a shard"),
    ):
        index = json.dumps({"weight_map": {"a": shard}}).encode()
        hub.add("org/tiny", {"config.json": CONFIG, "model.safetensors.index.json": index})
        with pytest.raises(ModelError, match=what):
            located("hf:org/tiny")


def test_where_the_tokenizer_is_enough_no_weights_are_fetched(hub, located):
    hub.add("org/tiny", TINY)
    folder = located("hf:org/tiny", weights=False)
    assert sorted(content(folder)) == ["config.json", "tokenizer.json"]
    assert located("hf:org/tiny") == folder and content(folder) == TINY


def test_a_revision(hub, located, reporter):
    repository = hub.add("org/tiny", TINY)
    first = repository.revisions["main"]
    other = {**TINY, "tokenizer.json": b'{"other": 1}'}
    second = repository.commit(other, branch="refs/pr/1")
    assert content(located("hf:org/tiny@refs/pr/1")) == other
    assert located("hf:org/tiny@refs/pr/1").name == second
    assert located("hf:org/tiny").name == first
    hub.asked.clear()
    assert content(located(f"hf:org/tiny@{second}")) == other
    assert not hub.asked  # a commit never changes
    assert len(hub.downloads) == 0


def test_a_branch_that_has_moved(hub, located):
    repository = hub.add("org/tiny", TINY)
    first = located("hf:org/tiny")
    second = repository.commit({**TINY, "tokenizer.json": b'{"new": 1}'})
    assert located("hf:org/tiny").name == second and hub.downloads.count("model.safetensors") == 1
    assert content(first) == TINY


def test_names_of_models_stay_their_names(hub, reporter):
    hub.add("org/tiny", TINY)
    given = ["hf:org/tiny", "mine=hf:org/tiny", "other"]
    folder = sources.located("hf:org/tiny", reporter=reporter)
    located = sources.all_located(given, reporter=reporter)
    assert located == [f"hf:org/tiny={folder}", f"mine={folder}", "other"]


def test_a_folder_of_that_name_wins(hub, located, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("hf:org/tiny").mkdir(parents=True)
    assert located("hf:org/tiny") == Path("hf:org/tiny") and not hub.asked


@pytest.mark.parametrize("status", [500, 503])
def test_a_cached_model_while_the_hub_is_down(hub, located, reporter, status):
    hub.add("org/tiny", TINY)
    folder = located("hf:org/tiny")
    hub.status = status
    assert located("hf:org/tiny") == folder
    assert reporter.notes[-1] == f"hf:org/tiny: cannot reach the hub; using {folder.name} from the cache"
    with pytest.raises(ModelError, match=f"the hub answers {status}"):
        located("hf:org/other")


def test_a_cached_model_without_a_network(hub, located, reporter, monkeypatch):
    hub.add("org/tiny", TINY)
    folder = located("hf:org/tiny")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert located("hf:org/tiny") == folder and "cannot reach the hub" in reporter.notes[-1]
    with pytest.raises(ModelError, match=r"cannot be fetched \(.*\); check the connection"):
        located("hf:org/other")


def test_a_cached_model_offline(hub, located, reporter, monkeypatch):
    hub.add("org/tiny", TINY)
    hub.add("org/half", TINY)
    folder = located("hf:org/tiny")
    located("hf:org/half", weights=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    notes = len(reporter.notes)
    assert located("hf:org/tiny") == folder and len(reporter.notes) == notes
    assert located("hf:org/half", weights=False).is_dir()
    for missing in ("hf:org/other", "hf:org/tiny@v2", "hf:org/half"):
        with pytest.raises(ModelError, match="not in the cache, and HF_HUB_OFFLINE is set"):
            located(missing)
    assert not hub.asked


def test_what_another_tool_has_cached_is_used(hub, located):
    hub.add("org/tiny", TINY)
    for name in TINY:
        hf_hub_download("org/tiny", name)
    hub.asked.clear()
    assert content(located("hf:org/tiny")) == TINY
    assert hub.asked == ["GET /api/models/org/tiny"]


def test_a_private_model_needs_the_token_of_the_library(hub, located, monkeypatch):
    hub.add("org/mine", TINY, token="hf_secret")
    with pytest.raises(
        ModelError, match="no such model on the hub, or it is private; check the name, or log in with `hf auth login`"
    ):
        located("hf:org/mine")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert content(located("hf:org/mine")) == TINY


@pytest.mark.parametrize(
    "files, what",
    [
        (
            {"config.json": CONFIG, "pytorch_model.bin": b"PK"},
            r"pytorch_model\.bin, a pickle.*save_pretrained.*refs/pr",
        ),
        ({"config.json": CONFIG, "tf_model.h5": b""}, r"tf_model\.h5, not in safetensors"),
        ({"config.json": CONFIG}, r"has no model\.safetensors"),
        ({"model.safetensors": WEIGHTS}, r"has no config\.json"),
        ({}, r"has no config\.json"),
    ],
)
def test_a_repository_that_cannot_be_opened(hub, located, files, what):
    hub.add("org/tiny", files)
    with pytest.raises(ModelError, match=what) as caught:
        located("hf:org/tiny")
    assert caught.value.where == "hf:org/tiny" and not hub.downloads


def test_a_gated_model(hub, located):
    hub.add("org/gated", TINY, gated=True)
    with pytest.raises(ModelError, match=r"is gated; accept its terms at http.*/org/gated, then log in"):
        located("hf:org/gated")


@pytest.mark.parametrize(
    "source, what",
    [
        ("hf:org/none", "no such model on the hub"),
        ("hf:org/tiny@v9", "has no revision v9"),
        ("hf:org/tiny@" + "0" * 40, "has no revision 0000"),
        ("hf:", "not the name"),
        ("hf:org/tiny@", "not the name"),
        ("hf:org/tiny/more", "not the name"),
        ("hf:../../etc", "not the name"),
        ("hf:org/tiny@../../x", "not the name"),
        ("hf:org/a--b", "not the name"),
        ("hf:" + "x" * 200, "not the name"),
        ("hf:a\nb", "not the name"),
    ],
)
def test_a_name_of_no_model(hub, located, source, what):
    hub.add("org/tiny", TINY)
    with pytest.raises(ModelError, match=what):
        located(source)


def test_a_full_disk_is_noticed_before(hub, located, monkeypatch):
    hub.add("org/tiny", TINY)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 10))
    with pytest.raises(OutputError, match=r"not enough disk: 0\.0 MB to fetch.*HF_HOME"):
        located("hf:org/tiny")
    assert not hub.downloads


@pytest.mark.parametrize("number, cure", [(errno.ENOSPC, "free some space"), (errno.EACCES, "that can be written")])
def test_a_cache_that_cannot_be_written(hub, located, monkeypatch, number, cure):
    hub.add("org/tiny", TINY)

    def failing(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("huggingface_hub.hf_hub_download", failing)
    with pytest.raises(OutputError, match=cure):
        located("hf:org/tiny")


def test_an_interrupted_fetch_is_taken_up_again(hub, tmp_path):
    """Files that are whole are kept, and there is nothing that looks like a model before all are."""
    large = safetensors.numpy.save({"a": np.zeros(CHUNK * 4, np.float32)})
    hub.add("org/tiny", {**TINY, "model.safetensors": large})
    hub.delay = 0.05
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(tmp_path),
        "HF_HUB_CACHE": str(tmp_path / "hub"),
    }
    code = "import sys; from seqcli import sources, cli; from seqcli.system import signals; from seqcli.interfaces import SILENT\n"
    code += "sys.exit(signals.watched(lambda: print(sources.located('hf:org/tiny', reporter=SILENT))))"
    fetching = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while "model.safetensors" not in hub.downloads and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    fetching.send_signal(signal.SIGINT)
    assert fetching.communicate(timeout=30)[0] == "" and fetching.returncode == 130
    assert hub.downloads == ["tokenizer.json", "model.safetensors"]
    assert not list((tmp_path / "hub").rglob("*.incomplete")) and not list((tmp_path / "hub").rglob("config.json"))
    hub.delay = 0.0
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert content(Path(done.stdout.strip())) == {**TINY, "model.safetensors": large}
    assert hub.downloads == ["tokenizer.json", "model.safetensors", "model.safetensors", "config.json"]


def test_which_folder_is_a_snapshot():
    commit = "0123456789" * 4
    assert ours.snapshot_of(f"/cache/models--org--a-b/snapshots/{commit}") == ("org/a-b", commit)
    assert ours.snapshot_of(f"/cache/models--gpt2/snapshots/{commit}/") == ("gpt2", commit)
    for other in (
        "/",
        "",
        ".",
        "/cache/models--gpt2",
        "/cache/models--gpt2/snapshots/main",
        f"/datasets--a/snapshots/{commit}",
    ):
        assert ours.snapshot_of(other) is None


@pytest.fixture
def gpt2(hub, tmp_path):
    """A small GPT-2 on the hub; the folder that it was made in."""
    folder = hostile_folders.make(tmp_path / "gpt2")
    hub.add("org/gpt2", content(folder))
    return folder


def test_every_verb_opens_a_model_of_the_hub_as_its_folder(gpt2, hub, here, tmp_path):
    def answers(*arguments):
        found = []
        for source in (f"m={gpt2}", "m=hf:org/gpt2"):
            done = here(*[source if each is ... else each for each in arguments])
            assert done.code == 0, done.err
            found.append(done.out)
        return found

    for arguments in (
        ["tokenize", "-m", ..., "a cat", "--ids"],
        ["score", "-m", ..., "a cat", "--json"],
        ["generate", "-m", ..., "a", "--max-new-tokens", "3", "--seed", "1"],
        ["explain", "-m", ..., "a cat", "--surprisal", "--json"],
    ):
        folder, fetched = answers(*arguments)
        assert folder == fetched, arguments
        assert "model.safetensors" in hub.downloads or arguments[0] == "tokenize"
    done = here("score", "-m", "hf:org/gpt2", "--level", "corpus", "--json", "a cat")
    commit = hub.repositories["org/gpt2"].revisions["main"]
    assert f"|hub:org/gpt2@{commit[:12]}|" in json.loads(done.out)["signature"]
    assert json.loads(here("info", "hf:org/gpt2", "--json").out)["hub"] == f"org/gpt2@{commit}"
    assert seqcli.load("hf:org/gpt2").score("a cat").log_prob == seqcli.load(gpt2).score("a cat").log_prob


def test_a_training_begins_with_a_tokenizer_of_the_hub(gpt2, hub, here, corpus, tmp_path):
    done = here("train", "lm", corpus, "-o", tmp_path / "lm", "--tokenizer", "hf:org/gpt2")
    assert done.code == 0, done.err
    assert sorted(hub.downloads) == ["config.json", "tokenizer.json"]
    shutil.rmtree(constants.HF_HUB_CACHE)
    assert here("score", "-m", tmp_path / "lm", "the cat").code == 0


def test_signatures_and_info_name_the_commit(here, model, tmp_path):
    """Of the folder's place in the cache; a model of ours takes the place of theirs."""
    commit = "0123456789" * 4
    folder = tmp_path / "models--org--tiny" / "snapshots" / commit
    shutil.copytree(model, folder)
    done = here("score", "-m", folder, "-m", model, "--level", "corpus", "--json", "the cat sleeps")
    signatures = [json.loads(line)["signature"] for line in done.out.splitlines()]
    assert ["|hub:org/tiny@012345678901|" in each for each in signatures] == [True, False]
    assert json.loads(here("info", folder, "--json").out)["hub"] == f"org/tiny@{commit}"
    assert "hub" not in json.loads(here("info", model, "--json").out)
    opened = seqcli.load(folder)
    assert "|hub:org/tiny@012345678901|" in opened.signature
    assert mixed([opened.opened] * 2, [0.5, 0.5]).hub == "+".join(["org/tiny@012345678901"] * 2)
