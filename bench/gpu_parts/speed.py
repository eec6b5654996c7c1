"""The device itself, and GPT-2 small on it: training, generation, and the sum of gradients over ranks."""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gpu_parts.run import Run, seqcli, texts


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
    from seqcli.decoding.sampling import Policy
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
