"""What the verbs answer, as typed records: Python gets them from `seqcli.load`, JSON Lines are them, TSV and tables are their fields.

Each field says how it is written: `format` in TSV, `table` on a terminal. Log-probabilities are natural logarithms.
A list of results is a `Results`: it becomes a data frame by `pandas.DataFrame(results)` and a table in a notebook.
"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

TEXT, WHOLE, LOG, SHARE = "%s", "%d", "%.6f", "%.6f"
T = TypeVar("T")


def shown(format: str = TEXT, table: str | None = None, *, default: Any = dataclasses.MISSING) -> Any:
    """A field of a result. format: in TSV; table: on a terminal, the same where it is None."""
    return field(default=default, metadata={"format": format, "table": table})


def formats(result: type) -> dict[str, tuple[str, str | None]]:
    """Of each field that TSV and tables show, in order: its format there and on a terminal."""
    return {
        f.name: (f.metadata["format"], f.metadata["table"])
        for f in dataclasses.fields(result)
        if "format" in f.metadata
    }


@dataclass(frozen=True)
class Result:
    """The base of all results."""

    def to_dict(self) -> dict[str, Any]:
        """Its fields by name, with plain values, as in JSON."""
        return {name: _plain(value) for name, value in vars(self).items()}

    def __getitem__(self, name: str) -> Any:
        """A field by its name; `dict(result)` has all of them."""
        try:
            return getattr(self, name)
        except (AttributeError, TypeError):
            raise KeyError(name) from None

    def keys(self) -> list[str]:
        return [f.name for f in dataclasses.fields(self)]

    def _repr_html_(self) -> str:
        rows = ((name, _cell(value)) for name, value in self.to_dict().items())
        return (
            "<table>"
            + "".join(f"<tr><th>{html.escape(name)}</th><td>{value}</td></tr>" for name, value in rows)
            + "</table>"
        )


class Results(list[T]):
    """A list of results, shown as a table in notebooks."""

    def _repr_html_(self) -> str:
        rows = [row.to_dict() for row in self if isinstance(row, Result)]
        if not rows:
            return f"<pre>{html.escape(repr(list(self)))}</pre>"
        head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
        body = "".join("<tr>" + "".join(f"<td>{_cell(value)}</td>" for value in row.values()) + "</tr>" for row in rows)
        return f"<table><tr>{head}</tr>{body}</table>"


def _plain(value: Any) -> Any:
    """The dictionary of a result. (`dataclasses.asdict` takes four times as long.)"""
    if isinstance(value, Result):
        return value.to_dict()
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _cell(value: Any) -> str:
    return html.escape(f"{value:.4g}" if isinstance(value, float) else str(value))


# Language models


@dataclass(frozen=True)
class SentenceScore(Result):
    """A record under one model. bits_per_byte: of its UTF-8 bytes and its line end; unknown: tokens that are `<unk>`."""

    log_prob: float = shown(LOG, "%.2f")
    perplexity: float = shown("%.4f", "%.4g")
    bits_per_byte: float = shown("%.4f", "%.3f")
    tokens: int = shown(WHOLE)
    unknown: int = shown(WHOLE)
    text: str = shown()


@dataclass(frozen=True)
class CorpusScore(Result):
    """All records under one model. perplexity_known: over the tokens that are not `<unk>`."""

    model: str = shown()
    sentences: int = shown(WHOLE)
    tokens: int = shown(WHOLE)
    unknown: int = shown(WHOLE)
    log_prob: float = shown(LOG, "%.1f")
    perplexity: float = shown("%.4f", "%.2f")
    perplexity_known: float = shown("%.4f", "%.2f")
    bits_per_byte: float = shown("%.4f")
    bits_per_character: float = shown("%.4f")
    signature: str = shown()

    @classmethod
    def of(cls, model: str, totals: Any, *, signature: str, unit: float = 1.0) -> CorpusScore:
        """totals: a `metrics.perplexity.Totals`; unit: nats of the unit of log_prob."""
        return cls(
            model, totals.sentences, totals.tokens, totals.unknown, totals.log_prob / unit, totals.perplexity,
            totals.perplexity_known, totals.bits_per_byte, totals.bits_per_character, signature,
        )  # fmt: skip


@dataclass(frozen=True)
class TokenScore(Result):
    """A token of a record. order: the length of the n-gram that was found (n-gram models); rank: 1 for the most probable token."""

    line: int = shown(WHOLE)
    index: int = shown(WHOLE)
    token: str = shown()
    log_prob: float = shown(LOG, "%.4f")
    order: int | None = shown(WHOLE, default=None)
    rank: int | None = shown(WHOLE, default=None)


@dataclass(frozen=True)
class WordScore(Result):
    """A word of a record: the sum over its tokens."""

    line: int = shown(WHOLE)
    index: int = shown(WHOLE)
    word: str = shown()
    log_prob: float = shown(LOG, "%.4f")


@dataclass(frozen=True)
class Ordering(Result):
    """One of the most probable orderings of a sentence's words. share: of the probability of all orderings, None where that is zero."""

    text: str
    log_prob: float
    share: float | None


