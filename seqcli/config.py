"""Settings: a frozen dataclass holds names, defaults and types; this file fills one from TOML and `--set key=value`.

Later sources win: defaults < preset < `--config FILE.toml` < options and `--set`. An unknown key is an error that
names the nearest known one. Ranges are the dataclass's own (`__post_init__` raises ValueError).
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from seqcli.errors import UsageError, nearest
from seqcli.ranges import LARGEST_SEED, check, within

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")
_WORD = re.compile(r"\w+")
_LARGEST_FILE = 1 << 20  # bytes
_MOST_DOTS = 50  # in a line: the parser's memory grows with the square of the parts of a key


def read_toml(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_FILE + 1)
        if len(data) > _LARGEST_FILE:
            raise UsageError(f"more than {_LARGEST_FILE:,} bytes, too large for a configuration", where=path)
        return _parsed(data.decode())
    except FileNotFoundError:
        raise UsageError("no such configuration file", where=path) from None
    except OSError as error:
        raise UsageError(f"cannot read configuration ({error.strerror})", where=path) from None
    except UnicodeDecodeError:
        raise UsageError("cannot read configuration (not UTF-8)", where=path) from None
    except ValueError as error:
        raise UsageError(f"not TOML ({error})", where=path) from None


def _parsed(text: str) -> dict[str, Any]:
    """Raises ValueError where it is not TOML, or nests deeper than settings do."""
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise ValueError(f"a line of more than {_MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """`["order=3", "name=x"]` -> {"order": 3, "name": "x"}: values are TOML, or plain text where they are not."""
    values = {}
    for assignment in assignments:
        key, sign, value = assignment.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"not KEY=VALUE: {assignment!r}", where="--set")
        if key.strip() in values:
            raise UsageError(f"setting {key.strip()!r} is given twice", where="--set")
        try:
            values[key.strip()] = _parsed(f"v = {value}")["v"]
        except ValueError:
            values[key.strip()] = value
    return values


@dataclasses.dataclass(frozen=True)
class Seed:
    """Of everything that is drawn by chance."""

    seed: int = within(0, LARGEST_SEED, default=0)

    def __post_init__(self):
        check(self)


def resolve(kind: type[Settings], *sources: tuple[str, Mapping[str, Any]]) -> Settings:
    """An instance of the dataclass `kind` from (where it stands, values) sources, later ones first in rank."""
    from pydantic import TypeAdapter, ValidationError  # 60 ms, only where settings are given

    names = {field.name: field for field in dataclasses.fields(kind)}
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for where, given in sources:
        for key, value in given.items():
            if key not in names:
                raise UsageError(f"unknown setting {_shown(key)}", where=where, cure=nearest(key, names))
            if isinstance(value, bool) and not isinstance(
                names[key].default, bool
            ):  # pydantic would take it for 0 or 1
                raise UsageError(f"{key} is not true or false, got {str(value).lower()}", where=where)
            values[key], origin[key] = value, where
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ")
        what = f"{key} = {_shown(values[key])}: {message}" if key in values else message
        # A rule of several settings names them: the last source that gave one of them broke it
        places = {origin[name] for name in ([key] if key else _WORD.findall(message)) if name in origin}
        raise UsageError(what, where=next((where for where, _ in reversed(sources) if where in places), None)) from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
