"""Shared vocabulary: shape letters, scores, and the protocols of tokenizers and models.

Shape letters, here and everywhere:

    B rows   T target length   S source length   V vocabulary   D width   H heads   K head width
    L layers   N order   W window   C labels   P tokens of all rows of a batch one after another ("packed")

Logarithms are natural throughout; log10 (ARPA) and bits occur only in input and output.
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
    """The scores that a language model gives the tokens of a TokenBatch."""

    log_prob: np.ndarray  # float32 [P], natural log p(token | tokens before it in its row)
    order: np.ndarray | None = None  # int8 [P], length of the matched n-gram (n-gram models)
    rank: np.ndarray | None = None  # int64 [P], rank of the token, 1 for the most likely (on request)

    def __post_init__(self):
        finite.check_log_probs(self.log_prob)

    def only(self, tokens: np.ndarray) -> Scores:
        """The scores of some of the tokens. tokens: bool [P]."""
        order, rank = (None if part is None else part[tokens] for part in (self.order, self.rank))
        return Scores(self.log_prob[tokens], order, rank)


class Piece(NamedTuple):
    """A token, and the code points `[start, end)` of the given text that it covers."""

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
    normalisation: Normalisation  # of its input text
    specials: tuple[int, int, int]  # ids of `<unk>`, `<s>`, `</s>`; other than 0, 1, 2 only in a foreign file
    ends_rows: bool  # a line break in a document is `</s>`, not a token of its own

    @property
    def fingerprint(self) -> str:
        """Hash of the vocabulary, in hexadecimal digits."""

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False) -> TokenBatch:
        """The tokens of `lines`. learning: the text is training text, in which the words tokenizer treats a literal
        `<unk>` as a blank rather than an unknown word; the other tokenizers encode it as text in either case."""

    def pieces(self, text: str) -> Iterator[Piece]:
        """The tokens of one line as given (any Unicode form), without `</s>`, with offsets into it."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of token ids; `</s>` ends a line and may be missing at the end."""

    def join(self, pieces: Iterable[str]) -> str:
        """The text of one record from its pieces, in the vocabulary or not."""

    def vocabulary(self) -> list[str]:
        """All pieces, in order of their ids."""

    def save(self, folder: Path) -> None: ...


@runtime_checkable
class Subwords(Protocol):
    """A tokenizer whose pieces are parts of words and include the spaces, so that a text may end inside a piece."""

    spaces_follow: bool  # a space ends a piece instead of beginning one
    space: str  # how a space is written in a piece


@runtime_checkable
class Documents(Protocol):
    """A tokenizer whose tokens may go across line breaks, so that a document has other tokens than its lines."""

    def encode_documents(self, documents: Sequence[str], *, learning: bool = False) -> TokenBatch:
        """The tokens of documents as given, a row each; see `Tokenizer.encode`."""


@runtime_checkable
class Renumbered(Protocol):
    """A tokenizer of another tool, whose tokens have ids of their own in its files. Users see the files' ids."""

    file_ids: np.ndarray  # int64 [V], the file's id of each of ours; -1 where its file has no such special token
    mask_id: int | None  # the file's id of the token that hides another

    def file_vocabulary(self) -> dict[int, str]:
        """The token of each of the file's ids, in their order."""

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of the tokens of one line, special ones as they are written in a text."""


@runtime_checkable
class Segmenter(Protocol):
    """A tokenizer with several segmentations of a text."""

    def nbest(self, text: str, *, k: int) -> list[tuple[list[int], float]]:
        """The k best segmentations: token ids and the sum of their pieces' log-probabilities."""

    def sample(self, text: str, *, alpha: float, seed: int | str) -> list[int]:
        """A segmentation drawn with probability proportional to p^alpha."""


class State(Protocol):
    """The state of a model after reading B rows."""

    def reorder(self, rows: np.ndarray) -> State:
        """The state of rows `rows` (int64 [B'], repeats allowed). This is all that beam search and sampling need."""


