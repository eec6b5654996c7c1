"""What the training loop reports to: judges the network on held-out text, logs, keeps the best weights and checkpoints.

Of several ranks all judge (each on all of the text: no rank waits, none is quicker for it), and rank 0 alone writes.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from seqcli import checkpoints, tensor_file, torchrun
from seqcli.errors import UsageError
from seqcli.interfaces import OpenModel, Reporter
from seqcli.runs import Draft
from seqcli.tasks.language.corpus import Corpus
from seqcli.tasks.language.opened import TASK, evaluate, judge, summary
from seqcli.text import BOS_ID

_WINDOW = 1024  # in which running text is judged
_SAMPLE = 200_000  # tokens whose bytes are counted


class Keeper:
    """A `training.loop.Run`. record: what is written down of the training; valid: a corpus, or a stream of tokens;
    products: the dtype of matrix products."""

    def __init__(
        self, draft: Draft, opened: OpenModel, record: Mapping[str, Any], *,
        stream: np.ndarray, valid: Corpus | np.ndarray, products: Any, begun: float, board: bool = False,
    ):  # fmt: skip
        self._draft, self._opened, self._record, self._valid, self._begun = draft, opened, record, valid, begun
        self._products = products
        self._figures: dict[str, Any] = {}
        self._board = None
        if board and not torchrun.rank():
            from seqcli.training.tensorboard import Board

            self._board = Board(draft.boards)
        sample = stream[:_SAMPLE]
        sample = sample[sample != BOS_ID]
        self.bytes_per_token = len(opened.tokenizer.decode(sample.tolist()).encode()) / max(len(sample), 1)

    def evaluate(self) -> float:
        """Nats per token of the held-out text."""
        with self._opened.model.quickly(window=_WINDOW, products=self._products) as window:
            totals = (judge if isinstance(self._valid, np.ndarray) else evaluate)(self._opened, self._valid)
        self._figures = {**summary(totals), "loss": -totals.log_prob / max(totals.tokens, 1)}
        if self._opened.unit == "document":
            self._figures["window"] = window
        return self._figures["loss"]

    def log(self, event: Mapping[str, Any]) -> None:
        if not torchrun.rank():
            self._draft.log(event)
        if self._board:
            self._board.add(event)

    def best(self, progress: Any) -> None:
        from seqcli.nn import weights

        seconds = round(time.monotonic() - self._begun, 3)
        record = {**self._record, "valid": self._figures, "progress": asdict(progress), "seconds": seconds}
        tensors = {name: tensor_file.tensor(array) for name, array in weights.arrays(self._opened.model).items()}
        if torchrun.rank():
            return
        self._draft.save(
            task=TASK, arch=self._record["arch"], config=record, tensors=tensors,
            tokenizer=self._opened.tokenizer, card=_card(record),
        )  # fmt: skip

    def checkpoint(self, progress: Any, tensors: Mapping[str, np.ndarray]) -> None:
        if torchrun.rank():
            return
        checkpoints.save(
            self._draft.path, self._draft.folder, step=progress.step, tensors=tensors,
            progress={"progress": asdict(progress), "same": self._same},
        )  # fmt: skip

    @property
    def _same(self) -> dict[str, Any]:
        """What a resumed run must share with its beginning."""
        of_text = {"tokenizer": self._record["tokenizer"], "text": self._record["data"]["fingerprint"]}
        return {**self._record["settings"], **self._record["training"], **of_text}

    def resumed(self, reporter: Reporter) -> tuple[Any, dict[str, np.ndarray]]:
        """Progress and tensors of the newest checkpoint. Raises UsageError where it was begun otherwise."""
        from seqcli.training.plan import RESUMABLE, Progress

        tensors, saved = checkpoints.newest(self._draft.path, reporter=reporter)
        for name, now in self._same.items():
            if name not in RESUMABLE and now != (then := saved["same"].get(name)):
                cure = "resume with the settings and the text it began with"
                raise UsageError(f"{name} was {then!r}, is {now!r}", where="--resume", cure=cure)
        return Progress(**saved["progress"]), tensors


def fingerprint(stream: np.ndarray) -> str:
    """Of the tokens that are trained on."""
    return f"{zlib.crc32(np.ascontiguousarray(stream)):08x}"


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    return (
        f"# A language model ({record['arch']})\n\nMade by seqcli: {settings}; {record['parameters']:,} parameters; tokenizer "
        f"{record['tokenizer']}; {record['data']['rows']:,} rows of {', '.join(record['data']['files'])}; "
        f"{record['progress']['step']:,} steps. Held-out loss: {record['valid']['loss']:.4f} nats a token.\n\n"
        f"Ask it: `seqcli score -m DIR \"a sentence\"`.\n"
    )
