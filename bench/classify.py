"""Classifying texts: fastText and seqcli on the same files, in one run.

Whole processes, all cores: read, train and save; then load, predict with probabilities and write `label TAB probability
TAB text`. Wall seconds are the best of N runs, taken in turn; memory is the largest proportional set of the processes at work, from a run that
is not timed. A ratio is seqcli / fastText. Unpacking, and the `__label__` lines that fastText reads, are made beforehand.

    python bench/classify.py [--part nsmc] [--arch bag --arch ngram] [--repeat 3] [--data ../shared/data]

nsmc        140,000 reviews, judged on 10,000 (`ratings_train`, `ratings_dev`)
sst2        60,614 phrases, judged on 872 sentences (`train`, `sentences.dev`)
trec        5,452 questions in five seeded folds; seconds are those of all five
throughput  50,000 of nsmc's texts, by every --arch and by every `-m DIR` that was trained before; a million (the same,
            twenty times) by every --arch

seqcli trains with `--valid`, so its seconds include judging the held-out texts and fitting the temperature of the
probabilities; networks also choose by them which weights to keep. fastText predicts on one core, it knows no other way; its two
threads train by whoever comes first, so that its accuracy differs from run to run: the first run's is compared, and
all are shown. It has the published settings for Korean; trec, small, has more epochs and a higher rate, the best of twelve pairs on these folds.

fastText is its Python module (`pip install fasttext`), in a process of its own. Where it is missing the bench says so and
measures seqcli alone.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import math
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from processes import peak_memory, timed

from seqcli.data.labelled import in_order, read_labelled
from seqcli.metrics.confusion import paired
from seqcli.metrics.significance import wilson

SEQCLI = [sys.executable, "-m", "seqcli"]
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
PARTS = {
    "nsmc": ("nsmc/ratings_train", "nsmc/ratings_dev"),
    "sst2": ("sst2/train", "sst2/sentences.dev"),
    "trec": ("trec/train", None),
}
FOLDS, SEED = 5, 1
LINES, TIMES = 50_000, 20
SETTINGS = {"wordNgrams": 3, "minn": 1, "maxn": 5, "dim": 16, "epoch": 5}
OF_PART = {"trec": {"epoch": 25, "lr": 0.5}}


# --- the two sides: the command that trains, the command that predicts


class FastText:
    name = "fastText"
    TRAIN = """
import json, sys, fasttext
texts, model, settings = sys.argv[1:]
fasttext.train_supervised(texts, verbose=0, **json.loads(settings)).save_model(model)
"""
    # Its `predict` goes line by line and fails with NumPy 2; many lines at once is its quickest way.
    PREDICT = """
import itertools, sys, fasttext
model, texts, output = sys.argv[1:]
model = fasttext.load_model(model).f
with open(texts, encoding="utf-8", newline="\\n") as lines, open(output, "w", encoding="utf-8", newline="\\n") as rows:
    while some := list(itertools.islice(lines, 10000)):
        found = zip(*model.multilinePredict(some, 1, 0.0, "strict"), some)
        rows.writelines([f"{label[0][9:]}\\t{share[0]:.6f}\\t{line}" for label, share, line in found])
