"""Minimal pairs of BLiMP (Warstadt et al. 2020) by models trained on Brown only: KenLM's 5-gram and seqcli's architectures, in one table.

Brown writes `word .`, BLiMP `word.`: punctuation is put back to its words first, and all of seqcli's models share one
sentencepiece vocabulary of 8,000 pieces; KenLM learns the words of the same text. A pair is right where the good sentence is
more probable; ties are wrong.

    python bench/blimp.py BROWN.train.txt BROWN.valid.txt BLIMP --kenlm KENLM/build/bin [--arch ngram --arch lstm] [--model NAME=DIR] [--text FOLDER]

BLIMP is a folder of its `.jsonl(.gz)` files. `--model` judges a model that was trained before on `train.txt` and `valid.txt` that
`--text` leaves behind.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import date
from pathlib import Path

import kenlm_5gram

SEQCLI = [sys.executable, "-m", "seqcli"]
VOCAB_SIZE = 8000


def attached(line: str) -> str:
    """Brown's tokens as text: `` `` no evidence '' , he said . `` becomes `"no evidence", he said.`"""
    line = re.sub(r"(^|\s)`` ", r'\1"', line).replace(" ''", '"')
    line = re.sub(r" ([,.;:?!)\]])(?=[\s\"]|$)", r"\1", line)
    return re.sub(r"([(\[]) ", r"\1", line).strip()


def attach(source: Path, target: Path) -> None:
    reader = gzip.open if source.suffix == ".gz" else open
    with reader(source, "rt", encoding="utf-8") as lines, open(target, "w", encoding="utf-8") as out:
        out.writelines(attached(line) + "\n" for line in lines)


def pairs(folder: Path) -> list[tuple[str, str, str]]:
    """(good, bad, paradigm)."""
    found = []
    for path in sorted(folder.glob("*.jsonl*")):
        reader = gzip.open if path.suffix == ".gz" else open
        with reader(path, "rt", encoding="utf-8") as lines:
            found += [(p["sentence_good"], p["sentence_bad"], p["UID"]) for p in map(json.loads, lines)]
    return found


def kenlm(train: Path, judged: list[tuple[str, str, str]], *, programs: Path, folder: Path) -> dict[str, float]:
    """Accuracy by paradigm of KenLM's 5-gram over words."""
    model, right = kenlm_5gram.estimated(train, programs=programs, folder=folder), defaultdict(list)
    for good, bad, tag in judged:
        for name in (tag, "overall"):
            right[name].append(model.score(good) > model.score(bad))
    return {name: sum(values) / len(values) for name, values in right.items()}


def ours(model: Path, file: Path) -> dict[str, float]:
    said = subprocess.run(
        [*SEQCLI, "score", "-m", str(model), "--pairs", str(file), "--json", "-q"], capture_output=True, check=True
    )
    return {row["tag"]: row["accuracy"] for row in map(json.loads, said.stdout.splitlines())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("blimp", type=Path)
    parser.add_argument("--kenlm", type=Path, help="folder with lmplz")
    parser.add_argument("--arch", action="append", default=[])
    parser.add_argument("--epochs", type=float, help="of the networks  [default: the preset's]")
    parser.add_argument("--model", action="append", default=[], help="NAME=DIR, trained before")
    parser.add_argument("--text", type=Path, help="folder for train.txt and valid.txt, kept")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        text = given.text or folder
        text.mkdir(parents=True, exist_ok=True)
        attach(given.train, text / "train.txt")
        attach(given.valid, text / "valid.txt")
        judged = pairs(given.blimp)
        (folder / "pairs.tsv").write_text("".join("\t".join(pair) + "\n" for pair in judged), encoding="utf-8")
        columns: dict[str, dict[str, float]] = {}
        if given.kenlm:
            columns["KenLM"] = kenlm(text / "train.txt", judged, programs=given.kenlm, folder=folder)
        if given.arch:
            command = [*SEQCLI, "train", "lm", str(text / "train.txt"), "--valid", str(text / "valid.txt"), "-o", str(folder / "m"), "-q",
                       "--tokenizer", "sentencepiece", "--vocab-size", str(VOCAB_SIZE)]  # fmt: skip
            if given.epochs:
                command += ["--epochs", str(given.epochs)]
            subprocess.run([*command, *(part for arch in given.arch for part in ("--arch", arch))], check=True)
        places = [(arch, folder / "m" / (arch if len(given.arch) > 1 else "")) for arch in given.arch]
        for name, place in [*places, *(model.split("=", 1) for model in given.model)]:
            columns[name] = ours(Path(place), folder / "pairs.tsv")
        print(f"{len(judged):,} pairs; {platform.machine()}, {os.cpu_count()} cores; {date.today()}")
        print(f"{'':44}" + "".join(f"{name:>13}" for name in columns))
        for tag in [*sorted({tag for *_, tag in judged}), "overall"]:
            print(f"{tag:44}" + "".join(f"{100 * column[tag]:>13.1f}" for column in columns.values()))


if __name__ == "__main__":
    main()
