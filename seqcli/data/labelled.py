r"""Texts with a label each: columns of tables, data sets of the hub, or fastText's lines `__label__x some text`.

One label a text; a text without is refused, as is a label that an output row could not hold. What the labels mean is
for others: here they are text, stripped of white space and in NFC. Models are taught with `read_all`, and asked with
`read_labelled`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqcli.data import hub, lines, tables
from seqcli.data.lines import Block
from seqcli.errors import InputError, UsageError, nearest
from seqcli.interfaces import SILENT, Reporter
from seqcli.text import nfc

LABEL_COLUMNS = ("label", "labels", "class", "category", "sentiment", "target")
PREFIX = "__label__"
_FIRST_WORD = re.compile("[\0\t\v\f\r ]*([^\0\t\v\f\r ]*)[\0\t\v\f\r ]*")  # between ASCII blanks, as fastText has it
_LATER_LABEL = re.compile(f"(?:^|[\0\t\v\f\r ]){PREFIX}")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class LabelledBlock:
    """Texts and their labels; `where(3)` says where in the input the fourth stands."""

    block: Block
    labels: list[str]
    path: str
    header: int | None = 0  # lines before the first record; None where a record is not a line

    def where(self, index: int) -> str:
        number = self.block.first + index
        return f"{self.path}, row {number}" if self.header is None else f"{self.path}, line {number + self.header}"


def read_labelled(
    path: str,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    keep: Sequence[str] = (),
    encoding: str | None = None,
    strict: bool = False,
) -> Iterator[LabelledBlock]:
    """The records of `path` with their labels, block by block; columns named in `keep` stay beside them.

    text_column: None takes the first of text, sentence, document, review that the file has; label_column: of label,
    labels, class, category, sentiment, target. Without a header both are `#N`.
    Raises UsageError for a column that is not there, InputError for a row without a label, with several, or with one
    that holds a control character.
    """
    columns = {"text_column": text_column, "label_column": label_column, "keep": keep}
    raw, header = _raw(path, encoding=encoding, strict=strict, **columns)
    cleaned: dict[str, str] = {}
    for block, given in raw:
        block = LabelledBlock(block, given, "standard input" if path == lines.STDIN else path, header)
        labels = [cleaned.get(label) for label in given]
        if None in labels:
            for index, label in enumerate(given):
                if label not in cleaned:
                    cleaned[label] = _clean(label, block, index)
            labels = [cleaned[label] for label in given]
        if "" in labels:
            raise _without_label(block, raw if Path(path).is_file() else ())
        yield dataclasses.replace(block, labels=labels)


def _clean(label: str, block: LabelledBlock, index: int) -> str:
    clean = nfc(label.strip())
    if unfit := _UNFIT.search(clean):
        cure = "labels stand in rows of output, so take it out" if len(clean) <= 40 else "is it the right column?"
        shown = clean if len(clean) <= 40 else clean[:37] + "..."
        raise InputError(f"label {shown!r} holds the control character {unfit[0]!r}", where=block.where(index), cure=cure)
    return clean


def _without_label(block: LabelledBlock, rest: Iterator[tuple[Block, list[str]]] | tuple) -> InputError:
    """rest: of the input where it has an end, to count what else lacks a label."""
    where = block.where([not label.strip() for label in block.labels].index(True))
    number = sum(not label.strip() for labels in [block.labels, *(labels for _, labels in rest)] for label in labels)
    rows = "lines" if block.header is not None else "rows"
    what = f"{number:,} {rows} have no label, the first" if number > 1 else "no label"
    if _is_table(block.path):
        return InputError(what, where=where, cure="label what lacks one, or take it out")
    cure = f"begin every line with {PREFIX}NAME and a blank, or give a .tsv, .csv, .jsonl or .parquet file"
    return InputError(what, where=where, cure=cure)


# --- where labels come from: blocks, the labels as they are given ("" for none), and the lines before the first record


def _is_table(path: str) -> bool:
    return tables.is_table(path) or hub.is_hub(path)


def _raw(
    path: str, *, text_column: str | None, label_column: str | None, keep: Sequence[str], **reading
) -> tuple[Iterator[tuple[Block, list[str]]], int | None]:
    if not _is_table(path):
        if text_column or label_column or keep:
            tables_are = ".tsv, .csv, .jsonl and .parquet files"
            raise UsageError(f"--text-column, --label-column and --keep are for {tables_are}", where=path)
        return _prefixed(path, **reading), 0
    label = tables.Wanted("label", LABEL_COLUMNS, name=label_column, may_lack=True)
    if hub.is_hub(path):
        blocks, kind = tables.blocks_of(hub.read_rows(path, [text_column, label, *keep])), "hub"
    else:
        kind = tables.kind_of(path)
        if kind in ("tsv", "csv"):
            _check_numbers(text_column, label_column, path)
        blocks = tables.read_blocks(path, column=text_column, keep=[label, *keep], **reading)
    by_number = not any(name is None or not name.startswith("#") for name in (text_column, label_column, *keep))
    return _from_kept(blocks, keep), {"tsv": int(not by_number), "jsonl": 0}.get(kind)


def _check_numbers(text_column: str | None, label_column: str | None, path: str) -> None:
    """`#N` says that there is no header, and then neither column has a name."""
    if (text_column or "").startswith("#") != (label_column or "").startswith("#"):
        which, other = ("text", "label") if (text_column or "").startswith("#") else ("label", "text")
        cure = f"give --{other}-column as #N too, or both by name where there is a header"
        raise UsageError(f"the {which} column is given by its number, the {other} column is not", where=path, cure=cure)


def _from_kept(blocks: Iterator[Block], keep: Sequence[str]) -> Iterator[tuple[Block, list[str]]]:
    for block in blocks:
        kept = tuple(row[1:] for row in block.kept) if keep else ()
        yield dataclasses.replace(block, kept=kept), [row[0] for row in block.kept]


def _prefixed(path: str, **reading) -> Iterator[tuple[Block, list[str]]]:
    """fastText's lines; a label is the line's first word."""
    for block in lines.read_blocks(path, **reading):
        labels, texts = [], []
        for index, record in enumerate(block.records()):
            word = _FIRST_WORD.match(record)
            labels.append(word[1].removeprefix(PREFIX) if word[1].startswith(PREFIX) else "")
            texts.append(text := record[word.end() :])
            if PREFIX in text and _LATER_LABEL.search(text):
                where = LabelledBlock(block, [], path).where(index)
                raise InputError("several labels on a line", where=where, cure="leave one: a text has one label")
        data = "".join([text + "\n" for text in texts]).encode()
        yield Block(block.first, data, block.replaced), labels


# --- all at once ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Labelled:
    """All texts and their labels: text n has the label `labels[targets[n]]`."""

    blocks: list[bytes]  # the texts as lines
    targets: np.ndarray  # int32 [N]
    labels: list[str]  # numbers in their order, else by name

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def counts(self) -> np.ndarray:
        """How many texts have each label: int64 [C]."""
        return np.bincount(self.targets, minlength=len(self.labels))


def read_all(
    paths: Sequence[str],
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    labels: Sequence[str] | None = None,
    fewest: int = 2,
    reporter: Reporter = SILENT,
) -> Labelled:
    """The texts of all `paths`, to train on (labels=None) or to judge a model that knows `labels`.

    fewest: labels that are needed where none are given; 1 where a model not yet known is to be judged.
    Raises what `read_labelled` raises; InputError where there is nothing, where a label is not in `labels`, or where
    there is but one to train on.
    """
    reading = {"text_column": text_column, "label_column": label_column, "encoding": encoding, "strict": strict}
    number = {} if labels is None else {label: index for index, label in enumerate(labels)}
    blocks, targets = [], [np.zeros(0, np.int32)]
    for path in paths:
        parts: list[LabelledBlock] = []
        for block in lines.noting(_texts(read_labelled(path, **reading), parts), path, reporter):
            part = parts.pop()
            for label in dict.fromkeys(part.labels):
                if label in number:
                    continue
                if labels is not None:
                    where, cure = part.where(part.labels.index(label)), nearest(label, labels)
                    raise InputError(f"label {label!r} does not occur in what the model learns from", where=where, cure=cure)
                number[label] = len(number)
            targets.append(np.array([number[label] for label in part.labels], np.int32))
            blocks.append(block.data)
    found = np.concatenate(targets)
    everywhere = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    if not len(found):
        raise InputError("no texts", where=everywhere)
    if labels is not None:
        return Labelled(blocks, found, list(labels))
    if len(number) < fewest:
        (only,) = number
        cure = "a classifier needs two" + ("; --label-column says where they are" if any(map(_is_table, paths)) else "")
        raise InputError(f"only one label, {only!r}, in {len(found):,} {'text' if len(found) == 1 else 'texts'}", where=everywhere, cure=cure)
    ordered = in_order(number)
    place = np.empty(len(number), np.int32)
    place[[number[label] for label in ordered]] = np.arange(len(ordered))
    return Labelled(blocks, place[found], ordered)


def _texts(parts: Iterator[LabelledBlock], seen: list[LabelledBlock]) -> Iterator[Block]:
    """The blocks; what each of them is part of is appended to `seen`."""
    for part in parts:
        seen.append(part)
        yield part.block


def in_order(labels: Sequence[str]) -> list[str]:
    """Numbers by their value where all are numbers, else by name: 2 before 10, 10a before 2."""
    if all(map(_NUMBER.fullmatch, labels)):
        return sorted(labels, key=lambda label: (float(label), label))
    return sorted(labels)
