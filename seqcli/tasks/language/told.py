"""What a training has to say when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from seqcli.interfaces import OpenModel
from seqcli.metrics.perplexity import Totals


@dataclass(frozen=True)
class Trained:
    """What a training says when it is done."""

    opened: OpenModel
    record: dict[str, Any]
    valid: Totals | None


def told(trained: Trained, valid: Iterable[str]) -> Iterator[str]:
    """What a training says when it is done, in lines."""
    record, v = trained.record, trained.valid
    size = f"{record['data']['rows']:,} rows, {record['data']['tokens']:,} tokens"
    if "ngrams" in record:
        grams = ", ".join(f"{count:,}" for count in record["ngrams"])
        yield f"{size}; n-grams of order 1 to {len(record['ngrams'])}: {grams}; {record['seconds']:.1f} s"
    else:
        p = record["progress"]
        yield (
            f"{size}; {record['parameters']:,} parameters, {p['step']:,} steps in {p['seconds']:.1f} s, "
            f"{p['tokens'] / max(p['seconds'], 1e-9):,.0f} tokens/s, {record['precision']}"
        )
        yield f"best held-out loss {p['best']:.4f} nats a token, at step {p['best_step']:,}"
    if v is not None:
        yield (
            f"on {', '.join(valid)}: perplexity {v.perplexity:.4g} ({v.perplexity_known:.4g} without {v.unknown:,} "
            f"unknown of {v.tokens:,} tokens), {v.bits_per_byte:.4f} bits per byte"
        )
