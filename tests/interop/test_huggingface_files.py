"""Settings and weights of Hugging Face folders: the safetensors library and torch judge what is read; hostile folders are refused."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from seqcli.errors import ModelError, OutputError
from seqcli.files import tensor_file
from seqcli.interop.huggingface import files
from seqcli.interop.huggingface.files import INDEX, WEIGHTS, Weights


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    return folder


def sharded(folder, **shards):
    """Writes a shard for each name, and the index that names them all."""
    for shard, tensors in shards.items():
        safetensors.numpy.save_file(tensors, folder / f"{shard}.safetensors")
    places = {name: f"{shard}.safetensors" for shard, tensors in shards.items() for name in tensors}
    write_index(folder, places)
    return places


def write_index(folder, places):
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))


ONE, TWO = np.ones((2, 3), np.float32), np.arange(4, dtype=np.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_numbers_of_every_floating_point_type_are_those_of_torch(folder, dtype):
    generator = torch.Generator().manual_seed(0)
    values = (torch.randn(50, 7, generator=generator, dtype=torch.float64) * 3).to(dtype)
    special = torch.tensor([0.0, -0.0, 1e-7, float("inf"), -float("inf"), float("nan")]).to(dtype)
    tensors = {"values": values, "special": special, "one": torch.tensor(1.5, dtype=dtype), "none": values[:0]}
    safetensors.torch.save_file(tensors, folder / WEIGHTS)
    weights = Weights(folder)
    assert sorted(weights.names) == sorted(tensors)
    for name, tensor in tensors.items():
        array = weights.array(name)
        assert array.dtype == np.float32 and array.flags.aligned
        assert weights.shape(name) == array.shape == tensor.shape
        np.testing.assert_array_equal(array, tensor.float().numpy())
        np.testing.assert_array_equal(np.signbit(array), np.signbit(tensor.float().numpy()))
    assert weights.size == 4 * (350 + 6 + 1)


def test_float32_is_mapped_and_not_copied(folder):
    safetensors.numpy.save_file({"a": ONE}, folder / WEIGHTS)
    assert not Weights(folder).array("a").flags.owndata


def test_an_unaligned_tensor_is_read_aligned(folder):
    head = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    head += b" " * (1 - len(head) % 4 + 4)
    (folder / WEIGHTS).write_bytes(len(head).to_bytes(8, "little") + head + TWO.tobytes())
    array = Weights(folder).array("a")
    assert array.flags.aligned and np.array_equal(array, TWO)


def test_integer_weights_raise_an_error_when_read(folder):
    safetensors.numpy.save_file({"mask": np.ones(3, np.int64), "a": ONE}, folder / WEIGHTS)
    weights = Weights(folder)
    assert weights.shape("mask") == (3,) and weights.size == 24
    with pytest.raises(ModelError, match="mask is stored as I64"):
        weights.array("mask")


def test_shards_are_one_model(folder):
    sharded(folder, first={"a": ONE}, second={"b": TWO, "c": ONE})
    weights = Weights(folder)
    assert sorted(weights.names) == ["a", "b", "c"] and np.array_equal(weights.array("b"), TWO)


def test_one_file_is_preferred_to_shards_as_transformers_does(folder):
    sharded(folder, first={"a": ONE})
    safetensors.numpy.save_file({"whole": TWO}, folder / WEIGHTS)
    assert Weights(folder).names == ["whole"]


def test_weights_that_memory_cannot_hold_are_refused_before_they_are_read(folder, monkeypatch):
    safetensors.torch.save_file({"a": torch.zeros(1000, dtype=torch.bfloat16)}, folder / WEIGHTS)
    monkeypatch.setattr(files.memory, "available", lambda: 3999)
    with pytest.raises(OutputError, match="not enough memory"):
        Weights(folder).array("a")
    monkeypatch.setattr(files.memory, "available", lambda: 4000)
    assert Weights(folder).array("a").nbytes == 4000


def test_a_missing_shard(folder):
    sharded(folder, first={"a": ONE}, second={"b": TWO})
    (folder / "second.safetensors").unlink()
    refused(folder, r"no second\.safetensors")


def test_a_tensor_in_another_shard_than_the_index_says(folder):
    places = sharded(folder, first={"a": ONE}, second={"b": TWO})
    write_index(folder, places | {"a": "second.safetensors"})
    refused(folder, "not the tensors that .* names: a")


def test_a_tensor_in_two_shards(folder):
    places = sharded(folder, first={"a": ONE, "b": TWO}, second={"b": TWO})
    assert places["b"] == "second.safetensors"
    refused(folder, "names: b")


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/etc/passwd", "..", "sub/a.safetensors", "a.bin", "", 3, None, ["a"]]
)
def test_an_index_that_points_outside(folder, name):
    safetensors.numpy.save_file({"a": ONE}, folder.parent / "outside.safetensors")
    write_index(folder, {"a": name})
    refused(folder, "is not the name of a shard")


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {}}, {"weight_map": "a.safetensors"}])
def test_an_index_of_nothing(folder, index):
    (folder / INDEX).write_text(json.dumps(index))
    refused(folder, "no weight_map")


def refused(folder, what):
    with pytest.raises(ModelError, match=what) as caught:
        Weights(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value) and caught.value.cure


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", INDEX])
def test_a_link_out_of_the_folder(folder, name):
    outside = folder.parent / "outside"
    safetensors.numpy.save_file({"a": ONE}, outside) if name == WEIGHTS else outside.write_text('{"model_type": "x"}')
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside)
    with pytest.raises(ModelError, match="a link out of the folder"):
        files.read_config(folder) if name == "config.json" else Weights(folder)


def test_a_link_inside_the_folder(folder):
    safetensors.numpy.save_file({"a": ONE}, folder / "real.safetensors")
    (folder / WEIGHTS).symlink_to("real.safetensors")
    assert Weights(folder).names == ["a"]


def test_a_folder_that_is_a_link_itself(folder):
    safetensors.numpy.save_file({"a": ONE}, folder / WEIGHTS)
    (folder.parent / "link").symlink_to(folder)
    assert Weights(folder.parent / "link").names == ["a"]


@pytest.fixture
def snapshot(tmp_path):
    """A revision in the cache of huggingface_hub."""
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    safetensors.numpy.save_file({"a": ONE}, repository / "blobs" / "hash")
    return snapshot


def test_links_to_the_blobs_of_the_repository(snapshot):
    (snapshot / WEIGHTS).symlink_to("../../blobs/hash")
    assert Weights(snapshot).names == ["a"]


@pytest.mark.parametrize(
    "target", ["../../../outside", "../../outside", "../../blobs/../outside", "../other/outside", "/etc/passwd"]
)
def test_links_of_a_snapshot_to_anywhere_else(snapshot, target):
    (snapshot / WEIGHTS).symlink_to(target)
    refused(snapshot, "a link out of the folder")


def test_links_to_blobs_that_repositories_share(snapshot):
    name = "ab" + "0" * 62
    shared = snapshot.parents[2] / "blobs" / "ab"
    shared.mkdir(parents=True)
    (snapshot.parents[1] / "blobs" / "hash").rename(shared / name)
    (snapshot.parents[1] / "blobs" / "hash").symlink_to(f"../../blobs/ab/{name}")
    (snapshot / WEIGHTS).symlink_to("../../blobs/hash")
    assert Weights(snapshot).names == ["a"]
    (shared / "id_rsa").write_text("secret")
    (snapshot / "config.json").symlink_to("../../../blobs/ab/id_rsa")
    with pytest.raises(ModelError, match="a link out of the folder"):
        files.read_config(snapshot)


def test_blobs_that_are_a_link_to_elsewhere(snapshot):
    blobs = snapshot.parents[1] / "blobs"
    blobs.rename(snapshot.parents[2] / "elsewhere")
    blobs.symlink_to("../elsewhere")
    (snapshot / WEIGHTS).symlink_to("../../blobs/hash")
    refused(snapshot, "a link out of the folder")


@pytest.mark.parametrize(
    "name, what",
    [
        ("pytorch_model.bin", "pickle.*save_pretrained.*refs/pr"),
        ("pytorch_model-00001-of-00002.bin", "pickle.*save_pretrained.*refs/pr"),
        ("tf_model.h5", "not in safetensors.*save_pretrained"),
        ("model.q4.gguf", "not in safetensors.*save_pretrained"),
        ("training.log", "no model.safetensors"),
    ],
)
def test_weights_in_another_format(folder, name, what):
    os.mkfifo(folder / name)  # which would block if it were opened
    refused(folder, what)


@pytest.mark.parametrize("name", [WEIGHTS, INDEX, "config.json"])
def test_a_fifo(folder, name):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match="not a regular file"):
        files.read_config(folder) if name == "config.json" else Weights(folder)


@pytest.mark.parametrize(
    "config, what",
    [
        ("", "damaged"),
        ("[]", "not an object"),
        ("{", "damaged"),
        ('{"a": ' + "[" * 100_000, "damaged"),
        ('{"a": NaN}', "NaN or infinity"),
        ('{"a": [{"b": 1e999}]}', "NaN or infinity"),
        ('{"a": ' + "9" * 5000 + "}", "damaged"),
        ('{"a": "' + "x" * files.LARGEST_CONFIG + '"}', "bytes, at most"),
    ],
    ids=range(8),
)
def test_a_config_that_is_damaged(folder, config, what):
    (folder / "config.json").write_text(config)
    with pytest.raises(ModelError, match=what) as caught:
        files.read_config(folder)
    assert len(str(caught.value)) < 500


def test_which_folder_is_one(folder, tmp_path):
    assert files.is_folder(folder) and files.is_folder(str(folder))
    (folder / "config.json").write_text('{"architectures": ["BertModel"]}')
    assert files.is_folder(folder)
    (folder / "config.json").write_text("{")
    assert files.is_folder(folder)  # opening it says why it cannot be read
    (folder / "config.json").write_text('{"layers": 3}')
    assert not files.is_folder(folder)
    assert not files.is_folder(tmp_path) and not files.is_folder(tmp_path / "none") and not files.is_folder("")
    (folder / "config.json").write_text('{"model_type": "gpt2"}')
    (folder / "manifest.json").write_text("{}")
    assert not files.is_folder(folder)  # a damaged one of ours


def test_a_header_whose_sizes_overflow(folder):
    for shape in ([1 << 62, 4, 0], [2**70, 0], [1] * 65, [10**4000] * 1000):
        header = {"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}
        head = json.dumps(header).encode()
        (folder / WEIGHTS).write_bytes(len(head).to_bytes(8, "little") + head)
        with pytest.raises(ModelError, match="damaged safetensors file"):
            Weights(folder)


def test_a_name_that_occurs_twice_in_a_header(folder):
    entry = '"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}'
    head = f"{{{entry}, {entry}}}".encode()
    (folder / WEIGHTS).write_bytes(len(head).to_bytes(8, "little") + head)
    refused(folder, "a name occurs twice")


def test_files_of_ours_hold_no_bfloat16(tmp_path):
    safetensors.torch.save_file({"a": torch.zeros(3, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match="unknown type BF16"):
        tensor_file.read(tmp_path / "a.safetensors")


def test_what_git_leaves_in_place_of_the_weights(folder):
    (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    refused(folder, "is a Git LFS pointer, not safetensors; run git lfs pull")
