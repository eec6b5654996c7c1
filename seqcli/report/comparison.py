"""Tables that compare models trained on the same data: their cost and their scores on held-out text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import stdev
from typing import Any

from seqcli.report.frame import WHOLE, Column
from seqcli.tasks.language.train_several import speed


def columns(records: Mapping[str, Mapping[str, Any]]) -> list[Column]:
    """The table of language models, best first. records: of their training, by name."""
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


def of_classifiers(records: Sequence[Mapping[str, Any]], *, metric: str) -> list[Column]:
    """The table of classifiers: a row for each architecture, best first by `metric`; accuracy, macro F1 and seconds as mean
    and standard deviation over its runs."""
    from seqcli.metrics import classifier

    by_arch: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        by_arch.setdefault(record["arch"], []).append(record)
    direction = classifier.directions()[metric]
    rows = sorted(by_arch.items(), key=lambda row: direction * _mean([r["valid"][metric] for r in row[1]]))

    def figures(get: Callable[[Mapping[str, Any]], float]) -> list[list[float]]:
        return [[get(record) for record in of_arch] for _, of_arch in rows]

    accuracy = figures(lambda record: 100 * record["valid"]["accuracy"])
    several = any(len(values) > 1 for values in accuracy)
    columns = [
        Column("model", [arch for arch, _ in rows]),
        Column("parameters", [of_arch[0]["parameters"] for _, of_arch in rows], WHOLE),
        Column("seconds", list(map(_mean, figures(lambda record: record["seconds"]))), "%.2f"),
        Column("accuracy %", list(map(_mean, accuracy)), "%.2f"),
    ]
    if several:
        columns.append(Column("runs", list(map(len, accuracy)), WHOLE))
        columns.append(Column("deviation", [stdev(values) if len(values) > 1 else None for values in accuracy], "%.2f"))
    columns.append(Column("macro F1", list(map(_mean, figures(lambda record: record["valid"]["macro_f1"]))), "%.4f"))
    columns.append(Column("loss", list(map(_mean, figures(lambda record: record["valid"]["loss"]))), "%.4f"))
    return columns


def of_translators(records: Sequence[Mapping[str, Any]], *, metric: str) -> list[Column]:
    """The table of translators, best first by `metric`."""
    from seqcli.metrics import translator

    direction = translator.directions()[metric]
    rows = sorted(records, key=lambda record: direction * record["valid"][metric])
    return [
        Column("model", [record["arch"] for record in rows]),
        Column("parameters", [record["parameters"] for record in rows], WHOLE),
        Column("seconds", [record["seconds"] for record in rows], "%.1f"),
        Column("tokens/s", [r["progress"]["tokens"] / max(r["progress"]["seconds"], 1e-9) for r in rows], "%.0f"),
        Column("perplexity", [record["valid"]["perplexity"] for record in rows], "%.4f", "%.2f"),
        Column("BLEU", [record["valid"]["bleu"] for record in rows], "%.2f"),
        Column("chrF", [record["valid"]["chrf"] for record in rows], "%.2f"),
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _bits(record: Mapping[str, Any]) -> float:
    bits = record["valid"]["bits_per_byte"]
    return math.inf if bits is None else bits
