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

from seqcli import catalog, checkpoints, config, tensor_file
from seqcli.data.batches import Batches, Lanes, Lines, Windows
from seqcli.errors import InputError, UsageError, nearest
from seqcli.interfaces import OpenModel, Reporter, TokenBatch
from seqcli.metrics import signature
from seqcli.metrics.perplexity import Totals
from seqcli.runs import Draft
from seqcli.tasks.language.corpus import Corpus, TokenizerChoice, read
from seqcli.tasks.language.opened import TASK, evaluate, open_model, summary
from seqcli.tasks.language.told import Trained
from seqcli.text import BOS_ID

EPOCHS = 10  # where no budget is given
HELD_OUT = 0.05  # of the rows, where no validation text is given


@dataclass(frozen=True)
class Request:
    """What a user asks for. arch, preset: of `presets/language`; settings: (where they stand, values), later ones first."""

    arch: str
    preset: str | None
    settings: tuple[tuple[str, Mapping[str, Any]], ...]
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None


def settings_of(request: Request):
    """(module, its Config, the training Plan) of a request. Raises UsageError for what cannot be meant."""
    from seqcli.training.loop import Plan

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

    from seqcli.training import loop
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
        stream, held_out = split(reading.stream, unit=corpus.unit, share=HELD_OUT, seed=plan.seed)
    torch.manual_seed(plan.seed)
    model = module.build(settings, vocab_size=reading.tokenizer.vocab_size).to(placement.device)
    batches = batches_of(stream, corpus.unit, plan, window=model.window)
    # 2. What the loop reports to
    record = {
        "arch": request.arch,
        "module": module.__name__.rpartition(".")[2],
        "settings": asdict(settings),
        "training": asdict(plan),
        "unit": corpus.unit,
        "vocab_size": reading.tokenizer.vocab_size,
        "tokenizer": signature.tokenizer_label(reading.tokenizer),
        "data": {"files": [Path(p).name for p in corpus.paths], "rows": reading.rows, "tokens": int((stream != BOS_ID).sum())},
        "parameters": sum(p.numel() for p in model.parameters()),
        "precision": placement.precision,
        "device": placement.device.type,
    }
    opened = OpenModel(draft.path.name, request.arch, corpus.unit, reading.tokenizer, model)
    run = _Run(draft, opened, record, valid if valid is not None else held_out, begun)
    progress, restore = None, None
    if resume:
        progress, restore = run.resumed(model, plan, reporter)
    # 3. The loop
    progress = loop.train(
        model, batches, plan, run, placement=placement, reporter=reporter, progress=progress, restore=restore
    )
    best = open_model(str(draft.path))
    return Trained(best, {**record, "progress": asdict(progress), "valid": run.figures}, run.totals)


