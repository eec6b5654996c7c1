r"""The answers of `seqcli tokenize`, one function each.

Pieces stand between spaces, so those inside one are escaped in TSV and on a terminal, as TSV fields are: a space is
`\x20`. JSON has the pieces as they are. Decoded text is written raw, so that it is the text that was tokenized.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from seqcli.commands.jobs import TextJob
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block
from seqcli.data.record_reader import RecordReader
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import Piece, Reporter
from seqcli.report.frame import TEXT, WHOLE, Column, json_line, with_kept
from seqcli.report.output import JSON, TABLE
from seqcli.text import WORD, one_line, tsv_field

if TYPE_CHECKING:
    import numpy as np

EXAMPLE = 'seqcli tokenize "I study machine learning"'
_FIELD, _PIECE = re.compile(r"\S+"), re.compile("[^ ]+")
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[\\tn])")
_LONG = 1 << 18  # bytes of a record, beyond which its answer is written bit by bit
_AT_ONCE = 1 << 12  # values of a list that are written together
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n"}


def escaped(piece: str) -> str:
    return tsv_field(piece).replace(" ", "\\x20")


def unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda m: _ESCAPED.get(m[1]) or chr(int(m[1][1:], 16)), field)


class Job(TextJob):
    """What every mode needs: the records and the tokenizers, by name."""

    def __init__(
        self,
        source: TextInput,
        results: Results,
        reporter: Reporter,
        sources: list[str],
        *,
        machine: Machine,
        ids: bool,
    ):
        super().__init__(source, results, reporter, sources, machine=machine, example=EXAMPLE)
        self.ids = ids
        machine.without(reporter, "device", "precision", "batch_tokens", reason="a tokenizer is no network")

    @property
    def readers(self) -> dict[str, RecordReader]:
        """By name, how each model reads records, and with which tokenizer: those of -m; without, those of the sample models
        that are in use so far."""
        return (
            {opened.name: RecordReader.of(opened) for opened in self.samples_in_use} if self.samples else self._chosen
        )

    @cached_property
    def _chosen(self) -> dict[str, RecordReader]:
        from seqcli.tasks.language.data import open_reader
        from seqcli.tasks.language.load import named

        return {name: open_reader(path, encoding=self.source.encoding) for name, path in named(self.sources)}

    def asked(self, block: Block) -> dict[str, RecordReader]:
        """Who answers the records of a block."""
        if not self.samples:
            return self._chosen
        opened = self.samples.of(block.language)
        return {opened.name: RecordReader.of(opened)}

    def reader(self, block: Block) -> RecordReader:
        """The only one that answers the records of a block."""
        (reader,) = self.asked(block).values()
        return reader

    def answering(self) -> None:
        _ = self.readers


def _records(job: Job, name: str, answers: Callable[[Block], Iterable], *, show: Callable[[Any], str]) -> None:
    """One row per record: its answer under `name`, as `show` writes it in TSV and on a terminal. The answer is a value, or an
    iterator over a list's values, which are shown between spaces; a list may be longer than memory holds."""
    keep = job.source.keep or ()
    with job.opened(by_record=True, shared=True) as out:
        out.begin([*keep, name])

        def rows(block: Block) -> Iterator[str]:
            kept = block.kept if keep else [()] * len(block)
            if out.mode == JSON:
                lines = range(block.first, block.first + len(block))
                for line, text, cells, answer in zip(lines, block.records(), kept, answers(block)):
                    yield from _json_row({"line": line, "text": text}, name, answer, keep, cells)
            elif out.mode == TABLE:
                columns = [Column(column, [cells[k] for cells in kept]) for k, column in enumerate(keep)]
                yield out.shown([*columns, Column(name, ["".join(_shown(answer, show)) for answer in answers(block)])])
            else:
                for cells, answer in zip(kept, answers(block), strict=True):
                    yield "".join(tsv_field(cell) + "\t" for cell in cells)
                    yield from _shown(answer, show)
                    yield "\n"

        def written(block: Block) -> str | Block:
            """A block of long records comes back as it is."""
            return block if len(block.data) > _LONG * len(block) else "".join(rows(block))

        for answer in job.answers(written):
            for text in rows(answer) if isinstance(answer, Block) else [answer]:
                out.write(text)


def _shown(answer: Any, show: Callable[[Any], str]) -> Iterator[str]:
    if not isinstance(answer, Iterator):
        yield show(answer)
        return
    between = ""
    while some := list(islice(answer, _AT_ONCE)):
        yield between + " ".join(map(show, some))
        between = " "


