"""The distribution of the next token after a text.

If the text ends inside a token, the rest of that token is a candidate: "I stu" may be followed by "dy" and "dent". The
probability of a piece that can be reached both ways is the sum of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice

import numpy as np

from seqcli.decoding.policy import top
from seqcli.decoding.prompt import Prompt, Prompter, begin
from seqcli.interfaces import OpenModel

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
