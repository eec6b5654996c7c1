"""A run that is stopped and resumed ends with the very weights of one that was not; checkpoints are whole or not taken."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from seqcli import config
from seqcli.errors import DivergedError, ModelError, OutputError, UsageError
from seqcli.files import tensor_file
from seqcli.files.atomic import write_json
from seqcli.interfaces import SILENT
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter, writing_model
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.train import train_network
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.training.config import Request

TEXT = "".join(
    f"the {a} {v} the {b} .\n" for a in ("cat", "dog", "bird") for v in ("sees", "likes") for b in ("man", "fish")
)
CASES = {
    "lstm-document": (
        "lstm",
        "document",
        ["width=16", "bptt=16", "batch_tokens=64", "dropout=0.2", "weight_dropout=0.1"],
    ),
    "gru-line": ("gru", "line", ["width=16", "batch_tokens=64", "layers=2"]),
    "transformer-line": ("transformer", "line", ["width=16", "heads=2", "layers=1", "batch_tokens=64", "dropout=0.1"]),
    "transformer-document": (
        "transformer",
        "document",
        ["width=16", "heads=2", "layers=1", "window=16", "batch_tokens=64"],
    ),
    "feedforward-document": (
        "feedforward",
        "document",
        ["embedding=8", "width=16", "bptt=16", "context=3", "batch_tokens=64"],
    ),
}


@pytest.fixture
def corpus_path(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT * 4)
    return str(tmp_path / "text.txt")


WAYS = {  # of training, besides the models': none may depend on how much of the budget is spent
    "ema": ["ema=0.5"],
    "muon": ["optimizer=muon"],
    "plateau": ["schedule=plateau", "evaluate_every=1", "learning_rate=50.0", "optimizer=sgd"],
    "accumulate": ["accumulate=3", "label_smoothing=0.1"],
}


def trained(folder, corpus_path, case, *, steps, resume=False, more=()):
    arch, unit, settings = CASES[case]
    usual = [*settings, f"steps={steps}", "warmup=2", "schedule=constant", "evaluate_every=3"]
    values = config.parse_assignments(usual) | config.parse_assignments(more)
    with writing_model(folder, resume=resume) as writer:
        train_network(
            writer, Corpus((corpus_path,), unit=unit), TokenizerChoice("characters"),
            Request("language", arch, "tiny", (("test", values),), device="cpu", precision="fp32", threads=1),
            valid=None, resume=resume, reporter=SILENT,
        )  # fmt: skip
    return checkpoint.newest(folder, reporter=SILENT)


@pytest.mark.parametrize("case, way", [*((case, "") for case in CASES), *(("lstm-document", way) for way in WAYS)])
def test_resumed_is_bitwise_equal(tmp_path, corpus_path, case, way):
    more = WAYS.get(way, [])
    whole, progress = trained(tmp_path / "whole", corpus_path, case, steps=7, more=more)
    trained(tmp_path / "parts", corpus_path, case, steps=4, more=more)
    parts, resumed = trained(tmp_path / "parts", corpus_path, case, steps=7, resume=True, more=more)
    kinds = {name.partition(".")[0] for name in whole}
    assert (
        kinds >= {"weight", "random"}
        and ("average" in kinds) == (way == "ema")
        and ("optimizer" in kinds) == (way != "plateau")
    )
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        assert np.array_equal(array, parts[name]), name
    for field in ("step", "epoch", "index", "tokens", "factor", "best", "since_best"):
        assert progress["progress"][field] == resumed["progress"][field]
    assert (progress["progress"]["factor"] < 1) == (way == "plateau")
    whole, parts = (ModelFolder.open(tmp_path / name).tensors() for name in ("whole", "parts"))
    assert all(np.array_equal(array, parts[name]) for name, array in whole.items())


def test_what_is_saved_and_judged_is_the_average(tmp_path, corpus_path):
    """From the middle of the budget on, of plain gradient descent: ASGD."""
    more = ["optimizer=sgd", "average=0.5", "learning_rate=1.0", "evaluate_every=1"]
    weights, save = [], checkpoint.save

    def watched(*places, tensors, **named):
        weights.append({name: np.array(array) for name, array in tensors.items()})
        save(*places, tensors=tensors, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", watched)
        last, _ = trained(tmp_path / "m", corpus_path, "gru-line", steps=6, more=more)
    averaged = [saved for saved in weights if "average.count" in saved]
    assert [int(saved["average.count"]) for saved in averaged] == [1, 2, 3]
    run = ModelFolder.open(tmp_path / "m")
    assert run.config["progress"]["best_step"] == 6, "the average should be best here"
    for name, array in run.tensors().items():
        mean = np.mean([saved[f"weight.{name}"] for saved in averaged], axis=0)
        assert np.allclose(array, mean, atol=1e-6) and np.array_equal(array, last[f"average.{name}"])
        assert not np.array_equal(array, last[f"weight.{name}"])


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, corpus_path):
    trained(tmp_path / "m", corpus_path, "gru-line", steps=6)
    places = sorted((tmp_path / "m" / checkpoint.FOLDER).iterdir())
    assert [place.name for place in places] == ["step-00000003", "step-00000006"]
    data = bytearray((places[1] / checkpoint.STATE).read_bytes())
    data[-1] ^= 1
    (places[1] / checkpoint.STATE).write_bytes(data)
    _, progress = checkpoint.newest(tmp_path / "m", reporter=SILENT)
    assert progress["progress"]["step"] == 3
    (places[0] / checkpoint.MANIFEST).unlink()
    with pytest.raises(ModelError, match="all checkpoints are damaged"):
        checkpoint.newest(tmp_path / "m", reporter=SILENT)


def test_resuming_with_other_settings_names_them(tmp_path, corpus_path):
    trained(tmp_path / "m", corpus_path, "gru-line", steps=3)
    with pytest.raises(UsageError, match="learning_rate was"):
        trained(tmp_path / "m", corpus_path, "gru-line", steps=6, resume=True, more=["learning_rate=0.5"])
    with pytest.raises(UsageError, match="nothing to resume"):
        trained(tmp_path / "none", corpus_path, "gru-line", steps=3, resume=True)


def test_divergence_stops_before_the_update(tmp_path, corpus_path, monkeypatch):
    import torch

    from seqcli.nn.language_model import NeuralLanguageModel

    loss, calls = NeuralLanguageModel.loss, []

    def broken(self, *args, **kwargs):
        total, count, state = loss(self, *args, **kwargs)
        calls.append(1)
        return (total * torch.nan if len(calls) == 5 else total), count, state

    monkeypatch.setattr(NeuralLanguageModel, "loss", broken)
    with pytest.raises(DivergedError, match="step 5"):
        trained(tmp_path / "m", corpus_path, "gru-line", steps=9)
    tensors, progress = checkpoint.newest(tmp_path / "m", reporter=SILENT)
    assert progress["progress"]["step"] == 3 and all(
        np.isfinite(a).all() for n, a in tensors.items() if n.startswith("weight.")
    )
    assert ModelFolder.open(tmp_path / "m").arch == "gru"


def test_checkpoints_of_another_tool_are_left_alone(tmp_path, corpus_path):
    theirs = tmp_path / "experiment" / checkpoint.FOLDER / "step-00000003"
    theirs.mkdir(parents=True)
    (theirs / "model.pt").write_text("theirs")
    for resume, said in ((True, "nothing to resume"), (False, "contains no seqcli model")):
        with (
            pytest.raises(UsageError, match=said),
            writing_model(tmp_path / "experiment", force=not resume, resume=resume),
        ):
            pass
    assert (theirs / "model.pt").read_text() == "theirs"


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", "metrics.jsonl"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_force_keeps_model_and_checkpoints_until_a_checkpoint_replaces_them(tmp_path, corpus_path, monkeypatch):
    trained(tmp_path / "m", corpus_path, "gru-line", steps=6)
    before = contents(tmp_path / "m")
    with pytest.raises(RuntimeError), writing_model(tmp_path / "m", force=True):
        assert contents(tmp_path / "m") == before
        raise RuntimeError
    assert contents(tmp_path / "m") == before
    with writing_model(tmp_path / "m", force=True) as writer:
        writer.checkpoint(step=1, tensors={}, progress={"of": "the new training"})
        assert [place.name for place in (tmp_path / "m" / checkpoint.FOLDER).iterdir()] == ["step-00000001"]
        writer.checkpoint(step=2, tensors={}, progress={"of": "the new training"})
    assert checkpoint.newest(tmp_path / "m", reporter=SILENT)[1] == {"of": "the new training"}
    assert len(list((tmp_path / "m" / checkpoint.FOLDER).iterdir())) == 2
    ModelFolder.open(tmp_path / "m").verify()  # the old model, until the new training has one


def test_a_counted_model_replaces_a_network_and_its_checkpoints(here, tmp_path, corpus_path):
    trained(tmp_path / "m", corpus_path, "gru-line", steps=6)
    assert here("train", "lm", corpus_path, "-o", "m", "--force", "-q").code == 0
    assert ModelFolder.open(tmp_path / "m").arch == "ngram" and not (tmp_path / "m" / checkpoint.FOLDER).exists()


@pytest.mark.parametrize(
    "refused", [["--set", "width=60000", "--set", "layers=64"], ["--tokenizer", "nowhere/t"], ["--valid", "x.txt"]]
)
def test_a_force_that_is_refused_changes_nothing(here, tmp_path, corpus_path, refused):
    trained(tmp_path / "m", corpus_path, "gru-line", steps=6)
    before = contents(tmp_path / "m")
    done = here("train", "lm", corpus_path, "-o", "m", "--arch", "gru", "--steps", 4, "--force", *refused)
    assert done.code in (2, 3, 4, 5) and contents(tmp_path / "m") == before


def test_5_a_model_folder_that_vanishes_while_it_is_written(tmp_path, corpus_path, monkeypatch):
    """Moved, removed, or removed and made anew by another training: nothing is written to what is not ours."""
    for change in ("moved", "removed", "made anew"):
        folder = tmp_path / change.replace(" ", "-") / "m"
        with pytest.raises(OutputError, match="moved or removed") as error, writing_model(folder) as writer:
            writer.checkpoint(step=1, tensors={}, progress={})
            if change == "moved":
                folder.rename(folder.with_name("elsewhere"))
            else:
                shutil.rmtree(folder)
            if change == "made anew":
                trained(folder, corpus_path, "gru-line", steps=2)
                before = contents(folder)
            writer.checkpoint(step=2, tensors={}, progress={})
        assert error.value.exit_code == 5
        if change == "moved":
            assert sorted(os.listdir(folder.parent)) == ["elsewhere"]
            assert sorted(os.listdir(folder.with_name("elsewhere"))) == [".lock", checkpoint.FOLDER]
        elif change == "removed":
            assert os.listdir(folder.parent) == []
        else:
            assert contents(folder) == before and not list(folder.glob(".new-*"))


def test_a_training_that_ended_between_its_checkpoint_and_its_model_saves_the_model(tmp_path, corpus_path, monkeypatch):
    trained(tmp_path / "whole", corpus_path, "gru-line", steps=6)
    with monkeypatch.context() as patch:
        patch.setattr(ModelWriter, "save", lambda *arguments, **named: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path / "m", corpus_path, "gru-line", steps=6)
    assert checkpoint.are_here(tmp_path / "m") and not (tmp_path / "m/manifest.json").exists()
    trained(tmp_path / "m", corpus_path, "gru-line", steps=6, resume=True)
    one, other = ModelFolder.open(tmp_path / "whole"), ModelFolder.open(tmp_path / "m")
    assert all(np.array_equal(array, other.tensors()[name]) for name, array in one.tensors().items())
    assert one.config["valid"] == other.config["valid"]


def changed(place: Path, change) -> None:
    """What `change` makes of the tensors and the progress of a checkpoint, whose checksums are put right."""
    tensors, saved = tensor_file.read(place / checkpoint.STATE), json.loads((place / checkpoint.PROGRESS).read_text())
    tensors = {name: np.array(array) for name, array in tensors.items()}
    change(tensors, saved)
    shutil.rmtree(place)
    place.mkdir()
    sums = {
        checkpoint.STATE: tensor_file.write(
            place / checkpoint.STATE, {n: tensor_file.tensor(a) for n, a in tensors.items()}
        ).sha256
    }
    write_json(place / checkpoint.PROGRESS, saved)
    sums[checkpoint.PROGRESS] = tensor_file.sha256_of(place / checkpoint.PROGRESS)
    write_json(place / checkpoint.MANIFEST, {"step": int(place.name[5:]), "sha256": sums})


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    (folder / "text.txt").write_text(TEXT * 4)
    trained(folder / "m", str(folder / "text.txt"), "lstm-document", steps=2, more=["ema=0.5"])
    return folder / "m", str(folder / "text.txt")


def first(tensors: dict[str, np.ndarray], kind: str) -> str:
    return min(name for name in tensors if name.startswith(kind))


@pytest.mark.parametrize("change", [
    lambda t, p: t.pop(first(t, "weight.")), lambda t, p: t.pop(first(t, "average.")), lambda t, p: t.pop("random.cpu"),
    lambda t, p: t.pop("average.count"), lambda t, p: t.pop(first(t, "optimizer.0.exp_avg")), lambda t, p: t.update(weight=np.zeros(2)),
    lambda t, p: t.update({"optimizer.9999.step": np.zeros(1)}), lambda t, p: t.update({first(t, "weight."): np.zeros((1, 1), np.float32)}),
    lambda t, p: p.update(progress=[]), lambda t, p: p.update(same=-1), lambda t, p: p.pop("same"), lambda t, p: p["progress"].pop("step"),
    lambda t, p: p["progress"].update(step="1"), lambda t, p: p["progress"].update(index=-5), lambda t, p: p["progress"].update(seconds=float("nan")),
    lambda t, p: p["progress"].update(more=1), lambda t, p: p["progress"].update(epoch=1.5), lambda t, p: p["progress"].update(due=7),
])  # fmt: skip
def test_4_a_checkpoint_that_does_not_fit_is_never_gone_on_with(begun, tmp_path, change):
    shutil.copytree(begun[0], tmp_path / "m")
    for place in (tmp_path / "m" / checkpoint.FOLDER).iterdir():
        changed(place, change)
    with pytest.raises(ModelError, match="checkpoint"):
        trained(tmp_path / "m", begun[1], "lstm-document", steps=3, resume=True, more=["ema=0.5"])
