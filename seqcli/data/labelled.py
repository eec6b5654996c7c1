r"""Texts with one label each: columns of tables, data sets of the Hub, or lines in fastText's format, `__label__x some text`.

A text without a label is an error, as is a label with a control character. Blank rows without a label are left out. Here
labels are strings in one canonical spelling (`canonical`). Training reads with `read_all`, inference with `read_labelled`.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seqcli.data import lines, records
from seqcli.data.columns import TEXT, TEXT_COLUMNS, ColumnSpec, folded
from seqcli.data.lines import Block
from seqcli.data.paths import is_hub
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import SILENT, Reporter
from seqcli.system.clock import Deadline
from seqcli.text import nfc

LABEL_COLUMNS = ("label", "labels", "class", "category", "sentiment", "target")
PREFIX = "__label__"
_BLANK = "\0\t\v\f\r "  # ASCII white space separates words, as in fastText
_LABEL = re.compile(f"(?:^|(?<=[{_BLANK}])){PREFIX}([^{_BLANK}]*)[{_BLANK}]*")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class LabelledBlock:
    """Texts and their labels; `where(3)` gives the position of the fourth one in the input."""

    block: Block
    labels: list[str]
    path: str
    header: int | None = 0  # lines before the first record; None where a record is not a line
    places: np.ndarray | None = (
        None  # int64 [N]: indices of the texts among the block's records, if blank ones were left out
    )
    blank: int = 0  # records left out

    @property
    def records(self) -> int:
        """The number of records of the input, including blank ones."""
        return len(self.block) + self.blank

    def where(self, index: int) -> str:
        number = self.block.first + (index if self.places is None else int(self.places[index]))
        return f"{self.path}, row {number}" if self.header is None else f"{self.path}, line {number + self.header}"


def read_labelled(
    path: str,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    keep: Sequence[str] = (),
    format: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    blank_end: Callable[[int], None] | None = None,
    label_map: Callable[[str], str] | None = None,
) -> Iterator[LabelledBlock]:
    """The records of `path` with their labels, block by block, with the columns named in `keep`.

    text_column: None takes the first of text, sentence, document, review that the file has; label_column: the first of
    label, labels, class, category, sentiment, target. Without a header both are given as `#N`. blank_end: as for
    `lines.read_table_lines`; label_map: renames labels. Raises UsageError for an unknown column, InputError for a row
    without a label, with several labels, or with one that contains a control character.
    """
    raw, header = _raw(
        path,
        text_column=text_column,
        label_column=label_column,
        keep=keep,
        format=format,
        encoding=encoding,
        strict=strict,
        blank_end=blank_end,
    )
    cleaned: dict[str, str] = {}
    for texts, given in raw:
        block = _without_blank(LabelledBlock(texts, given, lines.shown(path), header))
        for label in dict.fromkeys(block.labels):
            if label not in cleaned:
                clean = _clean(label, block, block.labels.index(label))
                cleaned[label] = label_map(clean) if label_map and clean else clean
        labels = [cleaned[label] for label in block.labels]
        if "" in labels:
            raise _without_label(block, raw if os.path.isfile(path) else ())
        yield dataclasses.replace(block, labels=labels)


def _without_blank(block: LabelledBlock) -> LabelledBlock:
    """Leaves out rows that have neither a text nor a label."""
    if all(map(str.strip, block.labels)):
        return block
    texts = block.block.data.split(b"\n")
    places = [k for k, label in enumerate(block.labels) if label.strip() or texts[k].strip()]
    if len(places) == len(block.labels):
        return block
    own = block.block
    kept = dataclasses.replace(
        own, data=b"".join(texts[k] + b"\n" for k in places), kept=tuple(own.kept[k] for k in places) if own.kept else (),
        raw=tuple(own.raw[k] for k in places) if own.raw else None,
    )  # fmt: skip
    return dataclasses.replace(
        block,
        block=kept,
        labels=[block.labels[k] for k in places],
        places=np.array(places, np.int64),
        blank=len(block.labels) - len(places),
    )


def canonical(label: str) -> str:
    """The canonical spelling of a label: NFC, without surrounding white space; truth values in lower case as in JSON, since
    the CSV and Parquet files of one table have True and true."""
    label = nfc(label.strip())
    return label.lower() if label.lower() in ("true", "false") else label


class LabelMap:
    """Renames labels; labels that are not listed keep their names. `unused`: listed labels that have not occurred yet."""

    def __init__(self, names: Mapping[str, str]):
        self._names = {canonical(label): canonical(name) for label, name in names.items()}
        self.unused = list(self._names)

    @classmethod
    def of(cls, names: Mapping[str, str] | None) -> LabelMap | None:
        """The map for these names; None for None. Raises UsageError for what is not a mapping of strings."""
        if names is not None and not (
            isinstance(names, Mapping) and all(isinstance(each, str) for pair in names.items() for each in pair)
        ):
            raise UsageError(
                "label_map must map labels to names", cure='for example {"0": "negative", "1": "positive"}'
            )
        return None if names is None else cls(names)

    def __call__(self, label: str) -> str:
        if label in self.unused:
            self.unused.remove(label)
        return self._names.get(label, label)


def _clean(label: str, block: LabelledBlock, index: int) -> str:
    clean = canonical(label)
    if unfit := _UNFIT.search(clean):
        cure = (
            "remove it, since labels are written into rows" if len(clean) <= 40 else "check that it is the right column"
        )
        shown = clean if len(clean) <= 40 else clean[:37] + "..."
        raise InputError(
            f"label {shown!r} contains the control character {unfit[0]!r}", where=block.where(index), cure=cure
        )
    return clean


def _without_label(block: LabelledBlock, rest: Iterator[tuple[Block, list[str]]] | tuple) -> InputError:
    """The error for records without a label. rest: the remaining input if it is finite, to count further ones."""
    where = block.where([not label.strip() for label in block.labels].index(True))
    number = sum(not label.strip() for label in block.labels)
    for more, labels in rest:
        texts = more.data.split(b"\n")
        number += sum(not label.strip() and bool(texts[k].strip()) for k, label in enumerate(labels))
    rows = "lines" if block.header is not None else "rows"
    what = f"{number:,} {rows} have no label, beginning with this one" if number > 1 else "no label"
    if records.has_columns(block.path):
        return InputError(what, where=where, cure="add the missing labels or remove these rows")
    cure = f"begin every line with {PREFIX}NAME and a space, or use {records.NAMED}"
    return InputError(what, where=where, cure=cure)


# --- where labels come from: blocks, the labels as they are given ("" for none), and the lines before the first record


def _raw(
    path: str,
    *,
    text_column: str | None,
    label_column: str | None,
    keep: Sequence[str],
    format: str | None,
    blank_end: Callable[[int], None] | None,
    **reading,
) -> tuple[Iterator[tuple[Block, list[str]]], int | None]:
    """The blocks with their labels as given, and the number of lines before the first record."""
    label = ColumnSpec("label", _without(LABEL_COLUMNS, text_column), name=label_column, may_lack=True)
    if not records.has_columns(path, format):
        for column in (text_column, label if label_column else None):
            records.check_lines(path, column, keep)
        return _prefixed(path, **reading), 0
    if text_column is not None and label_column is not None and folded(text_column) == folded(label_column):
        raise UsageError(
            f"column {text_column!r} cannot be both text and label", where=path, cure="choose another column"
        )
    text = dataclasses.replace(TEXT, name=text_column, usual=_without(TEXT_COLUMNS, label_column))
    kind = "hub" if is_hub(path) else records.kind_of(path, format)
    if kind in ("tsv", "csv"):
        _check_numbers(text_column, label_column, path)
    blocks = records.read_blocks(path, column=text, keep=[label, *keep], format=format, blank_end=blank_end, **reading)
    by_number = not any(name is None or not name.startswith("#") for name in (text_column, label_column, *keep))
    return _from_kept(blocks, keep), {"tsv": int(not by_number), "jsonl": 0}.get(kind or "")


def _without(usual: Sequence[str], name: str | None) -> tuple[str, ...]:
    """The usual names of a column without `name`, which is used for another one."""
    return tuple(each for each in usual if name is None or each != folded(name))


def _check_numbers(text_column: str | None, label_column: str | None, path: str) -> None:
    """Raises UsageError if one column is given as `#N`, which implies a file without a header, and the other by name."""
    if (text_column or "").startswith("#") != (label_column or "").startswith("#"):
        which, other = ("text", "label") if (text_column or "").startswith("#") else ("label", "text")
        cure = f"give --{other}-column as #N too, or both by name if there is a header"
        raise UsageError(f"the {which} column is given by number but the {other} column by name", where=path, cure=cure)


def _from_kept(blocks: Iterator[Block], keep: Sequence[str]) -> Iterator[tuple[Block, list[str]]]:
    for block in blocks:
        kept = tuple(row[1:] for row in block.kept) if keep else ()
        yield dataclasses.replace(block, kept=kept), [row[0] for row in block.kept]


def _prefixed(path: str, **reading) -> Iterator[tuple[Block, list[str]]]:
    """Lines in fastText's format: the label is the word that begins with `__label__`, wherever it occurs."""
    for block in lines.read_blocks(path, **reading):
        labels, texts = [], []
        for index, record in enumerate(block.records()):
            found = _LABEL.findall(record) if PREFIX in record else []
            if len(found) > 1:
                where = LabelledBlock(block, [], path).where(index)
                raise InputError("several labels on a line", where=where, cure="keep one label per text")
            labels.append(found[0] if found else "")
            texts.append(without_labels(record))
        data = "".join([text + "\n" for text in texts]).encode()
        yield Block(block.first, data, block.replaced), labels


