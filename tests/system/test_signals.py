"""A signal ends a command, whatever swallows its exception; what must not be left half done is done first."""

import os
import signal
import sys
import time
import weakref
from contextlib import suppress

import pytest

from seqcli.files.atomic import replacing
from seqcli.system import signals


def swallowed_in_a_weak_reference_callback():
    class Thing:
        pass

    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGTERM))
    del thing
    return kept


def swallowed_by_a_handler_of_everything():
    with suppress(BaseException):
        signal.raise_signal(signal.SIGTERM)


def swallowed_in_a_destructor():
    class Thing:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    Thing()


@pytest.mark.parametrize(
    "swallow", [swallowed_in_a_weak_reference_callback, swallowed_by_a_handler_of_everything, swallowed_in_a_destructor]
)
def test_a_swallowed_signal_comes_again(swallow, capsys):
    reached = []

    def command():
        swallow()
        reached.append("behind it")
        time.sleep(10)
        reached.append("the end")
        return 0

    began = time.monotonic()
    assert signals.watched(command) == 143
    assert reached == ["behind it"] and time.monotonic() - began < 5
    assert capsys.readouterr() == ("", "")


def test_cleaning_up_is_not_interrupted_again():
    done = []

    def command():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.raise_signal(number)
                time.sleep(0.12)  # longer than it takes to come again
                done.append(number)
        return 0

    assert signals.watched(command) == 130 and len(done) == 2


def test_what_is_held_is_finished_first():
    done = []

    def command():
        with signals.held():
            with signals.held():
                signal.raise_signal(signal.SIGINT)
            time.sleep(0.12)
            done.append("held")
        done.append("after")
        return 0

    assert signals.watched(command) == 130 and done == ["held"]


def test_an_error_that_comes_of_a_signal_does_not_hide_it():
    def command():
        try:
            signal.raise_signal(signal.SIGTERM)
        except signals.Stopped:
            return 1
        return 0

    assert signals.watched(command) == 143


@pytest.mark.parametrize("when, code, text", [("before", 130, "old"), ("during", 0, "new"), ("after", 0, "new")])
def test_a_signal_comes_before_the_last_step_or_too_late(tmp_path, when, code, text):
    """So that an exit code of 130 means that the old file is still there, and 0 that the new one is."""
    (tmp_path / "out").write_text("old")

    def command():
        if when == "before":
            signal.raise_signal(signal.SIGINT)
        with replacing(tmp_path / "out", last=True) as file:
            file.write(b"new")
            replace = os.replace

            def interrupted(*paths):
                signal.raise_signal(signal.SIGINT)
                replace(*paths)

            if when == "during":
                patch.setattr(os, "replace", interrupted)
        if when == "after":
            signal.raise_signal(signal.SIGINT)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        assert signals.watched(command) == code
    assert (tmp_path / "out").read_text() == text and os.listdir(tmp_path) == ["out"]


def test_an_import_is_finished_first(tmp_path, monkeypatch):
    """Torch's initialisation ends the process when an exception comes out of Python below it."""
    (tmp_path / "slow_to_import.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(0.12)\nloaded = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_to_import", raising=False)

    def command():
        import slow_to_import  # noqa: F401

        time.sleep(10)
        return 0

    began = time.monotonic()
    assert signals.watched(command) == 130 and time.monotonic() - began < 5
    assert sys.modules.pop("slow_to_import").loaded


def test_handlers_are_put_back_and_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    try:
        assert signals.watched(lambda: signal.raise_signal(signal.SIGINT) or 7) == 7
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == handlers
    finally:
        signal.signal(signal.SIGINT, before)