def _json_row(row: dict, name: str, answer: Any, keep: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    """The lines of `json_line(with_kept({**row, name: answer}, keep, cells))`, a list some values at a time."""
    if not isinstance(answer, Iterator):
        yield json_line(with_kept({**row, name: answer}, keep, cells))
        return
    before, after = json_line(with_kept({**row, name: [None]}, keep, cells)).split(f'"{name}": [null]', 1)
    yield f'{before}"{name}": ['
    between = ""
    while some := list(islice(answer, _AT_ONCE)):
        yield between + json_line(some)[1:-2]
        between = ", "
    yield "]" + after


def _rows(reader: RecordReader, block: Block) -> Iterator[np.ndarray]:
    """The token ids of every record, without what ends it."""
    return iter(reader.rows(block, whole=False).rows)


def _numbers(row: np.ndarray) -> Iterator[int]:
    some = (row[begin : begin + _AT_ONCE].tolist() for begin in range(0, len(row), _AT_ONCE))
    return chain.from_iterable(some)


def _pieces(job: Job, block: Block) -> Iterator[Iterator[Piece]]:
    return map(job.reader(block).pieces, block.records())


def pieces(job: Job) -> None:
    if job.ids:
        _records(job, "ids", lambda block: map(_numbers, _rows(job.reader(block), block)), show=str)
    else:
        _records(job, "pieces", lambda block: ((p.text for p in row) for row in _pieces(job, block)), show=escaped)


def counted(job: Job) -> None:
    _records(job, "count", lambda block: job.reader(block).rows(block, whole=False).lengths.tolist(), show=str)


def offsets(job: Job) -> None:
    job.results.json = True

    def places(block: Block) -> Iterator[Iterator[dict]]:
        for row in _pieces(job, block):
            yield ({"piece": p.text, "id": p.id, "start": p.start, "end": p.end} for p in row)

    _records(job, "pieces", places, show=str)


def sampled(job: Job, *, alpha: float, seed: int) -> None:
    def drawn(block: Block) -> Iterator[Iterator]:
        sample, named, reader = _segmenter(job, block).sample, _named(job, block), job.reader(block)

        def segment(line: int, text: str, part: int) -> Sequence[int]:
            return sample(text, alpha=alpha, seed=f"{seed} {line} {part}" if part else f"{seed} {line}")

        for line, text in enumerate(block.records(), block.first):
            with _record(line):
                ids = reader.segmented(text, partial(segment, line))
            yield named(ids)

    _records(job, "ids" if job.ids else "pieces", drawn, show=str if job.ids else escaped)


def n_best(job: Job, *, k: int) -> None:
    if job.source.keep:
        raise UsageError("--keep does not go with --n-best")
    name, show = ("ids", str) if job.ids else ("pieces", escaped)
    with job.opened(by_record=True) as out:
        out.begin(["line", "rank", "log_prob", name])
        for block in job.blocks:
            segmenter, named, reader = _segmenter(job, block), _named(job, block), job.reader(block)
            rows: list[tuple] = []
            for line, text in enumerate(block.records(), block.first):
                with _record(line):
                    best = reader.n_best(text, partial(segmenter.nbest, k=k), k=k)
                if out.mode == JSON:
                    found = [{name: list(named(ids)), "log_prob": log_prob} for ids, log_prob in best]
                    out.write(json_line({"line": line, "text": text, "n_best": found}))
                    continue
                for rank, (ids, log_prob) in enumerate(best, 1):
                    row = "".join(_shown(named(ids), show))
                    if out.mode == TABLE:
                        rows.append((line, rank, log_prob, row))
                    else:
                        out.write(f"{line}\t{rank}\t{log_prob:.6f}\t{row}\n")
            if out.mode == TABLE:
                formats = (WHOLE, WHOLE, "%.2f", TEXT)
                out.rows([Column(*column) for column in zip(("line", "rank", "log_prob", name), zip(*rows), formats)])


@contextmanager
def _record(line: int) -> Iterator[None]:
    """What is wrong with a text is told of the record that it is."""
    try:
        yield
    except InputError as error:
        raise InputError(error.what, where=f"record {line}", cure=error.cure) from None


def _segmenter(job: Job, block: Block):
    """The tokenizer, if it knows several segmentations of a text."""
    tokenizer = job.reader(block).tokenizer
    if not hasattr(tokenizer, "nbest"):
        cure = "use a unigram sentencepiece model"
        raise UsageError(
            f"the {tokenizer.KIND} tokenizer has no alternative segmentations",
            where=job.sources[0] if job.sources else None,
            cure=cure,
        )
    return tokenizer


def _named(job: Job, block: Block) -> Callable[[Sequence[int]], Iterator]:
    """What stands in a row for token ids: themselves, or their pieces."""
    if job.ids:
        return iter
    names = job.reader(block).tokenizer.vocabulary()
    return lambda ids: (names[id] for id in ids)


def decoded(job: Job) -> None:
    if job.samples:
        job.samples.noting = False  # pieces of words are no words

    def ids_in(record: str, line: int, size: int) -> Iterator[int]:
        for match in _FIELD.finditer(record):
            id = match[0]
            if not (id.isascii() and id.isdigit() and len(id) < 12 and int(id) < size):
                raise InputError(f"not a token id: {id!r}", where=f"record {line}", cure=f"ids are 0 to {size - 1}")
            yield int(id)

    def of_ids(reader: RecordReader, record: str, line: int) -> str:
        return reader.decode(ids_in(record, line, reader.tokenizer.vocab_size))

    def of_pieces(reader: RecordReader, record: str) -> str:
        return reader.join(unescaped(match[0]) for match in _PIECE.finditer(record))

    def texts(block: Block) -> Iterator[str]:
        reader = job.reader(block)
        for line, record in enumerate(block.records(), block.first):
            yield of_ids(reader, record, line) if job.ids else of_pieces(reader, record)

    _records(job, "text", texts, show=tsv_field if job.source.keep else lambda text: text.replace("\n", "\\n"))


def vocabulary(job: Job) -> None:
    """Reads no input: the tokenizer of -m, or of the English sample."""
    job.blocks, job._first = iter(()), None
    with job.opened() as out:
        out.begin(["id", "piece"])
        (reader,) = job.readers.values()
        names = reader.tokenizer.vocabulary()
        out.rows([Column("id", list(range(len(names))), WHOLE), Column("piece", names)])


STATISTICS = {
    "vocab_size": WHOLE, "records": WHOLE, "tokens": WHOLE, "bytes_per_token": "%.4f", "tokens_per_word": "%.4f",
    "unknown_rate": "%.6f", "round_trip_failures": WHOLE,
}  # fmt: skip


@dataclass
class Tally:
    """Sums over records, `</s>` not counted."""

    records: int = 0
    bytes: int = 0
    words: int = 0
    tokens: int = 0
    unknown: int = 0
    failures: int = 0  # records that do not come back

    def add(self, reader: RecordReader, block: Block) -> None:
        tokenizer = reader.tokenizer
        for record, row in zip(block.records(), _rows(reader, block), strict=True):
            text = tokenizer.normalisation.text(record if reader.unit == "document" else one_line(record))
            self.records += 1
            self.bytes += len(text.encode())
            self.words += sum(1 for _ in WORD.finditer(text))
            self.tokens += len(row)
            self.unknown += int((row == tokenizer.specials[0]).sum())
            expected = reader.join(piece.text for piece in reader.pieces(record)) if tokenizer.KIND == "words" else text
            self.failures += reader.decode(row) != expected


def statistics(job: Job) -> None:
    """A row per tokenizer; on a terminal a column, side by side."""
    with job.opened() as out:
        out.begin(["model", *STATISTICS])
        tallies: dict[str, Tally] = {}
        for block in job.blocks:
            for name, reader in job.asked(block).items():
                tallies.setdefault(name, Tally()).add(reader, block)
        tallies = {name: tallies.get(name, Tally()) for name in job.readers}
        rows = [
            (
                reader.tokenizer.vocab_size, t.records, t.tokens, _ratio(t.bytes, t.tokens), _ratio(t.tokens, t.words),
                _ratio(t.unknown, t.tokens), t.failures,
            )
            for reader, t in zip(job.readers.values(), tallies.values())
        ]  # fmt: skip
        if out.mode == TABLE:
            shown = [["-" if v is None else form % v for v, form in zip(row, STATISTICS.values())] for row in rows]
            out.rows([Column("", list(STATISTICS)), *(Column(name, row) for name, row in zip(tallies, shown))])
        else:
            columns = zip(STATISTICS, zip(*rows), STATISTICS.values())
            out.rows([Column("model", list(tallies)), *(Column(*column) for column in columns)])


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
