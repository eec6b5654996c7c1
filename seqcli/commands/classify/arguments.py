"""Shared by all modes of `seqcli classify`: records, classifiers, labelled texts, and the display of labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seqcli.commands import session
from seqcli.commands.models import Models, Placement
from seqcli.commands.options import TextInput
from seqcli.data import records
from seqcli.data.labelled import LabelMap, unlabelled
from seqcli.errors import listed
from seqcli.report.output import Output
from seqcli.text import counted

if TYPE_CHECKING:
    import numpy as np

    from seqcli.tasks.classification.data import LabelledFiles, Texts
    from seqcli.tasks.classification.load import OpenClassifier

_NAMELESS = re.compile(r"LABEL_\d+")  # what transformers calls labels that nobody named
EXAMPLE = 'seqcli classify "What a wonderful film"'


@dataclass(frozen=True)
class Arguments(session.Arguments):
    """The command line of `seqcli classify`. prefix: of labels; calibrate: labelled texts
    to fit the temperature to; label_column: their column in tables; label_map: new names of labels, in texts and models."""

    threshold: float = 0.0
    prefix: str = ""
    calibrate: str | None = None
    temperature: float | None = None
    label_column: str | None = None
    label_map: LabelMap | None = None

    def names(self, labels: Sequence[str]) -> list[str]:
        """Labels as they are displayed, with their prefix."""
        return [self.prefix + label for label in labels]

    def open_records(self, out: Output) -> session.Records:
        """Opens the records. out: an output whose rows should appear as they are computed."""
        return session.open_records(self, example=EXAMPLE, source=self._source_of_texts(), out=out, clean=unlabelled)

    def open_classifiers(self, beginning: str = "") -> Models[OpenClassifier]:
        """Opens the classifiers of -m, or the sample models, mixed and at the requested temperature. beginning: of
        the texts."""
        from seqcli import samples
        from seqcli.tasks.classification.load import open_classifier
        from seqcli.tasks.classification.mixture import fitted_weights, mixed
        from seqcli.tasks.language.load import named

        reporter = self.reporter
        place = Placement(self.machine, reporter=reporter, reason="these classifiers are not neural models")

        def relabelled(opened: OpenClassifier) -> OpenClassifier:
            renamed = opened if self.label_map is None else opened.relabelled(self.label_map)
            if all(map(_NAMELESS.fullmatch, renamed.labels)):
                shown = ", ".join(renamed.labels[:4]) + ", ..." * (len(renamed.labels) > 4)
                reporter.note(
                    f"the labels of {opened.name} have no names ({shown}): --label-map {renamed.labels[0]}=NAME,... gives them"
                )
            return renamed

        chosen = place.all([relabelled(open_classifier(path, name=name)) for name, path in named(self.sources)])
        mix = self.mix
        if isinstance(mix, str):
            texts = self._labelled_files(mix).read(labels=chosen[0].labels, reporter=reporter)
            mix = fitted_weights(chosen, texts, where=mix, reporter=reporter)
        if mix is not None:
            chosen = [mixed(chosen, mix)]

        def tempered(opened: OpenClassifier) -> OpenClassifier:
            if self.temperature is not None:
                return opened.at(self.temperature)
            workers = 1 if place.networks or not self.model else self.machine.threads
            return opened if self.calibrate is None else self._calibrated(opened, self.calibrate, workers=workers)

        chosen = list(map(tempered, chosen))
        fitted = replace(self, mix=mix)
        if self.calibrate is not None and chosen:
            fitted = replace(fitted, calibrate=None, temperature=chosen[0].temperature)
        return Models(
            chosen, place, reopen=fitted.open_classifiers,
            open_sample=lambda language: tempered(place(relabelled(samples.classifier_of(language, reporter=reporter)))), kind="sentiment",
            beginning=beginning, reporter=reporter,
        )  # fmt: skip

    def read_labelled_input(self, *, labels: list[str]) -> Texts:
        """Reads the input and its labels, which may include others than `labels`, those of the classifier."""
        from seqcli.tasks.classification.data import LabelledFiles

        source = self._source_of_texts()
        tables = any(records.has_columns(path, source.format) for path in source.paths)
        columns = (
            {"text_column": source.text_column, "label_column": self.label_column} if tables or not self._tables else {}
        )
        files = LabelledFiles(
            tuple(source.paths),
            **columns,
            format=source.format,
            encoding=self.source.encoding,
            strict=source.strict,
            label_map=self.label_map,
        )
        return files.read(labels=labels, reporter=self.reporter)

    def note_unused_labels(self) -> None:
        """At the end: a note on labels of --label-map that neither texts nor models have."""
        if self.label_map and self.label_map.unused:
            self.reporter.note(f"--label-map: neither the texts nor the model have {listed(self.label_map.unused)}")

    def logits(self, opened: OpenClassifier, texts: Texts, *, workers: int | None) -> np.ndarray:
        """Of labelled texts: float64 [N, C]. workers: number of processes, None for one per core."""
        import numpy as np

        from seqcli.system.workers import ordered_map

        parts = []
        for logits in ordered_map(opened.logits, texts.blocks(), workers=workers):
            parts.append(logits)
            self.reporter.progress("texts classified", sum(map(len, parts)), len(texts))
        return np.concatenate([np.zeros((0, len(opened.labels))), *parts])

    @property
    def _fitted_to(self) -> list[str]:
        """Files of labelled texts that the classifiers are fitted to."""
        return [path for path in (self.calibrate, self.mix) if isinstance(path, str)]

    @property
    def _tables(self) -> list[str]:
        """Those among them that have columns."""
        return [path for path in self._fitted_to if records.has_columns(path)]

    def _source_of_texts(self) -> TextInput:
        """The input without options that are for the files that the classifiers are fitted to."""
        source = self.source
        if self._tables and (source.text or not any(records.has_columns(path, source.format) for path in source.paths)):
            source = replace(source, text_column=None)
        return replace(source, encoding=None) if self._fitted_to and source.text else source

    def _labelled_files(self, path: str) -> LabelledFiles:
        from seqcli.tasks.classification.data import LabelledFiles

        columns = {"text_column": self.source.text_column, "label_column": self.label_column}
        if not records.has_columns(path) and self._tables:
            columns = {}
        return LabelledFiles(
            (path,), **columns, encoding=self.source.encoding, strict=self.source.strict, label_map=self.label_map
        )

    def _calibrated(self, opened: OpenClassifier, path: str, *, workers: int | None) -> OpenClassifier:
        """At the temperature that fits the texts of a file; a note says what that changes."""
        from seqcli.metrics import calibration

        texts = self._labelled_files(path).read(labels=opened.labels, reporter=self.reporter)
        texts = texts.of_known_labels(opened.labels, to=opened.name, where=path, reporter=self.reporter)
        logits = self.logits(opened, texts, workers=workers)

        def error(opened: OpenClassifier) -> float:
            shares = opened.probabilities_of(logits)
            return calibration.expected_calibration_error(shares.max(axis=1), shares.argmax(axis=1) == texts.targets)

        fitted = calibration.temperature(logits, texts.targets, pseudo_count=calibration.PSEUDO_COUNT)
        self.reporter.note(
            f"{opened.name}: temperature {fitted:.3f} (was {opened.temperature:.3f}) on {counted(len(texts), 'text')} of {path}: "
            f"expected calibration error {error(opened):.4f} -> {error(opened.at(fitted)):.4f}, "
            f"loss {calibration.log_loss(logits, texts.targets, temperature=opened.temperature):.4f} -> "
            f"{calibration.log_loss(logits, texts.targets, temperature=fitted):.4f} nats; --temperature {fitted:.3f} gives the same"
        )
        return opened.at(fitted)
