"""What receives the translations besides the output: `translate --reference`, which compares them with references (BLEU and chrF, the worst
sentences), and `--attention-output`, a file of their attention."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from seqcli import catalog
from seqcli.commands.models import Models
from seqcli.commands.session import AlignedFile
from seqcli.commands.translate.rows import Arguments, Translated, as_json
from seqcli.data.pairs import REFERENCE
from seqcli.interfaces import OpenTranslator, Reporter
from seqcli.report.frame import json_line
from seqcli.report.output import Output
from seqcli.text import counted


class References:
    """A context manager that compares translations with references. paths: files of references, each with one per
    record; column: their column in tables; metrics: JSON file of the scores, written at the end; worst: number of
    sentences to show."""

    def __init__(
        self, arguments: Arguments, paths: list[str], *, column: str | None, tokenize: str | None, lowercase: bool,
        metrics: str | None, worst: int,
    ):  # fmt: skip
        self._arguments = arguments
        self._references = [
            AlignedFile(
                path,
                what="references",
                column=replace(REFERENCE, name=column),
                source=arguments.source,
                reporter=arguments.reporter,
            )
            for path in paths
        ]
        self._tokenize, self._lowercase, self._worst = tokenize, lowercase, worst
        self._metrics = None if metrics is None else Output(metrics, json=True)
        self._translations: list[str] = []
        self._expected: list[list[str]] = [[] for _ in paths]
        self._sources: list[str] = []

    def __enter__(self) -> References:
        if self._metrics:
            self._metrics.__enter__()
        return self

    def __exit__(self, *error) -> None:
        if self._metrics:
            self._metrics.__exit__(*error)

    def add(self, translated: Translated) -> None:
        for expected, references in zip(self._expected, self._references):
            expected += references.of(translated.block)
        self._translations += [line.best.text for line in translated.lines]
        if self._worst:
            self._sources += [line.source for line in translated.lines]

    def finish(self, translators: Models[OpenTranslator]) -> None:
        for references in self._references:
            references.check(len(self._translations))
        from seqcli.metrics import translator as metrics

        figures, note = self._figures(translators), self._arguments.reporter.note
        signed = partial(self._arguments.signature_in, sys.stderr)
        note(f"{figures['model']}: {counted(figures['records'], 'record')}{signed(figures['signature'])}")
        for metric in catalog.names(metrics.FOLDER):
            if metric in figures:
                title, score = metrics.load(metric).TITLE, figures[metric]
                note(f"{title} {score['score']:.2f}{signed(score['signature'])}")
        for row in figures.get("worst", ()):
            text = f"{row['source']} -> {row['translation']} (reference: {row['reference']})"
            note(f"line {row['line']:,}, chrF {row['chrf']:.1f}: {text}")
        if self._metrics:
            self._metrics.write(json_line(figures))

    def _figures(self, translators: Models[OpenTranslator]) -> dict[str, Any]:
        from seqcli.metrics import translator as metrics
        from seqcli.metrics.translator.chrf import sentence_scores

        figures: dict[str, Any] = {
            "model": "+".join(opened.name for opened in translators.all), "records": len(self._translations),
            "signature": self._arguments.signature(translators),
        }  # fmt: skip
        if not self._translations:
            return figures
        scores = metrics.scores(self._translations, self._expected, tokenize=self._tokenize, lowercase=self._lowercase)
        figures |= {name: {"score": score.value, "signature": score.signature} for name, score in scores.items()}
        if self._worst:
            chrf = sentence_scores(self._translations, self._expected, lowercase=self._lowercase)
            wrong = [
                k
                for k in range(len(chrf))
                if self._translations[k].strip() not in {lines[k].strip() for lines in self._expected}
            ]
            order = sorted(wrong, key=chrf.__getitem__)[: self._worst]  # a blank line left blank is correct
            figures["worst"] = [
                {"line": k + 1, "chrf": chrf[k], "source": self._sources[k], "translation": self._translations[k], "reference": " | ".join(expected[k] for expected in self._expected)}
                for k in order
            ]  # fmt: skip
        return figures


class AttentionFile:
    """A context manager that writes the attention as JSON Lines, one per record, or as a PNG of the first records."""

    def __init__(self, path: str, *, reporter: Reporter):
        from seqcli.report import heatmap  # brings rich

        heatmap.check(path)
        self._heatmap = heatmap
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

    def add(self, translated: Translated) -> None:
        if self._out:
            self._out.rows([], json=(
                {"line": line.line, **as_json(each)} for line, each in zip(translated.lines, translated.attentions)
            ))  # fmt: skip
            return
        for each in translated.attentions:
            if not len(each.target):
                continue
            drawn = self._heatmap.grouped(each.weights, *each.pieces)
            rows = sum(len(weights) for weights, _, _ in [*self._maps, drawn])
            if len(self._maps) < self._heatmap.MOST_MAPS and rows <= self._heatmap.MOST_ROWS:
                self._maps.append(drawn)
            else:
                self._left_out += 1

    def finish(self, translators: Models[OpenTranslator]) -> None:
        if self._out:
            return
        if not self._maps:
            self._reporter.note(f"no attention to draw; {self._path} was not written")
        else:
            drawn, whole = self._heatmap.png(self._maps)
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
