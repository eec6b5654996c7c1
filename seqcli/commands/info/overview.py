"""What `seqcli info DIR` shows of a model: what it is and how good it is first, then all that was written down, by subject."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from seqcli.text import counted, megabytes

TASKS = {"language": "language model", "classification": "classifier", "translation": "translator"}
_HEADINGS = {
    "settings": "Architecture", "training": "Training settings", "data": "Data", "valid": "Held-out data", "baseline": "Baseline",
    "progress": "Training",
}  # fmt: skip
_FIRST = ("model", "task", "arch", "parameters", "bytes", "tokenizer")


def drawn(values: Mapping[str, Any], *, name: str, color: bool = True) -> str:
    """values: as `seqcli info --json` writes them; name: as the model was asked for. The text for a terminal."""
    from seqcli.report.frame import facts

    parts = [facts(summary(values, name=name), color=color)]
    groups = {name: value for name, value in values.items() if isinstance(value, dict)}
    for name, group in groups.items():
        parts.append(facts(_texts(group), title=_HEADINGS.get(name, name.capitalize()), color=color))
    if rest := {name: value for name, value in values.items() if name not in (*groups, *_FIRST) and value is not None}:
        parts.append(facts(_texts(rest), title="Other", color=color))
    return "\n".join(parts)


def summary(values: Mapping[str, Any], *, name: str) -> dict[str, str]:
    """Name, task, architecture, parameters, tokenizer, data and score, as far as they are known."""
    found = {"name": os.path.basename(os.path.abspath(name))}
    if "task" not in values:
        found |= {"task": "tokenizer", "kind": values["kind"], "vocabulary": counted(values["vocab_size"], "token")}
        return found | {"size": megabytes(values["bytes"])}
    found["task"] = TASKS.get(values["task"], values["task"])
    found["architecture"] = values["arch"]
    found["parameters"] = f"{values['parameters']:,} ({megabytes(values['bytes'])})"
    if values.get("tokenizer"):
        found["tokenizer"] = values["tokenizer"]
    if data := values.get("data"):
        rows = counted(data["rows"], "row") if "rows" in data else ""
        found["data"] = ", ".join(filter(None, [*map(str, data.get("files", [])), rows]))
    found["score"] = score(values.get("valid") or {})
    return found


def score(valid: Mapping[str, Any]) -> str:
    """The figures that a model of each task is compared by, on the held-out part of its data."""
    if "accuracy" in valid:
        figures = f"accuracy {100 * valid['accuracy']:.2f} %, macro F1 {valid['macro_f1']:.4f}"
        return f"{figures} ({counted(valid['texts'], 'held-out text')})"
    if "bleu" in valid:
        return f"BLEU {valid['bleu']:.2f}, chrF {valid['chrf']:.2f} ({counted(valid['pairs'], 'held-out pair')})"
    if valid.get("perplexity") is not None:
        bits = valid.get("bits_per_byte")
        figures = f"perplexity {valid['perplexity']:.2f}" + ("" if bits is None else f", {bits:.4f} bits per byte")
        return f"{figures} ({counted(valid['tokens'], 'held-out token')})"
    return "unknown: no text was held out"


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values as (dotted name, value)."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def plain(value: object) -> str:
    """A value in a pipe, as JSON writes it, but text without quotation marks and null as an empty cell."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """The same for a terminal."""
    return {
        name: (", ".join(map(_text, value)) or "none") if isinstance(value, list) else _text(value)
        for name, value in flat(values)
    }


def _text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return "(" + " ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in value) + ")"
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
