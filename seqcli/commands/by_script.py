"""Sample models for commands without -m: each record goes to the model for its script."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from seqcli import samples
from seqcli.data.lines import Block
from seqcli.interfaces import Reporter

Model = TypeVar("Model")


@dataclass(frozen=True)
class ScriptBlock(Block):
    """Records for one sample model."""

    language: str = samples.ENGLISH


class ByScript(Generic[Model]):
    """The sample models of a kind ("language", "sentiment", "translation"), each opened by `opener` when it is first
    needed.

    Counts unknown words, and records in scripts that no sample model covers.
    """

    def __init__(self, opener: Callable[[str], Model], *, kind: str, reporter: Reporter):
        self.opened: dict[str, Model] = {}  # by language, in the order of the texts
        self.noting = True
        self._opener, self._kind, self._reporter = opener, kind, reporter
        self._words = self._new = self._foreign = 0

    def answering(self, block: Block) -> Model:
        """The model for a block returned by `cut`."""
        assert isinstance(block, ScriptBlock)
        return self.of(block.language)

    def of(self, language: str) -> Model:
        if language not in self.opened:
            self.opened[language] = self._opener(language)
        return self.opened[language]

    def cut(
        self, blocks: Iterator[Block], *, texts: Callable[[Block], list[str]] = Block.records
    ) -> Iterator[ScriptBlock]:
        """The records in order, in blocks of one script each; prints a note at the end. texts: the texts that
        determine the script."""
        for block in blocks:
            own = texts(block)
            begin = 0
            for language, run in groupby(self._languages(own)):
                end = begin + sum(1 for _ in run)
                self._count(own[begin:end], language)
                part = block if end - begin == len(own) else block.part(begin, end)
                yield ScriptBlock(
                    **{f.name: getattr(part, f.name) for f in dataclasses.fields(Block)}, language=language
                )
                begin = end
        self.note()

    def _languages(self, texts: list[str]) -> list[str]:
        languages = list(map(samples.language_of, texts))
        if self._kind == "translation":  # a blank line stays blank with any model
            for k, text in enumerate(texts):
                if not text.strip() and k:
                    languages[k] = languages[k - 1]
            first = next((k for k, text in enumerate(texts) if text.strip()), 0)
            languages[:first] = [languages[first]] * first if languages else []
        return languages

    def language_of(self, text: str, *, counted: bool = True) -> str:
        """The language whose model is used for a text. counted: whether the text counts for the note."""
        language = samples.language_of(text)
        if counted:
            self._count([text], language)
        return language

    def _count(self, texts: list[str], language: str) -> None:
        known = samples.words(self._kind, language)
        for text in texts:
            if samples.is_foreign(text):
                self._foreign += 1
            else:
                words = samples.words_of(text)
                self._words += len(words)
                self._new += sum(word not in known for word in words)

    def note(self) -> None:
        """Prints notes on unknown scripts and unknown words."""
        if self._foreign and self.noting:
            records = "1 record is" if self._foreign == 1 else f"{self._foreign:,} records are"
            self._reporter.note(
                f"{records} in a script that the sample models do not cover (they cover Latin letters and Hangul); choose a model with -m"
            )
        if self._new and self.noting:
            words = "1 word" if self._words == 1 else f"{self._words:,} words"
            self._reporter.note(f"{self._new:,} of {words} unknown to the sample models; choose a model with -m")
        self._words = self._new = self._foreign = 0
