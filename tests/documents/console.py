"""Runs the console examples of a document and compares what they print.

A fenced `console` block holds `$ ` lines, each followed by its output. What counts is what a terminal of 80 columns shows of
standard output or, where a command writes nothing there, its notes on standard error. All blocks of a document run in order
in one folder that has the sample data. In the expected output a line `...` stands for any number of lines, `...` within a
line for any text, and decimals agree to a tolerance. A block that opens with `console slow` trains networks.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from seqcli import cli

COLUMNS = 80
QUICK, SLOW = 1e-3, 0.1  # tolerances of decimals, relative: networks differ between machines
_BLOCK = re.compile(r"^```console( slow)?\n(.*?)^```$", re.M | re.S)
_DECIMAL = r"\d[\d,]*\.\d+"
_SHELL = set("|<>;&$`*")


class Example(NamedTuple):
    """A command, what the document says that it prints, and the line of the document."""

    command: str
    expected: str
    line: int
    slow: bool


class Printed(NamedTuple):
    code: int
    out: str
    err: str


def examples(document: str) -> Iterator[Example]:
    """Of the text of a document. A command goes on after a backslash at the end of its line."""
    for block in _BLOCK.finditer(document):
        line = document.count("\n", 0, block.start(2)) + 1
        for part in re.split(r"^(?=\$ )", block[2], flags=re.M):
            if part.startswith("$ "):
                command = re.match(r"(?:.*\\\n)*.*\n", part)[0]
                yield Example(command[2:].replace("\\\n", " ").strip(), part[len(command) :], line, bool(block[1]))
            line += part.count("\n")


def run(command: str, environment: dict[str, str]) -> Printed:
    """A command whose standard output is a terminal: one of seqcli in this process, anything else by the shell."""
    if command.startswith("seqcli ") and not _SHELL & set(re.sub(r"'[^']*'|\"[^\"]*\"", "", command)):
        return _run_here(shlex.split(command)[1:])
    with _terminal() as (screen, text), tempfile.TemporaryFile() as notes:
        done = subprocess.run(["bash", "-c", command], stdin=screen, stdout=screen, stderr=notes, env=environment)
        notes.seek(0)
        err = notes.read().decode()
    return Printed(done.returncode, text(), err)


def _run_here(arguments: list[str]) -> Printed:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGPIPE)}
    with _terminal() as (screen, text), tempfile.TemporaryFile() as notes:
        with _streams(screen, screen, notes.fileno()):
            code = cli.run(arguments)
        notes.seek(0)
        err = notes.read().decode()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    return Printed(code, text(), err)


@contextmanager
def _streams(*targets: int) -> Iterator[None]:
    """Standard input, output and error of this process are these descriptors, for Python and for what writes beside it."""
    before, saved = (sys.stdin, sys.stdout, sys.stderr), [os.dup(number) for number in range(3)]
    for number, target in enumerate(targets):
        os.dup2(target, number)
    try:
        with (
            open(0, closefd=False) as sys.stdin,
            open(1, "w", encoding="utf-8", closefd=False) as sys.stdout,
            open(2, "w", encoding="utf-8", closefd=False) as sys.stderr,
        ):
            yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        for number, target in enumerate(saved):
            os.dup2(target, number)
            os.close(target)


@contextmanager
def _terminal() -> Iterator[tuple[int, Callable[[], str]]]:
    """(its descriptor, what it has shown once this is left)."""
    reader, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    shown: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(reader, 1 << 16):
                shown.append(data)
        except OSError:  # Linux ends a terminal whose last writer has left so
            pass

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield screen, lambda: b"".join(shown).decode().replace("\r\n", "\n")
    finally:
        os.close(screen)
        thread.join()
        os.close(reader)


def difference(expected: str, printed: str, tolerance: float = QUICK) -> str | None:
    """The first expected line that is not there, None where all are."""
    wanted, got = (re.sub(r" +$", "", text, flags=re.M).strip("\n").split("\n") for text in (expected, printed))
    place, anywhere = 0, False
    for line in wanted:
        if line == "...":
            anywhere = True
            continue
        ahead = range(place, len(got) if anywhere else min(place + 1, len(got)))
        found = next((index for index in ahead if _agree(line, got[index], tolerance)), None)
        if found is None:
            return line
        place, anywhere = found + 1, False
    return None if anywhere or place == len(got) else f"(end), but then {got[place]!r}"


def _agree(expected: str, printed: str, tolerance: float) -> bool:
    """Whether two lines are equal up to blanks in a row, `...` and the tolerance of decimals."""
    parts = re.split(rf"(\.\.\.|{_DECIMAL})", " ".join(expected.split()))  # text, `...` or a decimal, text, ...
    patterns = [re.escape(part) for part in parts]
    patterns[1::2] = [".*?" if part == "..." else f"({_DECIMAL})" for part in parts[1::2]]
    found = re.fullmatch("".join(patterns), " ".join(printed.split()))
    decimals = [part for part in parts[1::2] if part != "..."]
    return found is not None and all(_close(*pair, tolerance) for pair in zip(decimals, found.groups(), strict=True))


def _close(expected: str, printed: str, tolerance: float) -> bool:
    """To the tolerance, or to one unit of the last digit."""
    one, other = (float(text.replace(",", "")) for text in (expected, printed))
    unit = 10.0 ** -len(expected.partition(".")[2])
    return abs(one - other) <= 1.001 * max(unit, tolerance * one)
