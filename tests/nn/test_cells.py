"""Recurrent cells against those of PyTorch, and dropout against its definition."""

import pytest
import torch

from seqcli.nn.layers import Dropout, dropout
from seqcli.nn.recurrent import GATES, Cell

CELLS = {"rnn": torch.nn.RNNCell, "lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}


@pytest.mark.parametrize("kind", GATES)
def test_a_step_is_that_of_pytorchs_cell(kind):
    torch.manual_seed(2)
    judge, cell = CELLS[kind](5, 7), Cell(kind, 7)
    cell.recurrent.load_state_dict({"weight": judge.weight_hh, "bias": judge.bias_hh})
    x, state = torch.randn(3, 5), tuple(torch.randn(3, 7) for _ in range(2 if kind == "lstm" else 1))
    made = cell(torch.nn.functional.linear(x, judge.weight_ih, judge.bias_ih), state)
    wanted = judge(x, state if kind == "lstm" else state[0])
    for one, other in zip(made, wanted if kind == "lstm" else (wanted,), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropout_keeps_the_mean_and_drops_where_the_gradient_is_dropped(dtype):
    torch.manual_seed(3)
    x = torch.ones(1001, 37, dtype=dtype, requires_grad=True)
    y = dropout(x, 0.3)
    y.sum().backward()
    assert torch.equal(x.grad, y)
    assert (y == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert y.detach().float().mean().item() == pytest.approx(1, abs=0.01)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.3), y)


def test_dropout_of_nothing_and_of_one_who_does_not_learn_is_the_identity():
    x = torch.randn(4, 4)
    assert dropout(x, 0.0) is x
    assert Dropout(0.5).eval()(x) is x
