"""`translate --attention-output`: attention as JSON Lines, one per record, or as a PNG of the first records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seqcli.commands.models import Models
from seqcli.commands.translate.arguments import Translated
from seqcli.commands.translate.rows import as_json
from seqcli.interfaces import OpenTranslator, Reporter
from seqcli.report import heatmap
from seqcli.report.output import Output


class AttentionFile:
    """A context manager that writes the file when it is left."""

    def __init__(self, path: str, *, reporter: Reporter):
        heatmap.check(path)
        self._path, self._reporter = path, reporter
        self._out = Output(path, json=True) if path.endswith(".json") else None
        self._maps: list[tuple[Any, Sequence[str], Sequence[str]]] = []
        self._left_out = 0

    def __enter__(self) -> AttentionFile:
        if self._out:
            self._out.__enter__()
        return self

    def __exit__(self, *error) -> None:
        if self._out:
            self._out.__exit__(*error)

    def add(self, found: Translated) -> None:
        if self._out:
            self._out.rows([], json=(
                {"line": line.line, **as_json(each)} for line, each in zip(found.lines, found.attentions)
            ))  # fmt: skip
            return
        for each in found.attentions:
            if not len(each.target):
                continue
            drawn = heatmap.grouped(each.weights, *each.pieces)
            rows = sum(len(weights) for weights, _, _ in [*self._maps, drawn])
            if len(self._maps) < heatmap.MOST_MAPS and rows <= heatmap.MOST_ROWS:
                self._maps.append(drawn)
            else:
                self._left_out += 1

    def finish(self, translators: Models[OpenTranslator]) -> None:
        if self._out:
            return
        if not self._maps:
            self._reporter.note(f"no attention to draw; {self._path} was not written")
        else:
            drawn, whole = heatmap.png(self._maps)
            with Output(self._path) as out:
                out.write(drawn)
            if not whole:
                self._reporter.note(
                    f"no installed font has all characters of {self._path}; install Noto Sans CJK or NanumGothic"
                )
        if self._left_out:
            self._reporter.note(
                f"{self._path} has {len(self._maps)} records and leaves out {self._left_out:,}; use a .json file for all"
            )
