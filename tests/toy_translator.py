"""A translator of bytes without a network: it says the source again, in capitals, or errs; its logits are a function of
source and prefix alone."""

import zlib
from dataclasses import dataclass

import numpy as np

from seqcli.decoding.logits import log_softmax
from seqcli.interfaces import OpenTranslator, Scores
from seqcli.text import BOS_ID, EOS_ID
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers.bytes import Bytes

V = Bytes.vocab_size
NOISE = np.random.default_rng(0).normal(scale=2, size=(4099, V)).astype(np.float32)


@dataclass
class Toy:
    """certainty: how many nats the next letter's logit has more than noise; seen: all rows that were ever encoded."""

    certainty: float = 16.0
    window: int = 64
    batch_tokens: int = 4096
    suppress_tokens: tuple[int, ...] = (0,)
    precision: str = "fp32"
    vocab_size: int = V

    def __post_init__(self):
        self.seen: list[bytes] = []

    def encode(self, batch: TokenBatch) -> list[np.ndarray]:
        rows = np.split(batch.tokens, batch.lengths.cumsum()[:-1])
        assert all(1 <= len(row) <= self.window and row[-1] == EOS_ID and EOS_ID not in row[:-1] for row in rows)
        self.seen += [bytes((row[:-1] - 3).tolist()) for row in rows]
        return rows

    def conditioned_on(self, memory: list[np.ndarray]) -> "ConditionedTranslator":
        return ConditionedTranslator(self, memory)

    def logits(self, source: np.ndarray, prefix: tuple[int, ...]) -> np.ndarray:
        key = zlib.crc32(source.astype(np.int32).tobytes() + np.array(prefix, np.int32).tobytes())
        noise = NOISE[key % len(NOISE)].copy()
        wanted = source[len(prefix)] if len(prefix) < len(source) else EOS_ID
        noise[wanted - 32 if ord("a") <= wanted - 3 <= ord("z") else wanted] += self.certainty
        noise[BOS_ID] = -np.inf
        return noise


@dataclass
class Rows:
    """The state: the source of each row, and what it has said."""

    rows: list[tuple[int, tuple[int, ...]]]

    def reorder(self, rows):
        return Rows([self.rows[row] for row in rows])


@dataclass
class ConditionedTranslator:
    logits_are_log_probs = False
    model: Toy
    sources: list[np.ndarray]

    def extend(self, tokens, lengths, state=None):
        state = state or Rows([(source, ()) for source in range(len(self.sources))])
        assert tokens.dtype == np.int32 and len(tokens) == len(lengths) == len(state.rows)
        rows = [
            (source, said + tuple(more[:n].tolist())) for (source, said), more, n in zip(state.rows, tokens, lengths)
        ]
        return np.array([self.model.logits(self.sources[source], said) for source, said in rows]), Rows(rows)

    def score(self, batch, *, rank=False):
        log_prob, ranks = [], []
        for source, row in zip(self.sources, np.split(batch.tokens, batch.lengths.cumsum()[:-1]), strict=True):
            for place, token in enumerate(row.tolist()):
                log_p = log_softmax(self.model.logits(source, tuple(row[:place].tolist()))[None])[0]
                log_prob.append(log_p[token])
                ranks.append(1 + int((log_p > log_p[token]).sum()))
        return Scores(np.array(log_prob, np.float32), rank=np.array(ranks) if rank else None)

    def attention(self, batch):
        """Mostly at the source's token of the same number."""
        maps = []
        for source, length in zip(self.sources, batch.lengths.tolist(), strict=True):
            weights = np.full((length, len(source)), 0.1 / len(source), np.float32)
            weights[np.arange(length), np.minimum(np.arange(length), len(source) - 1)] += 0.9
            maps.append(weights)
        return maps


def toy(**settings) -> OpenTranslator:
    return OpenTranslator("toy", "toy", Bytes(), Bytes(), Toy(**settings))