def without_labels(record: str) -> str:
    """The text of a line in fastText's format: all words that are not labels."""
    found = list(_LABEL.finditer(record)) if PREFIX in record else []
    if not found:
        return record
    text = _LABEL.sub("", record)
    if not record[: found[0].start()].strip(_BLANK):
        text = text.lstrip(_BLANK)
    return text.rstrip(_BLANK) if found[-1].end() == len(record) else text


def unlabelled(block: Block) -> Block:
    """The same records without fastText's labels, which are not part of the text."""
    if PREFIX.encode() not in block.data:
        return block
    texts = map(without_labels, block.data.decode().split("\n")[:-1])
    return dataclasses.replace(block, data="".join(text + "\n" for text in texts).encode(), raw=tuple(block.records()))


# --- all at once ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Labelled:
    """All texts and their labels: text n has the label `labels[targets[n]]`."""

    blocks: list[bytes]  # the texts as lines
    targets: np.ndarray  # int32 [N]
    labels: list[str]  # the given ones, then others in the order of `in_order`
    places: np.ndarray  # int64 [N], from 1: numbers of the texts among all records, if blank ones were left out
    blank: int = 0  # records left out

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def counts(self) -> np.ndarray:
        """The number of texts of each label: int64 [C]."""
        return np.bincount(self.targets, minlength=len(self.labels))


