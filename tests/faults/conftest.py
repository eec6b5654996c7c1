"""Trials, drawn from their number: `pytest tests/faults -m slow --trials 2000` runs so many and counts the failures.

trial: a training is killed at random moments, 10 times by default; mutation: a model is damaged (only with `-m slow`). No
failure in N trials means fewer than 3 / N with 95 % confidence.
"""

from pathlib import Path

import pytest
from tiny_training import TEXT, Training

TRIALS = {"trial": 10, "mutation": 40}


def pytest_addoption(parser):
    parser.addoption("--trials", type=int, help="trials of each kind under tests/faults")


def pytest_generate_tests(metafunc):
    for name, default in TRIALS.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, range(metafunc.config.getoption("--trials", None) or default))


def pytest_terminal_summary(terminalreporter):
    for file in ("test_killed.py", "test_mutations.py"):
        passed, failed = (
            [report for report in terminalreporter.getreports(kind) if file in report.nodeid and "[" in report.nodeid]
            for kind in ("passed", "failed")
        )
        if passed or failed:
            terminalreporter.write_line(f"{file}: {len(passed) + len(failed)} trials, {len(failed)} failures")


@pytest.fixture(scope="session")
def training(tmp_path_factory) -> Training:
    """Torch is imported here, once; its copies fork with one thread."""
    import torch

    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return Training(path)


@pytest.fixture(scope="session")
def undisturbed(training, tmp_path_factory) -> Path:
    """A folder in which the training came to its end."""
    folder = tmp_path_factory.mktemp("undisturbed") / "m"
    training(folder)
    return folder