@dataclass(frozen=True)
class ScrambleRank(Result):
    """Where a sentence stands among the orderings of its words.

    mass: its share of the probability of all of them, None where that is zero; ties: orderings that are as probable, which
    share the better rank; sampled: `orderings` is the size of a sample.
    """

    rank: int = shown(WHOLE)
    orderings: int = shown(WHOLE)
    mass: float | None = shown(SHARE)
    ties: int = shown(WHOLE)
    log_prob: float = shown(LOG, "%.2f")
    text: str = shown()
    sampled: bool = False
    best: list[Ordering] = field(default_factory=list)


@dataclass(frozen=True)
class Choice(Result):
    """A filling of `My computer is very [slow|shirt]`. share: of the probability of all fillings, None where that is zero."""

    rank: int = shown(WHOLE)
    log_prob: float = shown(LOG, "%.2f")
    share: float | None = shown(SHARE, "%.4f")
    text: str = shown()


@dataclass(frozen=True)
class PairAccuracy(Result):
    """Minimal pairs of one tag: how often the good sentence is the more probable one; ci_low, ci_high: Wilson's 95 % interval."""

    tag: str = shown()
    pairs: int = shown(WHOLE)
    correct: int = shown(WHOLE)
    ties: int = shown(WHOLE)
    accuracy: float = shown("%.4f", "%.3f")
    ci_low: float = shown("%.4f", "%.3f")
    ci_high: float = shown("%.4f", "%.3f")


@dataclass(frozen=True)
class Continuation(Result):
    """A text that continues a prompt. finish_reason: "end" (`</s>`), "stop" or "length"."""

    prompt: str
    text: str = shown()
    log_prob: float = shown(LOG)
    tokens: int = shown(WHOLE)
    finish_reason: str = shown()


@dataclass(frozen=True)
class NextToken(Result):
    """One of the most probable next tokens."""

    token: str = shown()
    probability: float = shown(SHARE, "%.4f")


# Tokenizers


@dataclass(frozen=True)
class Piece(Result):
    """A token and the code points [start, end) of the text that it stands for."""

    piece: str
    id: int
    start: int
    end: int


@dataclass(frozen=True)
class Segmentation(Result):
    """One of the ways in which a tokenizer may split a text. log_prob: as the tokenizer's unigram model gives it."""

    pieces: list[str]
    ids: list[int]
    log_prob: float


@dataclass(frozen=True)
class VocabularyEntry(Result):
    """A piece that a tokenizer knows."""

    id: int = shown(WHOLE)
    piece: str = shown()


@dataclass(frozen=True)
class TokenizerStatistics(Result):
    """How a tokenizer splits some records. round_trip_failures: records that decoding does not give back."""

    model: str = shown()
    vocab_size: int = shown(WHOLE)
    records: int = shown(WHOLE)
    tokens: int = shown(WHOLE)
    bytes_per_token: float | None = shown("%.4f")
    tokens_per_word: float | None = shown("%.4f")
    unknown_rate: float | None = shown("%.6f")
    round_trip_failures: int = shown(WHOLE)