"""

    def __init__(self, part: str):
        self.settings = SETTINGS | OF_PART.get(part, {}) | {"thread": os.cpu_count()}

    def train(self, files: Files, model: Path) -> list[str]:
        return [sys.executable, "-c", self.TRAIN, str(files.prefixed), str(model), json.dumps(self.settings)]

    def predict(self, model: Path, texts: Path, output: Path) -> list[str]:
        return [sys.executable, "-c", self.PREDICT, str(model), str(texts), str(output)]


class Seqcli:
    def __init__(self, arch: str):
        self.name = arch

    def train(self, files: Files, model: Path) -> list[str]:
        held_out = ["--valid", str(files.valid)]
        return [
            *SEQCLI,
            "train",
            "classifier",
            str(files.train),
            "-o",
            str(model),
            *held_out,
            "--arch",
            self.name,
            "--force",
            "-q",
        ]

    def predict(self, model: Path, texts: Path, output: Path) -> list[str]:
        return [*SEQCLI, "classify", "-q", "-m", str(model), "-i", str(texts), "-o", str(output)]

    def evaluated(self, model: Path, files: Files) -> float:
        """The accuracy as `classify --evaluate` reports it."""
        command = [*SEQCLI, "classify", "-q", "-m", str(model), "--evaluate", "--json", "-i", str(files.valid)]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["accuracy"]


Side = FastText | Seqcli


# --- files, made before anything is timed


@dataclass(frozen=True)
class Files:
    """What is learnt from and judged on, as either side reads it."""

    train: Path  # a table
    valid: Path
    prefixed: Path  # `train` as lines `__label__x some text`
    texts: Path  # of `valid`, a line each
    truth: list[str]


def labelled(path: Path) -> list[tuple[str, str]]:
    """(label, text) of every row."""
    return [row for block in read_labelled(str(path)) for row in zip(block.labels, block.block.records())]


def write(path: Path, lines: Iterator[str] | list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return path


def prepared(train: Path, valid: Path) -> Files:
    learnt, judged = labelled(train), labelled(valid)
    if any(len(label.split()) != 1 for label, _ in learnt):
        raise ValueError(f"{train}: fastText cannot read labels with blanks")
    prefixed = write(train.with_suffix(".prefixed.txt"), [f"__label__{label} {text}" for label, text in learnt])
    texts = write(valid.with_suffix(".lines.txt"), [text for _, text in judged])
    return Files(train, valid, prefixed, texts, [label for label, _ in judged])


def unpacked(data: Path, name: str, *, folder: Path) -> Path:
    path = folder / (name.replace("/", "_") + ".tsv")
    if not path.exists():
        path.write_bytes(gzip.decompress((data / f"{name}.tsv.gz").read_bytes()))
    return path


def files_of(part: str, *, data: Path, folder: Path) -> list[Files]:
    """One pair of files, or one for each fold."""
    train, valid = PARTS[part]
    whole = unpacked(data, train, folder=folder)
    if valid is not None:
        return [prepared(whole, unpacked(data, valid, folder=folder))]
    rows = [f"{label}\t{text}" for label, text in labelled(whole)]
    random.Random(SEED).shuffle(rows)
    folds = []
    for fold in range(FOLDS):
        rest = [row for number, row in enumerate(rows) if number % FOLDS != fold]
        learnt = write(folder / f"{part}_{fold}_train.tsv", ["label\ttext", *rest])
        folds.append(prepared(learnt, write(folder / f"{part}_{fold}_valid.tsv", ["label\ttext", *rows[fold::FOLDS]])))
    return folds


# --- figures


class Table:
    """A row a figure; fastText's column first, then each of the others with its ratio."""

    def __init__(self, title: str, sides: list[str]):
        self._peer = sides[0] == FastText.name
        print(f"\n{title}")
        self.words("", sides, ratios=["ratio"] * len(sides))

    def row(self, name: str, values: list[float], form: str) -> None:
        """form: as of `str.format`, such as "{:.2f} s"."""
        self.words(name, list(map(form.format, values)), ratios=[f"{value / values[0]:.3f}" for value in values])

    def words(self, name: str, cells: list[str], *, ratios: list[str] | None = None) -> None:
        line = f"{name:20}{cells[0]:>18}"
        for cell, ratio in zip(cells[1:], (ratios or [""] * len(cells))[1:]):
            line += f"{cell:>18}" + f"{ratio:>8}" * self._peer
        print(line.rstrip(), flush=True)


def size_of(model: Path) -> int:
    return sum(file.stat().st_size for file in ([model] if model.is_file() else model.rglob("*")) if file.is_file())


def check(what: str, got: float, wanted: float) -> None:
    if got != wanted:
        raise ValueError(f"{what}: {got}, not {wanted}")


def labels_in(path: Path, *, lines: int) -> list[str]:
    """The first field of every row."""
    labels = [row.split("\t", 1)[0] for row in path.read_text(encoding="utf-8").split("\n")[:-1]]
    check(f"rows of {path.name}", len(labels), lines)
    return labels


