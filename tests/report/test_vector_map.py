"""Maps of vectors: by every projection, from as few texts as it takes, with Hangul."""

import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from seqcli.errors import InputError, UsageError
from seqcli.report import fonts, vector_map

WORDS = ["나는", "집에서", "수학을", "공부한다", "<b>$x$", "slow"]


def random(count: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 5)).astype(np.float32)


class FakeUMAP:
    """umap-learn compiles for half a minute. It takes from 2 neighbours to one fewer than the points."""

    def __init__(self, *, n_neighbors: int, random_state: int) -> None:
        self.neighbours = n_neighbors

    def fit_transform(self, vectors: np.ndarray) -> np.ndarray:
        warnings.warn("n_jobs value 1 overridden to 1 by setting random_state", stacklevel=1)
        assert 2 <= self.neighbours < len(vectors) and len(vectors) >= 4
        return vectors[:, :2]


@pytest.mark.parametrize("projection, least", [("pca", 2), ("tsne", 2), ("umap", 4)])
def test_every_projection_draws_few_points_and_many(tmp_path, monkeypatch, projection, least):
    if projection == "tsne":
        pytest.importorskip("sklearn")
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=FakeUMAP))
    for count in (least, least + 1, 40):
        path, labels = tmp_path / f"{count}.html", [f"w{n}" for n in range(count)]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            vector_map.save(str(path), random(count), labels, projection=projection, seed=0, title="m")
        assert '"w1"' in path.read_text("utf-8")
    with pytest.raises(InputError, match=f"needs at least {least} texts"):
        vector_map.save(str(path), random(least - 1), labels[: least - 1], projection=projection, seed=0, title="m")


def test_a_picture_names_its_points_without_covering_names(tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    texts = []
    monkeypatch.setattr(fonts, "png", lambda figure: (texts.extend(figure.axes[0].texts), (b"", True))[1])
    points = np.array([[0, 0], [0, 0], [1, 1], [2, 0], [3, 2], [4, 1]], np.float32)
    assert vector_map.save(str(tmp_path / "m.png"), points, WORDS, projection="pca", seed=0, title="a_$m")
    assert [each.get_text() for each in texts] == [word for n, word in enumerate(WORDS) if n != 1]
    boxes = [each.get_window_extent() for each in texts]
    assert not any(box.count_overlaps(boxes[n + 1 :]) for n, box in enumerate(boxes))
    inside = texts[0].axes.get_window_extent()
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes), matplotlib.__version__


def test_a_font_that_matplotlib_has_not_listed_is_found(monkeypatch):
    """Its list is made once, and a font may have been installed since."""
    manager = pytest.importorskip("matplotlib.font_manager")
    found = [path for path in manager.findSystemFonts() if "CJK" in path or "Nanum" in path]
    if not found:
        pytest.skip("no font with Hangul")
    kept = [font for font in manager.fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(manager.fontManager, "ttflist", kept)
    names = fonts.fonts()
    assert len(names) == 2
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"font.family": names}):
        figure = Figure()
        figure.text(0.5, 0.5, "한국어")
        drawn, complete = fonts.png(figure)
    assert complete and drawn.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "projection, module, package", [("tsne", "sklearn", "scikit-learn"), ("umap", "umap", "umap-learn")]
)
def test_a_missing_library_is_one_line_with_its_cure(tmp_path, monkeypatch, projection, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"{package} is not installed; pip install {package}$"):
        vector_map.check(str(tmp_path / "m.html"), projection)
