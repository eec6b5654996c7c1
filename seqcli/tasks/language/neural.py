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

from seqcli import torchrun
from seqcli.data.batches import Batches, Lanes, Lines, Windows
from seqcli.errors import InputError
from seqcli.interfaces import OpenModel, Reporter, Tokenizer
from seqcli.metrics import signature
from seqcli.runs import Draft, Run
from seqcli.tasks.language.corpus import Corpus, TokenizerChoice, read, split
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
    import torch

    from seqcli.nn import weights
    from seqcli.training import loop, preflight, ranks
    from seqcli.training.keeping import Keeper, fingerprint
    from seqcli.training.placement import place

    # 1. Settings, text, tokens
    begun = time.monotonic()
    module, settings, plan = settings_of(request)
    placement = place(request.device, request.precision, threads=request.threads)
    reading = read(corpus, choice, folder=draft.folder, threads=request.threads, reporter=reporter)
    if not reading.rows:
        raise InputError("no text to learn from", where=", ".join(corpus.paths), cure="give a file with lines of text")
    stream, held_out = reading.stream, None
    if valid is None:
        stream, held_out = split(reading.stream, unit=corpus.unit, seed=plan.seed)
    if not plan.batch_tokens:
        plan = dataclasses.replace(plan, batch_tokens=min(max(len(stream) // 100, 256), 4096))
    vocab_size = reading.tokenizer.vocab_size
    outline = weights.outline(lambda: module.build(settings, vocab_size=vocab_size))
    if not torchrun.rank():
        preflight.check(outline, plan, placement, vocab_size=vocab_size, folder=draft.path)
    torch.manual_seed(plan.seed)
    model = module.build(settings, vocab_size=vocab_size).to(placement.device)
    if torchrun.rank():
        torch.manual_seed(plan.seed + torchrun.rank())  # the same weights, another dropout
    batches = batches_of(stream, corpus.unit, plan, window=model.window)
    # 2. What the loop reports to
    record = {
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
        "parameters": sum(p.numel() for p in model.parameters()),
        "precision": placement.precision,
        "device": placement.device.type,
    }
    opened = OpenModel(draft.path.name, request.arch, corpus.unit, reading.tokenizer, model)
    run = Keeper(
        draft, model, record, task=TASK, tokenizer=reading.tokenizer, card=_card, begun=begun, board=request.tensorboard,
        judge=lambda: _judged(opened, held_out if valid is None else valid, products=placement.dtype),
        bytes_per_token=_bytes_per_token(stream, reading.tokenizer),
    )  # fmt: skip
    resumed = run.resumed(reporter) if resume else None
    run.log({"event": "resumed", "step": resumed[0].step} if resumed else {"event": "started", **record})
    # 3. The loop
    with ranks.joined(placement.device) as together:
        if plan.shard:
            together.shard(model)
        together.agree(f"{record['tokenizer']} {record['data']['fingerprint']}", what="text")
        progress = loop.train(
            model, batches, plan, run, placement=placement, ranks=together, reporter=reporter, resumed=resumed
        )
    best = Run.open(draft.path).config
    return Trained(open_model(str(draft.path)), {**best, "progress": asdict(progress), "seconds": progress.seconds})


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