def split(stream: np.ndarray, *, unit: str, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out part: a seeded choice of rows, or the end of running text."""
    if unit == "document":
        cut = max(1, int(len(stream) * (1 - share)))
        return stream[:cut], np.concatenate([[BOS_ID], stream[cut:]]).astype(np.int32)
    row = np.cumsum(stream == BOS_ID) - 1
    rows = int(row[-1]) + 1
    chosen = np.zeros(rows, bool)
    chosen[np.random.default_rng(seed).permutation(rows)[: max(1, int(rows * share))]] = rows > 1
    held_out = chosen[row]
    return np.asarray(stream[~held_out]), np.asarray(stream[held_out])


def batches_of(stream: np.ndarray, unit: str, plan, *, window: int | None) -> Batches:
    if unit == "line":
        return Lines(stream, batch_tokens=plan.batch_tokens, seed=plan.seed, longest=window)
    if window is not None:
        return Windows(stream, width=window, batch_tokens=plan.batch_tokens, seed=plan.seed)
    return Lanes(stream, width=plan.bptt, batch_tokens=plan.batch_tokens, seed=plan.seed)


class _Run:
    """Evaluates, logs and saves for the loop."""

    def __init__(self, draft: Draft, opened: OpenModel, record: dict, valid, begun: float):
        self._draft, self._opened, self._record, self._valid, self._begun = draft, opened, record, valid, begun
        self.figures: dict[str, Any] = {}
        self.totals: Totals | None = None

    def evaluate(self) -> float:
        """Nats per token of the held-out text."""
        if isinstance(self._valid, np.ndarray):
            batch = _as_batch(self._valid)
            log_prob = float(self._opened.model.score(batch).log_prob.sum(dtype=np.float64))
            tokens = len(batch.tokens)
            self.figures = {"tokens": tokens, "loss": -log_prob / max(tokens, 1)}
            return self.figures["loss"]
        self.totals = evaluate(self._opened, self._valid)
        self.figures = {**summary(self.totals), "loss": -self.totals.log_prob / max(self.totals.tokens, 1)}
        return self.figures["loss"]

    def log(self, event: dict[str, Any]) -> None:
        self._draft.log(event)

    def best(self, progress) -> None:
        from seqcli.nn import weights

        record = {**self._record, "valid": self.figures, "progress": asdict(progress), "seconds": round(time.monotonic() - self._begun, 3)}
        tensors = {name: tensor_file.tensor(array) for name, array in weights.arrays(self._opened.model).items()}
        self._draft.save(
            task=TASK, arch=self._record["arch"], config=record, tensors=tensors,
            tokenizer=self._opened.tokenizer, card=_card(record),
        )  # fmt: skip

    def checkpoint(self, progress, optimizer, carried) -> None:
        import torch

        from seqcli.nn import weights

        tensors = {f"weight.{name}": array for name, array in weights.arrays(self._opened.model).items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value.cpu().numpy() for name, value in state.items()}
        tensors["random"] = torch.get_rng_state().numpy()
        if carried is not None:
            tensors |= {f"carried.{name}": part.cpu().numpy() for name, part in carried.arrays().items()}
        same = {"settings": self._record["settings"], "training": self._record["training"], "tokenizer": self._record["tokenizer"]}
        checkpoints.save(self._draft.path, self._draft.folder, step=progress.step, tensors=tensors,
                         progress={"progress": asdict(progress), **same})  # fmt: skip

    def resumed(self, model, plan, reporter: Reporter):
        """Progress, and how to restore the rest, from the newest checkpoint of this run."""
        import torch

        from seqcli.training.loop import Progress

        tensors, saved = checkpoints.newest(self._draft.path, reporter=reporter)
        budgets = {"epochs", "steps", "minutes", "evaluations", "evaluate_every", "patience"}
        for part in ("settings", "training", "tokenizer"):
            now, then = self._record[part], saved[part]
            if isinstance(now, dict):
                differ = sorted(k for k in now if k not in budgets and now[k] != then.get(k))
                if differ:
                    raise UsageError(f"{differ[0]} was {then.get(differ[0])!r}, is {now[differ[0]]!r}", where="--resume", cure="resume with the settings it began with")
            elif now != then:
                raise UsageError(f"the tokenizer was {then}, is {now}", where="--resume", cure="resume on the same text")
        own = model.state_dict()
        with torch.no_grad():
            for name, tensor in own.items():
                if f"weight.{name}" in tensors:
                    tensor.copy_(torch.from_numpy(np.array(tensors[f"weight.{name}"])))

        def restore(optimizer):
            state: dict[int, dict] = {}
            for name, array in tensors.items():
                kind, _, rest = name.partition(".")
                if kind == "optimizer":
                    index, _, key = rest.partition(".")
                    value = torch.from_numpy(np.array(array))
                    state.setdefault(int(index), {})[key] = value.reshape(()) if key == "step" else value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
            torch.set_rng_state(torch.from_numpy(np.array(tensors["random"])))
            carried = {
                name.removeprefix("carried."): torch.from_numpy(np.array(array)).to(model.device)
                for name, array in tensors.items()
                if name.startswith("carried.")
            }
            return model.carried.of(carried) if carried else None

        return Progress(**saved["progress"]), restore


def _as_batch(stream: np.ndarray) -> TokenBatch:
    begins = np.flatnonzero(stream == BOS_ID)
    return TokenBatch(stream[stream != BOS_ID], np.diff(begins, append=len(stream)) - 1)


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    return (
        f"# A language model ({record['arch']})\n\nMade by seqcli: {settings}; {record['parameters']:,} parameters; tokenizer "
        f"{record['tokenizer']}; {record['data']['rows']:,} rows of {', '.join(record['data']['files'])}; "
        f"{record['progress']['step']:,} steps. Held-out loss: {record['valid']['loss']:.4f} nats a token.\n\n"
        f"Ask it: `seqcli score -m DIR \"a sentence\"`.\n"
    )


