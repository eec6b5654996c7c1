"""How fast networks train and score beside busy processes: the default, fixed numbers of threads, and passive waiting.

PyTorch's OpenMP threads spin while they wait for each other, so a thread that has lost its core to another process holds up
all the others. For each number of busy processes this prints the speed of every setting and the default's share of the best.

    python bench/contention.py [--text FILE] [--busy 0 1 3] [--seconds 20] [--only training scoring] [--rounds 1]

The text must be a megabyte or more; without --text the sample corpora are repeated. Settings take turns, so that a machine
whose speed drifts is fair to all.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

SEQCLI = [sys.executable, "-m", "seqcli"]
BUSY = [sys.executable, "-c", "while True: sum(range(10000))"]
SAMPLES = Path(__file__).parents[1] / "sample_data"
SETTINGS = {  # name: options, environment
    "default": ([], {}),
    "--threads 1": (["--threads", "1"], {}),
    "--threads 2": (["--threads", "2"], {}),
    "passive": (["--threads", "2"], {"OMP_WAIT_POLICY": "passive"}),
}
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "MKL_NUM"))}


@contextmanager
def busy(number):
    """So many processes beside, each of which keeps a core busy."""
    processes = [subprocess.Popen(BUSY) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def train(text, folder, arch, seconds, options, environment):
    """Tokens per second of the steps of one training, from the log in its folder."""
    command = [*SEQCLI, "train", "lm", text, "-o", folder, "--force", "-q", "--tokenizer", "characters", "--unit", "document",
               "--arch", arch, "--preset", "char", "--minutes", f"{seconds / 60:.4f}", "--set", "evaluations=1", *options]  # fmt: skip
    subprocess.run(list(map(str, command)), check=True, env={**ENVIRONMENT, **environment})
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    last = events[-1]
    return last["tokens"] / last["seconds"]


def score(text, folder, options, environment, together):
    """Characters per second of `score`, the whole process, by so many processes at once."""
    command = [*SEQCLI, "score", "-i", text, "-m", folder, "--level", "corpus", "-q", *options]
    begun = time.monotonic()
    processes = [
        subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, env={**ENVIRONMENT, **environment})
        for _ in range(together)
    ]
    assert not any([process.wait() for process in processes])
    return together * text.stat().st_size / (time.monotonic() - begun)


def table(title, unit, loads, rounds, measured):
    """Measures and prints: a row for each load, a column for each setting, and the default's share of the best."""
    print(f"\n{title}, {unit}")
    print(f"{'beside':>22}" + "".join(f"{name:>13}" for name in SETTINGS) + f"{'share':>8}")
    for name, load in loads.items():
        figures = {setting: [] for setting in SETTINGS}
        for _ in range(rounds):
            for setting, (options, environment) in SETTINGS.items():
                with busy(load if isinstance(load, int) else 0):
                    figures[setting].append(measured(load, options, environment))
        medians = {setting: statistics.median(values) for setting, values in figures.items()}
        share = medians["default"] / max(medians.values())
        print(f"{name:>22}" + "".join(f"{value:>13,.0f}" for value in medians.values()) + f"{share:>8.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--text", type=Path)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 3])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--arch", nargs="+", default=["lstm"])
    parser.add_argument("--only", nargs="+", default=["training", "scoring"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        text = args.text
        if text is None:
            text = folder / "text.txt"
            text.write_bytes(b"".join((SAMPLES / f"{name}.txt").read_bytes() for name in ("english", "korean")) * 4)
        loads = {f"{n} busy": n for n in args.busy}
        if "training" in args.only:
            for arch in args.arch:
                table(f"Training a character {arch}", "tokens/s", loads, args.rounds,
                      lambda load, options, environment, arch=arch: train(text, folder / arch, arch, args.seconds, options, environment))  # fmt: skip
        if "scoring" in args.only:
            lines = folder / "lines.txt"
            lines.write_bytes(b"".join(text.read_bytes().splitlines(keepends=True)[:8000]))
            model = folder / "scorer"
            train(lines, model, "lstm", 2, ["--unit", "line"], {})
            table("Scoring with it", "bytes/s", {**loads, "4 at once": "4"}, args.rounds,
                  lambda load, options, environment: score(lines, model, options, environment, 4 if load == "4" else 1))  # fmt: skip


if __name__ == "__main__":
    main()
