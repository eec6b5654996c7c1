"""Where results go: pipes that close, disks that are full, files that are whole or not there, lines that do not wait."""

import os
import stat
import subprocess
import sys
import threading

import pytest


@pytest.fixture
def shell(environment, tmp_path):
    """A line of bash: its status, standard output and standard error. `$seqcli` is the command."""

    def run(line: str, *arguments: object) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            ["bash", "-c", f'seqcli="{sys.executable} -m seqcli"; {line}', "bash", *map(str, arguments)],
            cwd=tmp_path, env=environment, capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run


MANY = b"the cat saw the dog\n" * 200_000  # four blocks: worker processes take part


@pytest.mark.parametrize("form", ["", "--json", "--threads 1", "--level token", "--level corpus"])
def test_141_a_pipe_closed_by_its_reader_is_not_an_error(shell, model, tmp_path, form):
    (tmp_path / "many.txt").write_bytes(MANY if form in ("", "--json") else MANY[:100_000])
    head = "true" if "corpus" in form else "head -1"  # its row comes when nobody is there any more
    code, out, error = shell(f"$seqcli score -q -i many.txt -m $1 {form} | {head}; exit ${{PIPESTATUS[0]}}", model)
    assert code == 141 and error == b"" and out.count(b"\n") == (head != "true")


def test_help_into_head_is_quiet(shell):
    code, out, error = shell("$seqcli score --help | head -1; exit ${PIPESTATUS[0]}")
    assert code in (0, 141) and error == b"" and out.startswith(b"Usage: seqcli score")


@pytest.mark.parametrize("form", ["", "--json", "--level token", "--level corpus", "--scramble"])
def test_5_a_full_disk_is_one_line(shell, model, form):
    code, _, error = shell(f'$seqcli score "the cat" -q -m $1 {form} > /dev/full', model)
    assert code == 5
    assert error == b"seqcli score: error: standard output: cannot write (No space left on device)\n"


def test_5_a_full_disk_under_worker_processes(shell, model, tmp_path):
    (tmp_path / "many.txt").write_bytes(MANY)
    code, _, error = shell("$seqcli score -i many.txt -m $1 > /dev/full", model)
    assert code == 5 and error.count(b"\n") == 1


def test_5_standard_output_that_is_closed(shell, model, tmp_path):
    code, _, error = shell("$seqcli score x -m $1 >&-", model)
    assert code == 5 and error == b"seqcli score: error: standard output is closed; give -o FILE\n"
    code, _, error = shell("$seqcli score x -q -m $1 -o out.tsv >&-", model)  # which is not needed then
    assert code == 0 and error == b"" and (tmp_path / "out.tsv").read_text().endswith("\tx\n")
    code, _, error = shell("$seqcli score x -m $1 -o /dev/full >&-", model)
    assert code == 5 and error == b"seqcli score: error: /dev/full: cannot write (No space left on device)\n"


def test_notes_and_errors_never_go_to_standard_output(shell, model):
    code, out, _ = shell("$seqcli score x -m $1 2>&-", model)
    assert code == 0 and out.count(b"\n") == 1
    code, out, _ = shell("$seqcli score x -m absent 2>&-", model)
    assert code == 4 and out == b""


def test_a_closed_standard_input_is_nothing_to_read(shell, model):
    code, _, error = shell("$seqcli score -m $1 <&-", model)
    assert code == 2 and b"nothing to read" in error
    assert shell("$seqcli score x -m $1 <&-", model)[0] == 0


def test_workers_need_no_standard_streams(shell, corpus, tmp_path):
    """The numbers of closed ones would else belong to their pipes."""
    assert shell("$seqcli train tokenizer $1 -o t --vocab-size 300 <&- >&- 2>&-", corpus)[0] == 0
    assert (tmp_path / "t").is_dir()


INTERRUPTED = """
import builtins, os, signal
original = builtins.__import__
def importing(name, *more, **named):
    if name == {name!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return original(name, *more, **named)
builtins.__import__ = importing
from seqcli.__main__ import main
main(["score", "-m", "absent", "x"])
"""


