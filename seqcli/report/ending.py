"""The last lines of a training: a sample of the model's output, and the next command or what to change first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from seqcli.decoding import generate, translate
from seqcli.decoding.sampling import Policy
from seqcli.interfaces import OpenModel, OpenTranslator, Reporter
from seqcli.report.learnt import hardly_learnt
from seqcli.tasks.classification.load import OpenClassifier

# seconds for a sample: usually well under one, except for large networks and on busy machines
_TOKENS, _CHARACTERS = 24, 80
_SECONDS = 1.0  # seconds for a sample if the budget in minutes has been used up
_DRAWN = 4  # number of texts to generate, of which the first that is not blank is shown
_SHOWN = 100  # maximum characters of a text to show
_TEMPERATURE = 0.8
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
        if fault := hardly_learnt(record):
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
        given = "correct" if opened.labels[best] == truth else f"true label {truth}"
        return f"held-out text: {_shown(text)} -> {opened.labels[best]} ({shares[best]:.2f}), {given}"
    (made,) = translate.translate(
        replace(opened, model=timed), [text[:_SHOWN]], translate.TranslationSettings(beam_size=1)
    )
    return f"held-out sentence: {_shown(text)} -> {_shown(made.best.text)} (reference: {_shown(truth)})"


def _shown(text: str) -> str:
    text = " ".join(text.split())
    if not text:
        return "(no text)"
    return f'"{text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."}"'
