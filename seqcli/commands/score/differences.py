"""Differences in bits per byte between the first model and each other one, with a bootstrap interval and a verdict
where possible."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seqcli.commands.score.arguments import Arguments, Scorer
from seqcli.interfaces import is_pseudo
from seqcli.metrics.bootstrap import RESAMPLES, PairedBootstrap
from seqcli.metrics.perplexity import Totals
from seqcli.scoring.sentences import Sentences


class Differences:
    """Collects the scores of the models of -m block by block."""

    def __init__(self, arguments: Arguments, scorer: Scorer):
        self._note, self._seed = arguments.reporter.note, arguments.seed
        self._names = [opened.name for opened in scorer.models.chosen]
        self._pairs = [PairedBootstrap() for _ in self._names[1:]]
        self._pseudo = [is_pseudo(opened.model) for opened in scorer.models.chosen]

    def add(self, scored: Sequence[Sentences]) -> None:
        """Adds the scores of the same records by every model; models differ in the number of bytes if they differ in
        scoring line ends."""
        first = scored[0]
        for pair, other in zip(self._pairs, scored[1:]):
            pair.add(-first.log_prob / math.log(2), first.bytes, -other.log_prob / math.log(2), other.bytes)

    def report(self, totals: Sequence[Totals]) -> None:
        """Prints a note for each difference. totals: of each model."""
        if not self._pairs or not totals[0].sentences:
            return
        first, *others = self._names
        for pair, other, total, pseudo in zip(self._pairs, others, totals[1:], self._pseudo[1:]):
            # Of the figures as they are shown, so that the three agree to the last digit
            difference = round(totals[0].bits_per_byte, 4) - round(total.bits_per_byte, 4)
            figure = (
                f"{first} - {other}: {difference:+.4f} bits per byte"
                if math.isfinite(difference)
                else f"{first} - {other}"
            )
            why = no_verdict({first: totals[0], other: total})
            if pseudo != self._pseudo[0]:
                why = f"{other if pseudo else first} is a masked model: a pseudo-log-likelihood is not log p(text)"
            if why is None:
                mean, low, high = pair.interval(seed=self._seed)
                if mean and math.isclose(low, high, rel_tol=1e-9):  # empty lines, or copies of one sentence
                    why = "all records are equal"
            if why:
                self._note(f"{figure}: no verdict, since {why}")
                continue
            verdict = "no clear difference" if low <= 0 <= high else f"{first if high < 0 else other} is better"
            self._note(
                f"{figure}, 95 % interval {low:+.4f} to {high:+.4f} (paired bootstrap, {RESAMPLES:,} samples): {verdict}"
            )


def no_verdict(totals: dict[str, Totals]) -> str | None:
    """Why two models cannot be compared on these records; None if they can."""
    if min(total.sentences for total in totals.values()) < 2:
        return "one record gives no interval"
    for name, total in totals.items():
        if not math.isfinite(total.log_prob):
            return f"{name} gives a record probability zero"
        if not total.bytes:
            return "the records are empty"
    if len({total.unknown for total in totals.values()}) > 1:  # `<unk>` is more probable than any word that it replaces
        return f"the numbers of unknown tokens differ ({', '.join(f'{name}: {total.unknown:,}' for name, total in totals.items())})"
    return None
