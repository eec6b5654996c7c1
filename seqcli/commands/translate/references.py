"""`translate --reference`: BLEU and chrF with their signatures, and the worst sentences."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import Any

from seqcli import catalog
from seqcli.commands.models import Models
from seqcli.commands.session import AlignedFile
from seqcli.commands.translate.arguments import Arguments, Translated
from seqcli.data.pairs import REFERENCE
from seqcli.interfaces import OpenTranslator
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
        self._said: list[str] = []
        self._expected: list[list[str]] = [[] for _ in paths]
        self._sources: list[str] = []

    def __enter__(self) -> References:
        if self._metrics:
            self._metrics.__enter__()
        return self

    def __exit__(self, *error) -> None:
        if self._metrics:
            self._metrics.__exit__(*error)

    def add(self, found: Translated) -> None:
        for expected, references in zip(self._expected, self._references):
            expected += references.of(found.block)
        self._said += [line.best.text for line in found.lines]
        if self._worst:
            self._sources += [line.source for line in found.lines]

    def finish(self, translators: Models[OpenTranslator]) -> None:
        for references in self._references:
            references.check(len(self._said))
        from seqcli.metrics import translator as metrics

        figures, note = self._figures(translators), self._arguments.reporter.note
        signed = partial(self._arguments.signature_in, sys.stderr)
        note(f"{figures['model']}: {counted(figures['records'], 'record')}{signed(figures['signature'])}")
        for metric in catalog.names(metrics.FOLDER):
            if metric in figures:
                title, score = metrics.load(metric).TITLE, figures[metric]
                note(f"{title} {score['score']:.2f}{signed(score['signature'])}")
        for row in figures.get("worst", ()):
            said = f"{row['source']} -> {row['translation']} (reference: {row['reference']})"
            note(f"line {row['line']:,}, chrF {row['chrf']:.1f}: {said}")
        if self._metrics:
            self._metrics.write(json_line(figures))

    def _figures(self, translators: Models[OpenTranslator]) -> dict[str, Any]:
        from seqcli.metrics import translator as metrics
        from seqcli.metrics.translator.chrf import sentence_scores

        figures: dict[str, Any] = {
            "model": "+".join(opened.name for opened in translators.all), "records": len(self._said),
            "signature": self._arguments.signature(translators),
        }  # fmt: skip
        if not self._said:
            return figures
        found = metrics.scores(self._said, self._expected, tokenize=self._tokenize, lowercase=self._lowercase)
        figures |= {name: {"score": score.value, "signature": score.signature} for name, score in found.items()}
        if self._worst:
            chrf = sentence_scores(self._said, self._expected, lowercase=self._lowercase)
            wrong = [
                k
                for k in range(len(chrf))
                if self._said[k].strip() not in {lines[k].strip() for lines in self._expected}
            ]
            order = sorted(wrong, key=chrf.__getitem__)[: self._worst]  # a blank line left blank is correct
            figures["worst"] = [
                {"line": k + 1, "chrf": chrf[k], "source": self._sources[k], "translation": self._said[k], "reference": " | ".join(expected[k] for expected in self._expected)}
                for k in order
            ]  # fmt: skip
        return figures
