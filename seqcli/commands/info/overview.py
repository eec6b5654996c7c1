"""What `seqcli info` shows: of a model what it is and how good it is first, then all that was written down, by subject; without one, the
sample models, which -m takes by name, and what else is in the cache."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seqcli.commands.options import Results
from seqcli.errors import ModelError
from seqcli.interfaces import Reporter
from seqcli.report.frame import WHOLE, Column, facts
from seqcli.report.output import JSON, TABLE
from seqcli.text import counted, megabytes

TASKS = {"language": "language model", "classification": "classifier", "translation": "translator"}
_HEADINGS = {
    "settings": "Architecture", "training": "Training settings", "data": "Data", "valid": "Held-out data", "baseline": "Baseline",
    "progress": "Training",
}  # fmt: skip
_FIRST = ("model", "task", "arch", "parameters", "bytes", "tokenizer")


def drawn(values: Mapping[str, Any], *, name: str, color: bool = True) -> str:
    """values: as `seqcli info --json` writes them; name: as the model was asked for. The text for a terminal."""
    parts = [facts(summary(values, name=name), color=color)]
    groups = {name: value for name, value in values.items() if isinstance(value, dict)}
    for name, group in groups.items():
        parts.append(facts(_texts(group), title=_HEADINGS.get(name, name.capitalize()), color=color))
    if rest := {name: value for name, value in values.items() if name not in (*groups, *_FIRST) and value is not None}:
        parts.append(facts(_texts(rest), title="Other", color=color))
    return "\n".join(parts)


def summary(values: Mapping[str, Any], *, name: str) -> dict[str, str]:
    """Name, task, architecture, parameters, tokenizer, data and score, as far as they are known."""
    known = {"name": os.path.basename(os.path.abspath(name))}
    if "task" not in values:
        known |= {"task": "tokenizer", "kind": values["kind"], "vocabulary": counted(values["vocab_size"], "token")}
        return known | {"size": megabytes(values["bytes"])}
    known["task"] = TASKS.get(values["task"], values["task"])
    known["architecture"] = values["arch"]
    known["parameters"] = f"{values['parameters']:,} ({megabytes(values['bytes'])})"
    if values.get("tokenizer"):
        known["tokenizer"] = values["tokenizer"]
    if data := values.get("data"):
        rows = counted(data["rows"], "row") if "rows" in data else ""
        known["data"] = ", ".join(filter(None, [*map(str, data.get("files", [])), rows]))
    known["score"] = score(values.get("valid") or {})
    return known


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


def show_samples(results: Results, reporter: Reporter) -> None:
    from seqcli import samples

    rows = _rows()
    with results.opened() as out:
        names = ["model", "task", "arch", "bytes", "path"]
        out.begin(names)
        if out.mode == JSON:
            out.rows([], json=rows)
        elif out.mode == TABLE:
            columns = [
                Column("model", [row["model"] for row in rows]),
                Column("task", [TASKS.get(row["task"], row["task"]) for row in rows]),
                Column("architecture", [row["arch"] for row in rows]),
                Column("size", [_size(row["bytes"]) for row in rows], align="right"),
            ]
            out.rows(columns)
        else:
            sizes = Column("bytes", [row["bytes"] for row in rows], WHOLE)
            texts = {name: Column(name, [row[name] or "" for row in rows]) for name in names if name != "bytes"}
            out.rows([sizes if name == "bytes" else texts[name] for name in names])
    cache = samples.cache_folder()
    reporter.note(
        "use one with -m, for example: seqcli score -m sample-english TEXT; it is built when it is first used"
    )
    if any(row["bytes"] is not None for row in rows):
        total = megabytes(sum(row["bytes"] or 0 for row in rows))
        reporter.note(f"{total} in {cache}; to remove them: rm -r {shlex.quote(str(cache))}")


def _size(bytes: int | None) -> str:
    return "not built yet" if bytes is None else megabytes(bytes)


def _rows() -> list[dict[str, Any]]:
    """An object for each sample model, and for each model of another version that is still in the cache."""
    from seqcli import samples

    cache = samples.cache_folder()
    rows, left = [], {path.resolve() for path in samples.cached()}
    for sample in samples.every().values():
        folder = sample.folder(cache)
        left.discard(folder.resolve())
        rows.append({"model": sample.name, "task": sample.task, "arch": sample.arch, **_size_and_path(folder)})
    rows += [{"model": path.name, **_described(path), **_size_and_path(path)} for path in sorted(left)]
    return rows


def _size_and_path(folder: Path) -> dict[str, Any]:
    """Its size and its path; None where it is not there."""
    if not folder.is_dir():
        return {"bytes": None, "path": None}
    return {"bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()), "path": str(folder)}


def _described(path: Path) -> dict[str, Any]:
    from seqcli.runs.model_folder import ModelFolder

    try:
        run = ModelFolder.open(path)
        return {"task": run.task, "arch": run.arch}
    except ModelError:
        return {"task": "damaged", "arch": ""}
