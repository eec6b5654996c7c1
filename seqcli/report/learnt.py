"""Whether a model has learnt anything, by what its training wrote down: its held-out figures beside those of a baseline.

A baseline knows how often each token or label occurs and nothing else (`metrics/unigram`, the most frequent label). A model
that is no better than one should be trained otherwise before it is used. How many steps it took is a reason for that, not evidence:
it decides only where nothing was judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NEAR = 0.95  # of a baseline's loss: a model that reaches no less has learnt next to nothing
_EARLY = 0.5  # of the steps: a loss that was least before rose afterwards


def hardly_learnt(record: Mapping[str, Any]) -> str | None:
    """What is wrong, and what to change, in one line; None where the model is clearly better than its baseline."""
    progress, training = record.get("progress"), record.get("training", {})
    warming_up = _in_warm_up(record)
    if warming_up and not _is_judged(record):
        return f"has hardly learnt: {warming_up}; {_longer(training)}"
    if not (near := _near_a_baseline(record)):
        return None
    if warming_up:
        return f"has hardly learnt: {near}, after {warming_up}; {_longer(training)}"
    if progress and progress["best_step"] < _EARLY * progress["step"]:
        cure = "give more text, or a smaller --preset"
        return f"has hardly learnt: {near}, and it was best at step {progress['best_step']:,} of {progress['step']:,}; {cure}"
    if progress:
        return f"has hardly learnt: {near}; {_longer(training)}, or try another --learning-rate"
    return f"has hardly learnt: {near}; give more text" + (", or check its labels" if "labels" in record else "")


def loss_of(record: Mapping[str, Any]) -> float | None:
    """Nats per held-out token or text; None where nothing is held out, or what is has a probability of zero."""
    valid = record.get("valid") or {}
    if "loss" in valid:
        return valid["loss"]
    return None if valid.get("log_prob") is None else -valid["log_prob"] / max(valid["tokens"], 1)


def _in_warm_up(record: Mapping[str, Any]) -> str | None:
    """How many steps it took, where they are fewer than those of its warm-up. What it began with, if anything, had learnt before."""
    progress, warmup = record.get("progress"), record.get("training", {}).get("warmup", 0)
    if not progress or progress["step"] >= warmup or record.get("init"):
        return None
    return f"{progress['step']:,} {'step' if progress['step'] == 1 else 'steps'}, fewer than the {warmup:,} of its warm-up"


def _is_judged(record: Mapping[str, Any]) -> bool:
    """Whether there is a held-out figure and a baseline beside it."""
    baseline = record.get("baseline") or {}
    return "majority" in baseline or ("unigram" in baseline and loss_of(record) is not None)


def _near_a_baseline(record: Mapping[str, Any]) -> str | None:
    baseline, valid, loss = record.get("baseline") or {}, record.get("valid") or {}, loss_of(record)
    if "unigram" in baseline and loss is not None:
        name = min(("unigram", "uniform"), key=baseline.__getitem__)
        if loss >= NEAR * baseline[name]:
            return f"its held-out loss, {loss:.2f} nats per token, is not clearly below the {name} model's {baseline[name]:.2f}"
    if "majority" in baseline:
        usual = baseline["accuracy"]
        error = math.sqrt(usual * (1 - usual) / max(valid["texts"], 1))  # standard, of the baseline's accuracy
        if valid["accuracy"] <= usual + error and valid["calibrated_loss"] >= NEAR * baseline["prior_loss"]:
            return (
                f"{100 * valid['accuracy']:.1f} % of the held-out texts are right, and {100 * usual:.1f} % would be with the label "
                f"{baseline['majority']!r} for all"
            )
    return None


def _longer(training: Mapping[str, Any]) -> str:
    """What ended it may be more."""
    name = next(name for name in ("minutes", "steps", "epochs") if training.get(name))
    return f"train longer: the same command with --resume and a larger --{name} (it was {training[name]:g})"
