"""Trainings that are asked to stop, that diverge, that meet another: what is saved, what is said, and with which exit code."""

import os
import signal

import pytest
from tiny_training import end, ended, same

from seqcli.errors import BusyError
from seqcli.interfaces import SILENT
from seqcli.nn.language_model import NeuralLanguageModel
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import history

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


def at_step(number: int, act, patch: pytest.MonkeyPatch) -> None:
    """Has `act(loss)` done to the loss of that step."""
    loss, steps = NeuralLanguageModel.loss, []

    def disturbed(self, *arguments, **named):
        total, count, state = loss(self, *arguments, **named)
        steps.append(1)
        return act(total) if len(steps) == number else total, count, state

    patch.setattr(NeuralLanguageModel, "loss", disturbed)


def signalled(*numbers: signal.Signals):
    def act(loss):
        for number in numbers:
            signal.raise_signal(number)
        return loss

    return act


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_step_and_saves_it(training, undisturbed, tmp_path, number, code):
    def act():
        with pytest.MonkeyPatch.context() as patch:
            at_step(5, signalled(number), patch)
            training.command(tmp_path / "m", errors=tmp_path / "errors")

    assert ended(training.forked(act)) == code
    assert (
        "stopped at step 5 and saved; to continue, run the same command with --resume"
        in (tmp_path / "errors").read_text()
    )
    assert checkpoint.newest(tmp_path / "m", reporter=SILENT)[1]["progress"]["step"] == 5
    stopped = history(tmp_path / "m")[-1]
    assert (stopped["event"], stopped["step"], stopped["reason"]) == ("stopped", 5, number.name)
    training(tmp_path / "m", resume=True)
    assert same(end(tmp_path / "m"), end(undisturbed))
    steps = [event["step"] for event in history(tmp_path / "m") if event["event"] == "evaluated"]
    assert steps == [2, 4, 6, 8, 10, 12]


def test_130_a_second_interrupt_leaves_at_once(training, undisturbed, tmp_path):
    def act():
        with pytest.MonkeyPatch.context() as patch:
            at_step(5, signalled(signal.SIGINT, signal.SIGINT), patch)
            training.command(tmp_path / "m", errors=tmp_path / "errors")

    assert ended(training.forked(act)) == 130
    assert (tmp_path / "errors").read_text() == "" and not list((tmp_path / "m").glob(".new-*"))
    assert checkpoint.newest(tmp_path / "m", reporter=SILENT)[1]["progress"]["step"] == 4
    training(tmp_path / "m", resume=True)
    assert same(end(tmp_path / "m"), end(undisturbed))


@pytest.mark.parametrize("step", [1, 2, 7, 12])
def test_6_a_loss_that_is_no_number_stops_before_the_update(here, training, undisturbed, tmp_path, step):
    with pytest.MonkeyPatch.context() as patch:
        at_step(step, lambda loss: loss * float("nan"), patch)
        done = here(*training.arguments(tmp_path / "m", "-q"))
    assert done.code == 6 and done.err.count("\n") == 1 and f"not finite at step {step}" in done.err
    if step == 1:
        assert "train again with a lower --learning-rate" in done.err and not (tmp_path / "m").exists()
        return
    assert f"resume from the checkpoint of step {step - 1} with --resume" in done.err
    assert checkpoint.newest(tmp_path / "m", reporter=SILENT)[1]["progress"]["step"] == step - 1
    training(tmp_path / "m", resume=True)
    assert same(end(tmp_path / "m"), end(undisturbed))


def test_6_a_gradient_that_is_no_number(here, training, tmp_path, monkeypatch):
    """Of a finite loss: the square root at zero."""
    at_step(3, lambda loss: loss + (loss - loss).sqrt(), monkeypatch)
    done = here(*training.arguments(tmp_path / "m", "-q"))
    assert done.code == 6 and "not finite at step 3" in done.err


def test_7_of_two_trainings_in_one_folder_one_proceeds(training, undisturbed, tmp_path, monkeypatch):
    refused = []

    def another(loss):
        for given in ({"force": True}, {"resume": True}):
            with pytest.raises(BusyError, match=f"process {os.getpid()}"):
                training(tmp_path / "m", **given)
            refused.append(given)
        return loss

    at_step(4, another, monkeypatch)
    training(tmp_path / "m")
    assert len(refused) == 2 and same(end(tmp_path / "m"), end(undisturbed))


def test_the_log_has_a_line_for_every_event(undisturbed):
    events = history(undisturbed)
    assert (
        events[0]["event"] == "started" and events[0]["training"]["ema"] == 0.5 and events[0]["settings"]["width"] == 8
    )
    assert [e["step"] for e in events if e["event"] == "saved"] == list(range(1, 13))
    assert [e["step"] for e in events if "loss" in e] == list(range(1, 13))
    assert all(e["bits_per_byte"] > 0 and e["tokens_per_second"] > 0 and e["rate"] > 0 for e in events if "loss" in e)
    assert (events[-1]["event"], events[-1]["step"]) == ("ended", 12)
