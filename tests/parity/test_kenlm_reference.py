"""KenLM as judge: what `lmplz` estimated and `query` scored, recorded in ../shared/reference/kenlm.

`CORPUS.oN[.pruneABC|.fallback].query.txt` holds "word=id length log10" for every token of CORPUS-query.txt.
"""

import gzip
import math
import re
from pathlib import Path

import numpy as np
import pytest

from seqcli.data.lines import read_blocks
from seqcli.ngram import counts, kneser_ney
from seqcli.ngram.arena import Arena
from seqcli.text import BOS_ID
from seqcli.tokenizers.words import Distinct, Learner, Words

REFERENCE = Path(__file__).parents[3] / "shared/reference/kenlm"
QUERIES = [path.name.removesuffix(".query.txt") for path in sorted(REFERENCE.glob("*.query.txt"))]
ABSENT = pytest.param(None, marks=pytest.mark.skip(reason="no ../shared/reference/kenlm here"))
TOKEN = re.compile(r"[^\t]*=\d+ (\d+) (-[\d.e-]+|0)\t")


def text_of(name: str) -> bytes:
    return b"".join(block.data for block in read_blocks(str(REFERENCE / name)))


def stream_of(vocabulary: Words, text: bytes) -> np.ndarray:
    batch = vocabulary.encode(text)
    return np.insert(batch.tokens, batch.starts, BOS_ID)


@pytest.mark.parametrize("memory", [1 << 30, 1 << 20], ids=["in memory", "by runs"])
@pytest.mark.parametrize("name", QUERIES or [ABSENT])
def test_scores_are_kenlms(name, memory, tmp_path):
    corpus, order, *rest = name.split(".")
    prune = tuple(int(digit) for digit in rest[0].removeprefix("prune")) if rest and "prune" in rest[0] else ()
    text = text_of(f"{corpus}.txt")
    learner = Learner()
    learner.add(Distinct(text))
    vocabulary = learner.finish()
    stream = stream_of(vocabulary, text)
    arena = Arena(memory=memory, tokens=len(stream), folder=tmp_path)
    levels = counts.count(stream, vocab_size=vocabulary.vocab_size, order=int(order[1:]), arena=arena)
    table = kneser_ney.smooth(levels, arena=arena, prune=prune).table

    with gzip.open(REFERENCE / f"{name}.arpa.gz", "rt", encoding="utf-8") as arpa:
        head = arpa.read(1000).partition("\n\n")[0]
    assert table.sizes == [int(size) for size in re.findall(r"^ngram \d=(\d+)$", head, re.MULTILINE)]

    judged = TOKEN.findall((REFERENCE / f"{name}.query.txt").read_text("utf-8"))
    asked = stream_of(vocabulary, text_of(f"{corpus.removesuffix('3k')}-query.txt"))
    log_prob, matched = (values[asked != BOS_ID] for values in table.score(asked))
    assert len(log_prob) == len(judged) > 0
    np.testing.assert_allclose(log_prob / math.log(10), [float(value) for _, value in judged], rtol=0, atol=2e-5)
    assert matched.tolist() == [int(length) for length, _ in judged]