def read_all(
    paths: Sequence[str],
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    format: str | None = None,
    encoding: str | None = None,
    strict: bool = False,
    labels: Sequence[str] | None = None,
    fewest: int = 2,
    deadline: Deadline | None = None,
    label_map: Callable[[str], str] | None = None,
    reporter: Reporter = SILENT,
) -> Labelled:
    """The texts of all `paths`, to train on (labels=None) or to evaluate a model that has `labels`.

    Labels that the model does not have come after its own. fewest: number of different labels required if `labels` is not
    given; 1 if the texts are for a model that is not known yet. deadline: when reading stops.
    Raises what `read_labelled` raises, and InputError if there are no texts or too few labels to train on.
    """
    tables_too = any(records.has_columns(path, format) for path in paths)
    known = {} if labels is None else {label: index for index, label in enumerate(labels)}
    number = dict(known)
    blocks, targets, places = [], [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    seen = blank = 0
    deadline = deadline or Deadline()
    for path in paths:
        parts: list[LabelledBlock] = []
        before = seen
        left_out: list[int] = []  # numbers of blank rows
        # column names apply only to the tables among the files
        named = records.has_columns(path, format) or not tables_too
        read = read_labelled(
            path, text_column=text_column if named else None, label_column=label_column if named else None, format=format,
            encoding=encoding, strict=strict, blank_end=left_out.append, label_map=label_map,
        )  # fmt: skip
        for block in lines.noting(_texts(deadline.within(read), parts), path, reporter):
            part = parts.pop()
            for label in dict.fromkeys(part.labels):
                number.setdefault(label, len(number))
            targets.append(np.array([number[label] for label in part.labels], np.int32))
            places.append(before + block.first + (np.arange(len(block)) if part.places is None else part.places))
            left_out.append(part.records - len(block))
            seen = before + block.first - 1 + part.records
            blocks.append(block.data)
        if number_left_out := sum(left_out):
            rows = "1 blank row is" if number_left_out == 1 else f"{number_left_out:,} blank rows are"
            reporter.note(f"{lines.shown(path)}: {rows} left out")
        blank += number_left_out
    found, where_ = np.concatenate(targets), np.concatenate(places)
    everywhere = paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
    if not len(found):
        raise InputError("no texts", where=everywhere)
    if labels is None and len(number) < fewest:
        (only,) = number
        cure = "a classifier needs two" + (
            "; choose their column with --label-column" if any(map(records.has_columns, paths)) else ""
        )
        raise InputError(
            f"only one label, {only!r}, in {len(found):,} {'text' if len(found) == 1 else 'texts'}",
            where=everywhere,
            cure=cure,
        )
    ordered = [*known, *in_order([label for label in number if label not in known])]
    place = np.empty(len(number), np.int32)
    place[[number[label] for label in ordered]] = np.arange(len(ordered))
    return Labelled(blocks, place[found], ordered, where_, blank)


def _texts(parts: Iterator[LabelledBlock], seen: list[LabelledBlock]) -> Iterator[Block]:
    """The blocks of `parts`; each part is appended to `seen`."""
    for part in parts:
        seen.append(part)
        yield part.block


def in_order(labels: Sequence[str]) -> list[str]:
    """Labels in order: by value if all are numbers, otherwise by name: 2 before 10, 10a before 2."""
    if all(map(_NUMBER.fullmatch, labels)):
        return sorted(labels, key=lambda label: (float(label), label))
    return sorted(labels)