def sides_of(part: str, *, archs: list[str]) -> list[Side]:
    peer: list[Side] = [FastText(part)] if importlib.util.find_spec("fasttext") else []
    return [*peer, *map(Seqcli, archs)]


# --- accuracy: nsmc, sst2, trec


def compared(part: str, folds: list[Files], *, archs: list[str], repeat: int, folder: Path) -> None:
    sides = sides_of(part, archs=archs)
    model_of = {side.name: [folder / f"{part}_{side.name}_{fold}" for fold in range(len(folds))] for side in sides}
    output = folder / "predicted.tsv"
    train, predict = ({side.name: [] for side in sides} for _ in range(2))
    predictions: dict[str, list[list[str]]] = {side.name: [] for side in sides}  # of each run
    for _ in range(repeat):  # in turn, so that a noisy minute hits all
        for side in sides:
            models = model_of[side.name]
            train[side.name].append(sum(timed(side.train(files, model)) for files, model in zip(folds, models)))
            taken, said = 0.0, []
            for files, model in zip(folds, models):
                taken += timed(side.predict(model, files.texts, output))
                said += labels_in(output, lines=len(files.truth))
                if isinstance(side, Seqcli) and len(train[side.name]) == 1:
                    correct = sum(map(str.__eq__, said[-len(files.truth) :], files.truth))
                    check(
                        "accuracy by --evaluate",
                        round(side.evaluated(model, files), 12),
                        round(correct / len(files.truth), 12),
                    )
            predict[side.name].append(taken)
            predictions[side.name].append(said)
    truth = [label for files in folds for label in files.truth]
    hits = {name: [sum(map(str.__eq__, said, truth)) for said in runs] for name, runs in predictions.items()}
    names = [side.name for side in sides]

    settings = (
        f"; fastText {' '.join(f'{key}={value}' for key, value in sides[0].settings.items())}"
        if names[0] == FastText.name
        else ""
    )
    table = Table(f"{part}: {len(truth):,} texts judged{f' in {len(folds)} folds' * (len(folds) > 1)}{settings}", names)
    table.row("accuracy, %", [100 * accuracy(predictions[name][0], folds) for name in names], "{:.2f}")
    bounds = [wilson(hits[name][0], len(truth)) for name in names]
    table.words("  95 % interval", [f"{100 * low:.2f} to {100 * high:.2f}" for low, high in bounds])
    table.words(
        "  of all runs",
        [f"{100 * min(of) / len(truth):.2f} to {100 * max(of) / len(truth):.2f}" for of in hits.values()],
    )
    table.row("train, seconds", [min(train[name]) for name in names], "{:.2f} s")
    table.row("  slowest run", [max(train[name]) for name in names], "{:.2f} s")
    table.row("predict, seconds", [min(predict[name]) for name in names], "{:.2f} s")
    table.row("both, seconds", [min(map(sum, zip(train[name], predict[name]))) for name in names], "{:.2f} s")
    table.row(
        "train, memory", [peak_memory(side.train(folds[0], model_of[side.name][0])) for side in sides], "{:.0f} MB"
    )
    table.row(
        "predict, memory",
        [peak_memory(side.predict(model_of[side.name][0], folds[0].texts, output)) for side in sides],
        "{:.0f} MB",
    )
    table.row("model on disk", [size_of(model_of[name][0]) / 1e6 for name in names], "{:.1f} MB")
    for name in names[1:] if names[0] == FastText.name else []:
        differ(truth, predictions[FastText.name][0], predictions[name][0], name)


def accuracy(said: list[str], folds: list[Files]) -> float:
    """The mean over folds."""
    each, begin = [], 0
    for files in folds:
        each.append(sum(map(str.__eq__, said[begin : begin + len(files.truth)], files.truth)) / len(files.truth))
        begin += len(files.truth)
    return sum(each) / len(each)


