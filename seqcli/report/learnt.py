"""Decides whether a model has learned anything, by comparing its held-out scores with those of a baseline.

A baseline knows only how often each token or label occurs (`metrics/unigram`, the most frequent label). A model that is not
better needs different training before it is used. The number of steps can explain this but is no evidence; it decides only
if the held-out data cannot tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NEAR = 0.95  # relative to the baseline's loss: a model above this has learned next to nothing
_CHANCE = 0.05  # probability that all guesses are right by chance: if it is larger, there are too few texts to tell
_EARLY = 0.5  # share of the steps: if the best loss came earlier, it increased afterwards


def hardly_learnt(record: Mapping[str, Any]) -> str | None:
    """What is wrong and what to change, in one line; None if the model is clearly better than its baseline."""
    progress, training = record.get("progress"), record.get("training", {})
    better, warming_up = _is_better(record), _in_warm_up(record)
    if better or (better is None and not warming_up):
        return None
    if better is None:
        return f"has hardly learned: {warming_up}; {_longer(training)}"
    near = _beside_a_baseline(record)
    if warming_up:
        return f"has hardly learned: {near}, after {warming_up}; {_longer(training)}"
    if progress and progress["best_step"] < _EARLY * progress["step"]:
        cure = "use more text or a smaller --preset"
        return f"has hardly learned: {near}, with the best at step {progress['best_step']:,} of {progress['step']:,}; {cure}"
    if progress:
        return f"has hardly learned: {near}; {_longer(training)}, or try another --learning-rate"
    return f"has hardly learned: {near}; use more text" + (", or check the labels" if "labels" in record else "")


def loss_of(record: Mapping[str, Any]) -> float | None:
    """Nats per held-out token or text; None if nothing is held out, or if it contains something with probability 0."""
    valid = record.get("valid") or {}
    if "loss" in valid:
        return valid["loss"]
    return None if valid.get("log_prob") is None else -valid["log_prob"] / max(valid["tokens"], 1)


def _in_warm_up(record: Mapping[str, Any]) -> str | None:
    """The number of steps, if there were fewer than warm-up steps and the model was not initialised from another one."""
    progress, warmup = record.get("progress"), record.get("training", {}).get("warmup", 0)
    if not progress or progress["step"] >= warmup or record.get("init"):
        return None
    return (
        f"{progress['step']:,} {'step' if progress['step'] == 1 else 'steps'}, fewer than the {warmup:,} of its warm-up"
    )


def _is_better(record: Mapping[str, Any]) -> bool | None:
    """Whether the model is better than its baseline; None if the held-out rows cannot tell."""
    baseline, valid, loss = record.get("baseline") or {}, record.get("valid") or {}, loss_of(record)
    if "majority" in baseline:
        usual, texts = baseline["accuracy"], max(valid["texts"], 1)
        error = math.sqrt(usual * (1 - usual) / texts)  # standard error of the baseline's accuracy
        if valid["accuracy"] > usual + error or valid["calibrated_loss"] < NEAR * baseline["prior_loss"]:
            return True
        counts = record["data"]["counts"]
        return None if (max(counts) / sum(counts)) ** texts > _CHANCE else False
    if "unigram" in baseline and loss is not None:
        return loss < NEAR * min(baseline["unigram"], baseline["uniform"])
    return None


def _beside_a_baseline(record: Mapping[str, Any]) -> str:
    """The held-out score of a model that is not better, and that of its baseline."""
    baseline, valid = record["baseline"], record["valid"]
    if "majority" in baseline:
        return (
            f"its accuracy on the held-out texts is {100 * valid['accuracy']:.1f} %, and always predicting {baseline['majority']!r} "
            f"reaches {100 * baseline['accuracy']:.1f} %"
        )
    name = min(("unigram", "uniform"), key=baseline.__getitem__)
    return f"its held-out loss of {loss_of(record):.2f} nats per token is not clearly below the {baseline[name]:.2f} of a {name} model"


def _longer(training: Mapping[str, Any]) -> str:
    """The cure: increase the option that ended the training."""
    name = next(name for name in ("minutes", "steps", "epochs") if training.get(name))
    return f"train longer: run the same command with --resume and a larger --{name} (it was {training[name]:g})"
