"""Word language models on Brown with a closed vocabulary: KenLM's 5-gram and every architecture of seqcli, in one table.

Perplexity of the validation text, sentence by sentence, `</s>` counted; over known words too, since 3,312 of its 211,711 tokens
are not in the training text. KenLM estimates with `lmplz -o 5 --skip_symbols` and is asked through its Python module; seqcli
trains with the preset `small` of each architecture, and all are judged by `seqcli score` in float32.

    python bench/word_lm.py TRAIN.txt VALID.txt --kenlm KENLM/build/bin [--arch ngram --arch lstm] [--model NAME=DIR]

`--model` judges a model that was trained before, by the same command: the networks take from a quarter of an hour to an hour each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import kenlm_5gram

SEQCLI = [sys.executable, "-m", "seqcli"]


def kenlm(train: Path, valid: Path, *, programs: Path, folder: Path) -> tuple[float, float]:
    """Perplexity and perplexity over known words of KenLM's 5-gram."""
    model = kenlm_5gram.estimated(train, programs=programs, folder=folder)
    every = [score for line in valid.read_text(encoding="utf-8").splitlines() for score in model.full_scores(line)]
    known = [log10 for log10, _, unknown in every if not unknown]
    return 10 ** (-sum(log10 for log10, *_ in every) / len(every)), 10 ** (-sum(known) / len(known))


def judged(folder: Path, valid: Path) -> dict:
    """What `seqcli score` says of the validation text, with what the training wrote down."""
    command = [*SEQCLI, "score", "-m", str(folder), "-i", str(valid), "--level", "corpus", "--json", "-q"]
    figures = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    told = json.loads(subprocess.run([*SEQCLI, "info", str(folder), "--json"], capture_output=True, check=True).stdout)
    return {**told, **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("valid", type=Path)
    parser.add_argument("--kenlm", type=Path, help="folder with lmplz")
    parser.add_argument("--arch", action="append", default=[])
    parser.add_argument("--model", action="append", default=[], help="NAME=DIR, trained before")
    given = parser.parse_args()
    print(f"{given.train.name}; {platform.machine()}, {os.cpu_count()} cores; {date.today()}")
    print(
        f"{'':16}{'parameters':>12}{'seconds':>9}{'tokens/s':>10}{'perplexity':>12}{'known':>8}{'ratio':>7}{'bits/byte':>11}"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder, base = Path(temporary), None
        if given.kenlm:
            every, base = kenlm(given.train, given.valid, programs=given.kenlm, folder=folder)
            print(f"{'KenLM 5-gram':16}{'':>12}{'':>9}{'':>10}{every:>12.1f}{base:>8.1f}{1:>7.2f}", flush=True)
        models = [tuple(model.split("=", 1)) for model in given.model]
        for arch in given.arch:
            command = [
                *SEQCLI,
                "train",
                "lm",
                str(given.train),
                "--valid",
                str(given.valid),
                "-o",
                str(folder / arch),
                "--arch",
                arch,
            ]
            begun = time.perf_counter()
            subprocess.run([*command, "-q"], check=True)
            print(f"{arch}: {time.perf_counter() - begun:.0f} s in all", file=sys.stderr)
            models.append((arch, folder / arch))
        for name, place in models:
            said = judged(Path(place), given.valid)
            steps = said.get("progress", {"tokens": said["data"]["tokens"], "seconds": said["seconds"]})
            ratio = said["perplexity_known"] / base if base else float("nan")
            print(
                f"{name:16}{said['parameters']:>12,}{steps['seconds']:>9.0f}{steps['tokens'] / steps['seconds']:>10,.0f}"
                f"{said['perplexity']:>12.1f}{said['perplexity_known']:>8.1f}{ratio:>7.2f}{said['bits_per_byte']:>11.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
