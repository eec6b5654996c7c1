"""What a model does with a text, view by view: what `seqcli explain` shows and `--json` writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seqcli.results import Result
from seqcli.results.embeddings import Neighbour
from seqcli.results.language import NextToken


@dataclass(frozen=True)
class TokenSurprisal(Result):
    """A token, its natural log p, and what the model expected there, most probable first."""

    token: str
    log_prob: float
    expected: list[NextToken]


@dataclass(frozen=True)
class Surprisal(Result):
    """How much each token of a text surprises a model: -log p."""

    tokens: list[TokenSurprisal]
    view: str = "surprisal"


@dataclass(frozen=True)
class AttentionHead(Result):
    """weights [T][S]: row t is where query t looks, its sum 1. previous, first, own: the mean weight of the token before, the
    first token and the token itself; entropy: of a row, in nats, the mean. dots [T][S]: q . k, of which the weights are the softmax
    of dots / sqrt(K); values [S]: the length of each value vector. Both are left out of long texts and where nothing computes so."""

    weights: list[list[float]]
    previous: float | None
    first: float
    own: float | None
    entropy: float
    dots: list[list[float]] | None = None
    values: list[float] | None = None


@dataclass(frozen=True)
class AttentionLayer(Result):
    heads: list[AttentionHead]


@dataclass(frozen=True)
class AttentionView(Result):
    """kind: "self" of a language model or classifier; of a translator "encoder", "decoder" and "cross". attended: the tokens that
    are looked at, `keys` in JSON. width: K, the numbers of a query. grouped: of a long text so many consecutive tokens are as one: the
    weights of its tokens summed up as keys, and their mean as queries; names are joined by blanks."""

    kind: str
    queries: list[str]
    attended: list[str]
    layers: list[AttentionLayer]
    width: int | None = None
    grouped: int = 1
    view: str = "attention"

    def to_dict(self) -> dict[str, Any]:
        return {"keys" if name == "attended" else name: value for name, value in super().to_dict().items()}


@dataclass(frozen=True)
class AttentionStep(Result):
    """How one token weighs another: dot = q . k, scaled = dot / sqrt(K), weight = softmax(scaled); value, weighted: the length of
    the other's value vector, and of weight x value, what it adds."""

    token: str
    dot: float
    scaled: float
    weight: float
    value: float
    weighted: float


@dataclass(frozen=True)
class AttentionSteps(Result):
    """How the attention of one token in a head is computed; kind: as of `AttentionView`, layer, head and query from 1."""

    kind: str
    layer: int
    head: int
    query: int
    token: str
    steps: list[AttentionStep]
    view: str = "steps"


@dataclass(frozen=True)
class Gate(Result):
    """values [T][units]; mean: per token; saturated: the share of all values that are nearer than a tenth to an end of their
    range; moving: the units that change most from token to token."""

    name: str
    values: list[list[float]]
    mean: list[float]
    saturated: float
    moving: list[int]


@dataclass(frozen=True)
class GateLayer(Result):
    gates: list[Gate]


@dataclass(frozen=True)
class Gates(Result):
    """cell: "rnn", "lstm" or "gru"."""

    cell: str
    tokens: list[str]
    layers: list[GateLayer]
    view: str = "gates"


@dataclass(frozen=True)
class ContextLoss(Result):
    """The mean loss of the same tokens where at most so many tokens before each are seen."""

    tokens: int
    nats: float


@dataclass(frozen=True)
class GradientNorm(Result):
    """The norm of d loss(t) / d input(t - distance), the mean over t."""

    distance: int
    norm: float


@dataclass(frozen=True)
class Cost(Result):
    """Of scoring a text of so many tokens. operations: multiply-adds; steps: how many must follow one another."""

    tokens: int
    seconds: float
    operations: int
    steps: int


@dataclass(frozen=True)
class Reach(Result):
    """How far back a model remembers. untrained: the gradients of the same network with random weights."""

    contexts: list[ContextLoss]
    gradients: list[GradientNorm] = field(default_factory=list)
    untrained: list[GradientNorm] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    view: str = "reach"


@dataclass(frozen=True)
class Positions(Result):
    """similarity [P][P]: cosines of the encodings of two positions; of rotary ones the mean cosine of the angle between them."""

    kind: str
    similarity: list[list[float]]
    view: str = "positions"


@dataclass(frozen=True)
class SearchNode(Result):
    """A hypothesis of a beam: `token` after those of `parent` (an index, None for the root). log_prob: of all its tokens; kept:
    whether it stayed in the beam; ended: whether it is complete; rank: of a result, 1 for the best."""

    parent: int | None
    token: str
    log_prob: float
    kept: bool
    ended: bool
    rank: int | None = None


@dataclass(frozen=True)
class Search(Result):
    """A beam search as a tree, in the order in which it grew."""

    beam_size: int
    nodes: list[SearchNode]
    view: str = "search"


@dataclass(frozen=True)
class BackoffStep(Result):
    """An n-gram that was looked up. found: its log_prob counts and the search ends; else the back-off weight of its context
    is added and a shorter context is tried."""

    order: int
    context: list[str]
    found: bool
    log_prob: float | None
    log_backoff: float


@dataclass(frozen=True)
class TokenPath(Result):
    """log_prob is the sum of the last step's and of all back-offs before it."""

    token: str
    log_prob: float
    steps: list[BackoffStep]


@dataclass(frozen=True)
class Transition(Result):
    """A token that may follow, and the length of the n-gram that gives its probability:

        probability = own + lower,  own = (count - discount) / total,  lower = back-off weight x p(token | shorter context)

    total and the back-off weight are those of `Context`. count and discount are None where the model does not tell; own is 0 of an
    n-gram that is not in the table."""

    token: str
    probability: float
    order: int
    count: int | None = None
    discount: float | None = None
    own: float = 0.0
    lower: float = 0.0


@dataclass(frozen=True)
class Context(Result):
    """The context of a transition table: the longest end of the text that the table has. total: of the counts of all tokens that follow
    it, None where the model does not tell; log_backoff: the logarithm of its back-off weight."""

    tokens: list[str]
    total: int | None
    log_backoff: float


@dataclass(frozen=True)
class NgramPaths(Result):
    """How an n-gram model arrives at each number: a Markov model of order N - 1. next: the transition table of `context`, which the text
    ends in; discounts: of counts 1, 2 and more, per order."""

    order: int
    tokens: list[TokenPath]
    next: list[Transition]
    discounts: list[list[float]]
    context: Context
    view: str = "ngram"


@dataclass(frozen=True)
class EmbeddedWord(Result):
    """neighbours: the words whose vectors are nearest, nearest first; None for a word without a vector."""

    word: str
    neighbours: list[Neighbour] | None


@dataclass(frozen=True)
class Point(Result):
    """A word in the plane; own: whether the text has it."""

    word: str
    x: float
    y: float
    own: bool


@dataclass(frozen=True)
class Embeddings(Result):
    """The words of a text among their neighbours. shares: of the variance, of the two directions of the plane."""

    words: list[EmbeddedWord]
    points: list[Point]
    shares: list[float]
    view: str = "embeddings"


@dataclass(frozen=True)
class WordInfluences(Result):
    """Of a classifier: the change of the log-odds of the label that each word brings, found by leaving it out (nats). grouped: of a
    long text so many consecutive words are left out together."""

    label: str
    probability: float
    words: list[Any]
    grouped: int = 1
    view: str = "words"