def differ(truth: list[str], theirs: list[str], ours: list[str], name: str) -> None:
    number = {label: place for place, label in enumerate(in_order(list({*truth, *theirs, *ours})))}
    test = paired(*(np.array([number[label] for label in labels]) for labels in (truth, theirs, ours)))
    print(
        f"fastText alone is right about {test.only_first:,}, {name} alone about {test.only_second:,} (McNemar, exact): p = {test.p:.2g}"
    )


# --- throughput


def throughput(files: Files, *, archs: list[str], extra: list[Path], repeat: int, folder: Path) -> None:
    """All sides predict the same lines; models that nsmc has left in `folder` are used again."""
    sides = sides_of("nsmc", archs=archs)
    models = {side.name: folder / f"nsmc_{side.name}_0" for side in sides}
    for side in sides:
        if not models[side.name].exists():
            timed(side.train(files, models[side.name]))
    trained = [side.name for side in sides]
    for path in extra:
        sides.append(Seqcli(path.name))
        models[path.name] = path
    texts = [text for _, text in labelled(files.train)[:LINES]]
    some = write(folder / "some.txt", texts)
    seconds = raced(sides, models, some, lines=len(texts), repeat=repeat, folder=folder)
    told(f"throughput: {len(texts):,} lines", sides, models, some, seconds, lines=len(texts), folder=folder)

    many = folder / "many.txt"
    many.write_bytes(some.read_bytes() * TIMES)
    sides, lines = [side for side in sides if side.name in trained], TIMES * len(texts)
    seconds = raced(sides, models, many, lines=lines, repeat=1, folder=folder)
    told(f"throughput: {lines:,} lines, one run", sides, models, many, seconds, lines=lines, folder=folder)


def raced(
    sides: list[Side], models: dict[str, Path], texts: Path, *, lines: int, repeat: int, folder: Path
) -> list[float]:
    """Seconds of each side, the best of `repeat` runs in turn."""
    best = [math.inf] * len(sides)
    for _ in range(repeat):
        for place, side in enumerate(sides):
            output = folder / "rows.tsv"
            output.unlink(missing_ok=True)
            best[place] = min(best[place], timed(side.predict(models[side.name], texts, output)))
            check(f"lines that {side.name} wrote", output.read_bytes().count(b"\n"), lines)
    return best


def told(
    title: str,
    sides: list[Side],
    models: dict[str, Path],
    texts: Path,
    seconds: list[float],
    *,
    lines: int,
    folder: Path,
) -> None:
    table = Table(title, [side.name for side in sides])
    table.row("predict, seconds", seconds, "{:.2f} s")
    table.row("lines a second", [lines / each for each in seconds], "{:,.0f}")
    memory = [peak_memory(side.predict(models[side.name], texts, folder / "rows.tsv")) for side in sides]
    table.row("predict, memory", memory, "{:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=[*PARTS, "throughput", "all"], default="all")
    parser.add_argument("--arch", action="append", help="of seqcli; bag and ngram if none is given")
    parser.add_argument(
        "-m", "--model", action="append", type=Path, default=[], help="for throughput: trained on nsmc before"
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    parts = [*PARTS, "throughput"] if given.part == "all" else [given.part]
    archs = given.arch or ["bag", "ngram"]
    if not given.data.is_dir():
        sys.exit(f"{given.data} is missing (--data FOLDER with nsmc, sst2 and trec): nothing to measure")
    if not importlib.util.find_spec("fasttext"):
        print("fastText is missing (pip install fasttext): seqcli alone")
    load = " ".join(f"{of:.1f}" for of in os.getloadavg())
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, load before {load}; best of {given.repeat} runs; {date.today()}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for part in parts:
            folds = files_of("nsmc" if part == "throughput" else part, data=given.data, folder=folder)
            if part == "throughput":
                throughput(folds[0], archs=archs, extra=given.model, repeat=given.repeat, folder=folder)
            else:
                compared(part, folds, archs=archs, repeat=given.repeat, folder=folder)
    print(f"\nload after {' '.join(f'{of:.1f}' for of in os.getloadavg())}")


if __name__ == "__main__":
    main()
