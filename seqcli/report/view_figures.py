"""The views of `seqcli explain` as a PNG: one panel for each view, one below the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from seqcli.report import fonts
from seqcli.results.views import (
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

MOST = 12  # maximum number of panels
_WIDTH = 9.0  # inches
_HEADS = 4  # height of a row, in inches


def png(views: Sequence[tuple[str, Any]]) -> tuple[bytes, bool]:
    """Draws (title, view) pairs; returns whether the fonts have all characters."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    views = views[:MOST]
    with rc_context({"font.family": fonts.fonts(), "axes.titlesize": 10, "font.size": 8}):
        heights = [_HEIGHTS.get(type(view), lambda _: 3.0)(view) for _, view in views]
        figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
        parts = figure.subfigures(len(views), 1, squeeze=False, height_ratios=heights)
        for part, (title, view) in zip(parts[:, 0], views):
            part.suptitle(title, parse_math=False)
            _DRAWN[type(view)](part, view)
        return fonts.png(figure)


def _names(axes: Any, names: Sequence[str], *, side: str) -> None:
    ticks = axes.set_xticks if side == "x" else axes.set_yticks
    turned = {"rotation": 90} if side == "x" else {}
    ticks(range(len(names)), names, parse_math=False, **turned)


def _surprisal(part: Any, view: Surprisal) -> None:
    axes = part.subplots()
    axes.bar(range(len(view.tokens)), [-row.log_prob for row in view.tokens], color="C3")
    axes.set_ylabel("nats")
    _names(axes, [row.token for row in view.tokens], side="x")


