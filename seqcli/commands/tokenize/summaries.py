"""`tokenize --stats` and `--vocab`: statistics of tokenizers on the records, and the vocabulary."""

from __future__ import annotations

from dataclasses import replace

from seqcli.commands.models import note_threads
from seqcli.commands.tokenize.rows import Arguments
from seqcli.report.frame import columns_of, columns_of_rows, fields_of, turned
from seqcli.report.output import TABLE
from seqcli.results.language import TokenizerStatistics, VocabularyEntry
from seqcli.tasks.language.tokenize import Tally, shown_vocabulary


def statistics(arguments: Arguments) -> None:
    """Writes a row per tokenizer; on a terminal a column each, side by side."""
    with arguments.results.opened() as out:
        records = arguments.open_records()
        readers = arguments.open_readers(records.beginning)
        note_threads(arguments, readers)
        out.begin(fields_of(TokenizerStatistics))
        tallies: dict[str, Tally] = {}
        for block in readers.route(records):
            for named in readers.of(block):
                tallies.setdefault(named.name, Tally()).add(named.reader, block)
        rows = [tallies.get(each.name, Tally()).statistics(each.reader, name=each.name) for each in readers.all]
        columns = columns_of_rows(rows, TokenizerStatistics)
        if out.mode == TABLE:
            names, *models = turned(columns)
            columns = [replace(names, name=""), *(replace(model, align=None) for model in models)]
        out.rows(columns)


def vocabulary(arguments: Arguments) -> None:
    """Writes the vocabulary of -m, or of the English sample model; reads no input."""
    with arguments.results.opened() as out:
        readers = arguments.open_readers()
        note_threads(arguments, readers)
        out.begin(fields_of(VocabularyEntry))
        (named,) = readers.all
        ids, names = shown_vocabulary(named.reader.tokenizer)
        out.rows(columns_of(VocabularyEntry, {"id": ids, "piece": names}))
