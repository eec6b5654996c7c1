"""Errors that a user can act on, as exceptions that carry their exit code.

An error is one line: where, what went wrong, and the way out (`SeqcliError("not UTF-8", where="a.txt, line 3",
cure="use --encoding cp949")` reads `a.txt, line 3: not UTF-8; use --encoding cp949`). Invariants of our own code are
asserts, not errors of this file.
"""

import difflib
from collections.abc import Iterable


class SeqcliError(Exception):
    """An error that a user can understand and fix; `exit_code` is that of the process."""

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, cure: str | None = None):
        self.what, self.where, self.cure = what, where, cure
        line = what if where is None else f"{where}: {what}"
        super().__init__(line if cure is None else f"{line}; {cure}")

    def __reduce__(self):  # so that it can be pickled, which worker processes do
        return _rebuild, (type(self), self.what, self.where, self.cure)


def _rebuild(kind, what, where, cure):
    return kind(what, where=where, cure=cure)


class UsageError(SeqcliError):
    """An invalid option or argument: exit 2."""

    exit_code = 2


class InputError(SeqcliError):
    """Bad, missing or unreadable input: exit 3."""

    exit_code = 3


class ModelError(SeqcliError):
    """A model that is missing, damaged, incompatible or of another task: exit 4."""

    exit_code = 4


class OutputError(SeqcliError):
    """Results cannot be written, or disk or memory is exhausted: exit 5."""

    exit_code = 5


class DivergedError(SeqcliError):
    """Training whose loss or gradient is no longer finite: exit 6."""

    exit_code = 6


class BusyError(SeqcliError):
    """A model folder that another process is writing: exit 7."""

    exit_code = 7


class ClosedPipe(BaseException):
    """The reader of the output has gone. Not an Exception, so that error handlers let it pass."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The cure for a misspelt name: the nearest known one, or all of them."""
    known = sorted(known)
    given = str(name)  # a damaged file may have anything in its place
    alike = [each for each in known if each.casefold() == given.casefold()]
    close = alike or difflib.get_close_matches(given, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {listed(known)}"


def listed(names: Iterable[str]) -> str:
    """`a, b, c`: at most twelve names, of more the first ten and their number, long names shortened."""
    names = list(names)
    shown = names if len(names) <= 12 else names[:10]
    some = ", ".join(_in_line(name if len(name) <= 40 else f"{name[:37]}...") for name in shown)
    return some if len(shown) == len(names) else f"{some} ... ({len(names):,} in all)"


def _in_line(name: str) -> str:
    """A name without line breaks."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in name)
