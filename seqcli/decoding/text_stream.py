"""Incremental detokenization: text is emitted as soon as later tokens can no longer change it.

A character may consist of several tokens, a stop string may span several tokens, and the space before the first word may
already be in the prompt.
"""

from __future__ import annotations

from copy import copy

from seqcli.decoding.prompt import Prompt, Start
from seqcli.interfaces import Tokenizer
from seqcli.text import EOS_ID

_WINDOW = 8  # number of tokens decoded together, so that spaces and bytes are right: more than a character has
_UNFINISHED = (
    "\ufffd",
    "\x1a",
)  # end of a text whose last character is incomplete; sentencepiece's escapes begin with \x1a


class TextStream:
    """The text after `prompt`, where the first new token begins at `start`. `text` is final: it never shrinks, and
    contains neither a stop string nor the beginning of one."""

    def __init__(self, tokenizer: Tokenizer, prompt: Prompt, start: Start, *, stop: tuple[str, ...]):
        written = getattr(tokenizer, "written", tokenizer.normalisation.text)
        self._tokenizer, self._stop = tokenizer, tuple(filter(None, map(written, stop)))
        ids = prompt.ids.tolist()
        window = max(0, start.kept - _WINDOW)
        self._ids = ids[window : start.kept]
        self._before = len(
            self._decoded(ids[window:])
        )  # number of characters of the window that are in the prompt or in `text`
        self._fresh = 0  # number of tokens that are not yet in the text
        self._given = " " if prompt.spaced else ""  # the space before the next word, if the prompt already has it
        self._held = ""  # text that may be the beginning of a stop string
        self.text = ""

    def copy(self) -> TextStream:
        """A copy that grows independently."""
        other = copy(self)
        other._ids = list(self._ids)
        return other

    def add(self, token: int) -> bool:
        """Reads a token; returns True if the text ends with a stop string, which is cut off."""
        self._ids.append(token)
        self._fresh += 1
        text = self._decoded(self._ids)
        if text.endswith(_UNFINISHED) and self._fresh < _WINDOW:
            return False
        return self._append(text)

    def finish(self, *, cut: bool = False) -> None:
        """Called when there are no more tokens. cut: the maximum length was reached, so that an incomplete character at the
        end is dropped."""
        decoded = self._decoded(self._ids)
        if not self._append(decoded.rstrip("\ufffd") if cut and self._fresh else decoded):
            self.text += self._held

    def _decoded(self, ids: list[int]) -> str:
        """The text of ids, with a line feed for `</s>` at the end, which in a document does not end the text."""
        return self._tokenizer.decode(ids) + "\n" * (ids[-1:] == [EOS_ID])

    def _append(self, decoded: str) -> bool:
        new = decoded[self._before :]
        if new:
            new, self._given = new.removeprefix(self._given), ""
        self._ids = self._ids[-_WINDOW:]
        self._before, self._fresh = len(self._decoded(self._ids)), 0
        text = self._held + new
        if found := [at for stop in self._stop if (at := text.find(stop)) >= 0]:
            self.text += text[: min(found)]
            return True
        held = max((n for stop in self._stop for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        certain = len(text) - held
        self.text += text[:certain]
        self._held = text[certain:]
        return False
