"""A file is the old one or the new one: links, modes, errors."""

import os
import stat

import pytest

from seqcli.whole_file import replacing


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


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(tmp_path, error):
    (tmp_path / "old").write_text("old")
    for name in ("old", "absent"):
        with pytest.raises(error), replacing(tmp_path / name) as file:
            file.write(b"half")
            raise error
    assert os.listdir(tmp_path) == ["old"] and (tmp_path / "old").read_text() == "old"