# Classifiers


@dataclass(frozen=True)
class LabelProbability(Result):
    """A label of a text."""

    label: str
    probability: float


@dataclass(frozen=True)
class Classification(Result):
    """The most probable label of a text; labels: all of them, or the top k, most probable first."""

    label: str = shown()
    probability: float = shown(SHARE, "%.3f")
    text: str = shown()
    labels: list[LabelProbability] = field(default_factory=list)


@dataclass(frozen=True)
class WordInfluence(Result):
    """change: how much the label's log-odds fall without the word, in nats."""

    word: str = shown()
    change: float = shown(LOG, "%+.2f")


@dataclass(frozen=True)
class Explanation(Result):
    """The label of a text, and what each of its words adds to it."""

    text: str
    label: str
    probability: float
    words: list[WordInfluence]


@dataclass(frozen=True)
class LabelFigures(Result):
    """How well one label is recognised; support: the texts that have it."""

    label: str = shown()
    precision: float = shown("%.4f")
    recall: float = shown("%.4f")
    f1: float = shown("%.4f")
    support: int = shown(WHOLE)


@dataclass(frozen=True)
class Evaluation(Result):
    """A classifier's answers to labelled texts.

    ci_low, ci_high: Wilson's 95 % interval of the accuracy; majority_accuracy: that of always predicting the most frequent
    label; undecided: texts without a sufficiently probable label; confusion: row i, column j is how often label i was called j;
    loss: nats per text; calibration_error: expected calibration error of the most probable labels.
    """

    model: str
    texts: int
    accuracy: float
    ci_low: float
    ci_high: float
    macro_f1: float
    majority_label: str | None
    majority_accuracy: float
    undecided: int
    labels: list[LabelFigures]
    confusion: list[list[int]]
    loss: float
    calibration_error: float
    temperature: float
    signature: str

    @classmethod
    def of(
        cls, model: str, report: Any, labels: Sequence[str], *, loss: float, calibration_error: float, temperature: float,
        signature: str,
    ) -> Evaluation:  # fmt: skip
        """report: a `metrics.classification.Report`; labels: the names of its labels."""
        columns = (figure.tolist() for figure in (report.precision, report.recall, report.f1, report.support))
        return cls(
            model, report.texts, report.accuracy, *report.interval(), report.macro_f1,
            labels[report.majority] if report.texts else None, report.baseline, report.undecided,
            [LabelFigures(*row) for row in zip(labels, *columns)], report.confusion.tolist(), loss, calibration_error, temperature,
            signature,
        )  # fmt: skip


@dataclass(frozen=True)
class Mistake(Result):
    """A text whose predicted label is not the true one."""

    line: int = shown(WHOLE)
    truth: str = shown()
    label: str = shown()
    probability: float = shown(SHARE, "%.3f")
    text: str = shown()


# Translators


@dataclass(frozen=True)
class Hypothesis(Result):
    """finish_reason: "end", or "length" where the translation was cut, so that log_prob has no `</s>`."""

    translation: str = shown()
    log_prob: float = shown(LOG, "%.2f")
    finish_reason: str = "end"


@dataclass(frozen=True)
class Translation(Result):
    """The best translation of a text; n_best: all that were asked for, best first."""

    source: str = shown()
    translation: str = shown()
    log_prob: float = shown(LOG, "%.2f")
    finish_reason: str = "end"
    n_best: list[Hypothesis] = field(default_factory=list)


@dataclass(frozen=True)
class Attention(Result):
    """weights: row t is where the t-th target token looked in the source, [T][S]; alignment: pairs of word positions."""

    translation: str
    source: list[str]
    target: list[str]
    weights: list[list[float]]
    alignment: list[tuple[int, int]]
