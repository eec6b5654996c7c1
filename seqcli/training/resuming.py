"""Checks that a training is resumed with its original settings and data.

A record is what a task stores about a training before its first step: settings, labels, tokenizer, text. Everything in it
is compared, except the values listed below with the reason. (Without torch, since the records of counted models are compared too,
which are not continued once they are done.)
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqcli.errors import UsageError
from seqcli.interfaces import Reporter

BUDGET = frozenset({"epochs", "steps", "minutes", "patience"})
LOOKING = frozenset(
    {"evaluations", "evaluate_every", "save_minutes"}
)  # when to evaluate and save; no effect on the steps
MACHINE = frozenset({"precision", "device", "shard"})  # the same steps up to rounding
NAMES = frozenset({"files", "init"})  # files may be moved: their contents are compared by fingerprints
FOLLOWING = frozenset({  # from the text and the settings
    "parameters", "vocab_size", "rows", "tokens", "source_tokens", "target_tokens", "held_out", "counts", "left_out",
    "unigram", "uniform", "majority", "accuracy", "prior_loss",
})  # fmt: skip
MAY_CHANGE = BUDGET | LOOKING | MACHINE | NAMES | FOLLOWING
_PARTS = ("settings", "training", "data", "baseline")  # parts of a record with values of their own
_TEXTS = {"fingerprint": "training text", "held_out_fingerprint": "held-out text"}
_CALLED = {
    **_TEXTS,
    "label_weights": "--label-weights",
    "init_weights": "the model of --init",
    "embeddings": "--embeddings",
    "distill": "--distill",
    "labels": "the list of labels",
}
_SHOWN = 60  # maximum length of a displayed value


def settings_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """All values of a record by name, converted as by JSON."""
    flat = {name: value for name, value in record.items() if name not in _PARTS}
    for part in _PARTS:
        flat |= record.get(part) or {}
    return json.loads(json.dumps(flat))


def check(begun: Mapping[str, Any], now: Mapping[str, Any], *, done: bool = False, reporter: Reporter) -> None:
    """Raises UsageError naming the values that differ between two results of `settings_of` and may not. Values that
    only one of them has come from another version of seqcli. A change of precision or device is noted. done: the
    training is not continued, so its budget may not change either."""
    may_change = MAY_CHANGE - (BUDGET if done else frozenset())
    may_change -= (
        LOOKING if begun.get("schedule") == "plateau" else frozenset()
    )  # whose learning rate depends on the evaluations
    different = [name for name in now if name in begun and now[name] != begun[name]]
    wrong = [name for name in different if name not in may_change]
    wrong = [
        name for name in wrong if name not in ("tokenizer", *_TEXTS)
    ] or wrong  # these depend on the seed and the unit
    if wrong:
        what = ", ".join(
            f"{_CALLED.get(name, name)} was {_shown(begun[name])}, now {_shown(now[name])}" for name in wrong
        )
        raise UsageError(what, where="--resume", cure="resume with the original settings and text")
    for name in ("precision", "device"):
        if name in different:
            reporter.note(
                f"{name} was {begun[name]}, now {now[name]}: the result will differ by rounding from an uninterrupted run"
            )


def fingerprint(*arrays: np.ndarray | bytes) -> str:
    """Checksum of the data that is trained or evaluated on: tokens, labels, text."""
    sum_ = 0
    for array in arrays:
        sum_ = zlib.crc32(array if isinstance(array, bytes) else np.ascontiguousarray(array).data, sum_)
    return f"{sum_:08x}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
