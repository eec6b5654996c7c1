"""The lines that summarise a training when it is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def summary_lines(record: Mapping[str, Any], valid: Iterable[str]) -> Iterator[str]:
    """The summary. valid: the files of held-out text, if it was not a part of the training text."""
    judged = record.get("valid")
    size = f"{record['data']['rows']:,} rows, {record['data']['tokens']:,} tokens"
    if "ngrams" in record:
        grams = ", ".join(f"{count:,}" for count in record["ngrams"])
        yield f"{size}; n-grams of order 1 to {len(record['ngrams'])}: {grams}; {record['seconds']:.1f} s"
    elif "progress" not in record:
        yield f"{size}; {record['parameters']:,} parameters; {record['seconds']:.1f} s"
    else:
        p = record["progress"]
        yield (
            f"{size}; {record['parameters']:,} parameters, {p['step']:,} steps in {p['seconds']:.1f} s, "
            f"{p['tokens'] / max(p['seconds'], 1e-9):,.0f} tokens/s, {record['precision']}"
        )
        yield f"best held-out loss {p['best']:.4f} nats per token, at step {p['best_step']:,}"
    if judged:
        perplexity, known, bits = (_shown(judged[name]) for name in ("perplexity", "perplexity_known", "bits_per_byte"))
        unknown = f"{judged['unknown']:,} unknown ({known} on the known ones)" if judged["unknown"] else "none unknown"
        in_windows = f" (in windows of {judged['window']:,})" if "window" in judged else ""
        pseudo = "pseudo-" if record["settings"].get("objective") == "masked" else ""
        yield (
            f"on {', '.join(valid) or 'held-out rows'}{in_windows}: {pseudo}perplexity {perplexity} on {judged['tokens']:,} "
            f"tokens{_sample(judged)}, {unknown}; {bits} bits per byte"
        )
    if "baseline" in record:
        losses = " and ".join(f"{name} {nats:.4f}" for name, nats in record["baseline"].items())
        yield f"baselines of the held-out loss: {losses} nats per token"


def _sample(judged: dict[str, Any]) -> str:
    """The size of the held-out text, if there was no time to evaluate all of it."""
    there = judged.get("held_out_tokens", 0)
    return f" (a sample of {there:,})" if there > judged["tokens"] else ""


def _shown(figure: float | None) -> str:
    return "none" if figure is None else f"{figure:.4f}" if figure < 10 else f"{figure:.4g}"


def speed(record: Mapping[str, Any]) -> float:
    """Tokens per second of a training, over all its passes."""
    read, seconds = (record["progress"][name] for name in ("tokens", "seconds")) if "progress" in record else (
        record["data"]["tokens"], record["seconds"]
    )  # fmt: skip
    return read / max(seconds, 1e-9)
