"""GloVe's regression (Pennington et al. 2014): w_i . c_j + b_i + d_j predicts log x_ij, by Adagrad on weighted squares.

    loss = 1/2 sum over i, j of min(1, x_ij / most)^(3/4) (w_i . c_j + b_i + d_j - log x_ij)^2

A step processes many pairs at once; a row that is in several of them is updated by the sum of its gradients. Biases are the last
column of their tables. Tables are in shared memory, and several processes update them without locks.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

POWER = 0.75
STEP = 4096  # pairs


class Table(NamedTuple):
    """values, squares: float32 [V, D + 1]; squares: 1 + the sum of squared gradients so far."""

    values: Tensor
    squares: Tensor


def learn(words: Table, contexts: Table, i: Tensor, j: Tensor, x: Tensor, *, rate: float, most: float) -> float:
    """One step on pairs of numbers i, j (int64 [P]) that occur x (float32 [P]) times. Returns the summed loss."""
    with torch.inference_mode():
        one, other = words.values.index_select(0, i), contexts.values.index_select(0, j)
        error, weight = errors(one, other, x, most=most)
        scaled = (error * weight)[:, None]
        of_one, of_other = other * scaled, one * scaled
        of_one[:, -1], of_other[:, -1] = scaled[:, 0], scaled[:, 0]
        for table, index, gradient in ((words, i, of_one), (contexts, j, of_other)):
            rows, place = torch.unique(index, return_inverse=True)
            total = torch.zeros(len(rows), gradient.shape[1])
            total.scatter_add_(0, place[:, None].expand(gradient.shape), gradient)
            before = table.squares.index_select(0, rows)
            table.values.index_add_(0, rows, total / before.sqrt(), alpha=-rate)
            table.squares.index_copy_(0, rows, before.addcmul_(total, total))
        return float((error * error * weight).sum() / 2)


def errors(one: Tensor, other: Tensor, x: Tensor, *, most: float) -> tuple[Tensor, Tensor]:
    """The error of the prediction of log x, and the weight of the pair: float32 [P] each. one, other: [P, D + 1]."""
    product = (one[:, :-1] * other[:, :-1]).sum(1) + one[:, -1] + other[:, -1]
    return product - x.log(), (x / most).clamp(max=1) ** POWER
