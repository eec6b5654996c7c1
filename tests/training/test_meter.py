"""Figures of training: of all tokens since the last line of the log; the live line now and then, and it is short."""

import math

import torch

from seqcli.training import meter
from seqcli.training.meter import Meter


class Listener:
    def __init__(self):
        self.lines = []

    def progress(self, what, done, total=None):
        self.lines.append((what, done, total))


def test_figures_and_line(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(meter.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(meter.memory, "resident", lambda: 1_234_000_000)
    listener = Listener()
    measured = Meter(listener, torch.device("cpu"), bytes_per_token=4.0)
    assert measured.taken() == {}
    measured.add(100 * math.log(2), 100, 0.5)
    measured.add(900 * math.log(2), 300, 0.5)
    for _ in range(3):
        measured.show(123456, 0.25)
    (shown,) = listener.lines
    assert shown == ("step 123456, loss 1.733, 0.625 bpb, 400 tokens/s, 1.2 GB", 0.25, 1) and len(shown[0]) < 64
    now[0] += 1
    measured.show(123457, 0.5)
    assert len(listener.lines) == 2
    taken = measured.taken()
    assert math.isclose(taken["loss"], 2.5 * math.log(2)) and math.isclose(taken["bits_per_byte"], 2.5 / 4)
    assert taken["tokens_per_second"] == 400 and measured.taken() == {}


def test_speeds_are_short():
    assert [meter._short(x) for x in (7.4, 950, 9_460, 123_456, 9_460_000, 43_000_000)] == [
        "7",
        "950",
        "9.5k",
        "123k",
        "9.5M",
        "43M",
    ]
