"""n-gram estimation and scoring: KenLM and seqcli on the same file, in one run.

Whole processes: text to loadable model (`lmplz` + `build_binary` against `seqcli train lm`), then scoring that text
sentence by sentence (`query -v sentence` against `seqcli score`). Times are wall seconds of the best of RUNS, memory is
the largest resident set of the processes at work. Scores are compared sentence by sentence.

    python bench/ngram.py CORPUS.txt --kenlm KENLM/build/bin [--order 5] [--runs 3]

KenLM is built outside this project (cmake, boost). Where it is missing the bench says so and measures seqcli alone.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path


class Run:
    """A command's wall seconds and the peak of the resident memory of it and its children together."""

    def __init__(self, command: list[str], *, stdin: Path | None = None, stdout: Path | None = None):
        begun = time.perf_counter()
        with open(stdin or os.devnull, "rb") as source, open(stdout or os.devnull, "wb") as target:
            process = subprocess.Popen(command, stdin=source, stdout=target, stderr=subprocess.PIPE)
            peak = [0]
            watch = threading.Thread(target=_watch, args=(process.pid, peak), daemon=True)
            watch.start()
            _, errors = process.communicate()
        self.seconds = time.perf_counter() - begun
        self.peak = peak[0]
        if process.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{errors.decode(errors='replace')}")


def _watch(pid: int, peak: list[int]) -> None:
    while os.path.exists(f"/proc/{pid}"):
        peak[0] = max(peak[0], _resident(pid))
        time.sleep(0.02)


def _resident(pid: int) -> int:
    """Proportional set size of a process and its descendants: shared pages are counted once."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total = int(line.split()[1]) * 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += _resident(int(child))
    except OSError:
        pass
    return total


def best(runs: list[list[Run]]) -> tuple[float, int]:
    """Least seconds of a whole round, largest memory of any."""
    return min(sum(r.seconds for r in round_) for round_ in runs), max(r.peak for round_ in runs for r in round_)


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
        rounds: dict[str, list[list[Run]]] = {"kenlm train": [], "seqcli train": [], "kenlm score": [], "seqcli score": []}
        for _ in range(given.runs):  # in turn, so that a noisy minute hits both
            if kenlm:
                rounds["kenlm train"].append([
                    Run([str(kenlm / "lmplz"), "-o", str(given.order), "--skip_symbols", "-S", "4G", "--text",
                         str(given.corpus), "--arpa", str(at / "k.arpa")]),
                    Run([str(kenlm / "build_binary"), str(at / "k.arpa"), str(at / "k.bin")]),
                ])  # fmt: skip
            rounds["seqcli train"].append([
                Run([*seqcli, "train", "lm", str(given.corpus), "-o", str(at / "s"), "--order", str(given.order),
                     "--force", "-q", *memory])
            ])  # fmt: skip
        for _ in range(given.runs):
            if kenlm:
                rounds["kenlm score"].append(
                    [Run([str(kenlm / "query"), "-v", "sentence", str(at / "k.bin")], stdin=given.corpus, stdout=at / "k.out")]
                )
            rounds["seqcli score"].append(
                [Run([*seqcli, "score", "-q", "-m", str(at / "s"), "-i", str(given.corpus)], stdout=at / "s.tsv")]
            )
        print(f"{'':22}{'KenLM':>18}{'seqcli':>18}{'ratio':>8}")
        for job in ("train", "score"):
            ours = best(rounds[f"seqcli {job}"])
            theirs = best(rounds[f"kenlm {job}"]) if kenlm else (math.nan, math.nan)
            for what, mine, other, form in (
                ("seconds", ours[0], theirs[0], "{:.2f} s"),
                ("memory", ours[1] / 1e6, theirs[1] / 1e6, "{:.0f} MB"),
            ):
                print(f"{job + ', ' + what:22}{form.format(other):>18}{form.format(mine):>18}{mine / other:>8.2f}")
        size = sum(f.stat().st_size for f in (at / "s").rglob("*") if f.is_file())
        binary = (at / "k.bin").stat().st_size if kenlm else math.nan
        print(f"{'model on disk':22}{binary / 1e6:>15.0f} MB{size / 1e6:>15.0f} MB{size / binary:>8.2f}")
        if kenlm:
            ours = [float(line.split("\t", 1)[0]) for line in open(at / "s.tsv", encoding="utf-8")]
            theirs = [float(line.split()[1]) * math.log(10) for line in open(at / "k.out") if line.startswith("Total")]
            assert len(ours) == len(theirs), "not the same number of sentences"
            worst = max(abs(a - b) for a, b in zip(ours, theirs))
            print(f"largest difference of {len(ours):,} sentences: {worst / math.log(10):.2e} in log10 p")


if __name__ == "__main__":
    main()
