"""A table in about a third of the space: log-probabilities and back-offs as 8-bit codes, pointers as differences.

An n-gram's word and the code of its log-probability share 32 bits, so a search reads no more memory than before. The 256
values of each order minimise the squared error (Lloyd 1982, "Least squares quantization in PCM"); log-probabilities are
weighted by the square root of the probability, since likely n-grams are looked up more often. 0 and -inf, which mean that a
context adds nothing or has nothing to back off with, are exact. The columns support the indexing that `Table` uses: by
rows, slices and numbers.

Codebooks are computed from histograms of the values' first 21 bits, so they do not depend on the order or number of the
pieces in which a table is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from seqcli.errors import InputError
from seqcli.ngram.arena import Arena
from seqcli.ngram.table import Table, checked

BITS = 8
LARGEST_VOCABULARY = 1 << (32 - BITS)
_CODES = 1 << BITS
_CODE = np.uint32(_CODES - 1)
_DROPPED = np.uint32(11)  # low bits of a float32 that codebooks ignore
_BINS = 1 << (32 - 11)
_FEW = _BINS >> 6  # values of which a histogram of all bins takes longer than sorting them
_SIGN = np.uint32(1 << 31)
_ITERATIONS = 60
_LEAST = -60.0  # log-probabilities below this have the weight of this one
_CODEBOOK = ".codebook"
_BLOCK_BITS = 5  # log2 of the number of pointers that share an anchor


class QuantisedTable(Table):
    """A `Table` of `Coded`, `Words` and `Pointers` columns. Values of unigrams are coded, too; their ids are their rows, as in
    any table."""

    precision = "q8"

    def tensors(self) -> dict[str, np.ndarray]:
        named: dict[str, np.ndarray] = {}
        for n in range(self.order):
            coded: dict[str, Any] = {f"order{n + 1}.{'records' if n else 'log_prob'}": self.log_prob[n]}
            if n < self.order - 1:
                coded[f"order{n + 1}.log_backoff"] = self.log_backoff[n]
                children: Any = self.children[n]
                named |= {f"order{n + 1}.children.{part}": getattr(children, part) for part in Pointers.PARTS}
            named |= {name: column.codes for name, column in coded.items()}
            named |= {name + _CODEBOOK: column.codebook for name, column in coded.items()}
        return named

    def _read(self, tensors: dict[str, np.ndarray]) -> None:
        def coded(name: str, kind: type, rows: int | None = None) -> Coded:
            codebook = checked(tensors[name + _CODEBOOK], np.float32, _CODES)
            return Coded(checked(tensors[name], kind, rows), codebook)

        for n in range(self.order):
            name = f"order{n + 1}"
            prob = coded(f"{name}.records", np.uint32) if n else coded(f"{name}.log_prob", np.uint8)
            rows = len(prob)
            self.log_prob.append(prob)
            self.words.append(Words(prob.codes if n else np.zeros(0, np.uint32)))
            if n < self.order - 1:
                self.log_backoff.append(coded(f"{name}.log_backoff", np.uint8, rows))
                anchors, offsets, far = (tensors[f"{name}.children.{part}"] for part in Pointers.PARTS)
                self.children.append(
                    Pointers(
                        checked(anchors, np.unsignedinteger, _blocks(rows + 1)),
                        checked(offsets, np.uint8, rows + 1),
                        checked(far, anchors.dtype),
                    )
                )


def parameters(tensors: Mapping[str, np.ndarray]) -> int:
    """The number of parameters of a model: floats, and codes of floats; word ids and pointers do not count."""
    return sum(
        len(tensors[name.removesuffix(_CODEBOOK)]) if name.endswith(_CODEBOOK) else array.size
        for name, array in tensors.items()
        if array.dtype.kind == "f"
    )


def quantised(table: Table, *, arena: Arena) -> QuantisedTable:
    """The table with 8-bit values. Raises InputError if word ids do not fit beside the codes."""
    if table.vocab_size > LARGEST_VOCABULARY:
        what = f"a vocabulary of {table.vocab_size:,} is too large to quantize"
        raise InputError(what, cure=f"use --vocab-size {LARGEST_VOCABULARY} or leave out --quantize")
    made = QuantisedTable.empty(table.order)
    for n in range(table.order):
        prob = _coded(table.log_prob[n], arena, words=table.words[n] if n else None, often=0.5)
        made.log_prob.append(prob)
        made.words.append(Words(prob.codes if n else np.zeros(0, np.uint32)))
        if n < table.order - 1:
            made.log_backoff.append(_coded(table.log_backoff[n], arena))
            made.children.append(_pointers(table.children[n], arena))
    return made


class Coded:
    """Values given by a codebook (float32 [256]) and their codes, uint8 or the low byte of uint32 [R]."""

    def __init__(self, codes: np.ndarray, codebook: np.ndarray):
        self.codes, self.codebook = codes, codebook

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, key) -> np.ndarray:
        codes = self.codes[key]
        return self.codebook[codes if self.codes.dtype == np.uint8 else codes & _CODE]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[:].astype(dtype or np.float32, copy=False)


class Words:
    """The words of records: their upper 24 bits."""

    def __init__(self, records: np.ndarray):
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key) -> np.ndarray:
        return self.records[key] >> np.uint32(BITS)

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[:].astype(dtype or np.uint32, copy=False)


class Pointers:
    """Ascending numbers [R]: an anchor for each block of 32, and one byte per number for its distance from the anchor.

    If the numbers of a block differ by more than a byte, the highest bit of its anchor is set, and the rest is its index in
    `far`, which stores such blocks in full.
    """

    PARTS = ("anchors", "offsets", "far")

    def __init__(self, anchors: np.ndarray, offsets: np.ndarray, far: np.ndarray):
        self.anchors, self.offsets, self.far = anchors, offsets, far
        self._near = np.iinfo(anchors.dtype).max >> 1

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, key) -> np.ndarray:
        if isinstance(key, slice):
            key = np.arange(*key.indices(len(self)))
        rows = np.atleast_1d(key)
        anchors = self.anchors[rows >> _BLOCK_BITS]
        values = anchors.astype(np.int64) + self.offsets[rows]
        far = anchors > self._near
        if far.any():
            at = ((anchors[far] & self._near).astype(np.int64) << _BLOCK_BITS) + (rows[far] & ((1 << _BLOCK_BITS) - 1))
            values[far] = self.far[at]
        return values if np.ndim(key) else values[0]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self[:].astype(dtype or np.int64, copy=False)


def _pointers(children: Any, arena: Arena) -> Pointers:
    size, last = len(children), int(children[-1])
    kind = np.uint32 if last < 1 << 31 else np.uint64
    flag = np.array(1 << (np.iinfo(kind).bits - 1), kind)
    block = 1 << _BLOCK_BITS
    anchors, offsets = arena.empty(_blocks(size), kind), arena.empty(size, np.uint8)
    far: list[np.ndarray] = []
    for begin, end in _pieces(size, max(block, arena.rows & -block)):
        values = np.full(_blocks(end - begin) << _BLOCK_BITS, last, np.int64)
        values[: end - begin] = children[begin:end]
        blocks = values.reshape(-1, block)
        rises = blocks - blocks[:, :1]
        wide = rises[:, -1] >= _CODES
        rises[wide] = 0
        firsts = blocks[:, 0].astype(kind)
        firsts[wide] = np.bitwise_or((np.arange(wide.sum()) + sum(map(len, far))).astype(kind), flag)
        far.append(blocks[wide].astype(kind))
        anchors[begin >> _BLOCK_BITS : _blocks(end)] = firsts
        offsets[begin:end] = rises.ravel()[: end - begin]
    return Pointers(anchors, offsets, np.concatenate(far).ravel())


def _coded(values: Any, arena: Arena, *, words: Any | None = None, often: float = 0) -> Coded:
    """Values as codes, combined with words if given. often: exponent of the weight exp(often * value)."""
    pieces = list(_pieces(len(values), arena.rows))
    few = len(values) <= _FEW
    bins = np.unique(_ordered_bits(values[:]) >> _DROPPED) if few else np.arange(_BINS, dtype=np.uint32)
    counts, rests = np.zeros(len(bins), np.int64), np.zeros(len(bins))

    def rows(bits: np.ndarray) -> np.ndarray:
        found = bits >> _DROPPED
        return np.searchsorted(bins, found) if few else found

    for begin, end in pieces:
        bits = _ordered_bits(values[begin:end])
        counts += np.bincount(rows(bits), minlength=len(bins))
        rests += np.bincount(rows(bits), bits & np.uint32((1 << 11) - 1), minlength=len(bins))  # exact: integers
    codebook, code_of_bin = _lloyd(bins, counts, rests, often=often)
    codes = arena.empty(len(values), np.uint8 if words is None else np.uint32)
    for begin, end in pieces:
        codes[begin:end] = code_of_bin[rows(_ordered_bits(values[begin:end]))]
        if words is not None:
            codes[begin:end] |= words[begin:end] << np.uint32(BITS)
    return Coded(codes, codebook)


def _lloyd(bins: np.ndarray, counts: np.ndarray, rests: np.ndarray, *, often: float) -> tuple[np.ndarray, np.ndarray]:
    """256 ascending values, and the code of each bin. The value of a bin is the mean of its contents."""
    filled = np.flatnonzero(counts)
    weight = counts[filled].astype(np.float64)
    value = _floats(bins[filled] * np.uint32(1 << 11) + np.rint(rests[filled] / weight).astype(np.uint32))
    exact = (value == 0) | np.isinf(value)
    free = _CODES - int(exact.sum())
    x = value[~exact].astype(np.float64)
    w = weight[~exact] * np.exp(often * np.maximum(x, _LEAST))
    levels = x if len(x) <= free else _levels(x, w, free)
    codebook = np.sort(np.append(levels.astype(np.float32), value[exact]))
    code_of_bin = np.zeros(len(bins), np.uint8)
    with np.errstate(invalid="ignore"):
        middles = (codebook[1:].astype(np.float64) + codebook[:-1]) / 2
    code_of_bin[filled] = np.searchsorted(middles, value)
    code_of_bin[filled[exact]] = np.searchsorted(codebook, value[exact])
    return np.append(codebook, np.zeros(_CODES - len(codebook), np.float32)), code_of_bin


def _levels(x: np.ndarray, w: np.ndarray, levels: int) -> np.ndarray:
    """Levels that minimise the squared error of the ascending values x with weights w, by Lloyd's iterations. Their initial
    density is the cube root of that of the values, which is optimal in the limit of many levels."""
    width = np.gradient(x)
    mass = np.cumsum(np.cbrt(w / width) * width)
    edges = np.searchsorted(mass, mass[-1] * np.arange(1, levels) / levels)
    sums, moments = np.append(0, np.cumsum(w)), np.append(0, np.cumsum(w * x))
    for _ in range(_ITERATIONS):
        ends = np.concatenate([[0], edges, [len(x)]])
        inside = np.diff(sums[ends])
        means = np.diff(moments[ends])[inside > 0] / inside[inside > 0]
        edges = np.searchsorted(x, (means[1:] + means[:-1]) / 2)
    return means


def _ordered_bits(values: Any) -> np.ndarray:
    """Maps float32 to uint32 in the same order; -0 is mapped to 0."""
    bits = (np.asarray(values, np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _floats(bits: np.ndarray) -> np.ndarray:
    """The inverse of `_ordered_bits`."""
    return np.where(bits & _SIGN, bits & ~_SIGN, ~bits).view(np.float32)


def _pieces(size: int, rows: int) -> Iterator[tuple[int, int]]:
    return ((begin, min(begin + rows, size)) for begin in range(0, size, rows))


def _blocks(rows: int) -> int:
    return (rows + (1 << _BLOCK_BITS) - 1) >> _BLOCK_BITS
