"""Token ids of a byte-level BPE: the `tokenizers` library and seqcli on the same file, in one run.

Whole processes, all cores: read the lines, write a line of ids for each. Wall seconds are the best of N runs, taken in turn.
The library encodes a thousand lines at a time with `encode_batch`, its threads as they are by default. The tokenizer
(16,000 tokens) is trained on the sample data by the library, and so is the text drawn from, words in a seeded order, unless
--text names a file.

    python bench/tokenize_huggingface.py [--megabytes 100] [--text FILE] [--repeat 3]
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from processes import timed

SAMPLES = Path(__file__).resolve().parents[1] / "sample_data"
LIBRARY = """
import sys
from itertools import islice
from tokenizers import Tokenizer
model, text, ids = sys.argv[1:]
tokenizer = Tokenizer.from_file(model)
with open(text, newline="\\n", encoding="utf-8") as lines, open(ids, "w") as out:
    while batch := list(islice(lines, 1000)):
        found = tokenizer.encode_batch([line.rstrip("\\n") for line in batch], add_special_tokens=False)
        out.writelines(" ".join(map(str, each.ids)) + "\\n" for each in found)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(asked, Path(folder))


def compare(asked: argparse.Namespace, folder: Path) -> None:
    samples = [line for name in ("english", "korean") for line in (SAMPLES / f"{name}.txt").read_text().split("\n")]
    model, text = folder / "tokenizer.json", asked.text or folder / "text"
    train(samples, model)
    if asked.text is None:
        draw(samples, text, size=asked.megabytes * 10**6)
    commands = {
        "tokenizers": [sys.executable, "-c", LIBRARY, str(model), str(text), str(folder / "tokenizers")],
        "seqcli": [sys.executable, "-m", "seqcli", "tokenize", "-m", str(model), "-i", str(text), "--ids", "-o", str(folder / "seqcli")],
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(asked.repeat):
        for name, command in commands.items():
            seconds[name].append(timed(command))
    same = (folder / "tokenizers").read_bytes() == (folder / "seqcli").read_bytes()
    tokens = len((folder / "seqcli").read_bytes().split())
    print(f"{text.stat().st_size / 1e6:.0f} MB, {tokens:,} tokens, ids {'identical' if same else 'DIFFERENT'}")
    for name, all_seconds in seconds.items():
        best = min(all_seconds)
        print(f"{name:12} {best:6.1f} s   {tokens / best / 1e6:.2f} million tokens/s   (all: {all_seconds})")
    print(f"tokenizers / seqcli: {min(seconds['tokenizers']) / min(seconds['seqcli']):.2f}")


def train(samples: list[str], path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=16_000, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(samples, trainer)
    tokenizer.save(str(path))


def draw(samples: list[str], path: Path, *, size: int) -> None:
    chance, done = random.Random(1), 0
    words = [word for line in samples for word in line.split(" ")]
    with open(path, "w", encoding="utf-8") as file:
        while done < size:
            line = " ".join(chance.choices(words, k=chance.randrange(1, 40))) + "\n"
            done += len(line.encode())
            file.write(line)


if __name__ == "__main__":
    main()
