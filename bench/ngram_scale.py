"""n-gram estimation from 5 to 200 million words: KenLM and seqcli on the same files, in one run.

The text is made here from a real one: copy on from a random line, and after every word jump with probability 1/4 to another
place where the same word stands. So words, lines and the growth of n-grams are like those of text, at any length. Whole
processes, text to loadable model (`lmplz` + `build_binary` against `seqcli train lm`), once each: wall seconds, then the largest
proportional set of the processes at work, from a run that is not timed (--no-memory leaves it out).

    python bench/ngram_scale.py TEXT [--kenlm KENLM/build/bin] [--sizes 5,50,200] [--memory 4G] [--order 5]

KenLM is built outside this project (cmake, boost). Where it is missing the bench says so and measures seqcli alone.
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

import numpy as np
from processes import peak_memory, timed

from seqcli import ragged

JUMP = 1 / 4
WALKERS = 20_000
MILLION = 1_000_000


def write_text(source: bytes, path: Path, *, words: int, seed: int = 0) -> None:
    """A text of about so many words: `WALKERS` walks through `source` side by side, one after another in the file."""
    rng = np.random.default_rng(seed)
    lines = [line.split() for line in source.splitlines() if line.strip()]
    pieces = [piece for line in lines for piece in (*line, b"\n")]
    kinds = {piece: id for id, piece in enumerate(dict.fromkeys(pieces))}
    tokens = np.array([kinds[piece] for piece in pieces], np.int32)
    spelled = [piece if piece == b"\n" else piece + b" " for piece in kinds]
    data, lengths = np.frombuffer(b"".join(spelled), np.uint8), np.array([len(piece) for piece in spelled])
    starts = np.cumsum(lengths) - lengths
    places = np.argsort(tokens, kind="stable")  # of each word, one after another
    count = np.bincount(tokens)
    first = np.cumsum(count) - count
    line_end = kinds[b"\n"]
    with open(path, "wb") as file:
        done = 0
        while done < words:
            at = places[first[line_end] + rng.integers(count[line_end], size=WALKERS)]
            steps = min(500, 2 + math.ceil((words - done) / WALKERS * len(tokens) / (len(tokens) - count[line_end])))
            walk = np.empty((WALKERS, steps), np.int32)
            for step in range(steps):
                at = (at + 1) % len(tokens)
                walk[:, step] = tokens[at]
                jump = rng.random(WALKERS) < JUMP
                word = walk[jump, step]
                at[jump] = places[first[word] + (rng.random(len(word)) * count[word]).astype(np.int64)]
            walk[:, -1] = line_end
            for block in np.array_split(walk.ravel(), 64):
                file.write(ragged.gather(data, starts[block], lengths[block]).tobytes())
            done += int((walk != line_end).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, help="real text, a sentence per line, .gz or not")
    parser.add_argument("--kenlm", type=Path, help="folder with lmplz and build_binary")
    parser.add_argument("--sizes", default="5,50,200", help="millions of words")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--memory", default="4G", help="seqcli's --memory and lmplz's -S")
    parser.add_argument("--no-memory", action="store_true", help="do not measure memory")
    parser.add_argument("--folder", type=Path, help="for the texts, which are kept and used again, and the models")
    given = parser.parse_args()
    kenlm = given.kenlm if given.kenlm and (given.kenlm / "lmplz").exists() else None
    if kenlm is None:
        print("KenLM is missing (--kenlm FOLDER with lmplz and build_binary): seqcli alone")
    source = given.text.read_bytes()
    source = gzip.decompress(source) if given.text.suffix == ".gz" else source
    print(f"from {given.text.name}, order {given.order}, --memory {given.memory}; ", end="")
    print(f"{platform.machine()}, {os.cpu_count()} cores; {date.today()}")
    print(
        f"{'words':>8}{'KenLM':>16}{'seqcli':>12}{'ratio':>7}{'us a word':>11}{'KenLM':>11}{'seqcli':>11}{'ratio':>7}"
    )
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        at = Path(folder)
        for millions in given.sizes.split(","):
            text = (given.folder or at) / f"{millions}m.txt"
            if not text.exists():
                write_text(source, text, words=int(float(millions) * MILLION))
            lmplz = [str(kenlm / "lmplz"), "-o", str(given.order), "--skip_symbols", "-S", given.memory, "-T", folder,
                     "--text", str(text), "--arpa", str(at / "k.arpa")] if kenlm else []  # fmt: skip
            binary = [str(kenlm / "build_binary"), str(at / "k.arpa"), str(at / "k.bin")] if kenlm else []
            train = [sys.executable, "-m", "seqcli", "train", "lm", str(text), "-o", str(at / "s"), "--order", str(given.order),
                     "--memory", given.memory, "--force", "-q"]  # fmt: skip
            ours = timed(train)
            estimated = timed(lmplz) if kenlm else math.nan
            packed = timed(binary) if kenlm else math.nan
            theirs = estimated + packed
            memory = [math.nan, math.nan]
            if not given.no_memory:
                memory = [peak_memory(lmplz) if kenlm else math.nan, peak_memory(train)]
            print(
                f"{millions + ' M':>8}{f'{estimated:.1f} + {packed:.1f} s':>16}{ours:>10.1f} s{ours / theirs:>7.2f}"
                f"{ours / float(millions):>11.2f}{memory[0]:>8.0f} MB{memory[1]:>8.0f} MB{memory[1] / memory[0]:>7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
