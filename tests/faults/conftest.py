"""`SEQCLI_TRIALS=N`: how often a process is killed at a random moment, 10 by default.

No failure in N trials means fewer than 3 / N with 95 % confidence.
"""

import os
from pathlib import Path

import pytest
from tiny_training import TEXT, Training


def pytest_generate_tests(metafunc):
    if "trial" in metafunc.fixturenames:
        metafunc.parametrize("trial", range(int(os.environ.get("SEQCLI_TRIALS", 10))))


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
