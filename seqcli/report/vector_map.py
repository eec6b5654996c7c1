"""Vectors as labelled points in a plane: a PNG made with matplotlib, or one self-contained HTML file."""

from __future__ import annotations

import html
import json
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from seqcli.embeddings.vectors import pca
from seqcli.errors import InputError, OutputError, UsageError
from seqcli.files.atomic import replacing
from seqcli.report import fonts
from seqcli.report.output import check_folder

if TYPE_CHECKING:
    import numpy as np

PROJECTIONS = {"pca": None, "tsne": "sklearn", "umap": "umap"}  # projections, and the package that each needs
_LEAST = {"pca": 2, "tsne": 2, "umap": 4}  # minimum number of points
_PACKAGES = {"sklearn": "scikit-learn", "umap": "umap-learn", "matplotlib": "matplotlib"}
MOST = 20_000  # maximum number of points
_NAMED = 400  # maximum number of points with a label in a PNG
_LABEL = 40  # maximum length of a label


def check(path: str, projection: str) -> None:
    """Checks before any work that the map can be drawn. Raises UsageError for an unknown suffix or projection or a missing
    package, OutputError if `path` cannot be written."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".png", ".html"):
        raise UsageError("a map must be a .png or .html file", where=path, cure="name it so")
    if projection not in PROJECTIONS:
        raise UsageError(
            f"unknown projection {projection!r}", where="--projection", cure=f"one of {', '.join(PROJECTIONS)}"
        )
    for package in filter(None, [PROJECTIONS[projection], "matplotlib" if suffix == ".png" else None]):
        if find_spec(package) is None:
            name = _PACKAGES[package]
            raise UsageError(f"{name} is not installed", where=path, cure=f"pip install {name}")
    check_folder(path)


def check_count(points: int) -> None:
    """Raises InputError if there are too many points for a map."""
    if points > MOST:
        raise InputError(f"more than {MOST:,} texts for a map", cure="give fewer, for example with head or shuf")


def save(path: str, vectors: np.ndarray, labels: list[str], *, projection: str, seed: int, title: str) -> bool:
    """Draws vectors [n, D] with their labels to `path`. Returns whether the fonts have all characters."""
    if len(labels) < _LEAST[projection]:
        raise InputError(
            f"a map by {projection} needs at least {_LEAST[projection]} texts", where=path, cure="give more texts"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for developers, such as UMAP's on the threads that a seed leaves it
        points, axes = _projected(vectors, projection, seed)
    labels = [label if len(label) <= _LABEL else label[: _LABEL - 3] + "..." for label in labels]
    if path.lower().endswith(".png"):
        drawn, complete = _png(points, labels, axes, title)
    else:
        drawn, complete = page(points, labels, axes, title).encode("utf-8", "replace"), True
    try:
        with replacing(Path(path), last=True) as file:
            file.write(drawn)
    except OSError as error:
        raise OutputError(f"cannot write ({error.strerror})", where=path) from None
    return complete


def _projected(vectors: np.ndarray, projection: str, seed: int) -> tuple[np.ndarray, tuple[str, str]]:
    if projection == "tsne":
        from sklearn.manifold import TSNE

        made = TSNE(
            perplexity=min(30, (len(vectors) - 1) / 3),
            init="pca" if vectors.shape[1] > 1 else "random",
            random_state=seed % 2**32,
        )
        return made.fit_transform(vectors), ("t-SNE 1", "t-SNE 2")
    if projection == "umap":
        from umap import UMAP

        made = UMAP(n_neighbors=min(15, len(vectors) - 1), random_state=seed % 2**32)
        return made.fit_transform(vectors), ("UMAP 1", "UMAP 2")
    points, shares = pca(vectors)
    first, second = (f"PC {k + 1} ({100 * share:.1f} % of the variance)" for k, share in enumerate(shares))
    return points, (first, second)


def _png(points: np.ndarray, labels: list[str], axes: tuple[str, str], title: str) -> tuple[bytes, bool]:
    """A label that would cover an earlier one is left out, as on a street map."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    with rc_context({"font.family": fonts.fonts(), "axes.unicode_minus": False}):
        figure = Figure(figsize=(10, 8), dpi=120, layout="constrained")
        axis = figure.subplots()
        axis.scatter(points[:, 0], points[:, 1], s=12, alpha=0.7)
        axis.margins(0.08)
        axis.set(xlabel=axes[0], ylabel=axes[1])
        axis.set_title(title, parse_math=False)
        figure.draw_without_rendering()  # so that sizes and places are known
        inside, taken = axis.get_window_extent(), list[Bbox]()
        for (x, y), label in list(zip(points.tolist(), labels))[:_NAMED]:
            note = axis.annotate(label, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=8, parse_math=False)
            box = note.get_window_extent()
            if box.x1 > inside.x1:
                note.set(ha="right", position=(-3, 3))
                box = note.get_window_extent()
            if box.count_overlaps(taken):
                note.remove()
            else:
                taken.append(box)
        return fonts.png(figure)


