"""Queries of embeddings: neighbours of words, analogies, correlation with human judgements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqcli.embeddings.vectors import unit
from seqcli.errors import InputError, UsageError, nearest
from seqcli.metrics.significance import spearman, spearman_interval
from seqcli.results import Results
from seqcli.results.embeddings import Neighbour, Similarity
from seqcli.tasks.embeddings.load import OpenEmbeddings

_SIGN = re.compile(r"\s+([+-])\s+")
_NEAR = 20_000  # number of most frequent words that are suggested for a misspelled one


class Pair(NamedTuple):
    """Two words and their similarity as judged by people."""

    first: str
    second: str
    score: float


def vectors(opened: OpenEmbeddings, words: Sequence[str]) -> np.ndarray:
    """float32 [n, D]. Raises InputError for a word without a vector."""
    vectors, known = opened.vectors.of(words)
    for word, has in zip(words, known):
        if not has:
            some = [opened.vectors.word(i) for i in range(min(len(opened.vectors), _NEAR))]
            raise InputError(f"no vector for {word!r} in {opened.name}", cure=nearest(word, some))
    return vectors


def neighbours(opened: OpenEmbeddings, word: str, *, k: int) -> Results[Neighbour]:
    """The k words most similar to `word`, excluding itself. Raises InputError if it has no vector."""
    (vector,) = vectors(opened, [word])
    return _nearest(opened, vector, k=k, without=[word])


def analogy(opened: OpenEmbeddings, expression: str, *, k: int) -> Results[Neighbour]:
    """The k words most similar to a sum such as `king - man + woman`, excluding its own words.

    Vectors are normalised to length 1 before they are added, as in word2vec and gensim (3CosAdd; Levy and Goldberg 2014).
    Raises UsageError for a malformed sum, InputError for a word without a vector.
    """
    signs, words = terms(expression)
    total = (np.array(signs, np.float32)[:, None] * unit(vectors(opened, words))).sum(axis=0)
    return _nearest(opened, total, k=k, without=words)


def terms(expression: str) -> tuple[list[int], list[str]]:
    """Signs and words of `king - man + woman`; signs are between blanks, so that words may contain hyphens."""
    first, *rest = _SIGN.split(expression.strip())
    signs, words = [1, *(1 if sign == "+" else -1 for sign in rest[::2])], [first, *rest[1::2]]
    if len(words) < 2 or not all(words):
        raise UsageError(f"not an analogy: {expression!r}", cure='for example --analogy "king - man + woman"')
    return signs, words


def _nearest(opened: OpenEmbeddings, vector: np.ndarray, *, k: int, without: Sequence[str]) -> Results[Neighbour]:
    left_out = opened.vectors.index(without).tolist()
    neighbours = opened.vectors.nearest(vector, k=k, without=left_out)
    return Results(Neighbour(opened.vectors.word(index), similarity) for index, similarity in neighbours)


def similarity(opened: OpenEmbeddings, pairs: Sequence[Pair]) -> Similarity:
    """The rank correlation of the cosine similarities of the model with the scores of the pairs."""
    words = list(dict.fromkeys(word for pair in pairs for word in (pair.first, pair.second)))
    vectors, known = opened.vectors.of(words)
    place = {word: i for i, word in enumerate(words)}
    kept = [pair for pair in pairs if known[place[pair.first]] and known[place[pair.second]]]
    units = unit(vectors)
    cosines = np.array([float(units[place[pair.first]] @ units[place[pair.second]]) for pair in kept])
    r = spearman(cosines, np.array([pair.score for pair in kept]))
    bounds = None if r is None else spearman_interval(r, len(kept))
    low, high = bounds or (None, None)
    return Similarity(opened.name, len(kept), len(pairs) - len(kept), int((~known).sum()), r, low, high)


def read_pairs(path: str) -> list[Pair]:
    """Reads lines of word, word, score, separated by tabs, commas or blanks; lines that begin with # and a header are skipped.

    Columns after the score are not read, except in SimLex-999's own file, whose header names the column of the score.
    Raises InputError.
    """
    from seqcli.data.lines import read_blocks

    lines = [line for block in read_blocks(path) for line in block.records()]
    rows = [(number, _fields(line)) for number, line in enumerate(lines, 1) if line.strip() and line[0] != "#"]
    header = [name.strip().lower() for name in rows[0][1]] if rows else []
    column = header.index("simlex999") if "simlex999" in header else 2
    pairs = []
    for number, fields in rows:
        try:
            pairs.append(Pair(fields[0], fields[1], float(fields[column])))
        except (IndexError, ValueError):
            if number != rows[0][0]:  # a header
                what = "not a pair of words and a number"
                raise InputError(
                    what, where=f"{path}, line {number}", cure="for example: car\tautomobile\t8.94"
                ) from None
    if not pairs:
        raise InputError("no pairs of words", where=path, cure="give lines such as: car\tautomobile\t8.94")
    return pairs


def _fields(line: str) -> list[str]:
    sign = "\t" if "\t" in line else "," if "," in line else None
    return [field.strip() for field in line.split(sign)]
