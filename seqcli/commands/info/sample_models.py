"""The sample models, which -m takes by name, and what else lies in the cache: sizes, folders, how to remove them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from seqcli.commands.info.overview import TASKS
from seqcli.commands.options import Results
from seqcli.errors import ModelError
from seqcli.interfaces import Reporter
from seqcli.report.frame import WHOLE, Column
from seqcli.report.output import JSON, TABLE
from seqcli.text import megabytes


def show(results: Results, reporter: Reporter) -> None:
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
    place = samples.cache_folder()
    reporter.note(
        "use one with -m, for example: seqcli score -m sample-english TEXT; it is built when it is first used"
    )
    if any(row["bytes"] is not None for row in rows):
        total = megabytes(sum(row["bytes"] or 0 for row in rows))
        reporter.note(f"{total} in {place}; to remove them: rm -r {shlex.quote(str(place))}")


def _size(bytes: int | None) -> str:
    return "not built yet" if bytes is None else megabytes(bytes)


def _rows() -> list[dict[str, Any]]:
    """An object for each sample model, and for each model of another version that is still in the cache."""
    from seqcli import samples

    cache = samples.cache_folder()
    rows, left = [], {path.resolve() for path in samples.cached()}
    for sample in samples.every().values():
        place = sample.place(cache)
        left.discard(place.resolve())
        rows.append({"model": sample.name, "task": sample.task, "arch": sample.arch, **_kept(place)})
    rows += [{"model": path.name, **_described(path), **_kept(path)} for path in sorted(left)]
    return rows


def _kept(place: Path) -> dict[str, Any]:
    """Its size and its path; None where it is not there."""
    if not place.is_dir():
        return {"bytes": None, "path": None}
    return {"bytes": sum(file.stat().st_size for file in place.rglob("*") if file.is_file()), "path": str(place)}


def _described(path: Path) -> dict[str, Any]:
    from seqcli.runs.model_folder import ModelFolder

    try:
        run = ModelFolder.open(path)
        return {"task": run.task, "arch": run.arch}
    except ModelError:
        return {"task": "damaged", "arch": ""}
