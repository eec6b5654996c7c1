r"""The answers of `seqcli tokenize`, one function each.

Pieces stand between spaces, so those inside one are escaped in TSV and on a terminal, as TSV fields are: a space is
`\x20`. JSON has the pieces as they are. Decoded text is written raw, so that it is the text that was tokenized.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from seqcli.commands.jobs import TextJob
from seqcli.commands.options import Machine, Results, TextInput
from seqcli.data.lines import Block
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import Reporter, Tokenizer
from seqcli.report.frame import TEXT, WHOLE, Column, json_line, with_kept
from seqcli.report.output import JSON, TABLE
from seqcli.text import tsv_field

EXAMPLE = 'seqcli tokenize "I study machine learning"'
_ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|[\\tn])")
_ESCAPED = {"\\": "\\", "t": "\t", "n": "\n"}


def escaped(piece: str) -> str:
    return tsv_field(piece).replace(" ", "\\x20")


def unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda m: _ESCAPED.get(m[1]) or chr(int(m[1][1:], 16)), field)


class Job(TextJob):
    """What every mode needs: the records and the tokenizers, by name."""

    def __init__(
        self, source: TextInput, results: Results, reporter: Reporter, sources: list[str], *, machine: Machine, ids: bool
    ):
        super().__init__(source, results, reporter, sources, machine=machine, example=EXAMPLE)
        self.ids = ids
        machine.without(reporter, "device", "precision", "batch_tokens", reason="a tokenizer is no network")

    @property
    def tokenizers(self) -> dict[str, Tokenizer]:
        """Of -m; without, those of the sample models that are in use so far."""
        return {opened.name: opened.tokenizer for opened in self.samples_in_use} if self.samples else self._chosen

    @cached_property
    def _chosen(self) -> dict[str, Tokenizer]:
        from seqcli.tasks import language

        return {name: language.open_tokenizer(path, encoding=self.source.encoding) for name, path in language.named(self.sources)}

    def asked(self, block: Block) -> dict[str, Tokenizer]:
        """Who answers the records of a block."""
        if not self.samples:
            return self._chosen
        opened = self.samples.of(block.language)
        return {opened.name: opened.tokenizer}

    def tokenizer(self, block: Block) -> Tokenizer:
        """The only one that answers the records of a block."""
        (tokenizer,) = self.asked(block).values()
        return tokenizer

    def answering(self) -> None:
        _ = self.tokenizers


def _records(job: Job, name: str, answers: Callable[[Block], Iterable], *, show: Callable[[object], str]) -> None:
    """One row per record: its answer under `name`, as `show` writes it in TSV and on a terminal."""
    keep = job.source.keep or ()
    with job.opened(by_record=True, shared=True) as out:
        out.begin([*keep, name])

        def shown(block: Block) -> str:
            kept = block.kept if keep else [()] * len(block)
            if out.mode == JSON:
                rows = zip(range(block.first, block.first + len(block)), block.records(), kept, answers(block))
                return "".join(
                    json_line(with_kept({"line": line, "text": text, name: answer}, keep, cells))
                    for line, text, cells, answer in rows
                )
            fields = [show(answer) for answer in answers(block)]
            if out.mode == TABLE:
                columns = [Column(column, [cells[k] for cells in kept]) for k, column in enumerate(keep)]
                return out.shown([*columns, Column(name, fields)])
            return "".join(
                "\t".join([*map(tsv_field, cells), field]) + "\n" for cells, field in zip(kept, fields, strict=True)
            )

        for text in job.answers(shown):
            out.write(text)


def _rows(tokenizer: Tokenizer, block: Block) -> list[list[int]]:
    """The token ids of every record, without `</s>`."""
    batch = tokenizer.encode(block.data)
    ends = list(accumulate(batch.lengths.tolist()))
    tokens = batch.tokens.tolist()
    return [tokens[start : end - 1] for start, end in zip([0, *ends], ends)]


def _joined(pieces: Iterable[str]) -> str:
    return " ".join(map(escaped, pieces))


def _id_row(ids: Iterable[int]) -> str:
    return " ".join(map(str, ids))


def pieces(job: Job) -> None:
    if job.ids:
        _records(job, "ids", lambda block: _rows(job.tokenizer(block), block), show=_id_row)
        return

    def texts(block: Block) -> Iterator[list[str]]:
        tokenizer = job.tokenizer(block)
        for text in block.records():
            yield [piece.text for piece in tokenizer.pieces(text)]

    _records(job, "pieces", texts, show=_joined)


def counted(job: Job) -> None:
    _records(job, "count", lambda block: (job.tokenizer(block).encode(block.data).lengths - 1).tolist(), show=str)


def offsets(job: Job) -> None:
    job.results.json = True

    def places(block: Block) -> Iterator[list[dict]]:
        tokenizer = job.tokenizer(block)
        for text in block.records():
            yield [{"piece": p.text, "id": p.id, "start": p.start, "end": p.end} for p in tokenizer.pieces(text)]

    _records(job, "pieces", places, show=str)


def sampled(job: Job, *, alpha: float, seed: int) -> None:
    def drawn(block: Block) -> Iterator[list]:
        sample, named = _segmenter(job, block).sample, _named(job, block)
        for line, text in enumerate(block.records(), block.first):
            yield named(sample(text, alpha=alpha, seed=f"{seed} {line}"))

    _records(job, "ids" if job.ids else "pieces", drawn, show=_id_row if job.ids else _joined)


def n_best(job: Job, *, k: int) -> None:
    if job.source.keep:
        raise UsageError("--keep does not go with --n-best")
    name, show = ("ids", _id_row) if job.ids else ("pieces", _joined)
    with job.opened(by_record=True) as out:
        out.begin(["line", "rank", "log_prob", name])
        for block in job.blocks:
            segmenter, named = _segmenter(job, block), _named(job, block)
            rows: list[tuple] = []
            for line, text in enumerate(block.records(), block.first):
                found = [(named(ids), log_prob) for ids, log_prob in segmenter.nbest(text, k=k)]
                if out.mode == JSON:
                    best = [{name: row, "log_prob": log_prob} for row, log_prob in found]
                    out.write(json_line({"line": line, "text": text, "n_best": best}))
                else:
                    rows += [(line, rank, log_prob, show(row)) for rank, (row, log_prob) in enumerate(found, 1)]
            if out.mode == TABLE:
                formats = (WHOLE, WHOLE, "%.2f", TEXT)
                out.rows([Column(*column) for column in zip(("line", "rank", "log_prob", name), zip(*rows), formats)])
            else:
                out.write("".join(f"{line}\t{rank}\t{score:.6f}\t{row}\n" for line, rank, score, row in rows))


def _segmenter(job: Job, block: Block):
    """The tokenizer, if it knows several segmentations of a text."""
    tokenizer = job.tokenizer(block)
    if not hasattr(tokenizer, "nbest"):
        cure = "use a unigram sentencepiece model"
        raise UsageError(
            f"the {tokenizer.KIND} tokenizer has no alternative segmentations", where=job.sources[0] if job.sources else None, cure=cure
        )
    return tokenizer


def _named(job: Job, block: Block) -> Callable[[list[int]], list]:
    """What stands in a row for token ids: themselves, or their pieces."""
    if job.ids:
        return lambda ids: ids
    names = job.tokenizer(block).vocabulary()
    return lambda ids: [names[id] for id in ids]


def decoded(job: Job) -> None:
    if job.samples:
        job.samples.noting = False  # pieces of words are no words
    def of_ids(tokenizer: Tokenizer, record: str, line: int) -> str:
        ids, size = record.split(), tokenizer.vocab_size
        for id in ids:
            if not (id.isascii() and id.isdigit() and len(id) < 12 and int(id) < size):
                raise InputError(f"not a token id: {id!r}", where=f"record {line}", cure=f"ids are 0 to {size - 1}")
        return tokenizer.decode(map(int, ids))

    def of_pieces(tokenizer: Tokenizer, record: str) -> str:
        return tokenizer.join(unescaped(piece) for piece in record.split(" ") if piece)

    def texts(block: Block) -> Iterator[str]:
        tokenizer = job.tokenizer(block)
        for line, record in enumerate(block.records(), block.first):
            yield of_ids(tokenizer, record, line) if job.ids else of_pieces(tokenizer, record)

    _records(job, "text", texts, show=tsv_field if job.source.keep else lambda text: text.replace("\n", "\\n"))


def vocabulary(job: Job) -> None:
    """Reads no input: the tokenizer of -m, or of the English sample."""
    job.blocks, job._first = iter(()), None
    with job.opened() as out:
        out.begin(["id", "piece"])
        (tokenizer,) = job.tokenizers.values()
        names = tokenizer.vocabulary()
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

    def add(self, tokenizer: Tokenizer, block: Block) -> None:
        lines = tokenizer.normalisation.text(block.data.decode()).split("\n")[:-1]
        for line, row in zip(lines, _rows(tokenizer, block), strict=True):
            self.records += 1
            self.bytes += len(line.encode())
            self.words += len(line.split())
            self.tokens += len(row)
            self.unknown += row.count(tokenizer.specials[0])
            expected = " ".join(p.text for p in tokenizer.pieces(line)) if tokenizer.KIND == "words" else line
            self.failures += tokenizer.decode(row) != expected


def statistics(job: Job) -> None:
    """A row per tokenizer; on a terminal a column, side by side."""
    with job.opened() as out:
        out.begin(["model", *STATISTICS])
        tallies: dict[str, Tally] = {}
        for block in job.blocks:
            for name, tokenizer in job.asked(block).items():
                tallies.setdefault(name, Tally()).add(tokenizer, block)
        tallies = {name: tallies.get(name, Tally()) for name in job.tokenizers}
        rows = [
            (
                tokenizer.vocab_size, t.records, t.tokens, _ratio(t.bytes, t.tokens), _ratio(t.tokens, t.words),
                _ratio(t.unknown, t.tokens), t.failures,
            )
            for tokenizer, t in zip(job.tokenizers.values(), tallies.values())
        ]  # fmt: skip
        if out.mode == TABLE:
            shown = [["-" if v is None else form % v for v, form in zip(row, STATISTICS.values())] for row in rows]
            out.rows([Column("", list(STATISTICS)), *(Column(name, row) for name, row in zip(tallies, shown))])
        else:
            columns = zip(STATISTICS, zip(*rows), STATISTICS.values())
            out.rows([Column("model", list(tallies)), *(Column(*column) for column in columns)])


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
