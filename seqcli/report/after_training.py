"""The last lines of a training: a sample of the model's output, whether it has learned anything, and the next command or what to change
first.

A model is compared with a baseline that knows only how often each token or label occurs (`metrics/unigram`, the most frequent label).
One that is not better needs different training before it is used. The number of steps can explain this but is no evidence; it decides
only if the held-out data cannot tell.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from seqcli.decoding import generate, translate
from seqcli.decoding.sampling import Policy
from seqcli.interfaces import OpenModel, OpenTranslator, Reporter
from seqcli.tasks.classification.load import OpenClassifier

# seconds for a sample: usually well under one, except for large networks and on busy machines
_TOKENS, _CHARACTERS = 24, 80
_SECONDS = 1.0  # seconds for a sample if the budget in minutes has been used up
_DRAWN = 4  # number of texts to generate, of which the first that is not blank is shown
_SHOWN = 100  # maximum characters of a text to show
_TEMPERATURE = 0.8
NEAR = 0.95  # relative to the baseline's loss: a model above this has learned next to nothing
_CHANCE = 0.05  # probability that all guesses are right by chance: if it is larger, there are too few texts to tell
_EARLY = 0.5  # share of the steps: if the best loss came earlier, it increased afterwards
TRIED = 100  # number of held-out rows, of which the first that is short enough is shown


def note(
    reporter: Reporter, ended: Sequence[tuple[str, Any, Mapping[str, Any]]], held_out: Sequence[Sequence[str]] = (), *, follows: str
) -> None:  # fmt: skip
    """Prints the last lines. ended: name ("" for a single model), opened model and record of each training; held_out: held-out
    rows, each a text and its label or translation; follows: the next command, omitted if no model has learned anything."""
    wrong = []
    for name, opened, record in ended:
        begin = f"{name}: " if name else ""
        with suppress(Exception):  # the model is trained and saved, so a sample that fails must not fail the command
            reporter.note(f"{begin}{sample(opened, held_out)}")
        if fault := hardly_learned(record):
            wrong.append(f"{begin}{fault}" if name else f"the model {fault}")
    for fault in wrong:
        reporter.note(fault)
    if len(wrong) < len(ended):
        reporter.note(f"next: {follows}")


class _Timed:
    """Wraps a model, or the memory of a translator, and raises TimeoutError if a step is requested after `until`."""

    def __init__(self, model: Any, until: float):
        self._model, self._until = model, until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def conditioned_on(self, memory: Any) -> _Timed:
        return _Timed(self._model.conditioned_on(memory), self._until)

    def extend(self, *arguments: Any, **named: Any) -> Any:
        return self._in_time().extend(*arguments, **named)

    def step(self, *arguments: Any, **named: Any) -> Any:
        return self._in_time().step(*arguments, **named)

    def _in_time(self) -> Any:
        if time.monotonic() > self._until:
            raise TimeoutError
        return self._model


def sample(opened: OpenModel | OpenClassifier | OpenTranslator, held_out: Sequence[Sequence[str]]) -> str:
    """A generated text, as far as it is produced in `_SECONDS`, or the output for a held-out text.

    Raises TimeoutError if nothing is produced in time.
    """
    if not isinstance(opened, OpenClassifier):
        timed: Any = _Timed(opened.model, time.monotonic() + _SECONDS)
    if isinstance(opened, OpenModel):
        model = replace(opened, model=timed)
        most = _CHARACTERS if opened.tokenizer.KIND in ("characters", "bytes") else _TOKENS
        how = generate.GenerationSettings(
            policy=Policy(temperature=_TEMPERATURE), max_new_tokens=most, num_samples=_DRAWN
        )
        generated = ""
        for each in generate.samples_of(model, [""], how):
            try:
                for grown in generate.grow(model, [each], how):
                    generated = grown.text
            except TimeoutError:
                if not generated:
                    raise
                break
            if generated.strip():
                break
        return f"generated sample: {_shown(generated)}"
    text, truth = next((row for row in held_out if 0 < len(row[0]) <= _SHOWN), held_out[0])
    if isinstance(opened, OpenClassifier):
        (shares,) = opened.probabilities(text.encode() + b"\n")
        best = int(shares.argmax())
        verdict = "correct" if opened.labels[best] == truth else f"true label {truth}"
        return f"held-out text: {_shown(text)} -> {opened.labels[best]} ({shares[best]:.2f}), {verdict}"
    (translated,) = translate.translate(
        replace(opened, model=timed), [text[:_SHOWN]], translate.TranslationSettings(beam_size=1)
    )
    return f"held-out sentence: {_shown(text)} -> {_shown(translated.best.text)} (reference: {_shown(truth)})"


def _shown(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return "(no text)"
    return f'"{text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."}"'


def hardly_learned(record: Mapping[str, Any]) -> str | None:
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
