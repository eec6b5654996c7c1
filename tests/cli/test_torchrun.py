"""Commands under torchrun: training runs on all processes, everything else on the first, and one of them speaks."""

import pytest


@pytest.mark.parametrize(
    "command",
    [
        ["info", "MODEL"],
        ["score", "-h"],
        ["--version"],
        ["score", "-m", "MODEL", "the dog", "--scramble"],
        ["tokenize", "-m", "MODEL", "the dog"],
        ["classify", "-h"],
    ],
)
def test_commands_that_do_not_train_run_in_one_process(ranks, model, command):
    first, second = ranks(*(str(model) if part == "MODEL" else part for part in command))
    assert first.code == 0 and first.out
    assert second == (0, "", "")


def test_an_error_in_every_process_is_printed_once(ranks):
    first, second = ranks("train", "lm", "nowhere.txt", "-o", "m", "--arch", "gru")
    assert first.code == 3 and "nowhere.txt" in first.err
    assert second.code != 0  # it says so too where nobody has ended it for three seconds: torchrun would have


def test_variables_of_other_software_are_ignored(here, model, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = here("score", "-m", model, "the dog")
    assert done.code == 0 and done.out
