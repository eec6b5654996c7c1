"""Accuracy of neural classifiers, with test sets that no setting was chosen on; and that of the sample models.

    python bench/sentiment.py [--part nsmc] [--threads 2] [--keep FOLDER] [--data ../shared/data]

nsmc     a language model reads the reviews (less the texts of `ratings_dev`), a classifier begins with its body and learns from
         `ratings_train` less a seeded held-out part, which chooses the weights to keep; judged on `ratings_dev`
sst2     learns from the phrases of `train` that are not in 700 seeded sentences of `sentences.train`; these choose the weights,
         `sentences.dev` (872) judges, three seeds
trec     five seeded folds; each network holds out a tenth of its own four for choosing; the lstms begin with a language model of other
         English (Brown, captions of Multi30k, Tatoeba, reviews: 1.5 M words, none of the questions)
samples  the sample models, made from sample_data/ alone, on a seeded 500 of `sentences.dev` and of `ratings_dev`

A language model that `--keep` has is taken. Of each part several kinds of classifiers are trained, and judged alone and as one, with equal weights (`classify --mix`). `--keep` leaves
the models there (`bench/classify.py -m` takes them for their throughput).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from classify import DATA, FOLDS, SEED, SEQCLI, labelled, unpacked, write

SENTENCES, RUNS, SAMPLED = 700, 3, 500
LANGUAGE = ["--arch", "lstm", "--tokenizer", "sentencepiece", "--vocab-size", "8000"]
DROPOUTS = ["--set", "dropout=0.3", "--set", "weight_dropout=0.2", "--set", "piece_dropout=0.1"]
WORDS = ["--tokenizer", "words", "--epochs", "3"]
# Of each part, by architecture, the first word, and if several its number, which is added to the seed, and so holds out other texts.
# A learning rate is half the preset's where the body has learnt already.
RECIPES = {
    "nsmc": {"lstm": [*DROPOUTS, "--learning-rate", "2e-3", "--epochs", "2"], "bag": []},
    "sst2": {
        "gru": ["--set", "members=5", "--epochs", "3"], "cnn": ["--set", "members=5", *WORDS], "lstm": ["--set", "members=3", *WORDS], "bag": [],
    },
    "trec": {
        **{f"lstm {number}": [*DROPOUTS, "--learning-rate", "2e-3", "--epochs", "6"] for number in range(3)},
        "cnn of words": ["--set", "members=3", "--tokenizer", "words", "--min-count", "2", "--epochs", "8"], "bag": [],
    },
}  # fmt: skip


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    return write(path, ["label\ttext", *(f"{label}\t{text}" for label, text in rows)])


def lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]


def accuracy(judged: Path, *models: Path) -> float:
    """As `classify --evaluate` reports it, of several as one; without a model, of the sample model for the text's script."""
    shares = ["--mix", ",".join(f"{weight:.4f}" for weight in even(len(models)))] if len(models) > 1 else []
    command = [*SEQCLI, "classify", "-q", *(part for model in models for part in ("-m", str(model))), *shares]
    done = subprocess.run([*command, "--evaluate", "--json", "-i", str(judged)], capture_output=True, check=True)
    return json.loads(done.stdout)["accuracy"]


def even(count: int) -> list[float]:
    """So many weights that sum to 1 as they are written."""
    share = round(1 / count, 4)
    return [*[share] * (count - 1), 1 - (count - 1) * share]


def trained(
    part: str, learnt: Path, folder: Path, *, valid: Path | None, threads: int, seed: int = 0, init: Path | None = None
) -> list[Path]:
    """A model of each architecture."""
    models = []
    for name, options in RECIPES[part].items():
        arch, number = name.split()[0], name.split()[-1]
        command = [*SEQCLI, "train", "classifier", str(learnt), "-o", str(folder / name), "--arch", arch, *options]
        command += ["--seed", str(seed + int(number) if number.isdigit() else seed)]
        if init and arch == "lstm":
            command += ["--init", str(init)]
        if valid:
            command += ["--valid", str(valid)]
        subprocess.run([*command, "--threads", str(threads), "--force", "-q"], check=True)
        models.append(folder / name)
    return models


def language_model(text: Path, folder: Path, *, minutes: float, threads: int) -> Path:
    """The one that is there, or a new one."""
    if (folder / "manifest.json").is_file():
        return folder
    command = [*SEQCLI, "train", "lm", str(text), "-o", str(folder), *LANGUAGE, "--minutes", str(minutes)]
    subprocess.run([*command, "--threads", str(threads), "--force", "-q"], check=True)
    return folder


