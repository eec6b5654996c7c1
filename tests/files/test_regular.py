"""A model's files are regular files of bounded size: nothing else is waited for, or read without end."""

import os

import pytest

from seqcli import tokenizers
from seqcli.errors import ModelError
from seqcli.files import regular, tensor_file
from seqcli.tasks.tokenizer_choice import open_tokenizer


@pytest.fixture(params=["fifo", "device", "link to a device"])
def irregular(request, tmp_path):
    """Makes something that is not a regular file."""

    def make(name: str):
        path = tmp_path / name
        path.unlink(missing_ok=True)
        if request.param == "fifo":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        return path

    return make


@pytest.mark.parametrize("read", [regular.read, regular.check, tensor_file.read, tensor_file.sha256_of])
def test_only_regular_files_are_read(irregular, read):
    with pytest.raises(ModelError, match="not a regular file"):
        read(irregular("file"))


def test_a_tokenizer_is_not_read_from_a_device(irregular, tmp_path):
    with pytest.raises(ModelError, match="not a regular file"):
        open_tokenizer(str(irregular("t.model")))
    (tmp_path / "tokenizer.json").write_text('{"kind": "words", "vocab_size": 4, "fingerprint": ""}')
    for name in ("words.safetensors", "tokenizer.json"):
        irregular(name)
        with pytest.raises(ModelError, match="not a regular file"):
            tokenizers.load(tmp_path)


def test_files_that_are_read_at_once_have_a_largest_size(tmp_path):
    (tmp_path / "small").write_bytes(b"abc")
    assert regular.read(tmp_path / "small", largest=3) == b"abc"
    with pytest.raises(ModelError, match="3 bytes, at most 2 expected"):
        regular.read(tmp_path / "small", largest=2)
    with open(tmp_path / "large", "wb") as file:
        file.truncate(regular.LARGEST_READ + 1)  # takes no space on the disk
    with pytest.raises(ModelError, match="67,108,865 bytes"):
        open_tokenizer(str((tmp_path / "large").rename(tmp_path / "large.model")))


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        regular.read(tmp_path / "absent")


@pytest.mark.parametrize("command", [
    ["tokenize", "-m", "loop.model", "a"], ["score", "-m", "loop.arpa", "a"], ["info", "loop"], ["score", "-m", "loop", "a"],
    ["train", "tokenizer", "t.txt", "--tokenizer", "words", "-o", "loop"], ["train", "lm", "t.txt", "-o", "loop", "--force"],
    ["convert", "loop.arpa", "m"], ["train", "lm", "t.txt", "-o", "m", "--tokenizer", "loop.model"], ["score", "-i", "loop"],
])  # fmt: skip
def test_a_link_to_itself_is_an_error_like_others(here, tmp_path, command):
    (tmp_path / "t.txt").write_text("a b\nb a\n")
    for name in ("loop", "loop.model", "loop.arpa"):
        (tmp_path / name).symlink_to(name)
    done = here(*command)
    assert done.code in (2, 3, 4, 5) and done.err.count("\n") == 1 and "unexpected" not in done.err, done
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop", "loop.arpa", "loop.model", "t.txt"]


@pytest.mark.parametrize(
    "data",
    [
        b"[1]",
        b"{",
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a":' + b"9" * 5000 + b"}",
        b"{}" + b" " * (17 << 20),
    ],
)
def test_damaged_settings_are_an_error_of_the_model(tmp_path, data):
    (tmp_path / "file.json").write_bytes(data)
    with pytest.raises(ModelError):
        regular.read_json(tmp_path / "file.json")
