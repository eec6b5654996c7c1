"""How well networks label texts, by a protocol in which what is judged on decides nothing; and what the sample models are worth.

    python bench/sentiment.py [--part nsmc] [--threads 2] [--keep FOLDER] [--data ../shared/data]

nsmc     learns from `ratings_train` less a seeded held-out part, which chooses the weights to keep; judged on `ratings_dev`
sst2     learns from the phrases of `train` that are not in 700 seeded sentences of `sentences.train`; these choose the weights,
         `sentences.dev` (872) judges, three seeds
trec     five seeded folds; each network holds out a tenth of its own four for choosing
samples  the sample models, made from sample_data/ alone, on a seeded 500 of `sentences.dev` and of `ratings_dev`

Each row is the command that trains; `--keep` leaves the models there (`bench/classify.py -m` takes them for their throughput).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from classify import DATA, FOLDS, SEED, SEQCLI, labelled, unpacked, write

SENTENCES, RUNS, SAMPLED = 700, 3, 500
RECIPES = {
    "nsmc": ["--arch", "gru", "--set", "members=4", "--set", "piece_dropout=0.1", "--epochs", "3"],
    "sst2": ["--arch", "gru", "--set", "members=5", "--epochs", "3", "--runs", str(RUNS)],
    "trec": ["--arch", "gru", "--set", "members=5"],
}


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    return write(path, ["label\ttext", *(f"{label}\t{text}" for label, text in rows)])


def accuracy(judged: Path, model: Path | None = None) -> float:
    """As `classify --evaluate` reports it; without a model, of the sample model for the text's script."""
    command = [*SEQCLI, "classify", "-q", *(["-m", str(model)] if model else []), "--evaluate", "--json", "-i", str(judged)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["accuracy"]


def trained(part: str, learnt: Path, model: Path, *, valid: Path | None, threads: int) -> float:
    """Wall seconds of the whole process."""
    command = [*SEQCLI, "train", "classifier", str(learnt), "-o", str(model), *RECIPES[part], "--threads", str(threads), "--force", "-q"]
    begun = time.perf_counter()
    subprocess.run(command + (["--valid", str(valid)] if valid else []), check=True)
    return time.perf_counter() - begun


def without(phrases: list[tuple[str, str]], sentences: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The phrases whose words stand in none of the sentences."""
    held_out = "\n".join(f" {text.strip()} " for _, text in sentences)
    return [(label, text) for label, text in phrases if f" {text.strip()} " not in held_out]


def nsmc(data: Path, folder: Path, *, threads: int) -> None:
    learnt, judged = (unpacked(data, f"nsmc/{name}", folder=folder) for name in ("ratings_train", "ratings_dev"))
    seconds = trained("nsmc", learnt, folder / "nsmc", valid=None, threads=threads)
    told("nsmc", [accuracy(judged, folder / "nsmc")], seconds)


def sst2(data: Path, folder: Path, *, threads: int) -> None:
    sentences = labelled(unpacked(data, "sst2/sentences.train", folder=folder))
    random.Random(SEED).shuffle(sentences)
    phrases = without(labelled(unpacked(data, "sst2/train", folder=folder)), sentences[:SENTENCES])
    learnt = table(folder / "sst2_learnt.tsv", phrases)
    valid = table(folder / "sst2_valid.tsv", sentences[:SENTENCES])
    seconds = trained("sst2", learnt, folder / "sst2", valid=valid, threads=threads)
    judged = unpacked(data, "sst2/sentences.dev", folder=folder)
    told("sst2", [accuracy(judged, folder / "sst2" / f"seed-{seed}") for seed in range(RUNS)], seconds)


def trec(data: Path, folder: Path, *, threads: int) -> None:
    rows = labelled(unpacked(data, "trec/train", folder=folder))
    random.Random(SEED).shuffle(rows)
    found, seconds = [], 0.0
    for fold in range(FOLDS):
        learnt = table(folder / "trec_learnt.tsv", [row for number, row in enumerate(rows) if number % FOLDS != fold])
        judged = table(folder / "trec_judged.tsv", rows[fold::FOLDS])
        seconds += trained("trec", learnt, folder / "trec", valid=None, threads=threads)
        found.append(accuracy(judged, folder / "trec"))
    told("trec", found, seconds)


def samples(data: Path, folder: Path, *, threads: int) -> None:
    for name in ("sst2/sentences.dev", "nsmc/ratings_dev"):
        rows = random.Random(SEED).sample(labelled(unpacked(data, name, folder=folder)), SAMPLED)
        names = {"0": "negative", "1": "positive"}
        judged = table(folder / "sampled.tsv", [(names.get(label, label), text) for label, text in rows])
        print(f"sample model on {SAMPLED} of {name}: {100 * accuracy(judged):.1f} %", flush=True)


def told(part: str, found: list[float], seconds: float) -> None:
    each = ", ".join(f"{100 * of:.2f}" for of in found)
    print(f"{part}: {100 * sum(found) / len(found):.2f} % ({each}), trained in {seconds:.0f} s: {' '.join(RECIPES[part])}", flush=True)


PARTS = {function.__name__: function for function in (nsmc, sst2, trec, samples)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder for files and models")
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    if not given.data.is_dir():
        sys.exit(f"{given.data} is missing (--data FOLDER with nsmc, sst2 and trec): nothing to measure")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for part in given.part or PARTS:
            PARTS[part](given.data, folder, threads=given.threads)


if __name__ == "__main__":
    main()