def _attention(part: Any, view: AttentionView) -> None:
    heads = [(n, m, head) for n, layer in enumerate(view.layers, 1) for m, head in enumerate(layer.heads, 1)]
    grid = part.subplots(-(-len(heads) // _HEADS), _HEADS, squeeze=False).ravel()
    for index, (axes, (layer, number, head)) in enumerate(zip(grid, heads)):
        axes.imshow(head.weights, cmap="Greys", vmin=0, vmax=1, aspect="auto")
        axes.set_title(f"{view.kind}, layer {layer}, head {number}")
        # all heads have the same tokens: named once for each column and row, since text is most of the time of drawing
        _names(axes, view.attended if index + _HEADS >= len(heads) else (), side="x")
        _names(axes, view.queries if index % _HEADS == 0 else (), side="y")
    for axes in grid[len(heads) :]:
        axes.set_axis_off()


def _gates(part: Any, view: Gates) -> None:
    shown = [(n, gate) for n, layer in enumerate(view.layers, 1) for gate in layer.gates]
    grid = part.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (layer, gate) in zip(grid, shown):
        values = [[row[unit] for row in gate.values] for unit in gate.moving]
        axes.imshow(values, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
        axes.set_title(f"{view.cell}, layer {layer}: {gate.name}, the units that move most")
        axes.set_yticks(range(len(gate.moving)), list(map(str, gate.moving)))
        axes.set_xticks([])
    _names(grid[-1], view.tokens, side="x")


def _reach(part: Any, view: Reach) -> None:
    panels = [bool(view.contexts), bool(view.gradients), bool(view.costs)]
    grid = iter(part.subplots(1, max(1, sum(panels)), squeeze=False)[0])
    if view.contexts:
        axes = next(grid)
        axes.plot([row.tokens for row in view.contexts], [row.nats for row in view.contexts], marker="o")
        axes.set(xscale="log", xlabel="tokens of context", ylabel="nats per token")
    if view.gradients:
        axes = next(grid)
        for name, rows in (("trained", view.gradients), ("untrained", view.untrained)):
            if rows:
                axes.plot([row.distance for row in rows], [max(row.norm, 1e-30) for row in rows], label=name)
        axes.set(yscale="log", xlabel="tokens back", ylabel="gradient norm")
        axes.legend()
    if view.costs:
        axes = next(grid)
        axes.plot([row.tokens for row in view.costs], [1000 * row.seconds for row in view.costs], marker="o")
        axes.set(xlabel="tokens", ylabel="milliseconds")


def _positions(part: Any, view: Positions) -> None:
    axes = part.subplots()
    image = axes.imshow(view.similarity, cmap="PuOr", vmin=-1, vmax=1)
    axes.set(xlabel="position", ylabel="position", title=view.kind)
    part.colorbar(image)


def _search(part: Any, view: Search) -> None:
    from matplotlib.collections import LineCollection

    axes = part.subplots()
    depth: list[int] = []
    for node in view.nodes:
        depth.append(0 if node.parent is None else depth[node.parent] + 1)
    colors = ["C2" if node.rank == 1 else "C0" if node.kept else "0.7" for node in view.nodes]
    edges = [
        [(depth[node.parent], view.nodes[node.parent].log_prob), (depth[number], node.log_prob)]
        for number, node in enumerate(view.nodes)
        if node.parent is not None
    ]
    of_edges = [color for node, color in zip(view.nodes, colors) if node.parent is not None]
    axes.add_collection(LineCollection(edges, colors=of_edges, linewidths=0.8), autolim=False)
    for number, (node, color) in enumerate(zip(view.nodes, colors)):
        axes.annotate(node.token, (depth[number], node.log_prob), color=color, ha="center", parse_math=False)
    axes.set(xlabel="tokens", ylabel="log p", xlim=(-0.5, max(depth, default=0) + 0.5))
    axes.set_ylim(min((node.log_prob for node in view.nodes if node.log_prob > -1e9), default=-1) - 1, 1)


def _ngram(part: Any, view: NgramPaths) -> None:
    axes = part.subplots()
    axes.bar(range(len(view.tokens)), [-path.log_prob for path in view.tokens])
    for index, path in enumerate(view.tokens):
        axes.annotate(f"{path.steps[-1].order}-gram", (index, -path.log_prob), ha="center", va="bottom")
    axes.set_ylabel("nats")
    _names(axes, [path.token for path in view.tokens], side="x")


def _words(part: Any, view: WordInfluences) -> None:
    axes = part.subplots()
    axes.barh(range(len(view.words)), [row.change for row in view.words])
    axes.invert_yaxis()
    axes.set_xlabel(f"change of the log-odds of {view.label}")
    _names(axes, [row.word for row in view.words], side="y")


def _embeddings(part: Any, view: Embeddings) -> None:
    axes = part.subplots()
    for own, color in ((False, "0.6"), (True, "C3")):
        chosen = [point for point in view.points if point.own == own]
        axes.scatter([point.x for point in chosen], [point.y for point in chosen], s=10, color=color)
        for point in chosen:
            axes.annotate(
                point.word, (point.x, point.y), xytext=(3, 3), textcoords="offset points", color=color, parse_math=False
            )
    first, second = (f"principal component {k} ({share:.1%} of the variance)" for k, share in enumerate(view.shares, 1))
    axes.set(xlabel=first, ylabel=second)


_DRAWN: dict[type, Callable[[Any, Any], None]] = {
    Surprisal: _surprisal,
    AttentionView: _attention,
    Gates: _gates,
    Reach: _reach,
    Positions: _positions,
    Search: _search,
    NgramPaths: _ngram,
    WordInfluences: _words,
    Embeddings: _embeddings,
}
_HEIGHTS: dict[type, Callable[[Any], float]] = {
    AttentionView: lambda view: 2.5 * -(-sum(len(layer.heads) for layer in view.layers) // _HEADS) + 0.5,
    Gates: lambda view: 1.5 * sum(len(layer.gates) for layer in view.layers) + 0.5,
    Positions: lambda view: 4.0,
    Embeddings: lambda view: 6.0,
    Search: lambda view: 5.0,
    WordInfluences: lambda view: 0.25 * len(view.words) + 1.0,
}
