"""Minutes requested (--minutes) and minutes used, by task, amount of text and load of the machine.

    python bench/budget.py [--data ../shared/data] [--row lm-words ...] [--size 1 --size 100] [--busy 0 --busy 1] [--minutes 0.5]

Text of any size is made of the corpora in --data, whose lines are repeated in another order each time. A row says how long the
command took from start to exit, how long until the first step (reading and tokenizing), which share of the rest went into
steps (forward, backward, update), how much memory the command held at most (pages of mapped token files included), and on how
much held-out text the final figures stand. --busy: processes beside it that do nothing but compute. "others" is the number of cores
that were taken, on average, by processes that this bench did not start: a row where it is far from 0 was not measured in peace.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

MB = 10**6
ROWS = {  # what is trained: the kind of its data, and the command
    "lm-words": ("lines", "lm --arch gru --vocab-size 8000"),
    "lm-sentencepiece": ("lines", "lm --arch transformer --tokenizer sentencepiece"),
    "lm-characters": ("lines", "lm --arch lstm --tokenizer characters --unit document"),
    "lm-bytes": ("lines", "lm --arch feedforward --tokenizer bytes --unit document"),
    "classifier-cnn": ("labelled", "classifier --arch cnn --label-column label"),
    "classifier-gru": ("labelled", "classifier --arch gru --label-column label"),
    "translator-transformer": ("pairs", "translator --arch transformer"),
    "translator-gru": ("pairs", "translator --arch gru"),
}
HEADS = {"lines": "", "labelled": "text\tlabel\n", "pairs": "source\ttarget\n"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--row", action="append", choices=ROWS, help="  [default: all]")
    parser.add_argument("--size", action="append", type=float, help="MB of text  [default: 1, 100]")
    parser.add_argument("--busy", action="append", type=int, help="[default: 0, 1, 3]")
    parser.add_argument(
        "--minutes", type=float, default=0.5, help="0: all of the text is read, and 20 steps are taken  [default: 0.5]"
    )
    parser.add_argument("--keep", type=Path, help="folder of the texts, to be used again")
    given = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {date.today()}")
    print(
        f"{'':24}{'MB':>6}{'busy':>6}{'asked s':>9}{'used s':>8}{'read s':>8}{'steps':>8}{'in steps':>10}{'peak MB':>9}{'others':>8}  judged on"
    )
    with tempfile.TemporaryDirectory() as temporary:
        texts = given.keep or Path(temporary)
        texts.mkdir(exist_ok=True)
        for name in given.row or ROWS:
            for size in given.size or (1.0, 100.0):
                kind, command = ROWS[name]
                text = texts / f"{kind}-{size:g}.{'txt' if kind == 'lines' else 'tsv'}"
                if not text.exists():
                    write(text, kind, size=size, data=given.data)
                for busy in given.busy or (0, 1, 3):
                    beside, begun = others(), time.monotonic()
                    with loaded(busy):
                        figures, judged = measured(
                            [*command.split(), str(text)], minutes=given.minutes, folder=Path(temporary) / "m"
                        )
                    cores = (others() - beside) / (time.monotonic() - begun)
                    print(
                        f"{name:24}{size:>6g}{busy:>6}{60 * given.minutes:>9.0f}{figures}{cores:>8.1f}  {judged}",
                        flush=True,
                    )


def write(path: Path, kind: str, *, size: float, data: Path) -> None:
    """So many MB of a kind of text, the lines of its corpora in a new order each time they are repeated."""
    lines, rng, left = list(records(kind, data)), random.Random(0), size * MB
    with open(path, "wb") as file:
        file.write(HEADS[kind].encode())
        while left > 0:
            rng.shuffle(lines)
            for line in lines:
                left -= file.write(line)
                if left <= 0:
                    break


def records(kind: str, data: Path) -> Iterator[bytes]:
    def read(name: str) -> list[str]:
        return gzip.open(data / name, "rt", encoding="utf-8").read().split("\n")

    if kind == "lines":
        found = read("brown/brown.train.txt.gz") + read("nsmc/reviews.txt.gz")
    elif kind == "labelled":
        rows = [line.split("\t") for line in read("nsmc/ratings_train.tsv.gz")[1:]]
        found = [f"{row[-2]}\t{row[-1]}" for row in rows if len(row) > 1]
    else:
        sides = [read(f"multi30k/train.{language}.gz") for language in ("en", "de")]
        found = ["\t".join(side.replace("\t", " ") for side in pair) for pair in zip(*sides)]
    return (f"{line}\n".encode() for line in found if line.strip())


@contextmanager
def loaded(processes: int) -> Iterator[None]:
    """So many processes that compute beside what is measured."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def others() -> float:
    """Seconds that all cores have worked since the machine started, without this process and the children it has waited for."""
    user, nice, system, _, _, interrupt, softirq, steal, *_ = map(
        int, Path("/proc/stat").read_text("ascii").split("\n")[0].split()[1:]
    )
    return (user + nice + system + interrupt + softirq + steal) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def measured(command: list[str], *, minutes: float, folder: Path) -> tuple[str, str]:
    """The figures of a row of the table, and on how much it was judged."""
    budget, begun = ["--minutes", str(minutes)] if minutes else ["--steps", "20"], time.time()
    process = subprocess.Popen(
        [sys.executable, "-m", "seqcli", "train", *command, "-o", str(folder), *budget, "--force"],
        stderr=subprocess.DEVNULL,  # not -q, which saves the sample at the end that everybody else waits for
    )
    _, status, usage = os.wait4(process.pid, 0)
    used = time.time() - begun
    if os.waitstatus_to_exitcode(status):
        return f"{used:>8.1f}{'':35}", "failed"
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    started = max(number for number, event in enumerate(events) if event["event"] == "started")
    events = events[started:]
    read, seconds, tokens = events[0]["time"] - begun, 0.0, 0
    for event in events:  # steps since the event before: their tokens, by how many a second
        speed = next((value for name, value in event.items() if name.endswith("_per_second")), None)
        if speed:
            seconds, tokens = seconds + (event["tokens"] - tokens) / speed, event["tokens"]
    config = json.loads(next(folder.glob("state-*/config.json")).read_text("utf-8"))
    valid = config["valid"]
    unit = next(name for name in ("tokens", "texts", "pairs") if name in valid)
    part = ", of the part of the text that was read" if "blocks" in config["data"] else ""
    share = seconds / max((60 * minutes or used) - read, 1e-9)
    return (
        f"{used:>8.1f}{read:>8.1f}{events[-1]['step']:>8,}{share:>10.0%}{usage.ru_maxrss / 1024:>9,.0f}",
        f"{valid[unit]:,} of {valid[f'held_out_{unit}']:,} {unit}{part}",
    )


if __name__ == "__main__":
    main()
