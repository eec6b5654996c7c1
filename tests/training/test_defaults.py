"""The preset that is chosen where none is asked for."""

import pytest

from seqcli import catalog
from seqcli.interfaces import SILENT
from seqcli.training import defaults
from seqcli.training.config import Request


@pytest.mark.parametrize(
    "task, arch, kind, tokens, minutes, device, expected",
    [  # what docs/LOG.md found best, or what was chosen before where nothing was measured
        ("language", "lstm", "characters", 10_000, 1, "cpu", "tiny"),
        ("language", "gru", "characters", 10_000, 5, "cpu", "char"),
        ("language", "transformer", "characters", 10_000, 1, "cpu", "char"),
        ("language", "transformer", "bytes", 10_000, 0, "cpu", "char"),
        ("language", "lstm", "words", 10_000, 1, "cpu", "char"),
        ("language", "transformer", "words", 10_000, 3, "cpu", "char"),
        ("language", "transformer", "words", 10_000, 30, "cpu", "small"),
        ("language", "lstm", "words", 10_000, 3, "cpu", "small"),
        ("language", "lstm", "words", 10_000, 0, "cpu", "small"),
        ("language", "lstm", "words", 10_000, 1, "cuda", "small"),
        ("classification", "gru", "sentencepiece", 2_000_000, 1, "cpu", "tiny"),
        ("classification", "gru", "sentencepiece", 150_000, 1, "cpu", "small"),
        ("classification", "gru", "sentencepiece", 10_000, 0, "cpu", "small"),
        ("translation", "transformer", "sentencepiece", 10_000, 1, "cpu", "tiny"),
        ("translation", "transformer", "sentencepiece", 10_000, 30, "cpu", "small"),
    ],
)
def test_it_follows_from_what_is_trained_on_what_for_how_long(task, arch, kind, tokens, minutes, device, expected):
    situation = defaults.Situation(f"{kind}-100#abcd", "line", tokens, minutes, device)
    notes = []
    request = defaults.completed(
        Request(task, arch, None, ()), situation, resumed=None, reporter=type("R", (), {"note": notes.append})
    )
    assert request.preset == expected and len(notes) == 1 and f"preset {expected}" in notes[0]


def test_every_architecture_gets_one_that_it_has():
    for task in ("language", "classification", "translation"):
        for arch in catalog.architectures(task):
            presets = catalog.presets(task, arch)[1]
            for minutes in (0, 1, 100):
                for kind in ("words", "characters"):
                    assert (
                        defaults.preset(task, arch, presets, defaults.Situation(kind, "line", 1, minutes, "cpu"))
                        in presets
                    )


def test_one_that_is_asked_for_stays():
    request = Request("language", "lstm", "small", ())
    assert (
        defaults.completed(
            request, defaults.Situation("characters", "line", 1, 1, "cpu"), resumed=None, reporter=SILENT
        )
        is request
    )
