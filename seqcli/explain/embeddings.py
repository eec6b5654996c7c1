"""The vectors of the words of a text: the nearest neighbours of each, and all of them in two dimensions (principal components).

The vectors are word embeddings, or the token embeddings of a network.
"""

from __future__ import annotations

from seqcli.embeddings.vectors import pca
from seqcli.errors import InputError
from seqcli.results.views import EmbeddedWord, Embeddings, Point
from seqcli.tasks.embeddings import queries
from seqcli.tasks.embeddings.load import OpenEmbeddings
from seqcli.text import WORD, one_line

_MOST = 100  # maximum number of words, so that they can be distinguished in a plot


def embeddings(opened: OpenEmbeddings, text: str, *, k: int) -> Embeddings:
    """k: number of neighbours of each word. Raises InputError for a text of too many words, or if none of them has a vector."""
    words = list(dict.fromkeys(WORD.findall(one_line(text))))
    if len(words) > _MOST:
        raise InputError(
            f"{len(words):,} different words, but this view shows at most {_MOST}", cure="give a shorter text"
        )
    known = opened.vectors.of(words)[1]
    if words and not known.any():
        raise InputError(f"no word of the text has a vector in {opened.name}", cure="use other words")
    found = [
        EmbeddedWord(word, list(queries.neighbours(opened, word, k=k)) if has else None)
        for word, has in zip(words, known.tolist())
    ]
    own = [word for word, has in zip(words, known.tolist()) if has]
    others = dict.fromkeys(each.word for word in found for each in word.neighbours or [])
    names = [*own, *(name for name in others if name not in own)]
    points, shares = pca(opened.vectors.of(names)[0])
    places = [
        Point(name, round(x, 6), round(y, 6), place < len(own))
        for place, (name, (x, y)) in enumerate(zip(names, points.tolist()))
    ]
    return Embeddings(found, places, [round(share, 6) for share in shares.tolist()])
