"""Measures seqcli on a GPU: equality with the CPU, speed, and the quality of short trainings, in less than nine minutes.

    python bench/gpu.py [--output FOLDER] [--parts equality,gpt2] [--data ../shared/data]
    python bench/gpu.py --device cpu --small      # every part on a processor, at small sizes, in a minute

device       name, memory, measured bandwidth and products in bfloat16
equality     every network with the same weights on the CPU and there: log p and logits in float32 (1e-4) and bfloat16, the texts
             and translations of greedy and beam search, twenty steps of training
gpt2         `gpt2-small`: tokens/s of the training loop and share of peak, against `plain_gpt.py`, compiled; memory
generate     `gpt2-small`, one row and 64: tokens/s, greedy and sampled; compared with the limit set by reading the weights
ranks        training by torchrun with one process equals plain training; the time of summing GPT-2's gradients
shakespeare  three minutes of characters, <= 1.455 nats on the last 10 %
transformer, gru   Multi30k English-German: BLEU of test2016, beam 5
nsmc         accuracy of a recurrent classifier on `ratings_dev`

Each part is a function of `gpu_parts/` and a process with a time limit: one that fails or hangs does not stop the others. The first five
are measured one after another, the last four
side by side, so that each of them gets less than a GPU; `--parts shakespeare` gives it all. Figures are printed, and written to
gpu.json and gpu.md as they come. The exit status is 1 if a part failed or a figure misses its target.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]  # seqcli need not be installed

import torch  # noqa: E402
from gpu_parts.equality import equality  # noqa: E402
from gpu_parts.quality import gru, nsmc, shakespeare, transformer  # noqa: E402
from gpu_parts.run import Figure, Run, Skipped  # noqa: E402
from gpu_parts.speed import device, generate, gpt2, ranks  # noqa: E402

DATA = HERE.parents[2] / "shared" / "data"
TOTAL = 535  # seconds of all parts
ALONE = {device: 30, equality: 70, gpt2: 100, generate: 45, ranks: 45}  # seconds at most
TOGETHER = {shakespeare: 240, transformer: 240, gru: 240, nsmc: 240}
PARTS = {function.__name__: function for function in (*ALONE, *TOGETHER)}


@dataclass
class Part:
    """A process that measures a part, and its result."""

    name: str
    process: subprocess.Popen
    result_file: Path
    deadline: float
    started_at: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, name: str, args: argparse.Namespace, folder: Path, *, seconds: float) -> Part:
        result_file = folder / f"{name}.json"
        command = [
            sys.executable,
            str(HERE),
            "--part",
            name,
            "--found",
            str(result_file),
            "--device",
            args.device,
            "--data",
            str(args.data),
        ]
        with open(folder / f"{name}.err", "w") as errors:
            process = subprocess.Popen(
                command + ["--small"] * args.small, stdout=errors, stderr=errors, start_new_session=True
            )
        return cls(name, process, result_file, time.monotonic() + seconds)

    def result(self) -> dict[str, Any]:
        error = ""
        try:
            self.process.wait(max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            error = f"not done after {time.monotonic() - self.started_at:.0f} s"
            os.killpg(self.process.pid, signal.SIGKILL)  # with the commands that it runs
            self.process.wait()
        seconds = time.monotonic() - self.started_at
        found = json.loads(self.result_file.read_text()) if self.result_file.is_file() else {"figures": []}
        if not error and self.process.returncode:
            stderr = self.result_file.with_suffix(".err").read_text().strip()
            error = f"status {self.process.returncode}: {stderr[-3000:]}"
        return {"part": self.name, "seconds": round(seconds, 1), "error": error, "skipped": "", **found}


def measure(args: argparse.Namespace) -> None:
    """A part, in its own process; figures are saved as they come."""
    with tempfile.TemporaryDirectory() as folder:
        run, skipped = Run(torch.device(args.device), args.small, args.data, Path(folder)), ""
        try:
            PARTS[args.part](run)
        except Skipped as why:
            skipped = str(why)
        finally:
            figures = [dataclasses.asdict(figure) for figure in run.figures]
            args.found.write_text(json.dumps({"figures": figures, "skipped": skipped}))


def show(result: dict[str, Any]) -> None:
    print(f"\n{result['part']} ({result['seconds']:.0f} s)")
    for figure in map(lambda each: Figure(**each), result["figures"]):
        verdict = (
            ""
            if not figure.target
            else f"  {figure.target} {'not compared' if figure.ok is None else 'yes' if figure.ok else 'NO'}"
        )
        print(f"  {figure.what:70} {figure.shown:>20}{verdict}")
    for kind in ("skipped", "error"):
        if result[kind]:
            print(f"  {kind}: {result[kind]}")
    sys.stdout.flush()


def save(results: list[dict[str, Any]], folder: Path, head: str) -> None:
    (folder / "gpu.json").write_text(json.dumps({"head": head, "parts": results}, indent=1))
    rows = [f"{head}\n", "| part | figure | value | target | |", "|---|---|---|---|---|"]
    for result in results:
        for figure in map(lambda each: Figure(**each), result["figures"]):
            ok = "" if figure.ok is None else "yes" if figure.ok else "**no**"
            rows.append(f"| {result['part']} | {figure.what} | {figure.shown} | {figure.target} | {ok} |")
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
    args = parser.parse_args()
    if args.part:
        measure(args)
        return 0
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU here; --device cpu --small tries every part on a processor")
    chosen = args.parts.split(",")
    if unknown := set(chosen) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    args.output.mkdir(parents=True, exist_ok=True)
    deadline, results = time.monotonic() + TOTAL, []
    head = f"{date.today()}, {torch.cuda.get_device_name() if args.device == 'cuda' else platform.machine()}, torch {torch.__version__}"
    print(head)
    with tempfile.TemporaryDirectory() as folder:
        for group, at_once in ((ALONE, 1), (TOGETHER, len(TOGETHER))):
            names = [each.__name__ for each in group if each.__name__ in chosen]
            for first in range(0, len(names), at_once):
                running = [
                    Part.start(name, args, Path(folder), seconds=min(group[PARTS[name]], deadline - time.monotonic()))
                    for name in names[first : first + at_once]
                ]
                for part in running:
                    results.append(part.result())
                    show(results[-1])
                    save(results, args.output, head)
    failed = [r["part"] for r in results if r["error"] or any(figure["ok"] is False for figure in r["figures"])]
    print(f"\n{'failed: ' + ', '.join(failed) if failed else 'all targets met'}; figures in {args.output}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