class Scorer(Protocol):
    """Computes log p of tokens: a language model, or a translator given its sources."""

    @property
    def precision(self) -> str:
        """Precision of the matrix products: fp32, bf16, int8, w8a8 or int4."""

    def score(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """Scores every token of every row; `context` (int32 [C]) precedes each row and is not scored."""


class Sampling(Protocol):
    """How a distribution is changed before a token is drawn from it: `decoding.sampling.Policy`."""

    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int | None: ...
    @property
    def top_p(self) -> float: ...
    @property
    def min_p(self) -> float: ...
    @property
    def repetition_penalty(self) -> float: ...


class Best(NamedTuple):
    """The most likely tokens of each row, most likely first, of equal ones the first: int64 [B, k]; their logits, [B, k]; and what
    makes these log-probabilities when it is subtracted, float64 [B]."""

    tokens: np.ndarray
    logits: np.ndarray
    normaliser: np.ndarray


class Drawn(NamedTuple):
    """A token of each row, int64 [B], and its natural log p under the model itself, float64 [B]."""

    tokens: np.ndarray
    log_prob: np.ndarray


class Logits(Protocol):
    """Of the next token of B rows, wherever they are. never: tokens that cannot come; forbidden: rows and tokens, int64 [n] each,
    that cannot either. Both are left out of what is chosen, and count in log p."""

    def best(
        self, k: int, *, never: Sequence[int] = (), forbidden: tuple[np.ndarray, np.ndarray] | None = None
    ) -> Best: ...

    def draw(
        self, policy: Sampling, u: np.ndarray, *, history: np.ndarray | None = None, never: Sequence[int] = (),
        forbidden: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> Drawn:  # fmt: skip
        """u: [B], in [0, 1), the share of the total probability that lies before the token; history: int [B, T],
        the tokens of each row so far."""


class AutoregressiveModel(Protocol):
    """Continues rows token by token: a language model, or a translator given its sources."""

    logits_are_log_probs: bool  # whether logits of `extend` are log-probabilities, not shifted by a constant per row

    def extend(self, tokens: np.ndarray, lengths: np.ndarray, state: Any = None) -> tuple[np.ndarray, State]:
        """Reads more tokens of each row.

        Returns the logits of the next token, float32 [B, V], and the new state. tokens: int32 [B, T], right-padded;
        lengths: int64 [B], 0 is allowed; state: from an earlier call, None to begin new rows. The logit of `<s>` is
        -inf. The start of a text, a forced prefix and a step by one token are all calls of this method.
        """


@runtime_checkable
class OnDevice(Protocol):
    """An `AutoregressiveModel` that may compute on a device from which logits should not be fetched."""

    @property
    def on_device(self) -> bool: ...

    def step(self, tokens: np.ndarray, lengths: np.ndarray, state: Any = None) -> tuple[Logits, State]:
        """As `extend`, but the logits stay where they are."""


class LanguageModel(Scorer, AutoregressiveModel, Protocol):
    """p(token | preceding tokens), for n-gram and neural models alike."""

    @property
    def vocab_size(self) -> int: ...

    @property
    def horizon(self) -> int | None:
        """The number of preceding tokens that the model uses; None: all."""


@runtime_checkable
class Distributions(Protocol):
    """A language model that shows what it expected at every token of a text."""

    def distributions(self, row: np.ndarray) -> Iterator[np.ndarray]:
        """Natural log p of every token of the vocabulary at each token of a row (int [T]), in the context in which `score` scores it:
        float32 [n, V] each, T in total, in order."""


@runtime_checkable
class MaskFiller(Protocol):
    """A language model that can see a whole text and fill in what is hidden."""

    @property
    def predicts_end(self) -> bool:
        """Whether the `</s>` of a row is predicted, too; else rows come without, and it is in view after each of them."""

    @property
    def pseudo(self) -> bool:
        """Whether its scores are pseudo-log-likelihoods: of each token given all others of its row, not those before it."""

    def fill(self, rows: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Natural log p of what is hidden in each row, int [T] without `<s>`, the token `vocab_size` being a mask: float32
        [masks, V]."""

    def pseudo_scores(self, batch: TokenBatch, *, context: np.ndarray | None = None, rank: bool = False) -> Scores:
        """As `score`, but the pseudo-log-likelihood."""


@runtime_checkable
class Adaptive(Protocol):
    """A scorer that adapts to the text that it has scored, so that the order of texts matters."""

    @property
    def adaptation(self) -> dict[str, str]:
        """What the signature says of it."""

    def restart(self) -> None:
        """Forgets the text so far."""


def is_pseudo(model: Scorer) -> bool:
    """Whether the scores of a model are pseudo-log-likelihoods, which do not compare with log p(text)."""
    return isinstance(model, MaskFiller) and model.pseudo


def predicts_end(model: Scorer) -> bool:
    """Whether the end of a text counts in its scores."""
    return not isinstance(model, MaskFiller) or model.predicts_end


Batch = TypeVar("Batch", contravariant=True)


class Classifier(Protocol[Batch]):
    """p(label | text), for n-gram, bag-of-words and neural models alike. Its encoder turns lines into its batches."""

    @property
    def precision(self) -> str: ...

    def classify(self, batch: Batch) -> np.ndarray:
        """Logits of every row, float32 [B, C]: natural log p(label | row) up to a constant per row."""


class ConditionedTranslator(AutoregressiveModel, Protocol):
    """A translator given B sources: p(token | preceding tokens, source b), which is a language model of their
    translations. Without a state, row b begins the translation of source b; `State.reorder` reorders the sources too.
    """

    def score(self, batch: TokenBatch, *, rank: bool = False) -> Scores:
        """Scores every token of every row; row b is a translation of source b."""

    def attention(self, batch: TokenBatch) -> list[np.ndarray]:
        """Attention of each target token of row b to the source tokens of b: float32 [T, S], including `</s>` on both
        sides; rows sum to 1. Computed by forced decoding, so it belongs to these tokens, however they were found."""


class Translator(Protocol):
    """p(target | source)."""

    window: int  # maximum length of a source in tokens, including `</s>`
    batch_tokens: int  # tokens of the sources in one pass, including padding
    suppress_tokens: tuple[int, ...]  # tokens that are never generated

    @property
    def precision(self) -> str: ...

    @property
    def vocab_size(self) -> int:
        """Size of the target vocabulary."""

    def encode(self, batch: TokenBatch) -> Any:
        """The encoded sources, for `conditioned_on`. sources: rows that end in `</s>`, none longer than `window`."""

    def conditioned_on(self, memory: Any) -> ConditionedTranslator: ...


@runtime_checkable
class Placeable(Protocol):
    """A neural model, which can be moved to a device and a precision."""

    def place(self, placement: Any, *, batch_tokens: int | None = None) -> None:
        """placement: a `training.device.Placement`; batch_tokens: tokens per pass, None to keep the current number."""


class Reporter(Protocol):
    """Receives notes and progress of long work; `report/` shows them, tests collect them."""

    def note(self, line: str) -> None:
        """Reports one line that the user should know."""

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        """Reports progress: `done` of `total` (None: unknown)."""

    def clear(self) -> None:
        """Removes the progress line, before results are printed."""


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
    """A model that scores texts, with its tokenizer."""

    name: str  # unique among the models of one command
    arch: str
    unit: str  # unit of its training text: "line" or "document"
    tokenizer: Tokenizer
    model: Scorer
    ends_documents: bool = False  # `</s>` may end a text of any unit, as in a model trained on many documents
    hub: str = ""  # NAME@COMMIT of a model of the Hugging Face hub

    @property
    def ends(self) -> bool:
        """Whether a line break is `</s>`, a token that counts."""
        return has_line_ends(self.tokenizer, self.unit) and predicts_end(self.model)


@dataclass(frozen=True)
class OpenModel(OpenScorer):
    """A language model with its tokenizer."""

    model: LanguageModel


def has_line_ends(tokenizer: Tokenizer, unit: str) -> bool:
    """Whether a line break is `</s>`: not in documents of characters and bytes, where it is a token like all others."""
    return unit == "line" or tokenizer.ends_rows


@dataclass(frozen=True)
class OpenTranslator:
    """A translator with the tokenizers of source and target."""

    name: str
    arch: str
    source: Tokenizer
    target: Tokenizer
    model: Translator
    hub: str = ""  # NAME@COMMIT of a model of the Hugging Face hub
