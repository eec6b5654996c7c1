"""n-gram estimation and scoring: KenLM and seqcli on the same file, in one run.

Whole processes: text to loadable model (`lmplz` + `build_binary` against `seqcli train lm`), then scoring that text
sentence by sentence (`query -v sentence` against `seqcli score`). Times are wall seconds, the best of RUNS; memory is the
largest proportional set of the processes at work, from a run that is not timed. Scores are compared sentence by sentence.

    python bench/ngram.py CORPUS.txt --kenlm KENLM/build/bin [--order 5] [--runs 3]

KenLM is built outside this project (cmake, boost). Where it is missing the bench says so and measures seqcli alone.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import tempfile
from datetime import date
from pathlib import Path

from processes import peak_memory, timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--kenlm", type=Path, help="folder with lmplz, build_binary and query")
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--memory", help="seqcli's --memory, for example 500M")
    given = parser.parse_args()
    kenlm = given.kenlm if given.kenlm and (given.kenlm / "lmplz").exists() else None
    if kenlm is None:
        print("KenLM is missing (--kenlm FOLDER with lmplz, build_binary and query): seqcli alone")
    seqcli = [sys.executable, "-m", "seqcli"]
    print(f"{given.corpus.name}, order {given.order}; {platform.machine()}, {os.cpu_count()} cores; {date.today()}")
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        memory = ["--memory", given.memory] if given.memory else []
        lmplz = [str(kenlm / "lmplz"), "-o", str(given.order), "--skip_symbols", "-S", "4G", "--text", str(given.corpus),
                 "--arpa", str(at / "k.arpa")] if kenlm else []  # fmt: skip
        binary = [str(kenlm / "build_binary"), str(at / "k.arpa"), str(at / "k.bin")] if kenlm else []
        query = [str(kenlm / "query"), "-v", "sentence", str(at / "k.bin")] if kenlm else []
        train = [*seqcli, "train", "lm", str(given.corpus), "-o", str(at / "s"), "--order", str(given.order), "--force",
                 "-q", *memory]  # fmt: skip
        score = [*seqcli, "score", "-q", "-m", str(at / "s"), "-i", str(given.corpus)]
        seconds: dict[tuple[str, str], list[float]] = {}

        def note(who: str, job: str, value: float) -> None:
            seconds.setdefault((who, job), []).append(value)

        for _ in range(given.runs):  # in turn, so that a noisy minute hits both
            if kenlm:
                note("kenlm", "train", timed(lmplz) + timed(binary))
            note("seqcli", "train", timed(train))
        for _ in range(given.runs):
            if kenlm:
                note("kenlm", "score", timed(query, stdin=given.corpus, stdout=at / "k.out"))
            note("seqcli", "score", timed(score, stdout=at / "s.tsv"))
        print(f"{'':22}{'KenLM':>18}{'seqcli':>18}{'ratio':>8}")
        for job, ours, theirs in (("train", train, lmplz), ("score", score, query)):
            mine, other = min(seconds["seqcli", job]), min(seconds.get(("kenlm", job), [math.nan]))
            print(f"{job + ', seconds':22}{other:>16.2f} s{mine:>16.2f} s{mine / other:>8.2f}")
            mine = peak_memory(ours)
            other = peak_memory(theirs, stdin=given.corpus) if kenlm else math.nan
            print(f"{job + ', memory':22}{other:>15.0f} MB{mine:>15.0f} MB{mine / other:>8.2f}")
        size = sum(f.stat().st_size for f in (at / "s").rglob("*") if f.is_file())
        on_disk = (at / "k.bin").stat().st_size if kenlm else math.nan
        print(f"{'model on disk':22}{on_disk / 1e6:>15.0f} MB{size / 1e6:>15.0f} MB{size / on_disk:>8.2f}")
        if kenlm:
            ours = [float(line.split("\t", 1)[0]) for line in (at / "s.tsv").read_text(encoding="utf-8").splitlines()]
            theirs = [
                float(line.split()[1]) * math.log(10)
                for line in (at / "k.out").read_text().splitlines()
                if line.startswith("Total")
            ]
            assert len(ours) == len(theirs), "not the same number of sentences"
            worst = max(abs(a - b) for a, b in zip(ours, theirs))
            print(f"largest difference of {len(ours):,} sentences: {worst / math.log(10):.2e} in log10 p")


if __name__ == "__main__":
    main()
