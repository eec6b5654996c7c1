"""Training a neural language model: from a corpus to a model folder, through `training/loop`.

The folder always holds the best weights so far (by bits per byte of the held-out text) and what resuming needs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.data.batches import Batches, Lanes, Lines, Windows
from seqcli.errors import UsageError
from seqcli.interfaces import OpenModel, Reporter, Tokenizer
from seqcli.metrics import signature
from seqcli.runs import Draft
from seqcli.tasks.language.corpus import Corpus, TokenizerChoice, check_enough, read, split
from seqcli.tasks.language.opened import TASK, evaluate, judge, open_model, summary
from seqcli.tasks.language.told import Trained
from seqcli.text import BOS_ID
from seqcli.training.request import Request, settings_of

_WINDOW = 1024  # in which running text is judged
_SAMPLE = 200_000  # tokens whose bytes are counted

def train(
    draft: Draft, corpus: Corpus, choice: TokenizerChoice, request: Request, *,
    valid: Corpus | None, resume: bool, reporter: Reporter,
) -> Trained:  # fmt: skip
    """Trains into `draft`. resume: go on from its newest checkpoint."""
    from seqcli.training import fitting
    from seqcli.training.keeping import fingerprint
    from seqcli.training.placement import place

    begun = time.monotonic()
    module, settings, plan = settings_of(request)
    if plan.piece_dropout:
        raise UsageError("piece_dropout is for classifiers", where="--set", cure="leave it out")
    placement = place(request.device, request.precision, threads=request.threads)
    reading = read(corpus, choice, folder=draft.folder, threads=request.threads, reporter=reporter)
    check_enough(reading, corpus, judged_on_others=valid is not None)
    stream, held_out = reading.stream, None
    if valid is None:
        stream, held_out = split(reading.stream, unit=corpus.unit, seed=plan.seed)
    if not plan.batch_tokens:
        plan = dataclasses.replace(plan, batch_tokens=min(max(len(stream) // 100, 256), 4096))
    vocab_size = reading.tokenizer.vocab_size

    def judged(model) -> tuple[float, dict[str, Any]]:
        opened = OpenModel(draft.path.name, request.arch, corpus.unit, reading.tokenizer, model)
        return _judged(opened, held_out if valid is None else valid, products=placement.dtype)

    work = fitting.Work(
        task=TASK,
        make=lambda: module.build(settings, vocab_size=vocab_size),
        batches=lambda model: batches_of(stream, corpus.unit, plan, window=model.window),
        judge=judged,
        record={
            "arch": request.arch,
            "module": module.__name__.rpartition(".")[2],
            "settings": asdict(settings),
            "training": asdict(plan),
            "unit": corpus.unit,
            "vocab_size": vocab_size,
            "tokenizer": signature.tokenizer_label(reading.tokenizer),
            "data": {
                "files": [Path(p).name for p in corpus.paths], "rows": reading.rows,
                "tokens": int((stream != BOS_ID).sum()), "fingerprint": fingerprint(stream),
            },
        },
        tokenizer=reading.tokenizer,
        card=_card,
        outputs=vocab_size,
        bytes_per_token=_bytes_per_token(stream, reading.tokenizer),
    )  # fmt: skip
    record = fitting.fit(work, draft, plan, request, placement=placement, resume=resume, begun=begun, reporter=reporter)
    return Trained(open_model(str(draft.path)), record)


def batches_of(stream: np.ndarray, unit: str, plan, *, window: int | None) -> Batches:
    if unit == "line":
        return Lines(stream, batch_tokens=plan.batch_tokens, seed=plan.seed, longest=window)
    if window is not None:
        return Windows(stream, width=window, batch_tokens=plan.batch_tokens, seed=plan.seed)
    return Lanes(stream, width=plan.bptt, batch_tokens=plan.batch_tokens, seed=plan.seed)


def _judged(opened: OpenModel, valid: Corpus | np.ndarray, *, products: Any) -> tuple[float, dict[str, Any]]:
    """Nats per token of held-out text, a corpus or a stream of tokens, and all its figures.

    products: the dtype of matrix products.
    """
    with opened.model.quickly(window=_WINDOW, products=products) as window:
        totals = (judge if isinstance(valid, np.ndarray) else evaluate)(opened, valid)
    figures = {**summary(totals), "loss": -totals.log_prob / max(totals.tokens, 1)}
    if opened.unit == "document":
        figures["window"] = window
    return figures["loss"], figures


def _bytes_per_token(stream: np.ndarray, tokenizer: Tokenizer) -> float:
    sample = stream[:_SAMPLE]
    sample = sample[sample != BOS_ID]
    return len(tokenizer.decode(sample.tolist()).encode()) / max(len(sample), 1)


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    return (
        f"# A language model ({record['arch']})\n\nMade by seqcli: {settings}; {record['parameters']:,} parameters; tokenizer "
        f"{record['tokenizer']}; {record['data']['rows']:,} rows of {', '.join(record['data']['files'])}; "
        f"{record['progress']['step']:,} steps. Held-out loss: {record['valid']['loss']:.4f} nats a token.\n\n"
        f"Ask it: `seqcli score -m DIR \"a sentence\"`.\n"
    )
