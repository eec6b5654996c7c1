"""Throughput of `seqcli score --ray` by the number of workers, and whether its bytes are those of one process.

    python bench/ray.py MODEL TEXT [--address HOST:PORT] [--workers 1 2]

MODEL should compute for a while (a Transformer), and TEXT take it a minute on one core. The time of a run on the first lines
is subtracted: starting Ray and opening the model do not grow with the text. Whole times are printed beside. Needs `pip
install 'seqcli[ray]'`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def seconds(*arguments: str) -> float:
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "seqcli", *arguments, "-q"], check=True, env=ENVIRONMENT)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("text", type=Path)
    parser.add_argument("--address", default="local")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    lines = given.text.read_bytes().splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as folder:
        few, out = Path(folder, "few.txt"), Path(folder, "out.tsv")
        few.write_bytes(b"".join(lines[:8]))
        asked = ["score", "-m", given.model, "-o", str(out)]
        alone = seconds(*asked, "-i", str(given.text), "--threads", "1")
        expected = out.read_bytes()
        print(f"{'workers':>8} {'start s':>8} {'whole s':>8} {'lines/s':>9} {'ratio':>6}  bytes")
        print(f"{'alone':>8} {'':>8} {alone:8.1f} {len(lines) / alone:9,.0f}")
        first = None
        for workers in given.workers:
            shared = ["--ray", given.address, "--threads", str(workers)]
            start = seconds(*asked, "-i", str(few), *shared)
            whole = seconds(*asked, "-i", str(given.text), *shared)
            speed = len(lines) / (whole - start)
            first = first or speed
            same = "same" if out.read_bytes() == expected else "DIFFERENT"
            print(f"{workers:>8} {start:8.1f} {whole:8.1f} {speed:9,.0f} {speed / first:6.2f}  {same}", flush=True)


if __name__ == "__main__":
    main()
