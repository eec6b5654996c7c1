"""The lines that summarise the training of a classifier, before it begins and when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from seqcli.tasks.classification.data import Texts

_SHOWN = 12  # maximum number of labels shown


def texts(learnt_from: Texts, held_out: Texts) -> str:
    """The number of texts, in total and per label."""
    counts = np.bincount(learnt_from.targets, minlength=len(learnt_from.labels))
    shown = ", ".join(f"{label} {count:,}" for label, count in list(zip(learnt_from.labels, counts))[:_SHOWN])
    more = f" and {len(counts) - _SHOWN:,} more labels" if len(counts) > _SHOWN else ""
    return f"{len(learnt_from):,} texts ({shown}{more}); {len(held_out):,} held out"


def summary_lines(record: Mapping[str, Any], valid: Iterable[str]) -> Iterator[str]:
    """The summary. valid: the files of held-out texts, if they were not a part of the training texts."""
    judged = record["valid"]
    size = f"{record['data']['tokens']:,} tokens; {record['parameters']:,} parameters"
    if "progress" in record:
        p = record["progress"]
        yield (
            f"{size}, {p['step']:,} steps in {p['seconds']:.1f} s, {p['tokens'] / max(p['seconds'], 1e-9):,.0f} texts/s, "
            f"{record['precision']}; best at step {p['best_step']:,}"
        )
    else:
        yield f"{size}, {record['seconds']:.1f} s"
    there = judged.get("held_out_texts", 0)
    sample = f" (a sample of {there:,})" if there > judged["texts"] else ""
    beside = record.get("baseline")  # missing in older folders
    usual = (
        f" (baseline: {100 * beside['accuracy']:.2f} % by always predicting {beside['majority']!r})" if beside else ""
    )
    yield (
        f"on {', '.join(valid) or 'held-out texts'}: accuracy {100 * judged['accuracy']:.2f} % ({judged['texts']:,} texts{sample}), "
        f"macro F1 {judged['macro_f1']:.4f}, loss {judged['loss']:.4f} nats{usual}"
    )
