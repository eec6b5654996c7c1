"""The number of threads follows the cores that other processes leave free."""

import os
from functools import partial

import pytest
import torch

from seqcli.errors import OutputError
from seqcli.nn import device
from seqcli.nn.weights import initialise_recurrent
from seqcli.system import cpu, workers
from seqcli.tokenizers import sentencepiece


@pytest.fixture(autouse=True)
def restored():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
    device.choose_threads(before)


class Machine:
    """A clock and processors with given readings."""

    def __init__(self, monkeypatch):
        self.clock = self.own = self.idle = 0.0
        monkeypatch.setattr(cpu.Usage, "now", lambda: cpu.Usage(self.clock, self.own, self.idle))
        monkeypatch.setattr(device.time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(cpu, "STARTED", cpu.Usage.now())

    def second(self, *, own, idle):
        self.clock, self.own, self.idle = self.clock + 1, self.own + own, self.idle + idle


def test_fewer_at_once_and_more_only_after_two_counts(monkeypatch):
    machine = Machine(monkeypatch)
    torch.set_num_threads(2)
    chosen = device.Threads(most=2)
    seen = []
    for own, idle in [
        (2.0, 0.0),  # both cores are ours
        (1.33, 0.0),  # another process takes its third of the time
        (1.0, 0.0),  # one core each
        (1.0, 0.9),  # the other process sleeps: perhaps for a moment
        (1.0, 0.0),
        (1.0, 1.0),
        (1.0, 0.95),  # it is gone
        (1.8, 0.0),  # a fifth of a core is missing: two threads are still quicker than one
        (0.4, 0.0),
    ]:
        machine.second(own=own, idle=idle)
        chosen.adapt()
        seen.append(torch.get_num_threads())
    assert seen == [2, 1, 1, 1, 1, 1, 2, 2, 1]


def test_nothing_is_counted_between_two_counts(monkeypatch):
    machine = Machine(monkeypatch)
    torch.set_num_threads(2)
    chosen = device.Threads(most=2)
    machine.second(own=2, idle=0)
    chosen.adapt()
    machine.clock += 0.1
    chosen.adapt()  # nothing of ours, nothing idle: but too early to say
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("environment, number, expected", [(None, 1, 1), ("1", 2, 2), ("1", None, None)])
def test_a_given_number_of_threads_does_not_change(monkeypatch, environment, number, expected):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if environment:
        monkeypatch.setenv("OMP_NUM_THREADS", environment)
    before = torch.get_num_threads()
    device.choose_threads(number)
    machine = Machine(monkeypatch)
    for _ in range(3):
        machine.second(own=0, idle=0)
        device.adapt_threads()
    assert torch.get_num_threads() == (expected or before)


def test_nothing_changes_without_usage_of_the_cores(monkeypatch):
    monkeypatch.setattr(cpu.Usage, "now", lambda: None)
    torch.set_num_threads(2)
    chosen = device.Threads(most=2)
    chosen.adapt()
    assert torch.get_num_threads() == 2


def test_recurrent_weights_begin_alike_with_any_number_of_threads():
    def weights(number):
        torch.set_num_threads(number)
        torch.manual_seed(0)
        layer = torch.nn.LSTM(64, 256)
        initialise_recurrent([layer])
        assert torch.get_num_threads() == number
        return layer.weight_hh_l0

    assert all(torch.equal(weights(1), weights(number)) for number in (2, 3))


def test_subwords_are_trained_after_torch_has_computed_with_several_threads(monkeypatch):
    """SentencePiece uses OpenMP, which crashes in a process forked after PyTorch has started OpenMP threads."""
    torch.set_num_threads(2)
    torch.softmax(torch.ones(500, 500), 1).exp().sum()
    lines = [
        f"the {a} sat on the {b}\n".encode() for a in ("cat", "dog", "hen") for b in ("mat", "cart", "roof")
    ] * 1500  # large enough for several threads
    tokenizer, _ = sentencepiece.train(lines, vocab_size=300)
    monkeypatch.setattr(
        sentencepiece, "in_child", lambda function, **_: function()
    )  # in this process, where OpenMP works
    assert tokenizer.fingerprint == sentencepiece.train(lines, vocab_size=300)[0].fingerprint


def test_an_error_of_a_new_interpreter_is_raised_here(monkeypatch):
    monkeypatch.setattr(workers, "_may_have_openmp_threads", lambda: True)
    assert workers.in_child(partial(divmod, 17, 5), openmp=True) == (3, 2)
    with pytest.raises(ZeroDivisionError):
        workers.in_child(partial(divmod, 17, 0), openmp=True)
    with pytest.raises(OutputError, match="a worker process died"):
        workers.in_child(os.abort, openmp=True)
