"""data/paths: the files of a folder or a pattern, as `glob` and `os.walk` find them."""

import os
from glob import glob

import pytest

from seqcli.data.paths import expanded, recorded
from seqcli.errors import InputError


@pytest.fixture
def tree(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("d/b.txt", "d/a.tsv", "d/c/e.txt.gz", "d/c/f", "d/.hidden", "d/.git/x.txt", "g[1].txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a\n")
    return tmp_path


def test_a_folder_is_its_files_and_a_name_that_exists_is_itself(tree):
    assert expanded(["d"]) == ("d/a.tsv", "d/b.txt", "d/c/e.txt.gz", "d/c/f")
    given = ("-", "hf:glue:sst2@train", "g[1].txt", "missing.txt", "d/b.txt")
    assert expanded(given) == given and expanded(expanded(["d"])) == expanded(["d"])


@pytest.mark.parametrize(
    "pattern", ["d/*.txt", "d/*/*", "d/?.t*", "**/*.txt", "d/**", "d/**/f", "d/**/c/*.gz", "[d]/[!b]*"]
)
def test_a_pattern_matches_what_glob_does(tree, pattern):
    assert set(expanded([pattern])) == {path for path in glob(pattern, recursive=True) if os.path.isfile(path)}


def test_links_are_followed_and_not_in_circles(tree):
    (tree / "d" / "up").symlink_to("..")
    (tree / "d" / "c" / "self").symlink_to(".")
    (tree / "d" / "lost").symlink_to("nowhere")
    (tree / "e").symlink_to("d")
    os.mkfifo(tree / "d" / "fifo")
    for path in ("e", "e/**"):
        real = [os.path.realpath(each) for each in expanded([path])]
        assert len(real) == len(set(real)) and str(tree / "d" / "c" / "f") in real
        assert any(each.endswith("nowhere") for each in real)  # an error when it is opened
        assert not any(each.endswith("fifo") for each in real)


def test_3_nothing_to_read(tree):
    (tree / "empty" / ".git").mkdir(parents=True)
    (tree / "model").mkdir()
    (tree / "model" / "manifest.json").write_text("{}")
    for path, says in (
        ("empty", "no files in this folder"),
        ("d/*.csv", "no file matches"),
        ("model", "is a model folder"),
    ):
        with pytest.raises(InputError, match=says):
            expanded([path])


def test_a_record_names_the_first_of_very_many_files():
    assert recorded(["a/b.txt", "hf:x"]) == ["b.txt", "hf:x"]
    names = recorded([f"d/{n}" for n in range(1_000_000)])
    assert len(names) == 1001 and names[-1] == "and 999,000 more"
