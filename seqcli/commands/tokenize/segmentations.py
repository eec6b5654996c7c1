"""`tokenize --n-best` and `--sample`: segmentations other than the most probable one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any

from seqcli.commands.models import note_threads
from seqcli.commands.tokenize.rows import Arguments, NamedReader, between_spaces, escaped, only, rows
from seqcli.data.lines import Block
from seqcli.errors import InputError, UsageError
from seqcli.report.frame import Column, json_line
from seqcli.report.output import JSON, TABLE, TSV
from seqcli.results import LOG, TEXT, WHOLE
from seqcli.tasks.language.tokenize import Segmenter, shown_ids


def sampled(arguments: Arguments, *, alpha: float, seed: int) -> None:
    def draw(named: NamedReader, block: Block) -> Iterator[Iterator[Any]]:
        segmenter, values = Segmenter(named.reader, where=named.path), _values(arguments, named)
        for line, text in enumerate(block.records(), block.first):
            with _record(line):
                ids = segmenter.sample(text, alpha=alpha, seed=seed, line=line)
            yield values(ids)

    name, show = _column(arguments)
    rows(arguments, name, draw, show=show)


def n_best(arguments: Arguments, *, k: int) -> None:
    if arguments.source.keep:
        raise UsageError("--keep cannot be combined with --n-best")
    name, show = _column(arguments)
    with arguments.results.opened() as out:
        records = arguments.open_records(out)
        readers = arguments.open_readers(records.beginning)
        note_threads(arguments, readers)
        formats = (WHOLE, WHOLE, "%.2f" if out.mode == TABLE else LOG, TEXT)
        names = ("line", "rank", "log_prob", name)
        out.begin([Column(*column) for column in zip(names, repeat(()), formats)])
        for block in readers.route(records):
            named = only(readers, block)
            segmenter, values = Segmenter(named.reader, where=named.path), _values(arguments, named)
            table: list[tuple[int, int, float, str]] = []
            for line, text in enumerate(block.records(), block.first):
                with _record(line):
                    best = segmenter.n_best(text, k=k)
                if out.mode == JSON:
                    segmentations = [{name: list(values(ids)), "log_prob": log_prob} for ids, log_prob in best]
                    out.write(json_line({"line": line, "text": text, "n_best": segmentations}))
                    continue
                for rank, (ids, log_prob) in enumerate(best, 1):
                    row = "".join(between_spaces(values(ids), show))
                    if out.mode == TSV:  # tokens are already escaped
                        out.write(f"{line}\t{rank}\t{LOG % log_prob}\t{row}\n")
                    else:
                        table.append((line, rank, log_prob, row))
            if table:
                out.rows([Column(*column) for column in zip(names, zip(*table), formats)])


def _column(arguments: Arguments) -> tuple[str, Callable[[Any], str]]:
    """The name of the column of segmentations, and the format of its values."""
    return ("ids", str) if arguments.ids else ("pieces", escaped)


def _values(arguments: Arguments, named: NamedReader) -> Callable[[Sequence[int]], Iterator[Any]]:
    """The token ids themselves, or their tokens."""
    if arguments.ids:
        return lambda ids: iter(shown_ids(named.reader, ids).tolist())
    names = named.reader.tokenizer.vocabulary()
    return lambda ids: (names[id] for id in ids)


@contextmanager
def _record(line: int) -> Iterator[None]:
    """Adds the number of the record to an error in its text."""
    try:
        yield
    except InputError as error:
        raise InputError(error.what, where=f"record {line}", cure=error.cure) from None