def page(points: np.ndarray, labels: list[str], axes: tuple[str, str], title: str) -> str:
    """One HTML file: the points, their labels, and a script that draws and zooms, and shows the label under the pointer."""
    data = json.dumps([[round(x, 5), round(y, 5), label] for (x, y), label in zip(points.tolist(), labels)])
    data = data.replace("<", "\\u003c")  # a label must not end the script element
    return _PAGE.replace("TITLE", html.escape(title)).replace("XAXIS", html.escape(axes[0])).replace(
        "YAXIS", html.escape(axes[1])
    ).replace("DATA", data)  # fmt: skip


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>TITLE</title>
<style>
:root { color-scheme: light dark; font: 15px system-ui, sans-serif }
body { margin: 1rem }
canvas { width: 100%; height: 80vh; border: 1px solid #8886; touch-action: none }
p { margin: .4rem 0; opacity: .8 }
</style>
<h1>TITLE</h1>
<p>Across: XAXIS. Upwards: YAXIS. Wheel or + and - zoom, dragging or arrow keys move, 0 shows everything.
<input id="find" placeholder="find a text" aria-label="find a text"> <output id="name"></output></p>
<canvas id="map" tabindex="0" role="img" aria-label="map of the vectors"></canvas>
<script>
const points = DATA;
const canvas = document.getElementById("map"), context = canvas.getContext("2d");
const find = document.getElementById("find"), output = document.getElementById("name");
const range = k => [Math.min(...points.map(p => p[k])), Math.max(...points.map(p => p[k]))];
const [left, right] = range(0), [bottom, top_] = range(1);
let zoom = 1, x0 = (left + right) / 2, y0 = (bottom + top_) / 2, near = -1;
const size = () => [canvas.clientWidth, canvas.clientHeight];
const scale = () => { const [w, h] = size();
  return .85 * zoom * Math.min(w / ((right - left) || 1), h / ((top_ - bottom) || 1)); };
const place = p => { const [w, h] = size(), s = scale(); return [w / 2 + (p[0] - x0) * s, h / 2 - (p[1] - y0) * s]; };
function draw() {
  const [w, h] = size(), ratio = devicePixelRatio || 1, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  canvas.width = w * ratio; canvas.height = h * ratio; context.scale(ratio, ratio);
  context.font = "13px system-ui, sans-serif";
  const taken = new Set(), wanted = find.value.toLowerCase();
  points.forEach((p, i) => {
    const [x, y] = place(p);
    if (x < 0 || y < 0 || x > w || y > h) return;
    const hit = i === near || (wanted && p[2].toLowerCase().includes(wanted));
    context.fillStyle = hit ? "#d33" : dark ? "#7ab" : "#269";
    context.beginPath(); context.arc(x, y, hit ? 5 : 3, 0, 7); context.fill();
    const cell = Math.round(x / 90) + " " + Math.round(y / 16);
    if (!hit && taken.has(cell)) return;
    taken.add(cell);
    context.fillStyle = hit ? "#d33" : dark ? "#ddd" : "#222";
    context.fillText(p[2], x + 6, y - 4);
  });
  output.textContent = near < 0 ? "" : points[near][2];
}
canvas.addEventListener("wheel", e => { e.preventDefault(); zoom *= Math.exp(-e.deltaY / 400); draw(); }, { passive: false });
canvas.addEventListener("pointermove", e => {
  if (e.buttons) { x0 -= e.movementX / scale(); y0 += e.movementY / scale(); return draw(); }
  let best = 400; near = -1;
  points.forEach((p, i) => { const [x, y] = place(p), d = (x - e.offsetX) ** 2 + (y - e.offsetY) ** 2;
    if (d < best) { best = d; near = i; } });
  draw();
});
canvas.addEventListener("keydown", e => {
  const step = 40 / scale(), keys = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (keys[e.key]) { x0 += keys[e.key][0]; y0 += keys[e.key][1]; }
  else if (e.key === "+" || e.key === "=") zoom *= 1.3;
  else if (e.key === "-") zoom /= 1.3;
  else if (e.key === "0") { zoom = 1; x0 = (left + right) / 2; y0 = (bottom + top_) / 2; }
  else return;
  e.preventDefault(); draw();
});
find.addEventListener("input", draw); addEventListener("resize", draw); draw();
</script>
</html>
"""
