"""Results as typed records: Python gets them from `seqcli.load`, JSON Lines are them, TSV and tables are their fields. This file has what
they share; each task has a file of its own, so that a command imports only what it needs.

Each field says how it is written: `format` in TSV, `table` on a terminal. Log-probabilities are natural logarithms.
A list of results is a `Results`: it becomes a data frame by `pandas.DataFrame(results)` and a table in a notebook.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from typing import Any, TypeVar

TEXT, WHOLE, LOG, SHARE = "%s", "%d", "%.6f", "%.6f"
T = TypeVar("T")


def shown(format: str = TEXT, table: str | None = None, *, default: Any = dataclasses.MISSING) -> Any:
    """A field of a result. format: in TSV; table: on a terminal, the same where it is None."""
    return field(default=default, metadata={"format": format, "table": table})


@functools.cache
def formats(result: type) -> dict[str, tuple[str, str | None]]:
    """Of each field that TSV and tables show, in order: its format there and on a terminal."""
    return {
        f.name: (f.metadata["format"], f.metadata["table"])
        for f in dataclasses.fields(result)
        if "format" in f.metadata
    }


@dataclass(frozen=True)
class Result:
    """The base of all results."""

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name, with plain values, as in JSON."""
        return {name: _plain(value) for name, value in vars(self).items()}

    def __getitem__(self, name: str) -> Any:
        """A field by its name; `dict(result)` has all of them."""
        try:
            return getattr(self, name)
        except (AttributeError, TypeError):
            raise KeyError(name) from None

    def keys(self) -> list[str]:
        return [f.name for f in dataclasses.fields(self)]

    def _repr_html_(self) -> str:
        rows = (f"<tr><th>{_cell(name)}</th><td>{_cell(value)}</td></tr>" for name, value in self.to_dict().items())
        return f"<table>{''.join(rows)}</table>"


class Results(list[T]):
    """A list of results, shown as a table in notebooks."""

    def _repr_html_(self) -> str:
        rows = [row.to_dict() for row in self if isinstance(row, Result)]
        if not rows:
            return f"<pre>{_cell(list(self))}</pre>"
        head = "".join(f"<th>{_cell(name)}</th>" for name in rows[0])
        body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row.values()) + "</tr>" for row in rows)
        return f"<table><tr>{head}</tr>{body}</table>"


def _plain(value: Any) -> Any:
    """The dictionary of a result. (`dataclasses.asdict` takes four times as long.)"""
    if isinstance(value, Result):
        return value.to_dict()
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _cell(value: Any) -> str:
    import html  # for notebooks only

    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))
