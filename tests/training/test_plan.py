"""Schedules, optimizers and averages, each alone."""

import math
from itertools import pairwise

import pytest
import torch

from seqcli.training.averaging import Average
from seqcli.training.config import SCHEDULES, Plan, Progress
from seqcli.training.optimizer import learning_rate, make_optimizer


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules_warm_up_and_end_where_they_should(schedule):
    plan = Plan(steps=100, warmup=10, floor=0.1, cooldown=0.25, schedule=schedule)
    course = [learning_rate(step, step / 100, plan) for step in range(100)] + [learning_rate(99, 1.0, plan)]
    assert course[0] < 0.11 and all(a < b for a, b in pairwise(course[:9]))
    end = {"cosine": 0.1, "linear": 0.1, "wsd": 0.1, "constant": 1, "plateau": 1, "inverse-sqrt": math.sqrt(0.1)}[
        schedule
    ]
    assert course[-1] == pytest.approx(end)
    assert (course[74] == 1) == (schedule in ("constant", "plateau", "wsd"))
    assert all(a >= b for a, b in pairwise(course[10:]))


def test_warm_up_takes_a_tenth_of_a_short_budget():
    assert (
        learning_rate(0, 0.0, Plan(steps=20, warmup=100)) == 0.01
        and learning_rate(2, 0.1, Plan(steps=20, warmup=100, schedule="constant")) == 1
    )


def test_plateau_halves_the_rate_when_an_evaluation_is_not_better():
    plan, progress = Plan(steps=9, schedule="plateau", decay=0.5, floor=0.2), Progress()
    seen = [(progress.judge(value, plan), progress.factor) for value in (3.0, 2.0, 2.0, 1.5, 1.6, 1.7, 1.8)]
    assert seen == [(True, 1), (True, 1), (False, 0.5), (True, 0.5), (False, 0.25), (False, 0.2), (False, 0.2)]
    assert progress.best == 1.5 and progress.since_best == 3


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_only_matrices_decay(name):
    model = torch.nn.ModuleDict({"head": torch.nn.Linear(2, 3)})
    groups = make_optimizer(model, Plan(steps=1, optimizer=name, weight_decay=0.3)).param_groups
    assert {p.ndim: group["weight_decay"] for group in groups for p in group["params"]} == {2: 0.3, 1: 0.0}


@pytest.mark.parametrize("asked, expected", [
    ({"average": 0.5}, [None, None, 3.0, 3.5]), ({"ema": 0.6}, [1.0, 1.5, 2.1, 2.86]), ({}, [None] * 4),
])  # fmt: skip
def test_averages(asked, expected):
    """Of a weight that is 1, 2, 3, 4: the mean of the second half; a moving one that begins as a mean."""
    model, progress = torch.nn.Linear(1, 1, bias=False), []
    average = Average(model, Plan(steps=4, **asked))
    for step in range(4):
        torch.nn.init.constant_(model.weight, step + 1)
        average.update(step / 4)
        with average.applied():
            progress.append(model.weight.item())
        assert model.weight.item() == step + 1
    assert progress == pytest.approx([step + 1 if value is None else value for step, value in enumerate(expected)])


@pytest.mark.parametrize("wrong", [
    {"optimizer": "adam"}, {"schedule": "cos"}, {"ema": 1.0}, {"average": -0.1}, {"ema": 0.9, "average": 0.5},
    {"learning_rate": math.nan}, {"decay": math.inf}, {"cooldown": 1.5}, {"steps": 0},
])  # fmt: skip
def test_2_a_plan_that_cannot_be_meant(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Plan(**{"steps": 1, **wrong})
