"""Training a neural language model: from a corpus to a model folder, through `training/loop`.

The folder always holds the best weights so far (by bits per byte of the held-out text) and what resuming needs.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import catalog, config, torchrun
from seqcli.data.batches import Batches, Lanes, Lines, Windows
from seqcli.errors import InputError, UsageError, nearest
from seqcli.interfaces import OpenModel, Reporter
from seqcli.metrics import signature
from seqcli.runs import Draft, Run
from seqcli.tasks.language.corpus import Corpus, TokenizerChoice, read, split
from seqcli.tasks.language.keeping import Keeper, fingerprint
from seqcli.tasks.language.opened import open_model
from seqcli.tasks.language.told import Trained
from seqcli.text import BOS_ID

EPOCHS = 10  # where no budget is given


@dataclass(frozen=True)
class Request:
    """What a user asks for. arch, preset: of `presets/language`; settings: (where they stand, values), later ones first."""

    arch: str
    preset: str | None
    settings: tuple[tuple[str, Mapping[str, Any]], ...]
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    tensorboard: bool = False


def settings_of(request: Request):
    """(module, its Config, the training Plan) of a request. Raises UsageError for what cannot be meant."""
    from seqcli.training.plan import Plan

    module_name, presets = catalog.presets("language", request.arch)
    preset = request.preset or ("small" if "small" in presets else next(iter(presets)))
    if preset not in presets:
        raise UsageError(f"unknown preset {preset!r}", where="--preset", cure=f"one of {', '.join(presets)}")
    module = catalog.load("models", module_name)
    sources = [(f"preset {preset}", presets[preset]), *request.settings]
    if not any(budget in values for _, values in sources for budget in ("epochs", "steps", "minutes")):
        sources.append(("default", {"epochs": EPOCHS}))
    known = {f.name for f in dataclasses.fields(module.Config)}, {f.name for f in dataclasses.fields(Plan)}
    for where, values in sources:
        for key in values:
            if key not in known[0] | known[1]:
                raise UsageError(f"unknown setting {key!r}", where=where, cure=nearest(key, known[0] | known[1]))
    shares = [[(where, {k: v for k, v in values.items() if k in names}) for where, values in sources] for names in known]
    return module, config.resolve(module.Config, *shares[0]), config.resolve(Plan, *shares[1])


def train(
    draft: Draft, corpus: Corpus, choice: TokenizerChoice, request: Request, *,
    valid: Corpus | None, resume: bool, reporter: Reporter,
) -> Trained:  # fmt: skip
    """Trains into `draft`. resume: go on from its newest checkpoint."""
    import torch

    from seqcli.nn import weights
    from seqcli.training import loop, preflight, ranks
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
        draft, opened, record, stream=stream, valid=valid if valid is not None else held_out,
        products=placement.dtype, begun=begun, board=request.tensorboard,
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