@pytest.mark.parametrize("name", ["seqcli.cli", "typer", "seqcli.commands", "numpy"])
def test_130_an_interrupt_during_an_import_prints_nothing(environment, name):
    """From the first line of the command on."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(name=name)], env=environment, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_5_a_limit_on_the_size_of_files(shell, model, corpus, tmp_path):
    (tmp_path / "many.txt").write_bytes(MANY)
    (tmp_path / "out.tsv").write_text("old\n")
    code, _, error = shell("ulimit -f 50; $seqcli score -q -i many.txt -m $1 -o out.tsv", model)
    assert code == 5 and error == b"seqcli score: error: out.tsv: cannot write (File too large)\n"
    code, _, error = shell("ulimit -f 1; $seqcli train lm -q $1 -o new", corpus)
    assert code == 5 and error.startswith(b"seqcli train lm: error: ") and error.count(b"\n") == 1
    assert sorted(os.listdir(tmp_path)) == ["many.txt", "out.tsv"] and (tmp_path / "out.tsv").read_text() == "old\n"


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_has_the_same_bytes_as_the_pipe(here, model, tmp_path):
    printed = here("score", "the cat", "", "-m", model, "--header")
    filed = here("score", "the cat", "", "-m", model, "--header", "-o", "out.tsv")
    assert filed.code == 0 and filed.out == "" and (tmp_path / "out.tsv").read_text() == printed.out != ""
    assert here("score", "the cat", "", "-m", model, "--header", "-o", "-").out == printed.out
    assert os.listdir(tmp_path) == ["out.tsv"]


def test_a_file_is_replaced_once_the_results_are_complete(here, model, tmp_path):
    (tmp_path / "real").write_text("old\n")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "input.txt").write_bytes(b"good\n" * 300_000 + b"\xff\n")
    failed = here("score", "-i", "input.txt", "--strict", "-m", model, "-o", "link")
    assert failed.code == 3 and (tmp_path / "real").read_text() == "old\n"
    assert sorted(os.listdir(tmp_path)) == ["input.txt", "link", "real"]
    assert here("score", "x", "-m", model, "-o", "link").code == 0
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text().endswith("\tx\n")
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["input.txt", "link", "real"]


def test_input_and_output_may_be_one_file(here, model, tmp_path):
    (tmp_path / "text").write_text("the cat\nthe dog\n")
    assert here("score", "-i", "text", "-m", model, "-o", "text").code == 0
    assert [row.split("\t")[-1] for row in (tmp_path / "text").read_text().splitlines()] == ["the cat", "the dog"]


def test_a_fifo_is_written_to(seqcli, model, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "fifo").read_text()))
    reader.start()
    assert seqcli("score", "x", "-m", model, "-o", "fifo").code == 0
    reader.join(timeout=10)
    assert got and got[0].endswith("\tx\n") and stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


# --- line by line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, begins",
    [
        (["score", "--line-buffered"], "-"),
        (["score", "--line-buffered", "--json"], '{"line": '),
        (["score", "--line-buffered", "--level", "word"], ""),
        (["tokenize", "--line-buffered"], "the cat"),
    ],
)  # fmt: skip
def test_a_row_does_not_wait_for_the_next_record(environment, model, tmp_path, arguments, begins):
    process = subprocess.Popen(
        [sys.executable, "-m", "seqcli", *arguments, "-q", "-m", str(model)],
        cwd=tmp_path, env=environment, stdin=-1, stdout=-1, text=True,
    )  # fmt: skip
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    try:
        for line, words in ((1, "the cat"), (2, "the cat saw"), (3, "the cat saw the")):
            process.stdin.write(words + "\n")
            process.stdin.flush()
            rows = 1 if "word" not in arguments else len(words.split()) + 1
            for _ in range(rows):
                row = process.stdout.readline()
                assert row.endswith("\n") and row.startswith(begins if "word" not in arguments else f"{line}\t")
        process.stdin.close()
        assert process.stdout.read() == "" and process.wait() == 0
    finally:
        watchdog.cancel()
        process.kill()


def test_the_header_does_not_wait_either(environment, model, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "seqcli", "score", "--line-buffered", "--header", "-q", "-m", str(model)],
        cwd=tmp_path, env=environment, stdin=-1, stdout=-1, text=True,
    )  # fmt: skip
    process.stdin.write("x\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith("log_prob\t") and process.stdout.readline().endswith("\tx\n")
    process.communicate(timeout=30)
