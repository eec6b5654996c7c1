"""Character language models in the same wall time: nanoGPT's recipe for a CPU, and seqcli's recurrent nets and Transformer.

nanoGPT is run first, whole process, as its README says for a CPU (0.8 M parameters, context 64, batch 12, 2,000 steps). Each
architecture of seqcli then gets that many seconds of wall time for its whole process, start-up, reading, training and judging
included (`--minutes` is what is left after START). The figures are nats a character: nanoGPT's own estimate (20 batches of
its validation part), and for seqcli the whole validation text, by `seqcli score` in float32 after the training.

    python bench/char_lm.py INPUT.txt --nanogpt NANOGPT [--arch lstm --arch gru --arch transformer] [--minutes 10]

NANOGPT is a checkout made outside this project. The last 10 % of the text is validation, as nanoGPT cuts it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import pickle
import platform
import re
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np

START = 9.0  # seconds of a training that are not its steps: start-up, tokens, judging, saving
RECIPE = (
    "--device=cpu --compile=False --eval_iters=20 --log_interval=100 --block_size=64 --batch_size=12 --n_layer=4 --n_head=4 "
    "--n_embd=128 --max_iters=2000 --lr_decay_iters=2000 --dropout=0.0"
)


def nanogpt(home: Path, text: str, folder: Path) -> tuple[float, float]:
    """Wall seconds and validation loss of its recipe."""
    home = home.resolve()
    characters = sorted(set(text))
    ids = np.array([characters.index(c) for c in characters], np.uint16)
    code = {c: ids[i] for i, c in enumerate(characters)}
    data = home / "data" / "shakespeare_char"
    cut = int(len(text) * 0.9)
    for name, part in (("train", text[:cut]), ("val", text[cut:])):
        np.array([code[c] for c in part], np.uint16).tofile(data / f"{name}.bin")
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": len(characters)}))
    command = [
        sys.executable,
        "train.py",
        "config/train_shakespeare_char.py",
        *RECIPE.split(),
        f"--out_dir={folder / 'nanogpt'}",
    ]
    begun = time.perf_counter()
    said = subprocess.run(command, cwd=home, capture_output=True, text=True, check=True).stdout
    seconds = time.perf_counter() - begun
    return seconds, float(re.findall(r"val loss ([\d.]+)", said)[-1])


def ours(arch: str, folder: Path, *, minutes: float, preset: str) -> tuple[float, float, dict]:
    """Wall seconds of training, nats a character of the validation text, the log's last lines."""
    seqcli, out = [sys.executable, "-m", "seqcli"], folder / f"{arch}-{minutes:.2f}"
    command = [*seqcli, "train", "lm", str(folder / "train.txt"), "--valid", str(folder / "valid.txt"), "-o", str(out), "--arch", arch,
               "--preset", preset, "--unit", "document", "--tokenizer", "characters", "--minutes", f"{minutes:.4f}", "-q"]  # fmt: skip
    begun = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - begun
    said = subprocess.run(
        [*seqcli, "score", "-m", str(out), "-i", str(folder / "valid.txt"), "--unit", "document", "--level", "corpus", "--json", "-q"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures = json.loads(said.stdout)
    events = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return seconds, -figures["log_prob"] / figures["tokens"], events[0] | events[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--nanogpt", type=Path)
    parser.add_argument("--arch", action="append", help="of seqcli  [default: rnn, lstm, gru, transformer]")
    parser.add_argument("--preset", default="char")
    parser.add_argument("--minutes", type=float, help="so long for each, instead of nanoGPT's time")
    parser.add_argument("--seconds", type=float, default=71.0, help="wall time where nanoGPT is not at hand")
    given = parser.parse_args()
    opened = gzip.open if given.text.suffix == ".gz" else open
    with opened(given.text, "rb") as raw, tempfile.TemporaryDirectory() as temporary:
        folder, text = Path(temporary), raw.read().decode()
        cut = int(len(text) * 0.9)
        (folder / "train.txt").write_text(text[:cut], encoding="utf-8")
        (folder / "valid.txt").write_text(text[cut:], encoding="utf-8")
        print(
            f"{given.text.name}, {len(text):,} characters; {platform.machine()}, {os.cpu_count()} cores; {date.today()}"
        )
        print(f"{'':24}{'wall s':>8}{'ratio':>7}{'parameters':>12}{'tokens/s':>10}{'nats/char':>11}")
        wall = given.minutes * 60 if given.minutes else given.seconds
        if given.nanogpt and not given.minutes:
            wall, loss = nanogpt(given.nanogpt, text, folder)
            print(
                f"{'nanoGPT':24}{wall:>8.1f}{1:>7.2f}{'0.80 M':>12}{2000 * 12 * 64 / wall:>10,.0f}{loss:>11.4f}",
                flush=True,
            )
        for arch in given.arch or ("rnn", "lstm", "gru", "transformer"):
            seconds, nats, event = ours(arch, folder, minutes=(wall - START) / 60, preset=given.preset)
            speed = event["tokens"] / event["seconds"]
            print(
                f"{'seqcli ' + arch:24}{seconds:>8.1f}{seconds / wall:>7.2f}{event['parameters'] / 1e6:>10.2f} M{speed:>10,.0f}{nats:>11.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
