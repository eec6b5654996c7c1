"""Tokenizes prompts, and decides where the first new token begins.

A prompt may end inside a token. A sentencepiece tokenizer splits "I stu" into `▁I ▁st u`, but the model was trained on texts in
which "I study" is `▁I ▁study`; "I study " ends in a lone `▁`, although the next word includes its own; "학습" may be
continued to the single token `▁학습을`. A model assigns little probability to the continuations of such tokens. The first new
token may therefore begin inside the prompt, at any token from the beginning of its last word on, if it starts with the rest of
the prompt and is longer than it:

    p(token t begins after i tokens | the text)  ~  p(the first i tokens) p(t | the first i tokens)

One of the starts is after all tokens of the prompt, with any t. It is the only one for the words, characters and bytes
tokenizers, and for models of other tools, which continue the tokens of a prompt as they are.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.data.lines import block_of
from seqcli.data.record_reader import RecordReader
from seqcli.decoding.logits import log_probs
from seqcli.interfaces import LanguageModel, OpenModel, Renumbered, State, Subwords
from seqcli.text import BLANKS, SPACE_MARK, SPECIALS
from seqcli.token_batch import padded_to_extend

_BYTE = re.compile("<0x[0-9A-F]{2}>")
_LAST = "\U0010ffff"


@dataclass(frozen=True)
class Start:
    """A position where the first new token may begin."""

    kept: int  # tokens of the prompt before it
    rest: str  # the text of the prompt after it, as written in pieces
    only: np.ndarray | None  # int64, tokens that may begin here; None for all


@dataclass(frozen=True)
class Prompt:
    """A text to continue. `starts[-1]` is after all of its tokens."""

    text: str
    ids: np.ndarray  # int32 [T]
    starts: tuple[Start, ...]
    spaced: bool = (
        False  # the prompt ends in a blank that is not part of any token: the space that the next word includes
    )


class Prompter:
    """Turns texts into prompts for a model."""

    def __init__(self, opened: OpenModel):
        self._reader = RecordReader.of(opened)
        tokenizer, self._follow, self._mark = opened.tokenizer, False, SPACE_MARK
        self._names: list[str] = []  # pieces inside of which a text may end, sorted
        if isinstance(tokenizer, Subwords) and not isinstance(tokenizer, Renumbered):
            self._vocabulary = opened.tokenizer.vocabulary()
            self._follow, self._mark = tokenizer.spaces_follow, tokenizer.space
            pieces = ((name, id) for id, name in enumerate(self._vocabulary))
            found = sorted((n, id) for n, id in pieces if id >= len(SPECIALS) and not _BYTE.fullmatch(n))
            self._names, self._ids = [name for name, _ in found], np.array([id for _, id in found], np.int64)
            self._space = self._vocabulary.index(self._mark) if self._mark in self._vocabulary else None
            self._longest = max(map(len, self._names), default=0)

    def read(self, text: str) -> Prompt:
        """The prompt for a text, which is tokenized like the beginning of a record."""
        text = text.encode("utf-8", "replace").decode()
        ids = self._tokens(text)
        spaced = self._ends_in_no_token(text, ids)
        if self._follow and ids[-1:].tolist() == [self._space] and text[-1:] not in BLANKS:
            ids = ids[:-1]  # the space that the tokenizer adds after a text, which the continuation may not have
        inside = [] if self._follow and text[-1:] in BLANKS else self._inside(ids.tolist())
        return Prompt(text, ids, (*inside, Start(len(ids), "", None)), spaced)

    def _tokens(self, text: str) -> np.ndarray:
        return self._reader.rows(block_of([text]), whole=False).tokens

    def _ends_in_no_token(self, text: str, ids: np.ndarray) -> bool:
        """Whether a text ends in a blank that does not change its tokens; unknown tokens are compared by their text."""
        if not text[-1:].isspace() or not np.array_equal(self._tokens(text[:-1]), ids):
            return False
        whole, rest = ([piece.text for piece in self._reader.pieces(part)] for part in (text, text[:-1]))
        return whole == rest

    def _inside(self, ids: list[int]) -> list[Start]:
        """The starts inside the prompt, from the first one at which some token is longer than the rest of the prompt."""
        starts: list[Start] = []
        rest = ""
        for kept in range(len(ids) - 1, -1, -1):
            if not self._names or ids[kept] < len(SPECIALS) or _BYTE.fullmatch(piece := self._vocabulary[ids[kept]]):
                break
            rest = piece + rest
            if len(rest) >= self._longest:
                break
            known = rest.removesuffix(self._mark) if self._follow else rest
            starts.append(Start(kept, known, self._beyond(known)))
            if self._begins_word(ids, kept):
                break
        while starts and starts[-1].only is not None and not len(starts[-1].only):
            starts.pop()
        return starts[::-1]

    def _begins_word(self, ids: list[int], at: int) -> bool:
        if self._follow:
            return at == 0 or self._vocabulary[ids[at - 1]].endswith(self._mark)
        return self._vocabulary[ids[at]].startswith(self._mark)

    def _beyond(self, rest: str) -> np.ndarray:
        """The tokens that start with `rest` and are longer, by more than the space at the end of a word."""
        begin, end = bisect_left(self._names, rest + "\0"), bisect_left(self._names, rest + _LAST)
        on = [name != rest + self._mark for name in self._names[begin:end]] if self._follow else slice(None)
        return self._ids[begin:end][on]


@dataclass(frozen=True)
class Beginning:
    """The output of a model at every start of several prompts, S starts in total."""

    logits: np.ndarray  # float32 [S, V], as the model gives them
    log_prob: np.ndarray  # float64 [S, V], natural log p(start, token | the prompt's text)
    state: State  # of S rows
    rows: list[slice]  # of each prompt

    def log_shares(self, rows: slice) -> np.ndarray:
        """log p(start | text of the prompt) of the starts of a prompt: float64 [starts]."""
        return np.logaddexp.reduce(self.log_prob[rows], axis=1)


def begin(model: LanguageModel, prompts: Sequence[Prompt]) -> Beginning:
    """Reads each prompt once for every start."""
    starts = [(prompt.ids, start) for prompt in prompts for start in prompt.starts]
    ends = np.cumsum([len(prompt.starts) for prompt in prompts])
    rows = [slice(int(end) - len(prompt.starts), int(end)) for prompt, end in zip(prompts, ends)]
    logits, state = model.extend(*padded_to_extend([ids[: start.kept] for ids, start in starts]))
    log_p = log_probs(model, logits)
    joint = np.full(log_p.shape, -np.inf)
    for prompt, at in zip(prompts, rows):
        path = 0.0  # log p of the tokens of the prompt from the first start on
        for row, start in enumerate(prompt.starts, at.start):
            only = slice(None) if start.only is None else start.only
            joint[row, only] = path + log_p[row, only]
            if start.only is not None:
                path += log_p[row, prompt.ids[start.kept]]
        # p(text of the prompt). After all of its tokens any token may follow, so that start counts with a probability of 1,
        # even if the probabilities of the model do not sum to 1: with a single start they are then unchanged
        text = np.logaddexp(np.logaddexp.reduce(joint[at.start : at.stop - 1].ravel()), path)
        if text > -np.inf:
            joint[at] -= text
        else:  # a text with probability 0 is continued after all of its tokens
            joint[at.stop - 1] = log_p[at.stop - 1]
    return Beginning(logits, joint, state, rows)
