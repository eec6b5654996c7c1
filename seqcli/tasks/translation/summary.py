"""The lines that summarise the training of a translator, before it begins and when it is done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seqcli.data.pairs import Pairs


def pairs(learnt_from: Pairs, held_out: Pairs) -> str:
    blank = f" ({learnt_from.blank:,} with a blank side were left out)" if learnt_from.blank else ""
    return f"{len(learnt_from):,} pairs{blank}; {len(held_out):,} held out"


def summary_lines(record: Mapping[str, Any], valid: Iterable[str]) -> Iterator[str]:
    """The summary. valid: the files of held-out pairs, if they were not a part of the training pairs."""
    data, judged, p = record["data"], record["valid"], record["progress"]
    unigram = (
        f" (unigram {math.exp(record['baseline']['unigram']):.2f})" if "baseline" in record else ""
    )  # missing in older folders
    yield (
        f"{data['source_tokens']:,} to {data['target_tokens']:,} tokens; {record['parameters']:,} parameters, {p['step']:,} steps in "
        f"{p['seconds']:.1f} s, {p['tokens'] / max(p['seconds'], 1e-9):,.0f} target tokens/s, {record['precision']}; "
        f"best at step {p['best_step']:,}"
    )
    sample = f", a sample of {judged['held_out_pairs']:,}" if judged["held_out_pairs"] > judged["pairs"] else ""
    yield (
        f"on {', '.join(valid) or 'held-out pairs'}: perplexity {judged['perplexity']:.2f} per token{unigram}, "
        f"BLEU {judged['bleu']:.2f}, chrF {judged['chrf']:.2f} on {judged['pairs']:,} pairs{sample}"
    )
