"""A file is the old one or the new one: links, modes, errors."""

import ctypes
import errno
import os
import stat
from contextlib import suppress
from types import SimpleNamespace

import pytest

from seqcli.files import atomic
from seqcli.files.atomic import exchange, replacing


def test_links_are_followed_or_replaced_and_the_mode_stays(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
        assert (tmp_path / "real").read_text() == "old"
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640
    with replacing(tmp_path / "link", follow=False) as file:
        file.write(b"newer")
    assert not (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


def test_a_fifo_is_written_to_and_stays_one(tmp_path):
    """As a device is, such as /dev/full behind a link."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert os.read(reader, 9) == b"new" and stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
    with pytest.raises(FileExistsError), replacing(tmp_path / "link", exclusive=True):
        pass
    os.close(reader)
    assert sorted(os.listdir(tmp_path)) == ["fifo", "link"]


def test_a_link_to_itself_is_neither_followed_nor_replaced(tmp_path):
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(OSError, match="symbolic links"), replacing(tmp_path / "link"):
        pass
    assert os.listdir(tmp_path) == ["link"] and (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path, error):
    (tmp_path / "old").write_text("old")
    for name in ("old", "absent"):
        with pytest.raises(error), replacing(tmp_path / name) as file:
            file.write(b"half")
            raise error
    assert os.listdir(tmp_path) == ["old"] and (tmp_path / "old").read_text() == "old"


@pytest.mark.parametrize("hard_links", [True, False])
def test_of_several_processes_that_may_not_replace_exactly_one_writes(tmp_path, monkeypatch, hard_links):
    if not hard_links:
        refused = OSError(errno.EPERM, os.strerror(errno.EPERM))
        monkeypatch.setattr(atomic.os, "link", lambda *_: (_ for _ in ()).throw(refused))
    start, begun = os.pipe()
    processes = []
    for number in range(6):
        if not (pid := os.fork()):
            code = 1
            try:
                with suppress(FileExistsError), replacing(tmp_path / "one", exclusive=True) as file:
                    file.write(str(number).encode())
                    os.close(begun)
                    os.read(start, 1)  # until all are about to give the file its name
                code = 0 if (tmp_path / "one").read_text() == str(number) else 7
            finally:
                os._exit(code)
        processes.append(pid)
    os.close(begun)
    os.close(start)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in processes]
    assert sorted(codes) == [0, 7, 7, 7, 7, 7] and os.listdir(tmp_path) == ["one"]
    with pytest.raises(FileExistsError), replacing(tmp_path / "one", exclusive=True) as file:
        file.write(b"late")
    assert (tmp_path / "one").read_text() == str(codes.index(0)) and os.listdir(tmp_path) == ["one"]


@pytest.mark.parametrize("supported", [True, False])
def test_two_folders_change_places(tmp_path, monkeypatch, supported):
    if not supported:

        def unsupported(*_):
            ctypes.set_errno(errno.EINVAL)
            return -1

        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: SimpleNamespace(renameat2=unsupported))
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    exchange(tmp_path / "new", tmp_path / "old")
    assert {name: (tmp_path / name / "file").read_text() for name in os.listdir(tmp_path)} == {
        "new": "old",
        "old": "new",
    }
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "absent", tmp_path / "old")
    assert (tmp_path / "old/file").read_text() == "new"
