"""Models that were trained alike, side by side: what they cost and how well they predict held-out text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seqcli.report.frame import WHOLE, Column
from seqcli.tasks.language.told import speed


def columns(records: Mapping[str, Mapping[str, Any]]) -> list[Column]:
    """Of the records of trainings by name, best first."""
    rows = sorted(records.items(), key=lambda row: _bits(row[1]))

    def figure(name: str) -> list[float | None]:
        return [record["valid"][name] for _, record in rows]

    return [
        Column("model", [name for name, _ in rows]),
        Column("parameters", [record["parameters"] for _, record in rows], WHOLE),
        Column("seconds", [record["seconds"] for _, record in rows], "%.2f"),
        Column("tokens/s", [speed(record) for _, record in rows], "%.0f"),
        Column("perplexity", figure("perplexity"), "%.4f", "%.2f"),
        Column("known words", figure("perplexity_known"), "%.4f", "%.2f"),
        Column("bits/byte", figure("bits_per_byte"), "%.4f"),
    ]


def _bits(record: Mapping[str, Any]) -> float:
    bits = record["valid"]["bits_per_byte"]
    return math.inf if bits is None else bits
