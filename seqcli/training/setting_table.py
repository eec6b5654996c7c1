"""Settings as rows of a table: name, default, allowed values and meaning, from their dataclasses.

`seqcli help settings` prints them and docs/generate.py writes them into the reference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from seqcli import catalog


class Setting(NamedTuple):
    """default, values: as text; values: the allowed values, empty if any value of the type is allowed."""

    name: str
    default: str
    values: str
    meaning: str


def settings(kind: type, defaults: Mapping[str, Any] | None = None) -> list[Setting]:
    """The fields of a dataclass of settings. defaults: those that replace the dataclass's own."""
    rows = []
    for field in dataclasses.fields(kind):
        rule = field.metadata.get("rule")
        if rule is not None:
            values = str(rule).removeprefix("must be ")
        else:
            values = "true, false" if isinstance(field.default, bool) else ""
        rows.append(
            Setting(
                field.name,
                toml((defaults or {}).get(field.name, field.default)),
                values,
                field.metadata.get("help", ""),
            )
        )
    return rows


def defaults(task: str, arch: str) -> dict[str, Any]:
    """The values that all presets of an architecture have, such as cell = "gru": they apply unless overridden by --set."""
    first, *others = catalog.presets(task, arch)[1].values()
    return {key: value for key, value in first.items() if all(each.get(key) == value for each in others)}


def presets(task: str, arch: str) -> dict[str, str]:
    """The settings of each preset of an architecture, as `width=128, dropout=0.1`."""
    return {name: assignments(values) for name, values in catalog.presets(task, arch)[1].items()}


def assignments(values: Mapping[str, Any], pattern: str = "{}={}") -> str:
    # `cell` follows from the architecture
    return ", ".join(pattern.format(key, toml(value)) for key, value in values.items() if key != "cell")


def toml(value: Any) -> str:
    """A value as TOML writes it, numbers with underscores between thousands."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:_}" if isinstance(value, int) else f"{value:g}"
