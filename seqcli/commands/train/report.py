"""The report at the end of a training: a summary of each model, their comparison, their curves, and the next command."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from seqcli.commands.train.options import Writing
from seqcli.report import after_training
from seqcli.report.frame import Column
from seqcli.report.output import Output
from seqcli.report.progress import Console
from seqcli.tasks.train_each import Trained


def report(
    trainings: Iterable[Trained[Any]],
    *,
    compared: Callable[[list[Trained[Any]]], list[Column]],
    follows: Callable[[list[Trained[Any]]], str],
    writing: Writing,
    reporter: Console,
) -> list[Trained[Any]]:
    """Runs the trainings and reports on them. compared: makes a table of several; follows: makes the next command."""
    done = []
    for trained in trainings:
        reporter.clear()
        done.append(trained)
        for line in trained.summary:
            reporter.note(f"{trained.name}: {line}" if trained.several else line)
    if len(done) > 1:
        with Output() as out:
            out.rows(compared(done))
    writing.draw({each.name: str(each.path) for each in done if "progress" in each.record})
    if not writing.quiet:
        ended = [(each.name if each.several else "", each.opened, each.record) for each in done]
        after_training.note(reporter, ended, done[0].examples, follows=follows(done))
    return done


def usage_example(command: str, trained: Iterable[Trained[Any]]) -> str:
    """A command that uses these models on a sentence."""
    models = " ".join(f"-m {shlex.quote(str(each.path))}" for each in trained)
    return f'seqcli {command} {models} "a sentence"'


def best(trained: Sequence[Trained[Any]], metric: str, directions: Mapping[str, int]) -> Trained[Any]:
    """The best model by a metric. directions: of each metric, 1 if lower is better and -1 if higher is."""
    return min(trained, key=lambda each: directions[metric] * each.record["valid"][metric])
