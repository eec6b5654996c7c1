"""A training so small that it can be killed hundreds of times, and how its end is compared."""

import os
import sys
import traceback
from pathlib import Path

import numpy as np

from seqcli import cli, config
from seqcli.interfaces import SILENT
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import writing_model
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.train import train_network
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.training.config import Request

TEXT = "".join(
    f"the {a} {v} the {b} .\n" for a in ("cat", "dog", "bird") for v in ("sees", "likes") for b in ("man", "fish")
)
SETTINGS = (
    "width=8",
    "bptt=8",
    "batch_tokens=32",
    "dropout=0.2",
    "ema=0.5",
    "warmup=2",
    "evaluate_every=2",
    "save_minutes=1e-9",
)


class Training:
    """Of a text of 300 characters, twelve steps, a checkpoint after each."""

    def __init__(self, corpus: Path):
        self.corpus = corpus

    def arguments(self, folder: Path, *more: object) -> list[str]:
        given = {str(setting).partition("=")[0] for setting in more}  # a setting is given once
        settings = [
            part for setting in SETTINGS if setting.partition("=")[0] not in given for part in ("--set", setting)
        ]
        return [str(part) for part in (
            "train", "lm", self.corpus, "-o", folder, "--arch", "gru", "--preset", "tiny", "--unit", "document", "--tokenizer",
            "characters", "--steps", 12, "--device", "cpu", "--precision", "fp32", "--threads", 1, *settings, *more,
        )]  # fmt: skip

    def __call__(self, folder: Path, *more: str, resume: bool = False, force: bool = False, steps: int = 12) -> None:
        values = config.parse_assignments([*SETTINGS, f"steps={steps}", *more])
        with writing_model(folder, resume=resume, force=force) as writer:
            train_network(
                writer, Corpus((str(self.corpus),), unit="document"), TokenizerChoice("characters"),
                Request("language", "gru", "tiny", (("test", values),), device="cpu", precision="fp32", threads=1),
                valid=None, resume=resume, reporter=SILENT,
            )  # fmt: skip

    def go_on(self, folder: Path) -> None:
        """As a user does: --resume where there is something to resume, else from the beginning."""
        self(folder, resume=checkpoint.are_here(folder))

    def command(self, folder: Path, *more: object, errors: Path) -> None:
        """The same by the command line, in a copy of this process."""
        with open(errors, "w", encoding="utf-8") as sys.stderr:
            code = cli.run(self.arguments(folder, *more))
        raise SystemExit(code)

    def forked(self, act) -> int:
        """A copy of this process does `act`; its process id. It ends with 0 where that was done."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                act()
                code = 0
            except SystemExit as stop:
                code = stop.code
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        return pid


def ended(pid: int) -> int:
    """The exit code of a copy, negative where a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def end(folder: Path) -> dict[str, np.ndarray]:
    """All tensors of a training's last checkpoint, of its model, and its figures."""
    tensors, saved = checkpoint.newest(folder, reporter=SILENT)
    run = ModelFolder.open(folder)
    run.verify()
    figures = {name: np.array(value) for name, value in saved["progress"].items() if name != "seconds"}
    return {**tensors, **{f"model.{n}": a for n, a in run.tensors().items()}, **figures}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """To the last bit."""
    return one.keys() == other.keys() and all(np.array_equal(array, other[name]) for name, array in one.items())
