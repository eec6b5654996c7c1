r"""`tokenize`: one row per record with its tokens, ids, positions, number of tokens, or text.

Tokens are separated by spaces. Characters inside a token are escaped in TSV and on a terminal as in TSV fields, and a space is
`\x20`; JSON has the tokens unescaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from seqcli.commands import session
from seqcli.commands.models import Models, Placement
from seqcli.data.lines import Block
from seqcli.data.record_reader import RecordReader
from seqcli.report.frame import Column, json_line, kept_columns, with_kept
from seqcli.report.output import JSON, PARQUET, TSV, FormattedRows, Output
from seqcli.results import TEXT, WHOLE
from seqcli.tasks.language.tokenize import Decoder, ids_of, shown_pieces
from seqcli.text import tsv_field

if TYPE_CHECKING:
    import numpy as np

EXAMPLE = 'seqcli tokenize "I study machine learning"'
_FIELD = re.compile(r"\S+")
_PIECE = re.compile("[^ ]+")
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[\\tn])")
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n"}
_LONG = 1 << 18  # bytes of a record beyond which its result is written in parts
_AT_ONCE = 1 << 12  # values of a list per part


class NamedReader(NamedTuple):
    """A tokenizer that reads records as its model does. path: as given by -m, None for a sample model."""

    name: str
    reader: RecordReader
    path: str | None = None


@dataclass(frozen=True)
class Arguments(session.Arguments):
    """The command line of `seqcli tokenize`. ids: read or write token ids instead of tokens."""

    needs_weights: ClassVar[bool] = False
    ids: bool = False

    def open_records(self, out: Output | None = None) -> session.Records:
        """Opens the records. out: an output whose rows should appear as they are computed."""
        return session.open_records(self, example=EXAMPLE, out=out)

    def open_readers(self, beginning: str = "") -> Models[NamedReader]:
        """Opens the tokenizers of -m, or those of the sample models. beginning: of the texts."""
        from seqcli import samples
        from seqcli.tasks.language.load import named
        from seqcli.tasks.tokenizer_choice import open_reader

        def of_sample(language: str) -> NamedReader:
            opened = samples.language_model_of(language, reporter=self.reporter)
            return NamedReader(opened.name, RecordReader.of(opened))

        chosen = [
            NamedReader(name, open_reader(path, encoding=self.source.encoding), path)
            for name, path in named(self.sources)
        ]
        place = Placement(self.machine, reporter=self.reporter, reason="tokenizers run on the CPU")
        readers: Models[NamedReader] = Models(
            chosen,
            place,
            reopen=self.open_readers,
            open_sample=of_sample,
            kind="language",
            beginning=beginning,
            reporter=self.reporter,
        )
        _ = readers.all  # opened now, so that an error is raised before anything is written
        return readers


def only(readers: Models[NamedReader], block: Block) -> NamedReader:
    """The only one that answers the records of a block."""
    (named,) = readers.of(block)
    return named


def pieces(arguments: Arguments) -> None:
    if arguments.ids:
        rows(arguments, "ids", lambda named, block: map(_numbers, ids_of(named.reader, block)), show=str)
    else:
        rows(arguments, "pieces", lambda named, block: map(_texts, block.records(), repeat(named.reader)), show=escaped)


def counts(arguments: Arguments) -> None:
    def count(named: NamedReader, block: Block) -> list[int]:
        return named.reader.rows(block, whole=False).lengths.tolist()

    rows(arguments, "count", count, show=str, format=WHOLE)


def places(arguments: Arguments) -> None:
    """JSON only."""
    arguments.results.require_json("--offsets")

    def place(named: NamedReader, block: Block) -> Iterator[Iterator[dict[str, Any]]]:
        for record in block.records():
            yield (piece.to_dict() for piece in shown_pieces(named.reader, record))

    rows(arguments, "pieces", place, show=str)


def decoded(arguments: Arguments) -> None:
    """In TSV only line feeds are escaped, so that the text equals the tokenized one; CSV and Parquet have it as it
    is."""

    def decode(named: NamedReader, block: Block) -> Iterator[str]:
        reader, decoder = named.reader, Decoder(named.reader)
        for line, record in enumerate(block.records(), block.first):
            if arguments.ids:
                fields = (match[0] for match in _FIELD.finditer(record))
                yield decoder.text(fields, where=f"record {line}")
            else:
                yield reader.join(_pieces_in(record))

    if arguments.results.format != TSV:
        show: Callable[[str], str] = str
    else:
        show = tsv_field if arguments.source.keep else lambda text: text.replace("\n", "\\n")
    rows(arguments, "text", decode, show=show, of_words=False)


def rows(
    arguments: Arguments,
    name: str,
    answer: Callable[[NamedReader, Block], Iterable[Any]],
    *,
    show: Callable[[Any], str],
    format: str = TEXT,
    of_words: bool = True,
) -> None:
    """Writes one row per record: the result under `name`, formatted by `show` except in JSON.

    The result is a value, or an iterator over the values of a list, which are separated by spaces; a list may be
    longer than memory holds. format: of the column, WHOLE if the result is a number; of_words: the records are text
    whose words a sample model may not know.
    """
    keep = arguments.source.keep or ()
    with arguments.results.opened() as out:
        records = arguments.open_records(out)
        readers = arguments.open_readers(records.beginning)
        if readers.samples and not of_words:
            readers.samples.noting = False
        out.begin([*kept_columns(keep, (), beside=[name]), Column(name, (), format)])

        def formatted(block: Block) -> Iterator[FormattedRows]:
            kept, answers = block.kept if keep else [()] * len(block), answer(only(readers, block), block)
            if out.mode == JSON:
                lines = range(block.first, block.first + len(block))
                for line, text, cells, each in zip(lines, block.records(), kept, answers):
                    yield from _json_row({"line": line, "text": text}, name, each, keep, cells)
            elif out.mode != TSV:
                values = list(answers) if format != TEXT else ["".join(between_spaces(each, show)) for each in answers]
                yield out.formatted([*kept_columns(keep, kept, beside=[name]), Column(name, values, format)])
            else:
                for cells, each in zip(kept, answers, strict=True):
                    yield "".join(tsv_field(cell) + "\t" for cell in cells)
                    yield from between_spaces(each, show)
                    yield "\n"

        def written(block: Block) -> Sequence[FormattedRows] | Block:
            """A block of long records comes back as it is."""
            if len(block.data) > _LONG * len(block):
                return block
            return list(formatted(block)) if out.mode == PARQUET else ["".join(map(str, formatted(block)))]

        for done in session.map_blocks(arguments, written, readers.route(records), readers, out=out):
            for part in formatted(done) if isinstance(done, Block) else done:
                out.write(part)


def between_spaces(answer: Any, show: Callable[[Any], str]) -> Iterator[str]:
    """A value, or the values of an iterator, a few at a time."""
    if not isinstance(answer, Iterator):
        yield show(answer)
        return
    between = ""
    while some := list(islice(answer, _AT_ONCE)):
        yield between + " ".join(map(show, some))
        between = " "


def _json_row(row: dict[str, Any], name: str, answer: Any, keep: Sequence[str], cells: Sequence[str]) -> Iterator[str]:
    """The JSON line of `{**row, name: answer}` with the kept columns, a list being written a few values at a time."""
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


def escaped(piece: str) -> str:
    return tsv_field(piece).replace(" ", "\\x20")


def unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda m: _ESCAPED.get(m[1]) or chr(int(m[1][1:], 16)), field)


def _pieces_in(record: str) -> Iterator[str]:
    """The tokens that a row contains."""
    return (unescaped(match[0]) for match in _PIECE.finditer(record))


def _texts(record: str, reader: RecordReader) -> Iterator[str]:
    return (piece.text for piece in reader.pieces(record))


def _numbers(row: np.ndarray) -> Iterator[int]:
    some = (row[begin : begin + _AT_ONCE].tolist() for begin in range(0, len(row), _AT_ONCE))
    return chain.from_iterable(some)
