"""The most likely tokens at a place of a text: after it, for any language model, or at its masks, for a masked one.

If a text ends inside a token, the rest of that token is a candidate: "I stu" may be followed by "dy" and "dent". The probability of a
piece that can be reached both ways is the sum of the two.

A mask is one token (Devlin et al. 2019). With a subword tokenizer it stands for a piece including the space before it, so
`very [MASK].` becomes `very`, a mask and `.`. With the words tokenizer, whose words end at blanks, it stands for a word: `very` and a
mask. The tokenizer of another tool has its own mask token, such as `<mask>`, which may also be written in the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice

import numpy as np

from seqcli.data.record_reader import RecordReader
from seqcli.decoding.logits import top
from seqcli.decoding.prompt import Prompt, Prompter, begin
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import MaskFiller, OpenModel, Renumbered, Tokenizer
from seqcli.results.language import Filling, NextToken
from seqcli.text import SPACE_MARK

MASK = "[MASK]"
_HIDDEN = "\ufffc"  # stands for the mask while the text is tokenized: "object replacement character"
_AT_ONCE = 1 << 22  # maximum number of logits held at a time


class NextTokenPredictor:
    """Next-token distributions of a model."""

    def __init__(self, opened: OpenModel):
        self._opened, self._prompter = opened, Prompter(opened)
        self._names = opened.tokenizer.vocabulary()

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {name: id for id, name in enumerate(self._names)}

    def after(self, texts: Iterable[str], *, k: int) -> Iterator[list[tuple[str, float]]]:
        """The k most likely next tokens of each text with their probabilities, most likely first."""
        prompts = map(self._prompter.read, texts)
        while chunk := list(islice(prompts, max(1, _AT_ONCE // len(self._names)))):
            begun = begin(self._opened.model, chunk)
            for prompt, rows in zip(chunk, begun.rows):
                yield self._likeliest(prompt, np.exp(begun.log_prob[rows]), k)

    def _likeliest(self, prompt: Prompt, p: np.ndarray, k: int) -> list[tuple[str, float]]:
        """p: [starts, V]; the last row is for whole tokens."""
        found = {self._names[id]: float(p[-1, id]) for id in top(p[-1:], k)[0]}
        for start, row in zip(prompt.starts[:-1], p):
            for id in () if start.only is None else start.only:
                name = self._names[id].removeprefix(start.rest)
                if name not in found:
                    found[name] = float(p[-1, self._ids[name]]) if name in self._ids else 0.0
                found[name] += float(row[id])
        return sorted(found.items(), key=lambda item: -item[1])[:k]


def fill(opened: OpenModel, texts: Iterable[str], *, k: int) -> Iterator[Filling]:
    """The k most likely tokens for each mask of each text; all masks of a text are predicted at once. Raises UsageError
    for a model that is not masked, InputError for a text without a mask."""
    model, reader, names = opened.model, RecordReader.of(opened), opened.tokenizer.vocabulary()
    if not isinstance(model, MaskFiller):
        cure = "use a model trained with --objective masked or hybrid"
        raise UsageError(f"{opened.name} is not a masked model", where="--fill", cure=cure)
    texts = iter(texts)
    while some := list(islice(texts, max(1, _AT_ONCE // (4 * len(names))))):
        rows = [_masked(reader, text, names) for text in some]
        for text, log_probs in zip(some, model.fill(rows), strict=True):
            best = top(log_probs, k)
            masks = [
                [NextToken(names[id], float(np.exp(row[id]))) for id in ids]
                for row, ids in zip(log_probs, best.tolist())
            ]
            yield Filling(text, masks)


def _masked(reader: RecordReader, text: str, names: Sequence[str]) -> np.ndarray:
    """The token ids of a text, with V as the id of each mask. names: of the V tokens."""
    own = _own_mask(reader.tokenizer)
    if MASK not in text and not (own and own in text):
        raise InputError(f"no {MASK} in {text!r}", cure=f"write {MASK} for each word to fill in")
    if own:
        return _with_own_mask(reader, text.replace(MASK, own), size=len(names))
    hidden = text.replace(_HIDDEN, " ").replace(MASK, _HIDDEN)
    ids: list[int] = []
    covered = 0  # number of masks that already have their token
    for piece in reader.pieces(hidden, whole=True):
        masks = hidden.count(_HIDDEN, piece.start, piece.end)
        first = hidden.count(_HIDDEN, 0, piece.start)
        if not masks:
            ids.append(piece.id)
            continue
        if first + masks > covered:
            if ids and ids[-1] < len(names) and names[ids[-1]] == SPACE_MARK:
                ids.pop()
            ids += [len(names)] * (first + masks - max(first, covered))
            covered = first + masks
    return np.array(ids, np.int64)


def _own_mask(tokenizer: Tokenizer) -> str | None:
    """The tokenizer's own mask token, or None."""
    if not isinstance(tokenizer, Renumbered) or tokenizer.mask_id is None:
        return None
    return tokenizer.file_vocabulary()[tokenizer.mask_id]


def _with_own_mask(reader: RecordReader, text: str, *, size: int) -> np.ndarray:
    """As `_masked`, for a text with the tokenizer's own mask token."""
    assert isinstance(reader.tokenizer, Renumbered)
    mask = int(np.flatnonzero(reader.tokenizer.file_ids == reader.tokenizer.mask_id)[0])
    ids = np.array([piece.id for piece in reader.pieces(text, whole=True)], np.int64)
    return np.where(ids == mask, size, ids)
