"""Labelled texts for classifiers: files, held-out part, and tokens."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.data import held_out, texts
from seqcli.data.labelled import Labelled, LabelMap, read_all
from seqcli.data.lines import block_of
from seqcli.data.paths import expanded
from seqcli.data.records import check_readable
from seqcli.errors import InputError, UsageError, listed, nearest
from seqcli.interfaces import SILENT, Reporter
from seqcli.system.clock import Deadline
from seqcli.text import number_of

HELD_OUT, MOST_HELD_OUT = 0.1, 5000  # share and maximum number of the texts, if no validation texts are given
JUDGED = "counted as wrong and left out of the loss"  # what a note says of texts with unknown labels


@dataclass(frozen=True)
class LabelledFiles:
    """Files of labelled texts and how to read them. paths: files; folders and patterns are replaced by the files they match."""

    paths: tuple[str, ...]
    text_column: str | None = None
    label_column: str | None = None
    format: str | None = None
    encoding: str | None = None
    strict: bool = False
    label_map: LabelMap | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "paths", expanded(self.paths))  # folders and patterns

    def check(self) -> None:
        """Checks, before any work, that every file can be opened."""
        check_readable(self.paths, format=self.format)

    def read(
        self,
        *,
        labels: list[str] | None = None,
        deadline: Deadline | None = None,
        reporter: Reporter = SILENT,
    ) -> Texts:
        """Reads the texts. labels: those of the model to evaluate; other labels in the files are added after them."""
        return Texts.of(
            read_all(
                self.paths, text_column=self.text_column, label_column=self.label_column, format=self.format,
                encoding=self.encoding, strict=self.strict, labels=labels, deadline=deadline,
                label_map=self.label_map, reporter=reporter,
            )
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Texts(texts.Texts):
    """Texts with their labels in memory: text n has the label `labels[targets[n]]`."""

    targets: np.ndarray  # int32 [N]
    labels: list[str]
    places: np.ndarray | None = (
        None  # int64 [N], from 1: number among the records of the files; None if no record was left out
    )

    @classmethod
    def of(cls, labelled: Labelled) -> Texts:
        return cls(b"".join(labelled.blocks), labelled.targets, labelled.labels, labelled.places)

    @classmethod
    def listed(cls, texts: Sequence[str], labels: Sequence[str]) -> Texts:
        """From texts and a label for each; labels are numbered by first occurrence."""
        number = {label: k for k, label in enumerate(dict.fromkeys(labels))}
        return cls(block_of(texts).data, np.array([number[label] for label in labels], np.int32), list(number))

    def __len__(self) -> int:
        return len(self.targets)

    def first(self, number: int) -> list[tuple[str, str]]:
        """The first texts, at most `number`."""
        texts = self.data.split(b"\n", number)[:-1][:number]
        return [(text.decode(), self.labels[target]) for text, target in zip(texts, self.targets)]

    def only(self, rows: np.ndarray) -> Texts:
        """The selected texts. rows: bool [N]."""
        return Texts(
            self.lines_at(rows), self.targets[rows], self.labels, None if self.places is None else self.places[rows]
        )

    def line(self, k: int) -> int:
        """The number of text k among the records of its files."""
        return k + 1 if self.places is None else int(self.places[k])

    def note_unknown(self, known: int, *, to: str, effect: str, where: str, reporter: Reporter) -> None:
        """A note on texts with labels other than the first `known` ones, if there are any. to: what does not have
        these labels; effect: what happens to the texts; where: their file, or the model."""
        if not (others := self.labels[known:]):
            return
        count = int((self.targets >= known).sum())
        what = "1 text has a label" if count == 1 else f"{count:,} texts have labels"
        reporter.note(f"{where}: {what} unknown to {to}, {effect}: {listed(others)}")

    def of_known_labels(self, labels: list[str], *, to: str, where: str, reporter: Reporter) -> Texts:
        """The texts with one of `labels`, for fitting, with a note on the others. to, where: as for `note_unknown`.

        Raises InputError if there are none.
        """
        texts = self.with_labels(labels)
        known = texts.targets < len(labels)
        if not known.any():
            what = f"no text has a label known to {to}"
            raise InputError(what, where=where, cure=f"{nearest(texts.labels[-1], labels)}, or use --label-map")
        texts.note_unknown(len(labels), to=to, effect="left out", where=where, reporter=reporter)
        return dataclasses.replace(texts.only(known), labels=labels)

    def with_labels(self, labels: list[str]) -> Texts:
        """The same texts with labels numbered as in `labels`; other labels are added after them."""
        labels = [*labels, *(label for label in self.labels if label not in labels)]
        place = np.array([labels.index(label) for label in self.labels], np.int32)
        return Texts(self.data, place[self.targets], labels, self.places)


def split(texts: Texts, *, seed: int, reporter: Reporter = SILENT) -> tuple[Texts, Texts]:
    """Training and held-out part: a stratified random split by `seed`, with all labels in the training part.

    Equal texts (`data/held_out`) are in the same part, unless all texts of each label are equal: then they are in both, with a
    note. Raises InputError if nothing can be held out.
    """
    rng = np.random.default_rng(seed)
    count = max(1, min(round(HELD_OUT * len(texts)), MOST_HELD_OUT))
    chosen = held_out.by_label(held_out.keys_of_texts(texts.blocks()), texts.targets, count, rng)
    if not chosen.any():
        chosen = held_out.by_label(np.arange(len(texts)), texts.targets, count, rng)
        if not chosen.any():
            raise InputError(
                "only one text per label, so none can be held out",
                cure="give more data, or held-out data with --valid FILE",
            )
        reporter.note(
            "all texts of a label are equal, so the held-out texts also occur in the training texts; use --valid FILE for others"
        )
    return texts.only(~chosen), texts.only(chosen)


def weights_of_labels(given: str | None, texts: Texts) -> np.ndarray | None:
    """The weight of each label, float64 [C], with mean 1 over the texts. given: `balanced`, so that all labels have the same total weight, or
    `LABEL=WEIGHT,...`, where other labels have weight 1."""
    if given is None:
        return None
    counts = np.bincount(texts.targets, minlength=len(texts.labels))
    if given == "balanced":
        weights = 1 / np.maximum(counts, 1)
    else:
        weights, seen = np.ones(len(texts.labels)), set()
        for part in given.split(","):
            label, sign, value = part.rpartition("=")
            if not sign:
                raise UsageError(
                    f"not LABEL=WEIGHT: {part!r}", where="--label-weights", cure="balanced, or for example spam=5,ham=1"
                )
            if label in seen:
                raise UsageError(f"label {label!r} is given twice", where="--label-weights")
            seen.add(label)
            if label not in texts.labels:
                raise UsageError(
                    f"no label {label!r}", where="--label-weights", cure=f"one of {', '.join(texts.labels[:20])}"
                )
            weights[texts.labels.index(label)] = weight = number_of(value)
            if math.isnan(weight):
                raise UsageError(f"not a number: {value!r}", where="--label-weights", cure="for example spam=5,ham=1")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and (weights * counts).sum() > 0):
            raise UsageError("weights must be at least 0, and not all 0", where="--label-weights")
    return weights * counts.sum() / (weights * counts).sum()
