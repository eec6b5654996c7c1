"""Projects vectors to two dimensions: by principal components, or by the t-SNE and UMAP of their libraries."""

from __future__ import annotations

import numpy as np


def pca(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along the two directions of largest variance, float64 [n, 2], and their shares of the variance, [2].

    vectors: [n, D]. The sign of a direction is chosen so that its largest weight is positive.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64) if len(vectors) else np.zeros((0, 1))
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    points, shares = np.zeros((len(centred), 2)), np.zeros(2)
    total = float((sizes**2).sum())
    for k, direction in enumerate(directions[:2]):
        sign = 1.0 if direction[np.abs(direction).argmax()] >= 0 else -1.0
        points[:, k] = centred @ direction * sign
        shares[k] = sizes[k] ** 2 / total if total else 0.0
    return points, shares
