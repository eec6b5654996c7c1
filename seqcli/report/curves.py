"""Learning curves, loss over steps: drawn in a terminal with braille dots, eight per character, or as a PNG.

Loss is in nats per token. Training loss is a line, held-out loss a mark at each evaluation. Values above the picture (of
the first steps, in which word frequencies are learned) are cut off.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from seqcli.errors import UsageError
from seqcli.report.output import Output, check_folder

# bits of the dots of a braille character, by row and column
_DOTS = (0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80)
_EARLY = 0.05  # share of the first steps that is ignored for the height of the picture
_LABEL = 8

Points = list[tuple[float, float]]


def points(events: Iterable[Mapping[str, Any]]) -> tuple[Points, Points]:
    """The (step, loss) pairs of training and of held-out text."""
    events = list(events)
    training, held_out = (
        [(e["step"], e[name]) for e in events if e.get(name) is not None] for name in ("loss", "valid")
    )
    return training, held_out


def drawn(events: Iterable[Mapping[str, Any]], *, columns: int, rows: int = 12) -> list[str]:
    """The picture as lines of at most `columns` characters; empty if nothing was logged."""
    training, held_out = points(events)
    if not training or not held_out:
        return []
    last = max(step for step, _ in [*training, *held_out])
    high, low = _range(training, held_out, last)
    width = columns - _LABEL - 1

    def place(step: float, loss: float) -> tuple[int, int]:
        return (
            round(step / last * (2 * width - 1)),
            round((high - min(max(loss, low), high)) / (high - low) * (4 * rows - 1)),
        )

    cells = [[0] * width for _ in range(rows)]
    for x, y in _line([place(*point) for point in training]):
        cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    picture = [[chr(0x2800 + cell) if cell else " " for cell in row] for row in cells]
    for x, y in (place(*point) for point in held_out):
        picture[y // 4][x // 2] = "●"
    labels = {0: f"{high:.3f}", rows - 1: f"{low:.3f}"}
    lines = [f"{labels.get(number, ''):>{_LABEL}}┤{''.join(row)}".rstrip() for number, row in enumerate(picture)]
    foot = f"{'':{_LABEL}}└ nats per token: {chr(0x2812)} training, ● held out"
    return [*lines, f"{foot}{f'step {last:,}':>{max(1, columns - len(foot))}}"]


def check(path: str) -> None:
    """Checks before training that the plot can be saved. Raises UsageError if it cannot."""
    if not path.endswith(".png"):
        raise UsageError("not a .png file", where=path)
    if find_spec("matplotlib") is None:
        raise UsageError("a .png picture needs matplotlib", where=path, cure="pip install 'seqcli[plot]'")
    check_folder(path)


def save(histories: Mapping[str, Sequence[Mapping[str, Any]]], path: str) -> None:
    """Saves a PNG of one or several trainings, by name."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="nats per token")
    every = [points(events) for events in histories.values()]
    for number, (name, (training, held_out)) in enumerate(zip(histories, every)):
        axes.plot(*zip(*training), color=f"C{number}", linewidth=1, alpha=0.7, label=f"{name}, training")
        axes.plot(*zip(*held_out), color=f"C{number}", marker="o", label=f"{name}, held out")
    ranges = [_range(*both, max(step for part in both for step, _ in part)) for both in every]
    high, low = max(high for high, _ in ranges), min(low for _, low in ranges)
    axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=150)
    with Output(path) as out:
        out.write(drawn.getvalue())


def _range(training: Points, held_out: Points, last: float) -> tuple[float, float]:
    shown = [loss for step, loss in training if step >= _EARLY * last] + [loss for _, loss in held_out]
    return max(shown) + 1e-9, min(shown)


def _line(corners: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """The dots of a line through these points, without gaps."""
    yield from corners[:1]
    for (x, y), (to_x, to_y) in pairwise(corners):
        steps = max(abs(to_x - x), abs(to_y - y))
        for step in range(1, steps + 1):
            yield x + round(step / steps * (to_x - x)), y + round(step / steps * (to_y - y))
