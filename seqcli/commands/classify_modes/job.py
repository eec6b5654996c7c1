"""What every question of `seqcli classify` has in hand: classifiers, and how their labels are shown."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from seqcli.commands.jobs import TextJob, check_mix
from seqcli.commands.options import TextInput
from seqcli.data import records
from seqcli.data.labelled import unlabelled
from seqcli.data.lines import Block

if TYPE_CHECKING:
    import numpy as np

    from seqcli.tasks.classification.data import LabelledFiles, Texts
    from seqcli.tasks.classification.load import OpenClassifier

EXAMPLE = 'seqcli classify "What a wonderful film"'
UNSURE = "?"
SHARE = "%.6f"


class Job(TextJob):
    """Records, classifiers and how their answers are shown."""

    kind = "sentiment"
    clean = staticmethod(unlabelled)

    def __init__(
        self, *arguments, threshold: float, prefix: str, calibrate: str | None, temperature: float | None,
        label_column: str | None, mix: list[float] | str | None, **named,
    ):  # fmt: skip
        super().__init__(*arguments, example=EXAMPLE, **named)
        check_mix(mix, self.sources)
        self._mix = mix
        self.threshold, self.prefix = threshold, prefix
        self._calibrate, self._temperature = calibrate, temperature
        fitted_to = [path for path in (calibrate, mix) if isinstance(path, str)]
        self._tables = [path for path in fitted_to if records.has_columns(path)]
        self._columns = {"text_column": self.source.text_column, "label_column": label_column}
        self._encoding = self.source.encoding
        if fitted_to:
            self.source = _without_others(self.source, columns=bool(self._tables))

    @cached_property
    def _chosen(self) -> list[OpenClassifier]:
        from seqcli.tasks.classification.load import open_classifier
        from seqcli.tasks.classification.mixture import fitted, mixed
        from seqcli.tasks.language.load import named

        opened = [open_classifier(path, name=name) for name, path in named(self.sources)]
        self.place([each.model for each in opened], otherwise="these classifiers are no networks")
        if isinstance(self._mix, str):
            texts = self.labelled_files(self._mix).read(labels=opened[0].labels, reporter=self.reporter)
            opened = [fitted(opened, texts, where=self._mix, reporter=self.reporter)]
        elif self._mix:
            opened = [mixed(opened, self._mix)]
        return list(map(self._tempered, opened))

    def sample(self, language: str) -> OpenClassifier:
        from seqcli import samples

        opened = samples.classifier_of(language, reporter=self.reporter)
        self.place([opened.model], otherwise="these classifiers are no networks")
        return self._tempered(opened)

    def _tempered(self, opened: OpenClassifier) -> OpenClassifier:
        if self._temperature is not None:
            return opened.at(self._temperature)
        return opened if self._calibrate is None else self._calibrated(opened)

    @property
    def classifiers(self) -> list[OpenClassifier]:
        """Of -m; without, the samples that are in use so far."""
        return self.samples_in_use if self.samples else self._chosen

    def classifier_of(self, block: Block) -> OpenClassifier:
        """Who answers the records of a block."""
        return self.samples.of(block.language) if self.samples else self._chosen[0]

    def answering(self) -> None:
        _ = self.classifiers

    def labelled_files(self, path: str) -> LabelledFiles:
        """Texts that the classifiers are fitted to."""
        from seqcli.tasks.classification.data import LabelledFiles

        columns = self._columns if records.has_columns(path) or not self._tables else {}
        return LabelledFiles((path,), **columns, encoding=self._encoding, strict=self.source.strict)

    @property
    def labelled_input(self) -> LabelledFiles:
        """The input, whose labels are to be compared with."""
        from seqcli.tasks.classification.data import LabelledFiles

        source = self.source
        named = any(records.has_columns(path, source.format) for path in source.paths) or not self._tables
        columns = {**self._columns, "text_column": source.text_column} if named else {}
        return LabelledFiles(tuple(source.paths), **columns, format=source.format, encoding=self._encoding, strict=source.strict)

    def _calibrated(self, opened: OpenClassifier) -> OpenClassifier:
        from seqcli.metrics import calibration
        from seqcli.tasks.classification.load import softmax

        texts = self.labelled_files(self._calibrate).read(labels=opened.labels, reporter=self.reporter)
        logits = self.logits_of(opened, texts)

        def error(temperature: float) -> float:
            shares = softmax(logits / temperature)
            return calibration.expected_calibration_error(shares.max(axis=1), shares.argmax(axis=1) == texts.targets)

        found = calibration.temperature(logits, texts.targets, pseudo_count=calibration.PSEUDO_COUNT)
        texts_ = "1 text" if len(texts) == 1 else f"{len(texts):,} texts"
        self.reporter.note(
            f"{opened.name}: temperature {found:.3f} (was {opened.temperature:.3f}) on {texts_} of {self._calibrate}: "
            f"expected calibration error {error(opened.temperature):.4f} -> {error(found):.4f}, "
            f"loss {calibration.log_loss(logits, texts.targets, temperature=opened.temperature):.4f} -> "
            f"{calibration.log_loss(logits, texts.targets, temperature=found):.4f} nats; --temperature {found:.3f} gives the same"
        )
        return opened.at(found)

    def logits_of(self, opened: OpenClassifier, texts: Texts) -> np.ndarray:
        """Of labelled texts: float64 [N, C]."""
        import numpy as np

        from seqcli.data.parallel import ordered_map

        parts = []
        for logits in ordered_map(opened.logits, texts.blocks(), workers=self.threads):
            parts.append(logits)
            self.reporter.progress("texts classified", sum(map(len, parts)), len(texts))
        return np.concatenate([np.zeros((0, len(opened.labels))), *parts])

    def names(self, labels: list[str]) -> list[str]:
        """As they are shown: with their prefix."""
        return [self.prefix + label for label in labels]

    def shown(self, labels: list[str], best: np.ndarray, share: np.ndarray) -> list[str]:
        """The label of each row, with its prefix; UNSURE below the threshold."""
        names = self.names(labels)
        if not self.threshold:
            return [names[label] for label in best.tolist()]
        return [names[label] if sure else UNSURE for label, sure in zip(best.tolist(), (share >= self.threshold).tolist())]


def _without_others(source: TextInput, *, columns: bool) -> TextInput:
    """The input without options that are for labelled files. columns: one of these is a table."""
    if columns and (source.text or not any(records.has_columns(path, source.format) for path in source.paths)):
        source = replace(source, text_column=None)
    return replace(source, encoding=None) if source.text else source
