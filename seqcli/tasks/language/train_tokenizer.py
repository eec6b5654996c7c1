"""Trains a tokenizer into a folder."""

from __future__ import annotations

from seqcli import catalog, ranges
from seqcli.errors import UsageError
from seqcli.interfaces import SILENT, Reporter, Tokenizer
from seqcli.runs.whole_folder import drafting_tokenizer
from seqcli.tasks.language.data import Corpus, TokenizerChoice, check_readable, learn_tokenizer
from seqcli.tasks.training_options import check_vocabulary

ALGORITHMS = ("unigram", "bpe")


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
    with drafting_tokenizer(output, force=force) as save:
        tokenizer, notes = learn_tokenizer(corpus, choice, reporter=reporter)
        save(tokenizer)
    for note in notes:
        reporter.note(note)
    return tokenizer
