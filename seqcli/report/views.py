"""The views of `seqcli explain` for a terminal: a table or a picture for each."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from seqcli.report import heatmap
from seqcli.report.frame import Column, bar, render, shade, table
from seqcli.results.language import NextToken
from seqcli.results.views import (
    AttentionSteps,
    AttentionView,
    Embeddings,
    Gates,
    NgramPaths,
    Positions,
    Reach,
    Search,
    Surprisal,
    WordInfluences,
)
from seqcli.text import printable

_COLUMNS = 80
_UNITS = 12  # maximum number of units of a hidden state to show
_POSITIONS = 32  # maximum number of positions of a similarity matrix
_MOST_NODES = 200  # maximum number of hypotheses of a search tree to show
_WHOLE, _LOG = "%d", "%.4f"
_WHAT = {
    "self": "attention", "encoder": "encoder attention", "decoder": "decoder attention", "cross": "attention to the source",
}  # fmt: skip


def picture(
    view: Any,
    *,
    title: str,
    color: bool = True,
    width: int | None = None,
    layer: int | None = None,
    head: int | None = None,
    query: int | None = None,
) -> str:
    """A view as lines for a terminal. layer, head: of the attention to show in full, from 0; None for the first head of the
    last layer."""
    width = min(width or shutil.get_terminal_size().columns, _COLUMNS)
    draw = _DRAWN[type(view)]
    if isinstance(view, AttentionView):
        draw = partial(draw, layer=layer, head=head)
    return draw(view, title=title, show=_Show(color, width))


class _Show:
    """How views are drawn."""

    def __init__(self, color: bool, width: int):
        self.color, self.width = color, width

    def table(self, columns: list[Column], *, title: str | None = None) -> str:
        return table(columns, title=title, color=self.color, width=self.width)

    def text(self, text: Text) -> str:
        return render(text, color=self.color, width=self.width)


def _surprisal(view: Surprisal, *, title: str, show: _Show) -> str:
    nats = [-row.log_prob for row in view.tokens]
    most = max([1e-9, *(n for n in nats if math.isfinite(n))])
    columns = [
        Column("token", [row.token for row in view.tokens]),
        Column("-log p", nats, "%.2f"),
        Column("", [bar(min(n / most, 1.0)) for n in nats]),
        Column("expected", [_listed(row.expected, 2) for row in view.tokens]),
    ]
    return show.table(columns, title=f"{title}, surprise in nats")


def _listed(expected: Sequence[NextToken], count: int) -> str:
    return ", ".join(f"{row.token} {row.probability:.2f}" for row in expected[:count])


def _attention(view: AttentionView, *, title: str, show: _Show, layer: int | None, head: int | None) -> str:
    rows = [(n, m, each) for n, of_layer in enumerate(view.layers, 1) for m, each in enumerate(of_layer.heads, 1)]
    columns = [
        Column("layer", [n for n, _, _ in rows], _WHOLE),
        Column("head", [m for _, m, _ in rows], _WHOLE),
        *(
            Column(name, [getattr(each, field) for _, _, each in rows], "%.2f")
            for name, field in (("previous", "previous"), ("first", "first"), ("itself", "own"), ("entropy", "entropy"))
            if view.kind != "cross" or field in ("first", "entropy")
        ),
    ]
    chosen = len(view.layers) - 1 if layer is None else layer
    number = head or 0
    weights = _array(view.layers[chosen].heads[number].weights)
    drawn = heatmap.picture(weights, view.attended, view.queries, color=show.color, width=show.width)
    seen = "the first token" if view.kind == "cross" else "the token before, the first, itself"
    heading = show.text(Text(f"layer {chosen + 1}, head {number + 1}: rows look at columns", style="bold"))
    return show.table(columns, title=f"{title}, {_WHAT[view.kind]}: mean weight of {seen}") + heading + drawn


def _array(rows: Sequence[Sequence[float]]) -> Any:
    import numpy as np

    return np.array(rows, np.float64)


def _steps(view: AttentionSteps, *, title: str, show: _Show) -> str:
    rows = view.steps
    columns = [
        Column("token", [row.token for row in rows]),
        Column("q·k", [row.dot for row in rows], "%.3f"),
        Column("/√d", [row.scaled for row in rows], "%.3f"),
        Column("softmax", [row.weight for row in rows], "%.3f"),
        Column("", [bar(row.weight) for row in rows]),
        Column("|weight·v|", [row.weighted for row in rows], "%.3f"),
    ]
    of = f"{title}, {_WHAT[view.kind]}, layer {view.layer}, head {view.head}"
    return show.table(columns, title=f"{of}: how token {view.query}, {printable(view.token)}, weighs what it sees")


def _gates(view: Gates, *, title: str, show: _Show) -> str:
    parts = []
    for number, layer in enumerate(view.layers, 1):
        columns = [Column("token", view.tokens)]
        columns += [Column(gate.name, gate.mean, "%.2f") for gate in layer.gates]
        hidden = layer.gates[-1]
        units = hidden.moving[:_UNITS]
        columns.append(
            Column("hidden units", ["".join(shade(abs(row[unit])) * 2 for unit in units) for row in hidden.values])
        )
        saturated = ", ".join(f"{gate.name} {gate.saturated:.0%}" for gate in layer.gates)
        heading = f"{title}, {view.cell} layer {number}: mean of each gate, and the units that move most"
        parts.append(show.table(columns, title=heading) + show.text(Text(f"saturated: {saturated}")))
    return "".join(parts)


def _reach(view: Reach, *, title: str, show: _Show) -> str:
    parts = []
    if view.contexts:
        highest = max(row.nats for row in view.contexts)
        columns = [
            Column("context", [row.tokens for row in view.contexts], _WHOLE),
            Column("nats", [row.nats for row in view.contexts], _LOG),
            Column("", [bar(row.nats / highest) if highest else "" for row in view.contexts]),
        ]
        parts.append(show.table(columns, title=f"{title}: loss of the same tokens, given at most so many before each"))
    if view.gradients:
        untrained = {row.distance: row.norm for row in view.untrained}
        kept = [row for row in view.gradients if row.distance < 10 or row.distance % 10 == 0]
        columns = [
            Column("distance", [row.distance for row in kept], _WHOLE),
            Column("trained", [f"{row.norm:.2e}" for row in kept], align="right"),
            Column("", [_decades(row.norm, view.gradients[0].norm) for row in kept]),
        ]
        if untrained:
            columns += [
                Column("untrained", [f"{untrained[row.distance]:.2e}" for row in kept], align="right"),
                Column("", [_decades(untrained[row.distance], view.untrained[0].norm) for row in kept]),
            ]
        parts.append(show.table(columns, title=f"{title}: gradient of the loss by an input so far back (log scale)"))
    if view.costs:
        columns = [
            Column("tokens", [row.tokens for row in view.costs], _WHOLE),
            Column("milliseconds", [1000 * row.seconds for row in view.costs], "%.2f"),
            Column("multiply-adds", [f"{row.operations:,}" for row in view.costs], align="right"),
            Column("steps in a row", [row.steps for row in view.costs], _WHOLE),
        ]
        parts.append(show.table(columns, title=f"{title}: cost of reading a text"))
    return "".join(parts)


def _decades(norm: float, first: float) -> str:
    """A bar on a logarithmic scale, a tenth shorter for each factor of ten below the first value."""
    if norm <= 0 or first <= 0:
        return ""
    return bar(min(1.0, max(0.0, 1 + math.log10(norm / first) / 10)))


def _positions(view: Positions, *, title: str, show: _Show) -> str:
    count = min(_POSITIONS, len(view.similarity))
    text = Text(no_wrap=True, overflow="ignore")
    for index, row in enumerate(view.similarity[:count]):
        text.append(f"{index:>3} ", "bold")
        text.append("".join(shade(max(value, 0.0)) * 2 for value in row[:count]) + "\n")
    heading = Text(f"{title}, {view.kind} positions: similarity of the first {count}", style="bold")
    return show.text(heading) + show.text(text)


def _search(view: Search, *, title: str, show: _Show) -> str:
    children: dict[int | None, list[int]] = {}
    for number, node in enumerate(view.nodes):
        children.setdefault(node.parent, []).append(number)
    text = Text(no_wrap=True, overflow="ellipsis")
    shown = 0
    stack = [(number, 0) for number in reversed(children.get(None, []))]
    while stack and shown < _MOST_NODES:
        number, depth = stack.pop()
        node = view.nodes[number]
        style = "green" if node.rank == 1 else "" if node.kept else "dim"
        mark = f"  ← {node.rank}" if node.rank else ""
        name = set_cell_size(printable(node.token), min(20, max(4, cell_len(node.token))))
        text.append(f"{'  ' * depth}{name}  {node.log_prob:.2f}{mark}\n", style)
        stack += [(child, depth + 1) for child in reversed(children.get(number, []))]
        shown += 1
    heading = Text(
        f"{title}, beam of {view.beam_size}: log p of each hypothesis; ← its place among the results", style="bold"
    )
    more = Text(f"{len(view.nodes) - shown:,} more hypotheses\n") if shown < len(view.nodes) else Text("")
    return show.text(heading) + show.text(text + more)


def _ngram(view: NgramPaths, *, title: str, show: _Show) -> str:
    rows = []
    for path in view.tokens:
        for number, step in enumerate(path.steps):
            term = step.log_prob if step.found else step.log_backoff
            rows.append(
                (
                    path.token if not number else "",
                    " ".join(step.context) or "(no context)",
                    step.order,
                    step.found,
                    term,
                )
            )
    columns = [
        Column("token", [row[0] for row in rows]),
        Column("given", [row[1] for row in rows]),
        Column("order", [row[2] for row in rows], _WHOLE),
        Column("", ["log p" if row[3] else "back-off" for row in rows]),
        Column("nats", [row[4] for row in rows], _LOG),
    ]
    total = sum(path.log_prob for path in view.tokens)
    chain = " + ".join(f"{path.log_prob:.2f}" for path in view.tokens)
    product = " · ".join(f"{math.exp(path.log_prob):.3g}" for path in view.tokens)
    counted = view.context.total is not None
    following = [
        Column("next", [row.token for row in view.next]),
        *([Column("count", [row.count for row in view.next], _WHOLE)] if counted else []),
        *(
            [
                Column(
                    "discount",
                    ["" if row.discount is None else f"{row.discount:.2f}" for row in view.next],
                    align="right",
                )
            ]
            if counted
            else []
        ),
        Column("(count - discount) / total" if counted else "own", [row.own for row in view.next], "%.4f"),
        Column("+ back-off", [row.lower for row in view.next], "%.4f"),
        Column("= p", [row.probability for row in view.next], "%.4f"),
        Column("order", [row.order for row in view.next], _WHOLE),
    ]
    context = " ".join(map(printable, view.context.tokens)) or "(no context)"
    about = f"what may come after {context}"
    about += f": total {view.context.total:,}" if counted else ": the model keeps no counts of it"
    if view.context.tokens:
        about += f", back-off weight {math.exp(view.context.log_backoff):.4f}"
    heading = f"{title}: a Markov model of order {view.order - 1}, the n-gram that gives each token"
    return (
        show.table(columns, title=heading)
        + show.text(Text(f"p(text) = {product} = {math.exp(total):.3g}\nlog p(text) = {chain} = {total:.2f}\n"))
        + show.table(following, title=about)
    )


def _words(view: WordInfluences, *, title: str, show: _Show) -> str:
    most = max([1e-9, *(abs(row.change) for row in view.words)])
    columns = [
        Column("word", [row.word for row in view.words]),
        Column("change", [row.change for row in view.words], "%.2f"),
        Column(f"for {view.label}", [bar(row.change / most) if row.change > 0 else "" for row in view.words]),
        Column("against", [bar(-row.change / most) if row.change < 0 else "" for row in view.words]),
    ]
    return show.table(
        columns, title=f"{title}: {view.label} {view.probability:.3f}, change of the log-odds by each word"
    )


def _embeddings(view: Embeddings, *, title: str, show: _Show) -> str:
    columns = [
        Column("word", [word.word for word in view.words]),
        Column("nearest", [
            "no vector" if word.neighbours is None else ", ".join(f"{each.word} {each.similarity:.2f}" for each in word.neighbours)
            for word in view.words
        ]),
    ]  # fmt: skip
    return show.table(columns, title=f"{title}: the nearest words and their cosine similarities")


_DRAWN: dict[type, Callable[..., str]] = {
    Surprisal: _surprisal,
    AttentionView: _attention,
    AttentionSteps: _steps,
    Gates: _gates,
    Reach: _reach,
    Positions: _positions,
    Search: _search,
    NgramPaths: _ngram,
    WordInfluences: _words,
    Embeddings: _embeddings,
}
