"""Everything that is worth knowing of a GPU, in one call of less than nine minutes.

    python bench/gpu.py [--output FOLDER] [--parts equality,gpt2] [--data ../shared/data]
    python bench/gpu.py --device cpu --small      # every part on a processor, at sizes that say nothing, in a minute

device       name, memory, measured bandwidth and products in bfloat16, which shares of peak are of
equality     every network with the same weights on the CPU and there: log p and logits in float32 (1e-4) and bfloat16, the texts
             and translations of greedy and beam search, twenty steps of training
gpt2         `gpt2-small`: tokens/s of the training loop and share of peak, against `plain_gpt.py`, compiled; memory
generate     `gpt2-small`, one row and 64: tokens/s, greedy and sampled; beside them what reading the weights allows
ranks        one process by torchrun learns what a plain one learns; the time of summing GPT-2's gradients
shakespeare  three minutes of characters, the last 10 % judged: <= 1.455 nats
transformer, gru   Multi30k English-German: BLEU of test2016, beam 5
nsmc         accuracy of a recurrent classifier on `ratings_dev`

Each part is a process with a time limit: what fails or hangs stops no other. The first five are measured one after another, the last four
side by side, so that each of them gets less than a GPU; `--parts shakespeare` gives it all. Figures are printed, and written to
gpu.json and gpu.md as they come. The exit status is 1 if a part failed or a figure is not what it has to be.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import gzip
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]  # seqcli need not be installed

import numpy as np  # noqa: E402
import torch  # noqa: E402

DATA = HERE.parents[2] / "shared" / "data"
TOTAL = 535  # seconds of all parts
PEAK = {  # dense bfloat16, operations a second
    "B200": 2250e12, "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "L40S": 362e12, "L4": 121e12, "A100": 312e12, "A10": 125e12,
    "RTX 4090": 165e12, "V100": 125e12, "T4": 65e12,
}  # fmt: skip


@dataclass
class Figure:
    """wanted: what it has to be, in words; ok: whether it is, None where nothing is asked of it."""

    what: str
    value: float | str
    unit: str = ""
    wanted: str = ""
    ok: bool | None = None

    @property
    def shown(self) -> str:
        if isinstance(self.value, str):
            return self.value
        digits = f"{self.value:,.0f}" if abs(self.value) >= 1000 else f"{self.value:.4g}"
        return f"{digits} {self.unit}".strip()


@dataclass
class Run:
    """What a part is given, and what it finds. small: sizes for a test, at which speed and quality are not judged."""

    device: torch.device
    small: bool
    data: Path
    folder: Path
    figures: list[Figure] = field(default_factory=list)

    def add(self, what: str, value: float | str, unit: str = "") -> None:
        self.figures.append(Figure(what, value, unit))

    def at_most(self, what: str, value: float, limit: float, unit: str = "", *, always: bool = True) -> None:
        """always: at small sizes, too."""
        judged = always or not self.small
        self.figures.append(Figure(what, value, unit, f"<= {limit:g}", bool(value <= limit) if judged else None))

    def at_least(self, what: str, value: float, limit: float, unit: str = "", *, always: bool = True) -> None:
        judged = always or not self.small
        self.figures.append(Figure(what, value, unit, f">= {limit:g}", bool(value >= limit) if judged else None))

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def timed(self, job: Callable[[], Any], *, runs: int = 3) -> float:
        """The shortest of several, in seconds, after one to warm up."""
        best = math.inf
        for number in range(runs + 1):
            self.wait()
            begun = time.perf_counter()
            job()
            self.wait()
            if number:
                best = min(best, time.perf_counter() - begun)
        return best

    @property
    def fast(self) -> torch.dtype:
        """The dtype that products are measured in."""
        return torch.float32 if self.device.type == "cpu" else torch.bfloat16

    @property
    def peak(self) -> float | None:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""
        return next((value for key, value in PEAK.items() if all(word in name for word in key.split())), None)

    @contextmanager
    def memory(self, what: str) -> Iterator[None]:
        """Adds the most that is allocated there."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        yield
        if self.device.type == "cuda":
            self.add(f"{what}: memory", torch.cuda.max_memory_allocated(self.device) / 1e9, "GB")

    def bandwidth(self) -> float:
        """Bytes a second, read and written by a copy."""
        source = torch.empty(1 << (24 if self.small else 29), dtype=torch.int32, device=self.device)
        target = torch.empty_like(source)
        return 2 * source.nbytes / self.timed(lambda: target.copy_(source))


