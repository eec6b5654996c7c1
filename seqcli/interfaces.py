"""The words that every room uses: shape letters, batch records, and the protocols of tokenizers and models.

Shape letters, here and everywhere:

    B rows   T target length   S source length   V vocabulary   D width   H heads   K head width
    L layers   N order   W window   C labels   P tokens of all rows of a batch one after another ("packed")

Logarithms are natural inside; log10 (ARPA) and bits exist only at the border.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

from seqcli import finite
from seqcli.text import Normalisation

if TYPE_CHECKING:
    import numpy as np

    from seqcli.token_batch import TokenBatch


@dataclass(frozen=True, slots=True)
class Scores:
    """What a language model says of a TokenBatch, token by token."""

    log_prob: np.ndarray  # float32 [P], natural log p(token | tokens before it in its row)
    order: np.ndarray | None = None  # int8 [P], length of the n-gram that gave it (n-gram models)
    rank: np.ndarray | None = None  # int64 [P], 1 for the likeliest token there (on request)

    def __post_init__(self):
        finite.check_log_probs(self.log_prob)

    def only(self, tokens: np.ndarray) -> Scores:
        """Of some of the tokens, bool [P]."""
        order, rank = (None if part is None else part[tokens] for part in (self.order, self.rank))
        return Scores(self.log_prob[tokens], order, rank)


class Piece(NamedTuple):
    """A token and the code points `[start, end)` of the text, as given, that it stands for."""

    text: str
    id: int
    start: int
    end: int


class Tokenizer(Protocol):
    """Text <-> token ids. Ids 0, 1, 2 are `<unk>`, `<s>`, `</s>` in every tokenizer.

    `lines` is UTF-8 as given, every line ended by a line feed; the tokenizer normalises it. With `unit="line"` each line
    is a row that ends in `</s>`; with `unit="document"` all of it is one row, in which a line feed is a character
    (characters, bytes) or `</s>` (the others). Records, which may hold line feeds, are read by `data/record_reader.py`.
    """

    KIND: str
    vocab_size: int
    normalisation: Normalisation  # of the text it reads
    specials: tuple[int, int, int]  # ids of `<unk>`, `<s>`, `</s>`; other than 0, 1, 2 only in a foreign file
    ends_rows: bool  # a line break in a document is `</s>`, not a token of its own

    @property
    def fingerprint(self) -> str:
        """Of the vocabulary, in hexadecimal digits."""

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False) -> TokenBatch:
        """learning: the text is learnt from: `<unk>` written in it is a blank to words, where else it is an unknown word. The
        other tokenizers can spell it, and do."""

    def pieces(self, text: str) -> Iterator[Piece]:
        """The tokens of one line as given (any Unicode form), without `</s>`, with offsets into it."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text; `</s>` ends a line, and the last one's may be missing."""

    def join(self, pieces: Iterable[str]) -> str:
        """The text of one record from its pieces, known or not."""

    def vocabulary(self) -> list[str]:
        """All pieces in the order of their ids."""

    def save(self, folder: Path) -> None: ...


@runtime_checkable
class Subwords(Protocol):
    """A tokenizer whose pieces are parts of words, with their spaces: a text may end inside a piece."""

    spaces_follow: bool  # a space ends a piece instead of beginning one


@runtime_checkable
class Segmenter(Protocol):
    """A tokenizer that knows several segmentations of a text."""

    def nbest(self, text: str, *, k: int) -> list[tuple[list[int], float]]:
        """The k best segmentations: token ids and the sum of their pieces' log-probabilities."""

    def sample(self, text: str, *, alpha: float, seed: int | str) -> list[int]:
        """A random segmentation, drawn by p^alpha."""


class State(Protocol):
    """What a model remembers of B rows."""

    def reorder(self, rows: np.ndarray) -> State:
        """The state of rows `rows` (int64 [B']), repeats allowed: beam search and sampling need to know no more."""


class Scorer(Protocol):
    """What says log p of tokens: a language model, or a translator given sources."""

    @property
    def precision(self) -> str:
        """Of its matrix products: fp32, bf16 or int8."""

    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """Scores every token of every row; `context` (int32 [C]) stands before each row and is not scored."""


class Stepper(Protocol):
    """What goes on token by token: a language model, or a translator given sources."""

    logits_are_log_probs: bool  # those of `extend`, exactly; else up to a constant a row

    def extend(self, tokens: np.ndarray, lengths: np.ndarray, state: Any = None) -> tuple[np.ndarray, State]:
        """Reads more of each row; returns the logits of what comes next, float32 [B, V], and the state after it.

        tokens: int32 [B, T], right-padded; lengths: int64 [B], 0 is legal; state: one of its own, from an earlier call. Without
        a state the rows begin here. The logit of `<s>` is -inf. Beginning, a forced prefix and a step by one token are all
        calls of it.
        """


