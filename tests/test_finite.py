"""Damaged weights are never answered with: changed bytes of what is read whole, NaN and infinity wherever they are."""

import hashlib
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from seqcli import finite, tokenizers
from seqcli.errors import ModelError
from seqcli.files import tensor_file
from seqcli.interfaces import Scores
from seqcli.runs import model_folder
from seqcli.runs.model_folder import ModelFolder

ROWS = [f"{label}\t{a} {b} film\n" for a in ("the", "a") for label, b in (("good", "fine"), ("bad", "dull"))] * 12
MODELS = {  # made by, asked by
    "ngram": (["lm", "t.txt"], [["score", "a film"], ["generate", "a", "--next", 3], ["generate", "a", "--max-new-tokens", 4]]),
    "gru": (["lm", "t.txt"], [["score", "a film"], ["generate", "a", "--next", 3], ["score", "a fine film", "--scramble"]]),
    "transformer": (["lm", "t.txt"], [["score", "a film", "--level", "token"], ["generate", "a", "--beam-size", 2]]),
    "bag": (["classifier", "t.tsv", "--set", "buckets=256"], [["classify", "a fine film"], ["classify", "a fine film", "--explain"]]),
    "c-ngram": (["classifier", "t.tsv", "--arch", "ngram", "--tokenizer", "words"], [["classify", "a fine film"]]),
    "cnn": (["classifier", "t.tsv", "--tokenizer", "words"], [["classify", "a fine film"]]),
}  # fmt: skip
NETWORKS = ("gru", "transformer", "cnn", "translator")


@pytest.fixture
def made(here, tmp_path, tmp_path_factory, translator):
    """A model of that kind, made once."""
    kept = tmp_path_factory.getbasetemp() / "finite"
    (tmp_path / "t.tsv").write_text("label\ttext\n" + "".join(ROWS))
    (tmp_path / "t.txt").write_text("".join(row.partition("\t")[2] for row in ROWS))

    def make(name: str) -> Path:
        if name == "translator":
            shutil.copytree(translator, tmp_path / "m")
        else:
            if not (kept / name).exists():
                arguments = MODELS[name][0]
                network = ["--preset", "tiny", "--steps", 2, "--threads", 1] if name in NETWORKS else []
                arch = [] if "--arch" in arguments else ["--arch", name]
                done = here("train", *arguments, *arch, *network, "-q", "-o", kept / name)
                assert done.code == 0, done.err
            shutil.copytree(kept / name, tmp_path / "m")
        return tmp_path / "m"

    return make


def questions(name: str) -> list[list]:
    return (
        [["translate", "a film", "-m", "m"]] if name == "translator" else [[*ask, "-m", "m"] for ask in MODELS[name][1]]
    )


def rewritten(model: Path, change) -> None:
    """Its tensors changed, sizes and checksums put right, as earlier versions wrote them."""
    run = ModelFolder.open(model)
    tensors = {name: np.array(array) for name, array in run.tensors().items()}
    change(tensors)
    tensor_file.write(
        run.state / "model.safetensors", {name: tensor_file.tensor(array) for name, array in tensors.items()}
    )
    manifest = json.loads((model / "manifest.json").read_text())
    data = (run.state / "model.safetensors").read_bytes()
    manifest["files"]["model.safetensors"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (model / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", [*MODELS, "translator"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_4_weights_that_are_not_finite(here, made, name, value):
    """One number of each tensor of a network; all of a table, which is not read whole."""
    model = made(name)

    def change(tensors):
        for array in tensors.values():
            if array.dtype.kind == "f":
                array.reshape(-1)[slice(1) if name in NETWORKS else slice(None)] = value

    rewritten(model, change)
    for ask in questions(name):
        done = here(*ask)
        assert done.code == 4 and done.err.count("\n") == 1 and "nan" not in done.out, (ask, done)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("checksums", ["of this version", "of earlier versions"])
def test_4_a_byte_changed_in_weights_of_any_size(here, made, monkeypatch, name, checksums):
    monkeypatch.setattr(model_folder, "_QUICKLY_READ", 0)  # all are large now
    model = made(name)
    if checksums == "of earlier versions":
        rewritten(model, lambda tensors: None)
    assert ("xxh3" in json.loads((model / "manifest.json").read_text())["files"]["model.safetensors"]) == (
        "this" in checksums
    )
    path = ModelFolder.open(model).state / "model.safetensors"
    data, rng = path.read_bytes(), np.random.default_rng(0)
    assert here(*questions(name)[0]).code == 0
    for where in rng.choice(len(data), size=8, replace=False):
        changed = bytearray(data)
        changed[where] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        done = here(*questions(name)[0])
        assert done.code == 4 and "checksum differs" in done.err


def test_4_a_model_does_not_begin_with_damaged_weights(here, made, monkeypatch):
    monkeypatch.setattr(model_folder, "_QUICKLY_READ", 0)
    rewritten(made("gru"), lambda tensors: tensors["body.embedding.weight"].fill(math.nan))
    done = here("train", "classifier", "t.tsv", "--arch", "gru", "--init", "m", "--steps", 1, "-o", "c")
    assert done.code == 4 and "contains NaN or infinity" in done.err


@pytest.mark.parametrize("id", [-1, 10**9])
def test_4_a_vocabulary_whose_ids_are_out_of_range(here, made, monkeypatch, id):
    """Even where it is so large that it is not read whole."""
    monkeypatch.setattr(tokenizers, "_QUICKLY_READ", 0)
    folder = ModelFolder.open(made("gru")).state / "tokenizer"
    tensors = {name: np.array(array) for name, array in tensor_file.read(folder / "words.safetensors").items()}
    tensors["ids"][-2] = id
    tensor_file.write(
        folder / "words.safetensors", {name: tensor_file.tensor(array) for name, array in tensors.items()}
    )
    done = here("score", "-m", "m", "a film")
    assert done.code == 4 and "damaged vocabulary" in done.err


def test_what_may_be_infinite():
    """The logarithm of 0 may; a row without anything possible may not."""
    no = np.float32(-math.inf)
    finite.check_log_probs(np.array([no, -1], np.float32))
    finite.check_log_probs(np.array([], np.float32))
    finite.check_logits(np.array([[no, 3], [0, no]], np.float32))
    finite.check_logits(np.zeros((0, 4), np.float32))
    finite.check_weights({"ids": np.array([1, 2]), "empty": np.zeros(0), "w": np.array([3e38], np.float32)})
    for check, value in [
        (finite.check_log_probs, [math.nan, -1]), (finite.check_log_probs, [math.inf]), (finite.check_logits, [[no, no], [0, 0]]),
        (finite.check_logits, [[math.nan, 0]]), (finite.check_logits, [[math.inf, 0]]),
    ]:  # fmt: skip
        with pytest.raises(ModelError):
            check(np.array(value, np.float32))
    with pytest.raises(ModelError, match="not all finite"):
        Scores(np.array([math.nan], np.float32))
