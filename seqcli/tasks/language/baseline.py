"""Baselines of a held-out loss, and the record of the held-out text."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from itertools import chain

import numpy as np

from seqcli.data.lines import Block
from seqcli.interfaces import Tokenizer
from seqcli.metrics import unigram
from seqcli.system.workers import ordered_map
from seqcli.tasks.language.data import Corpus


def beside(stream: np.ndarray, held_out: np.ndarray, *, size: int) -> dict[str, float]:
    """The loss, in nats per held-out token, of the unigram model of the training text and of the uniform distribution over `size` tokens.

    stream: the training text, int32 [T]; held_out: counts of each token in the held-out text, int64 [V].
    """
    return {"unigram": unigram.cross_entropy(unigram.counts(stream, size), held_out), "uniform": unigram.uniform(size)}


def counted(valid: Corpus, tokenizer: Tokenizer, *, threads: int | None) -> tuple[np.ndarray, str]:
    """The count of each token in files of held-out text, int64 [V], and the fingerprint of their text."""
    checksum = 0

    def blocks() -> Iterator[Block]:
        nonlocal checksum
        for block in chain.from_iterable(valid.files()):
            checksum = zlib.crc32(block.data, checksum)
            yield block

    counts = np.zeros(tokenizer.vocab_size, np.int64)
    for part in ordered_map(partial(_counts, tokenizer, valid.unit), blocks(), workers=threads):
        counts += part
    return counts, f"{checksum:08x}"


def _counts(tokenizer: Tokenizer, unit: str, block: Block) -> np.ndarray:
    return unigram.counts(tokenizer.encode(block.data, unit=unit).tokens, tokenizer.vocab_size)