class Found:
    """Accuracies of each model of a part and of all as one, over its runs, and the seconds that the training took."""

    def __init__(self, part: str):
        self._part, self._rows, self._seconds, self._begun = part, {}, 0.0, time.perf_counter()

    def add(self, models: list[Path], judged: Path) -> None:
        self._seconds += time.perf_counter() - self._begun
        for name, some in [
            *((model.name, [model]) for model in models),
            (" + ".join(model.name for model in models), models),
        ]:
            self._rows.setdefault(name, []).append(100 * accuracy(judged, *some))
        self._begun = time.perf_counter()

    def tell(self) -> None:
        for name, each in self._rows.items():
            print(f"{self._part}: {sum(each) / len(each):.2f} % ({', '.join(f'{of:.2f}' for of in each)}) {name}")
        print(f"{self._part}: trained in {self._seconds:.0f} s", flush=True)


def without(phrases: list[tuple[str, str]], sentences: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The phrases whose words stand in none of the sentences."""
    held_out = "\n".join(f" {text.strip()} " for _, text in sentences)
    return [(label, text) for label, text in phrases if f" {text.strip()} " not in held_out]


def nsmc(data: Path, folder: Path, *, threads: int) -> None:
    learnt, judged = (unpacked(data, f"nsmc/{name}", folder=folder) for name in ("ratings_train", "ratings_dev"))
    unseen = {text for _, text in labelled(judged)}
    kept = write(
        folder / "reviews.txt", [line for line in lines(data / "nsmc" / "reviews.txt.gz") if line not in unseen]
    )
    found = Found("nsmc")
    read = language_model(kept, folder / "reviews", minutes=33, threads=threads)
    found.add(trained("nsmc", learnt, folder / "nsmc", valid=None, threads=threads, seed=1, init=read), judged)
    found.tell()


def sst2(data: Path, folder: Path, *, threads: int) -> None:
    sentences = labelled(unpacked(data, "sst2/sentences.train", folder=folder))
    random.Random(SEED).shuffle(sentences)
    phrases = without(labelled(unpacked(data, "sst2/train", folder=folder)), sentences[:SENTENCES])
    learnt = table(folder / "sst2_learnt.tsv", phrases)
    valid = table(folder / "sst2_valid.tsv", sentences[:SENTENCES])
    judged, found = unpacked(data, "sst2/sentences.dev", folder=folder), Found("sst2")
    for seed in range(RUNS):
        found.add(trained("sst2", learnt, folder / f"sst2-{seed}", valid=valid, threads=threads, seed=seed), judged)
    found.tell()


def english(data: Path) -> list[str]:
    """Sentences that are no questions of TREC, their words parted by spaces as there."""
    brown = [line for part in ("train", "valid") for line in lines(data / "brown" / f"brown.{part}.txt.gz")]
    reviews = [line.split("\t")[1] for line in lines(data / "sst2" / "sentences.train.tsv.gz")[1:]]
    learners = dict.fromkeys(line.split("\t")[0] for line in lines(data / "tatoeba-ko-en" / "train.tsv.gz")[1:])
    captions = lines(data / "multi30k" / "train.en.gz")
    text = [*brown, *(in_words(line) for line in (*captions, *learners)), *reviews]
    random.Random(SEED).shuffle(text)
    return text


def in_words(line: str) -> str:
    return " ".join(re.sub(r"('s|n't|'re|'m|'ll|'ve|'d)\b|([.,!?;:\"()])", r" \1\2 ", line).split())


def trec(data: Path, folder: Path, *, threads: int) -> None:
    rows, found = labelled(unpacked(data, "trec/train", folder=folder)), Found("trec")
    random.Random(SEED).shuffle(rows)
    read = language_model(write(folder / "english.txt", english(data)), folder / "english", minutes=20, threads=threads)
    for fold in range(FOLDS):
        learnt = table(folder / "trec_learnt.tsv", [row for number, row in enumerate(rows) if number % FOLDS != fold])
        judged = table(folder / "trec_judged.tsv", rows[fold::FOLDS])
        found.add(trained("trec", learnt, folder / "trec", valid=None, threads=threads, init=read), judged)
    found.tell()


def samples(data: Path, folder: Path, *, threads: int) -> None:
    for name in ("sst2/sentences.dev", "nsmc/ratings_dev"):
        rows = random.Random(SEED).sample(labelled(unpacked(data, name, folder=folder)), SAMPLED)
        names = {"0": "negative", "1": "positive"}
        judged = table(folder / "sampled.tsv", [(names.get(label, label), text) for label, text in rows])
        print(f"sample model on {SAMPLED} of {name}: {100 * accuracy(judged):.1f} %", flush=True)


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
