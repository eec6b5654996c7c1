"""Tokenizers of new models: trained on their text, or opened from the path of an existing one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import catalog, ranges, tokenizers
from seqcli.data import lines
from seqcli.data.record_reader import RecordReader
from seqcli.data.records import check_readable
from seqcli.data.texts import Texts
from seqcli.errors import InputError, ModelError, UsageError
from seqcli.interfaces import SILENT, Reporter, Tokenizer
from seqcli.interop.formats import arpa
from seqcli.runs.model_folder import is_model
from seqcli.runs.whole_folder import writing_tokenizer
from seqcli.tasks.open_folder import folder_of
from seqcli.text import SPECIAL_IDS
from seqcli.tokenizers import words

if TYPE_CHECKING:
    from seqcli.tasks.language.data import Corpus

ALGORITHMS = ("unigram", "bpe")
SYMBOLS = "{} <s>, </s> or <unk> in the text count as spaces"
_BYTES_READ = 16  # bytes read for each character of tokenizer training; of a larger text every k-th block is read


@dataclass(frozen=True)
class TokenizerChoice:
    """The tokenizer of a new model: a kind to train on its text, or the path of an existing one; opened: the existing one, if it is already open."""

    name: str = "words"
    vocab_size: int | None = None
    min_count: int = 1
    limit: str | None = None  # file of the words to keep
    algorithm: str | None = None  # of sentencepiece
    characters: int | None = (
        None  # maximum number of characters for training sentencepiece; None for as many as are useful
    )
    opened: Tokenizer | None = None


def tokenizer_for(
    texts: Corpus | Texts, choice: TokenizerChoice, *, encoding: str | None = None, reporter: Reporter
) -> Tokenizer:
    """The tokenizer, trained on texts, which are read again for it, or existing. encoding: of an ARPA file that is not UTF-8."""
    if choice.opened is not None:
        return choice.opened
    if choice.name in catalog.trained_tokenizers():
        tokenizer, notes = learn_tokenizer(texts, choice)
        for note in notes:
            reporter.note(note)
        return tokenizer
    if not os.path.exists(choice.name) and "/" not in choice.name:
        cure = f"one of {', '.join(catalog.trained_tokenizers())}, or a tokenizer folder"
        raise UsageError(f"unknown tokenizer {choice.name!r}", cure=cure)
    return open_tokenizer(choice.name, encoding=encoding)


def learn_tokenizer(
    corpus: Corpus | Texts, choice: TokenizerChoice, *, reporter: Reporter = SILENT
) -> tuple[Tokenizer, list[str]]:
    """Trains a tokenizer on the corpus; returns it with notes for the user. reporter: receives notes on malformed
    text, SILENT if the same text is read again."""
    if choice.limit:
        return _learn_listed_words(corpus.all_lines(reporter), choice, choice.limit)
    settings: dict[str, Any] = {"vocab_size": choice.vocab_size, "min_count": choice.min_count, "unit": corpus.unit}
    blocks, module, step = corpus.all_lines(reporter), catalog.load("tokenizers", choice.name), 1
    if choice.name == "sentencepiece":
        settings |= {"algorithm": choice.algorithm or "unigram", "characters": choice.characters or module.ENOUGH}
        step = max(1, (corpus.size() or 0) // (_BYTES_READ * settings["characters"]))
    tokenizer, notes = module.train(islice(blocks, 0, None, step), **settings)
    return tokenizer, notes + ([f"subwords trained on one block of text in {step}"] if step > 1 else [])


def _learn_listed_words(blocks: Iterable[bytes], choice: TokenizerChoice, limit: str) -> tuple[words.Words, list[str]]:
    only, learner = listed_words(limit), words.Learner()
    for block in blocks:
        learner.add(words.Distinct(words.Words.normalisation.lines(block)))
    if not learner.types:
        raise InputError("no text to build a vocabulary from")
    return learned_vocabulary(learner, choice, only=only)


def listed_words(path: str) -> words.Words:
    """The words of a file, as a vocabulary."""
    learner = words.Learner()
    for block in lines.read_blocks(path):
        learner.add(words.Distinct(words.Words.normalisation.lines(block.data)))
    if not learner.types:
        raise InputError("no words to limit the vocabulary to", where=path)
    return learner.finish()


def learned_vocabulary(
    learner: words.Learner, choice: TokenizerChoice, *, only: words.Words | None
) -> tuple[words.Words, list[str]]:
    """The vocabulary within the limits of `choice`, with notes for the user. only: words to keep, or None."""
    tokenizer = learner.finish(size=choice.vocab_size, min_count=choice.min_count, only=only)
    notes = [SYMBOLS.format(learner.symbols)] if learner.symbols else []
    return tokenizer, notes + tokenizers.lowered(choice.vocab_size, tokenizer.vocab_size)


def open_tokenizer(path: str, *, encoding: str | None = None) -> Tokenizer:
    """The tokenizer in a model folder, a tokenizer folder, an ARPA file, a SentencePiece .model file, or a folder or
    tokenizer.json of a Hugging Face model, for a new model.

    Raises ModelError for one whose special tokens have other ids than every model expects. encoding: of an ARPA file that is not UTF-8.
    """
    tokenizer = open_reader(path, encoding=encoding).tokenizer
    if tokenizer.specials != SPECIAL_IDS:
        cure = "train it with spm_train's own --unk_id 0 --bos_id 1 --eos_id 2"
        raise ModelError(f"ids of <unk>, <s>, </s> are {tokenizer.specials}, not {SPECIAL_IDS}", where=path, cure=cure)
    return tokenizer


def open_reader(path: str, *, encoding: str | None = None) -> RecordReader:
    """The tokenizer, and how its model reads records; a tokenizer without a model reads lines, or, for a Hugging Face model whose
    line breaks are tokens, texts as they are."""
    if arpa.is_arpa(path):
        read = arpa.read(Path(path), encoding=encoding)
        return RecordReader.for_unit(read.tokenizer, read.unit)
    folder = Path(path)
    if not is_model(folder) and tokenizers.foreign(folder):
        tokenizer = tokenizers.open_foreign(folder)
        return RecordReader.for_unit(tokenizer, "line" if tokenizer.ends_rows else "document")
    if path.endswith(".model") and folder.is_file() and (folder.parent / tokenizers.FILE).is_file():
        folder = folder.parent  # a file inside a seqcli folder
    elif path.endswith(".model"):
        return RecordReader(catalog.load("tokenizers", "sentencepiece").open_file(folder))
    if (folder / tokenizers.FILE).is_file():
        return RecordReader(tokenizers.load(folder))
    run = folder_of(path)
    return RecordReader.for_unit(run.tokenizer(), run.config.get("unit", "line"))


def check_vocabulary(tokenizer: str, *, size: int | None = None, min_count: int = 1, limit: str | None = None) -> None:
    """Raises UsageError for options that a tokenizer, given by kind or path, does not have: only words and characters
    are counted, only words can be listed, and only new tokenizers have a size."""
    if min_count > 1 and tokenizer not in ("words", "characters"):
        raise UsageError("--min-count needs --tokenizer words or characters")
    if limit is not None:
        if tokenizer != "words":
            raise UsageError("--limit-vocab needs --tokenizer words")
        check_readable([limit])
    if size and tokenizer not in catalog.trained_tokenizers():
        raise UsageError("--vocab-size has no effect with an existing tokenizer", where=tokenizer)


def train_tokenizer(
    corpus: Corpus, choice: TokenizerChoice, output: str, *, force: bool = False, reporter: Reporter = SILENT
) -> Tokenizer:
    """Implements `seqcli train tokenizer`. Raises UsageError for invalid options."""
    if choice.algorithm is not None:
        ranges.chosen("algorithm", choice.algorithm, ALGORITHMS)
        if choice.name != "sentencepiece":
            raise UsageError("--algorithm needs --tokenizer sentencepiece")
    if choice.vocab_size is not None:
        ranges.checked("vocab_size", choice.vocab_size, ranges.VOCAB_SIZE)
    ranges.checked("min_count", choice.min_count, ranges.MIN_COUNT)
    check_vocabulary(choice.name, min_count=choice.min_count, limit=choice.limit)
    check_readable(corpus.paths, text_column=corpus.text_column, format=corpus.format)
    catalog.load("tokenizers", choice.name)
    with writing_tokenizer(output, force=force) as save:
        tokenizer, notes = learn_tokenizer(corpus, choice, reporter=reporter)
        save(tokenizer)
    for note in notes:
        reporter.note(note)
    return tokenizer