class Skipped(Exception):
    """Why a part cannot be measured here."""


# --- device -----------------------------------------------------------------------------------------------------------


def device(run: Run) -> None:
    run.add("versions", f"Python {platform.python_version()}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    if run.device.type == "cuda":
        properties = torch.cuda.get_device_properties(run.device)
        run.add("name", f"{properties.name}, capability {properties.major}.{properties.minor}")
        run.add("memory", properties.total_memory / 1e9, "GB")
        run.add("peak of the table", (run.peak or math.nan) / 1e12, "Tflop/s")
    run.add("bandwidth of a copy", run.bandwidth() / 1e9, "GB/s")
    size = 512 if run.small else 8192
    a = torch.randn(size, size, device=run.device, dtype=run.fast)
    run.add(f"product of {size} x {size}", 2 * size**3 / run.timed(lambda: a @ a) / 1e12, "Tflop/s")


# --- equality ---------------------------------------------------------------------------------------------------------


def networks() -> Iterator[tuple[str, str, Any]]:
    """Every network of the catalog over bytes, with weights large enough that a text matters to what follows."""
    from seqcli import catalog
    from seqcli.tokenizers.bytes import Bytes

    size = Bytes.vocab_size
    sizes = {
        "language": {"vocab_size": size}, "classification": {"vocab_size": size, "labels": 5},
        "translation": {"source_size": size, "vocab_size": size, "joint": True},
    }  # fmt: skip
    wanted = {"width": 64, "embedding": 64, "heads": 4, "layers": 2, "hidden": 128, "window": 128, "dropout": 0.0}
    for task, given in sizes.items():
        for arch in catalog.architectures(task):
            if not catalog.is_counted(task, arch):
                module = catalog.load("models", catalog.presets(task, arch)[0])
                known = {setting.name for setting in dataclasses.fields(module.Config)}
                config = module.Config(**{k: v for k, v in {**wanted, "cell": arch}.items() if k in known})
                torch.manual_seed(0)
                model = module.build(config, **given).eval()
                with torch.no_grad():
                    for weight in model.parameters():
                        weight.add_(0.1 * torch.randn_like(weight))
                yield task, arch, model


def equality(run: Run) -> None:
    from seqcli.training.device import place

    for task, arch, model in networks():
        here, there, rough = (copy.deepcopy(model) for _ in range(3))
        here.place(place("cpu", "fp32"))
        there.place(place(str(run.device), "fp32"))
        rough.place(place(str(run.device), "bf16"))
        ask = {"language": of_language, "classification": of_classifier, "translation": of_translator}[task]
        ask(run, f"{task} {arch}", here, there, rough, arch)
        learning(run, f"{task} {arch}", task, model)


def texts(count: int, *, longest: int) -> list[str]:
    rng = np.random.default_rng(1)
    words = ["a", "of", "the", "dog", "cat", "ran", "sat", "house", "under", "quickly"]
    return [" ".join(rng.choice(words, size=rng.integers(1, longest))) for _ in range(count)]


def batch_of(lines: list[str]) -> Any:
    from seqcli.data.lines import block_of
    from seqcli.tokenizers.bytes import Bytes

    return Bytes().encode(block_of(lines).data)


def compared(run: Run, name: str, here: np.ndarray, there: np.ndarray, rough: np.ndarray) -> None:
    run.at_most(f"{name}: greatest difference, fp32", float(np.abs(here - there).max()), 1e-4)
    run.at_most(f"{name}: mean difference, bf16", float(np.abs(here - rough).mean()), 0.1)


def of_language(run: Run, name: str, here: Any, there: Any, rough: Any, arch: str) -> None:
    from seqcli.decoding.generate import GenerationSettings, generate
    from seqcli.decoding.policy import Policy
    from seqcli.interfaces import OpenModel
    from seqcli.tokenizers.bytes import Bytes

    batch = batch_of([*texts(40, longest=20), *texts(1, longest=200)])
    compared(run, f"{name}, log p", *(model.score(batch).log_prob for model in (here, there, rough)))
    ways = {
        "greedy": {"policy": Policy(temperature=0.0)}, "sampled": {"policy": Policy(top_k=50, top_p=0.9), "num_samples": 2},
        "beam 4": {"beam_size": 4, "num_samples": 2},
    }  # fmt: skip
    for way, settings in ways.items():
        found = [
            list(generate(OpenModel(arch, arch, "document", Bytes(), model), texts(8, longest=10), GenerationSettings(max_new_tokens=24, **settings)))
            for model in (here, there)
        ]  # fmt: skip
        alike(run, f"{name}, {way}", *([(row.ids, row.log_prob) for row in rows] for rows in found))


def alike(run: Run, name: str, here: list[tuple], there: list[tuple]) -> None:
    """What was found is the same, or as likely: two that are nearly as likely may change places."""
    same = statistics.fmean([ours[0] == others[0] for ours, others in zip(here, there, strict=True)])
    run.at_least(f"{name}: share of the same texts", same, 0.9)
    apart = [abs(ours[1] - others[1]) for ours, others in zip(here, there) if ours[0] == others[0]]
    run.at_most(f"{name}: greatest difference of log p", max(apart, default=0.0), 2e-3)


def of_classifier(run: Run, name: str, here: Any, there: Any, rough: Any, arch: str) -> None:
    batch = batch_of(texts(60, longest=40))
    compared(run, f"{name}, logits", *(model.classify(batch) for model in (here, there, rough)))


def of_translator(run: Run, name: str, here: Any, there: Any, rough: Any, arch: str) -> None:
    from seqcli.decoding.translate import TranslationSettings, translate
    from seqcli.interfaces import OpenTranslator
    from seqcli.tokenizers.bytes import Bytes

    sources, targets = batch_of(texts(20, longest=10)), batch_of(texts(20, longest=12))
    conditioned = [
        model.conditioned_on(model.encode(sources)).score(targets).log_prob for model in (here, there, rough)
    ]
    compared(run, f"{name}, log p", *conditioned)
    for way, settings in {"beam 5": {}, "sampled": {"num_samples": 2}}.items():
        found = [
            list(translate(OpenTranslator(arch, arch, Bytes(), Bytes(), model), texts(8, longest=5), TranslationSettings(**settings)))
            for model in (here, there)
        ]  # fmt: skip
        alike(run, f"{name}, {way}", *([(row.best.text, row.best.log_prob) for row in rows] for rows in found))


def learning(run: Run, name: str, task: str, model: Any) -> None:
    """The losses of some steps."""
    from seqcli.data.batches import Example
    from seqcli.nn.device import to_device
    from seqcli.training.config import Plan
    from seqcli.training.optimizer import make_optimizer

    steps = 5 if run.small else 20
    rng = np.random.default_rng(2)
    batches = []
    for _ in range(steps):
        tokens = rng.integers(3, 60, (8, 33))
        labels, sources = rng.integers(0, 5, 8), rng.integers(3, 60, (8, 20))
        batches.append({
            "language": Example(tokens[:, :-1].copy(), tokens[:, 1:].copy()), "classification": Example(tokens, labels),
            "translation": Example(sources, tokens, paired=True),
        }[task])  # fmt: skip

    def losses(device: torch.device, dtype: torch.dtype, optimizer: str) -> np.ndarray:
        own = copy.deepcopy(model).to(device).train()
        plan = Plan(steps=steps, optimizer=optimizer, learning_rate=1e-3)
        update, found = make_optimizer(own, plan), []
        for given in batches:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                parts = (to_device(part, device) for part in (given.inputs, given.targets, given.counted))
                inputs, targets, counted = parts
                total, count, _ = own.loss(inputs, targets, counted=counted)
            (total / count).backward()
            torch.nn.utils.clip_grad_norm_(own.parameters(), 1.0)
            update.step()
            update.zero_grad(set_to_none=True)
            found.append(float(total.detach()) / count)
        return np.array(found)

    cpu = torch.device("cpu")
    wanted = losses(cpu, torch.float32, "adamw")
    run.at_most(
        f"{name}, loss curve: greatest share apart, fp32",
        _apart(wanted, losses(run.device, torch.float32, "adamw")),
        1e-3,
    )
    run.at_most(
        f"{name}, loss curve: greatest share apart, bf16",
        _apart(wanted, losses(run.device, torch.bfloat16, "adamw")),
        0.03,
    )
    muon = _apart(losses(cpu, torch.float32, "muon"), losses(run.device, torch.float32, "muon"))
    run.at_most(f"{name}, loss curve: greatest share apart, Muon", muon, 0.03)


def _apart(here: np.ndarray, there: np.ndarray) -> float:
    return float((np.abs(here - there) / np.abs(here)).max())


# --- speed ------------------------------------------------------------------------------------------------------------


def gpt2_small(run: Run, *, vocab: int = 50257) -> tuple[Any, int, int]:
    """The network, its vocabulary and its window."""
    from seqcli import catalog
    from seqcli.models import transformer

    preset = dict(catalog.presets("language", "transformer")[1]["gpt2-small"])
    if run.small:
        preset |= {"width": 64, "layers": 2, "heads": 4, "hidden": 256, "window": 64}
        vocab = 512
    known = {setting.name for setting in dataclasses.fields(transformer.Config)}
    torch.manual_seed(0)
    config = transformer.Config(**{name: value for name, value in preset.items() if name in known})
    return transformer.build(config, vocab_size=vocab), vocab, config.window


class Log:
    """A `Recorder` that keeps what is logged and judges nothing."""

    bytes_per_token, counted, resumable = None, "tokens", False

    def __init__(self):
        self.events: list[dict[str, Any]] = []

    def evaluate(self, go_on: Callable[[], bool]) -> Any:
        from seqcli.training.loop import Evaluation

        return Evaluation(0.0, None, 1, 1)

    def log(self, event: Any) -> None:
        self.events.append(dict(event))

    def best(self, progress: Any) -> None: ...
    def checkpoint(self, progress: Any, tensors: Any) -> None: ...

    def holds_best(self, progress: Any) -> bool:
        return True


def looped(run: Run, *, optimizer: str, rows: int, steps: int) -> tuple[float, float, int]:
    """Tokens a second of the training loop, its last loss, and the operations of a token."""
    from seqcli.data.batches import Windows
    from seqcli.interfaces import SILENT
    from seqcli.training import loop
    from seqcli.training.budget import Budget
    from seqcli.training.config import Plan
    from seqcli.training.device import Placement
    from seqcli.training.distributed import Ranks

    model, vocab, window = gpt2_small(run)
    model.to(run.device)
    stream = np.random.default_rng(0).integers(3, vocab, 1 << 18).astype(np.int32)
    tokens = rows * window
    plan = Plan(steps=steps, batch_tokens=tokens, optimizer=optimizer, learning_rate=6e-4, warmup=1, evaluations=1)
    log = Log()
    loop.train(
        model, Windows(stream, width=window, batch_tokens=tokens, seed=0), plan, log, budget=Budget(plan, begun=time.monotonic(), used=0.0, size=0),
        placement=Placement(run.device, run.fast), ranks=Ranks(0, 1), reporter=SILENT,
    )  # fmt: skip
    events = [event for event in log.events if event["event"] == "progress"]
    late = [event["tokens_per_second"] for event in events[len(events) // 2 :]]
    counted = sum(p.numel() for name, p in model.named_parameters() if "positions" not in name)
    shape = model.body
    operations = 6 * counted + 12 * len(shape.layers) * shape.heads * shape.head_width * window
    return statistics.median(late), events[-1]["loss"], operations


def gpt2(run: Run) -> None:
    from plain_gpt import Shape, steps

    rows, count = (2, 6) if run.small else (16, 60)
    speeds = {}
    for optimizer in ("adamw", "muon"):
        with run.memory(f"seqcli, {optimizer}"):
            speed, loss, operations = looped(run, optimizer=optimizer, rows=rows, steps=count)
        speeds[f"seqcli, {optimizer}"] = speed
        run.at_most(f"seqcli, {optimizer}: loss of random tokens after {count} steps", loss, 12.0)
    shape = Shape(512, 64, 2, 4, 64) if run.small else Shape()
    inputs, targets = (torch.randint(3, shape.vocab, (rows, shape.window), device=run.device) for _ in range(2))
    for compiled in (False, True):
        if compiled and run.small:
            run.add("plain, compiled", "not compiled at small sizes")
            continue
        name = "plain, compiled" if compiled else "plain"
        with run.memory(name):
            step = steps(shape, run.device, dtype=run.fast, compiled=compiled)
            begun = time.perf_counter()
            step(inputs, targets)
            run.wait()
            run.add(f"{name}: first step", time.perf_counter() - begun, "s")
            each = run.timed(lambda step=step: [step(inputs, targets) for _ in range(count // 3)])
        speeds[name] = inputs.numel() * (count // 3) / each
        del step
    best = max(value for name, value in speeds.items() if name.startswith("plain"))
    for name, speed in speeds.items():
        run.add(f"{name}: training", speed, "tokens/s")
        if run.peak:
            run.add(f"{name}: share of peak", speed * operations / run.peak)
        if name.startswith("seqcli"):
            run.add(f"{name}: share of the fastest plain one", speed / best)


def generate(run: Run) -> None:
    from number_words import NumberWords

    from seqcli.decoding.generate import GenerationSettings, generate
    from seqcli.decoding.policy import Policy
    from seqcli.interfaces import OpenModel
    from seqcli.training.device import Placement

    model, vocab, _ = gpt2_small(run)
    model.eval().place(Placement(run.device, run.fast))
    weights = sum(p.numel() for p in gpt2_small(run)[0].parameters()) * run.fast.itemsize
    run.add("one row, what reading the weights allows", run.bandwidth() / weights, "tokens/s")
    opened = OpenModel("gpt2", "transformer", "document", NumberWords(vocab), model)
    prompts = [" ".join(map(str, np.random.default_rng(row).integers(3, vocab, 16))) for row in range(64)]
    new = 8 if run.small else 128
    ways = {
        "greedy": {"policy": Policy(temperature=0)}, "sampled": {"policy": Policy(temperature=0.8, top_k=50)}, "beam 4": {"beam_size": 4},
    }  # fmt: skip
    for way, settings in ways.items():
        for rows in (1, 64):
            given = GenerationSettings(max_new_tokens=new, **settings)
            counts: list[int] = []
            seconds = run.timed(lambda rows=rows, given=given, counts=counts: counts.append(sum(len(row.ids) for row in generate(opened, prompts[:rows], given))), runs=2)  # fmt: skip
            run.add(f"{way}, {rows} rows" if rows > 1 else f"{way}, one row", counts[-1] / seconds, "tokens/s")


def ranks(run: Run) -> None:
    import torch.distributed as dist

    from seqcli.training.distributed import _buckets

    text = run.folder / "text.txt"
    text.write_text("\n".join(texts(400, longest=20)) + "\n")
    found = {}
    for name, start in {
        "plain": [],
        "torchrun": ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1"],
    }.items():
        out = run.folder / name
        seqcli(
            run, "train", "lm", str(text), "-o", str(out), "--arch", "transformer", "--preset", "tiny", "--tokenizer", "characters", "--steps", "20",
            "--device", run.device.type, "--precision", "fp32", "--force", "-q", start=start,
        )  # fmt: skip
        events = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
        found[name] = next(event["valid"] for event in events if event["event"] == "evaluated")
    run.add("held-out nats after 20 steps", found["plain"])
    run.at_most("by torchrun: difference", abs(found["plain"] - found["torchrun"]), 1e-3)
    dist.init_process_group(
        "nccl" if run.device.type == "cuda" else "gloo", store=dist.HashStore(), rank=0, world_size=1
    )
    gradients = [torch.zeros_like(weight, device=run.device) for weight in gpt2_small(run)[0].parameters()]

    def summed() -> None:
        for bucket in _buckets(gradients):
            dist.all_reduce(torch.cat([each.reshape(-1) for each in bucket]))

    run.add("gradients of gpt2-small summed over one process", 1000 * run.timed(summed), "ms")
    dist.destroy_process_group()


# --- quality ----------------------------------------------------------------------------------------------------------


def seqcli(run: Run, *arguments: str, start: list[str] | None = None, given: str | None = None) -> str:
    """What a command prints."""
    command = [sys.executable, *(start or []), "-m", "seqcli", *arguments]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return done.stdout


def lines_of(run: Run, name: str) -> list[str]:
    path = run.data / name
    if not path.is_file():
        raise Skipped(f"{path} is not there (--data)")
    return gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]


def written(run: Run, name: str, lines: list[str]) -> str:
    (run.folder / name).write_text("\n".join(lines) + "\n")
    return str(run.folder / name)


def budget(run: Run, minutes: float) -> list[str]:
    return ["--steps", "4"] if run.small else ["--minutes", str(minutes)]


def on(run: Run) -> list[str]:
    return ["--device", run.device.type]


def sets(**settings: Any) -> list[str]:
    return [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


def shakespeare(run: Run) -> None:
    lines = lines_of(run, "tinyshakespeare/input.txt.gz")
    text = "\n".join(lines) + "\n"
    cut = int(len(text) * 0.9)
    for name, part in {"train.txt": text[:cut], "valid.txt": text[cut:]}.items():
        (run.folder / name).write_text(part[: 20_000 if run.small else None])
    shape = sets(width=384, layers=6, heads=6, window=256, dropout=0.25, batch_tokens=16384)
    if run.small:
        shape = sets(width=32, layers=1, heads=2, window=32, batch_tokens=256)
    out = str(run.folder / "model")
    begun = time.perf_counter()
    seqcli(
        run, "train", "lm", str(run.folder / "train.txt"), "--valid", str(run.folder / "valid.txt"), "-o", out, "--arch", "transformer", "--preset",
        "small", "--unit", "document", "--tokenizer", "characters", *budget(run, 3.0), *on(run), *shape, "-q",
    )  # fmt: skip
    run.add("training, whole process", time.perf_counter() - begun, "s")
    said = json.loads(
        seqcli(run, "score", "-m", out, "-i", str(run.folder / "valid.txt"), "--unit", "document", "--level", "corpus", "--json", "-q", *on(run))
    )  # fmt: skip
    run.at_most("nats a character of the last 10 %", -said["log_prob"] / said["tokens"], 1.455, always=False)
    trained(run, out)


def trained(run: Run, out: str) -> None:
    """What the log of a training says."""
    events = [json.loads(line) for line in (Path(out) / "metrics.jsonl").read_text().splitlines()]
    speeds = [event["tokens_per_second"] for event in events if "tokens_per_second" in event]
    if speeds:
        run.add("training", statistics.median(speeds), "tokens/s")
    run.add("steps", float(events[-1]["step"]))


def multi30k(run: Run, arch: str, wanted: float, preset: str) -> None:
    texts = {
        f"{part}.{side}": lines_of(run, f"multi30k/tok/{part}.{side}.gz")[: 200 if run.small and part == "train" else 20 if run.small else None]
        for part in ("train", "val", "test2016") for side in ("en", "de")
    }  # fmt: skip
    paths = {name: written(run, name, lines) for name, lines in texts.items()}
    out = str(run.folder / "model")
    seqcli(
        run, "train", "translator", "--source", paths["train.en"], "--target", paths["train.de"], "--valid-source", paths["val.en"],
        "--valid-target", paths["val.de"], "-o", out, "--arch", arch, "--preset", "tiny" if run.small else preset,
        *(["--tokenizer", "words"] if run.small else []), *budget(run, 3.0), *on(run), "-q",
    )  # fmt: skip
    begun = time.perf_counter()
    found = seqcli(run, "translate", "-m", out, "-i", paths["test2016.en"], "--beam-size", "5", "-q", *on(run)).split(
        "\n"
    )[:-1]
    run.add("translating test2016, whole process", len(found) / (time.perf_counter() - begun), "sentences/s")
    from seqcli.metrics import translation

    bleu = translation.report(found, texts["test2016.de"], tokenize="none").bleu
    run.at_least("BLEU of test2016", bleu, wanted, always=False)
    trained(run, out)


def transformer(run: Run) -> None:
    multi30k(run, "transformer", 41.0, "base")


def gru(run: Run) -> None:
    multi30k(run, "gru", 39.0, "small")


def nsmc(run: Run) -> None:
    most = 300 if run.small else None
    learnt, judged = (
        written(run, f"{part}.tsv", lines_of(run, f"nsmc/ratings_{part}.tsv.gz")[:most]) for part in ("train", "dev")
    )
    out = str(run.folder / "model")
    seqcli(
        run, "train", "classifier", learnt, "-o", out, "--arch", "lstm", "--tokenizer", "characters" if run.small else "sentencepiece",
        *([] if run.small else ["--vocab-size", "8000"]), *budget(run, 2.0), *on(run), "-q",
    )  # fmt: skip
    said = json.loads(seqcli(run, "classify", "-m", out, "--evaluate", "--json", "-q", "-i", judged, *on(run)))
    run.at_least("accuracy on ratings_dev", 100 * said["accuracy"], 86.0, "%", always=False)
    trained(run, out)


# --- all parts --------------------------------------------------------------------------------------------------------

ALONE = {device: 30, equality: 70, gpt2: 100, generate: 45, ranks: 45}  # seconds at most
TOGETHER = {shakespeare: 240, transformer: 240, gru: 240, nsmc: 240}
PARTS = {function.__name__: function for function in (*ALONE, *TOGETHER)}


@dataclass
class Part:
    """A process that measures a part, and what came of it."""

    name: str
    process: subprocess.Popen
    found: Path
    ends: float
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def started(cls, name: str, given: argparse.Namespace, folder: Path, *, seconds: float) -> Part:
        found = folder / f"{name}.json"
        command = [
            sys.executable,
            str(HERE),
            "--part",
            name,
            "--found",
            str(found),
            "--device",
            given.device,
            "--data",
            str(given.data),
        ]
        with open(folder / f"{name}.err", "w") as errors:
            process = subprocess.Popen(
                command + ["--small"] * given.small, stdout=errors, stderr=errors, start_new_session=True
            )
        return cls(name, process, found, time.monotonic() + seconds)

    def result(self) -> dict[str, Any]:
        error = ""
        try:
            self.process.wait(max(0.0, self.ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            error = f"not done after {time.monotonic() - self.begun:.0f} s"
            os.killpg(self.process.pid, signal.SIGKILL)  # with the commands that it runs
            self.process.wait()
        seconds = time.monotonic() - self.begun
        found = json.loads(self.found.read_text()) if self.found.is_file() else {"figures": []}
        if not error and self.process.returncode:
            said = self.found.with_suffix(".err").read_text().strip()
            error = f"status {self.process.returncode}: {said[-3000:]}"
        return {"part": self.name, "seconds": round(seconds, 1), "error": error, "skipped": "", **found}


def measured(given: argparse.Namespace) -> None:
    """A part, in its own process; figures are saved as they come."""
    with tempfile.TemporaryDirectory() as folder:
        run, skipped = Run(torch.device(given.device), given.small, given.data, Path(folder)), ""
        try:
            PARTS[given.part](run)
        except Skipped as why:
            skipped = str(why)
        finally:
            figures = [dataclasses.asdict(figure) for figure in run.figures]
            given.found.write_text(json.dumps({"figures": figures, "skipped": skipped}))


def told(result: dict[str, Any]) -> None:
    print(f"\n{result['part']} ({result['seconds']:.0f} s)")
    for figure in map(lambda each: Figure(**each), result["figures"]):
        verdict = (
            ""
            if not figure.wanted
            else f"  {figure.wanted} {'not judged' if figure.ok is None else 'yes' if figure.ok else 'NO'}"
        )
        print(f"  {figure.what:70} {figure.shown:>20}{verdict}")
    for kind in ("skipped", "error"):
        if result[kind]:
            print(f"  {kind}: {result[kind]}")
    sys.stdout.flush()


def save(results: list[dict[str, Any]], folder: Path, head: str) -> None:
    (folder / "gpu.json").write_text(json.dumps({"head": head, "parts": results}, indent=1))
    rows = [f"{head}\n", "| part | figure | value | wanted | |", "|---|---|---|---|---|"]
    for result in results:
        for figure in map(lambda each: Figure(**each), result["figures"]):
            ok = "" if figure.ok is None else "yes" if figure.ok else "**no**"
            rows.append(f"| {result['part']} | {figure.what} | {figure.shown} | {figure.wanted} | {ok} |")
        for kind in ("skipped", "error"):
            if result[kind]:
                rows.append(f"| {result['part']} | {kind} | {' '.join(result[kind].split())[-300:]} | | |")
    (folder / "gpu.md").write_text("\n".join(rows) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--output", type=Path, default=Path("gpu"))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--found", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        measured(given)
        return 0
    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU here; --device cpu --small tries every part on a processor")
    wanted = given.parts.split(",")
    if unknown := set(wanted) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    given.output.mkdir(parents=True, exist_ok=True)
    ends, results = time.monotonic() + TOTAL, []
    head = f"{date.today()}, {torch.cuda.get_device_name() if given.device == 'cuda' else platform.machine()}, torch {torch.__version__}"
    print(head)
    with tempfile.TemporaryDirectory() as folder:
        for group, at_once in ((ALONE, 1), (TOGETHER, len(TOGETHER))):
            names = [each.__name__ for each in group if each.__name__ in wanted]
            for first in range(0, len(names), at_once):
                running = [
                    Part.started(name, given, Path(folder), seconds=min(group[PARTS[name]], ends - time.monotonic()))
                    for name in names[first : first + at_once]
                ]
                for part in running:
                    results.append(part.result())
                    told(results[-1])
                    save(results, given.output, head)
    failed = [r["part"] for r in results if r["error"] or any(figure["ok"] is False for figure in r["figures"])]
    print(f"\n{'failed: ' + ', '.join(failed) if failed else 'all as it has to be'}; figures in {given.output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