class LanguageModel(Scorer, Stepper, Protocol):
    """p(token | the tokens before it), n-gram and neural alike."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def horizon(self) -> int | None:
        """How many tokens it looks back; None: all."""


@runtime_checkable
class MaskFiller(Protocol):
    """A language model that can see a whole text and fill in what is hidden."""

    @property
    def pseudo(self) -> bool:
        """Whether its scores are pseudo-log-likelihoods: of each token given all others of its row, not those before it."""

    def fill(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Natural log p of what is hidden in each row, int [T] without `<s>`, the token `vocab_size` being a mask: float32
        [masks, V]."""

    def pseudo_scores(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """As `score`, but the pseudo-log-likelihood."""


def is_pseudo(model: Scorer) -> bool:
    """Whether the scores of a model are pseudo-log-likelihoods, which do not compare with log p(text)."""
    return isinstance(model, MaskFiller) and model.pseudo


Batch = TypeVar("Batch", contravariant=True)


class Classifier(Protocol[Batch]):
    """p(label | text), n-gram, bag of words and neural alike. Its batch is what its encoder makes of lines."""

    @property
    def precision(self) -> str: ...

    def classify(self, batch: Batch) -> np.ndarray:
        """Logits of every row, float32 [B, C]: natural log p(label | row) up to a constant a row."""


class Given(Stepper, Protocol):
    """A translator given B sources: p(token | the tokens before it, source b), a language model of their translations.

    Without a state row b begins to translate source b; `State.reorder` takes sources along.
    """

    def score(self, batch: TokenBatch, *, rank: bool = False) -> Scores:
        """Scores every token of every row; row b is read as a translation of source b."""

    def attention(self, batch: TokenBatch) -> list[np.ndarray]:
        """Where row b looks in source b at each of its tokens: float32 [T, S], `</s>` of both too; rows sum to 1.

        By forced decoding, so it belongs to these tokens, whatever a search did to find them.
        """


class Translator(Protocol):
    """p(target | source)."""

    window: int  # the longest source that it reads, in tokens, `</s>` too
    batch_tokens: int  # of sources that are read in one pass, padding included

    @property
    def precision(self) -> str: ...

    @property
    def vocab_size(self) -> int:
        """Of the target."""

    def encode(self, batch: TokenBatch) -> Any:
        """What `given` needs to know of sources, rows that end in `</s>` and are none longer than `window`."""

    def given(self, memory: Any) -> Given: ...


@runtime_checkable
class Placeable(Protocol):
    """A network: it answers on a device, in a precision, from now on."""

    def place(self, placement: Any, *, batch_tokens: int | None = None) -> None:
        """placement: a `training.device.Placement`; batch_tokens: read in one pass, None to leave it."""


class Reporter(Protocol):
    """Where long work says how far it is; `report/` draws it, tests collect it."""

    def note(self, line: str) -> None:
        """Something a user should know: one line."""

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        """So far: `done` of `total` (None: nobody knows)."""

    def clear(self) -> None:
        """Takes back the line of progress, before results are printed."""


class _Silent:
    def note(self, line: str) -> None:
        pass

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        pass

    def clear(self) -> None:
        pass


SILENT: Reporter = _Silent()


@dataclass(frozen=True)
class OpenScorer:
    """What scores texts, with its tokenizer, ready to be asked."""

    name: str  # unique among the models of one command
    arch: str
    unit: str  # "line" or "document": what a row of its training text was
    tokenizer: Tokenizer
    model: Scorer

    @property
    def ends(self) -> bool:
        """Whether a line break is `</s>`."""
        return has_line_ends(self.tokenizer, self.unit)


@dataclass(frozen=True)
class OpenModel(OpenScorer):
    """A language model with its tokenizer."""

    model: LanguageModel


def has_line_ends(tokenizer: Tokenizer, unit: str) -> bool:
    """Whether a line break is `</s>`: not in documents of characters and bytes, where it is a token like all others."""
    return unit == "line" or tokenizer.ends_rows


@dataclass(frozen=True)
class OpenTranslator:
    """A translator with the tokenizers of both sides, ready to be asked."""

    name: str
    arch: str
    source: Tokenizer
    target: Tokenizer
    model: Translator
