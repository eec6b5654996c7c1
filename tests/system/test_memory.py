"""Exhausted memory is recognised whatever a library makes of it, and explained where native code ended the process."""

import errno
import faulthandler
import importlib
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from seqcli.errors import InputError, OutputError
from seqcli.runs.model_writer import clean_up_after
from seqcli.system import memory, signals, supervisor
from seqcli.system.workers import in_child

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
TOO_MUCH = 1 << 60


def abort() -> None:
    faulthandler.disable()  # pytest's own
    os.abort()


def hidden():
    """As readers of files do: the reason is told in other words."""
    try:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")
    except OSError as error:
        raise InputError(f"cannot read ({error.strerror})") from None


@pytest.mark.parametrize("fail", [
    lambda: bytearray(TOO_MUCH), lambda: np.empty(TOO_MUCH, np.uint8), lambda: torch.empty(TOO_MUCH, dtype=torch.uint8),
    lambda: pa.allocate_buffer(TOO_MUCH), hidden,
])  # fmt: skip
def test_memory_is_recognised_in_the_errors_of_libraries(fail):
    with pytest.raises(Exception) as raised:
        fail()
    assert memory.is_exhausted(raised.value)


@pytest.mark.parametrize("text", ["from os import absent", "raise ValueError", "import module_that_broke"])
def test_a_module_that_breaks_under_a_limit_ran_out_of_memory(tmp_path, monkeypatch, text):
    (tmp_path / "module_that_breaks.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Exception) as raised:
        importlib.import_module("module_that_breaks")
    for limited in (False, True):
        monkeypatch.setattr(memory, "is_limited", lambda limited=limited: limited)
        assert memory.is_exhausted(raised.value) == (limited and "import module" not in text)


@pytest.mark.parametrize("error", [
    InputError("out of memory.txt: no such file"), FileNotFoundError(2, "No such file"), RuntimeError("shapes differ"),
    RuntimeError("could not create a primitive"),  # only with a limit
])  # fmt: skip
def test_other_errors_are_not_taken_for_it(error):
    assert not memory.is_exhausted(error) and not memory.is_exhausted(None)


@pytest.mark.parametrize("death", [abort, lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(127)])
def test_a_child_that_dies_is_exit_5_and_no_hang(death):
    with pytest.raises(OutputError, match="memory is exhausted"):
        in_child(death)


def test_a_child_answers_and_its_errors_are_raised_here():
    assert in_child(lambda: (os.getppid(), "found")) == (os.getpid(), "found")
    with pytest.raises(InputError, match="torn"):
        in_child(lambda: (_ for _ in ()).throw(InputError("torn")))


def test_a_signal_ends_a_child_in_the_middle_of_its_work():
    def command() -> int:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        in_child(lambda: time.sleep(60))
        return 0

    began = time.monotonic()
    assert signals.watched(command) == 143 and time.monotonic() - began < 30


# --- a command under a limit ------------------------------------------------------------------------------------------


@pytest.fixture
def supervised(capfd):
    """`supervised(command)`: its exit code and what stands on standard error; 5 and one line where native code ended it."""
    handlers = {number: signal.getsignal(number) for number in signals.NUMBERS}

    def explain() -> int:
        os.write(2, b"seqcli: error: out of memory\n")
        return 5

    def run(command, *arguments):
        code = supervisor.supervised(
            command, explain=explain, clean_up=lambda process: clean_up_after(process, map(Path, arguments))
        )
        return code, capfd.readouterr().err

    yield run
    signals.restore(handlers)


def says(text: bytes, code: int):
    def command() -> int:
        os.write(2, text)
        return code

    return command


def dies(text: bytes, death):
    def command() -> int:
        os.write(2, text)
        death()
        return 0

    return command


@pytest.mark.parametrize("text, code", [
    (b"", 0), (b"seqcli: a note\n", 0), (b"seqcli score: error: no such file\n", 3), (b"seqcli score: error: unexpected\n", 1),
    (b"seqcli: a note\na warning of a library\n", 0), (b"a line without an end", 0),
])  # fmt: skip
def test_a_command_that_ends_by_itself_is_as_without_a_limit(supervised, text, code):
    assert supervised(says(text, code)) == (code, text.decode())


@pytest.mark.parametrize("death", [
    abort, lambda: os.kill(os.getpid(), signal.SIGKILL),
    lambda: os._exit(1), lambda: os._exit(127),
])  # fmt: skip
def test_native_code_that_ends_the_process_is_exit_5_in_one_line(supervised, death):
    command = dies(b"seqcli: a note\nterminate called after throwing an instance of 'std::bad_alloc'\n", death)
    assert supervised(command) == (5, "seqcli: a note\nseqcli: error: out of memory\n")


def test_what_a_dead_command_has_half_written_is_removed(supervised, tmp_path):
    def command() -> int:
        (tmp_path / f".new-out.tsv.{os.getpid()}").write_text("half")
        abort()
        return 0

    (tmp_path / ".new-out.tsv.1").write_text("of another process")
    assert supervised(command, "score", "-o", str(tmp_path / "out.tsv"))[0] == 5
    assert os.listdir(tmp_path) == [".new-out.tsv.1"]


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_a_signal_is_passed_on_once(supervised, number):
    parent = os.getpid()

    def command() -> int:
        def slow() -> int:
            time.sleep(0.3)  # until it listens
            os.kill(parent, number)
            time.sleep(60)
            return 0

        return signals.watched(slow)

    assert supervised(command) == (128 + number, "")
