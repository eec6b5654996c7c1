"""Compares the default settings with every preset: each task is trained without and with --preset for the same time.

    python bench/defaults.py [--data DIR] [--part brown ...] [--minutes 1] [--arch lstm ...] [--preset tiny ...] [--processor-time]

Wanted: the default is within 3 % of the best preset's held-out loss, or within 0.5 points of its accuracy. With
--processor-time a minute is a minute of one core's work, so that other work beside does not change the figures.
"""

import argparse
import gzip
import subprocess
import sys
import tempfile
from pathlib import Path

from seqcli import catalog
from seqcli.runs.model_folder import ModelFolder

WALL = "import sys; from seqcli.cli import main; sys.argv[0] = 'seqcli'; main()"
PROCESSOR = "import time; time.monotonic = time.process_time; " + WALL


def unpacked(path, folder, name=None):
    """The text of a .gz file, as a file of `folder`."""
    out = folder / (name or path.stem)
    if not out.exists():
        out.write_bytes(gzip.decompress(path.read_bytes()))
    return out


def shakespeare(data, folder):
    text = gzip.decompress((data / "tinyshakespeare/input.txt.gz").read_bytes())
    cut = len(text) * 9 // 10
    train, valid = folder / "shakespeare.train.txt", folder / "shakespeare.valid.txt"
    train.write_bytes(text[:cut])
    valid.write_bytes(text[cut:])
    return ["lm", train, "--valid", valid, "--tokenizer", "characters", "--unit", "document"]


def brown(data, folder):
    return [
        "lm",
        unpacked(data / "brown/brown-closed.train.txt.gz", folder),
        "--valid",
        unpacked(data / "brown/brown-closed.valid.txt.gz", folder),
    ]


def reviews(data, folder):
    text = unpacked(data / "nsmc/reviews.txt.gz", folder)
    some = folder / "reviews.10MB.txt"
    some.write_bytes(text.read_bytes()[: 10 << 20].rpartition(b"\n")[0] + b"\n")
    return ["lm", some, "--tokenizer", "sentencepiece"]


def sst2(data, folder):
    return [
        "classifier",
        unpacked(data / "sst2/sentences.train.tsv.gz", folder),
        "--valid",
        unpacked(data / "sst2/sentences.dev.tsv.gz", folder),
    ]


def nsmc(data, folder):
    columns = ["--text-column", "document", "--label-column", "label"]
    return [
        "classifier",
        unpacked(data / "nsmc/ratings_train.tsv.gz", folder),
        "--valid",
        unpacked(data / "nsmc/ratings_dev.tsv.gz", folder),
        *columns,
    ]


def multi30k(data, folder):
    files = [
        unpacked(data / f"multi30k/{part}.{side}.gz", folder) for part in ("train", "val") for side in ("en", "de")
    ]
    return [
        "translator",
        "--source",
        files[0],
        "--target",
        files[1],
        "--valid-source",
        files[2],
        "--valid-target",
        files[3],
        "--metric",
        "loss",
    ]


def tatoeba(data, folder):
    columns = ["--source-column", "en", "--target-column", "ko"]
    train, dev = (
        unpacked(data / f"tatoeba-ko-en/{part}.tsv.gz", folder, f"tatoeba.{part}.tsv") for part in ("train", "dev")
    )
    return ["translator", train, "--valid", dev, *columns, "--metric", "loss"]


PARTS = {  # name: its training, task, architectures, name of the figure
    "shakespeare": (shakespeare, "language", ("lstm", "gru", "rnn", "feedforward", "transformer"), "loss"),
    "brown": (brown, "language", ("lstm", "gru", "rnn", "feedforward", "transformer"), "loss"),
    "reviews": (reviews, "language", ("lstm", "transformer"), "loss"),
    "sst2": (sst2, "classification", ("gru", "lstm", "cnn", "transformer", "bag"), "accuracy"),
    "nsmc": (nsmc, "classification", ("gru", "cnn", "transformer", "bag"), "accuracy"),
    "multi30k": (multi30k, "translation", ("gru", "transformer"), "loss"),
    "tatoeba": (tatoeba, "translation", ("gru", "transformer"), "loss"),
}
LEFT_OUT = {"gpt2-small"}  # too large to learn anything in minutes


def trained(code, words, arch, preset, minutes, folder):
    """The record of one training. preset: None for the default."""
    command = [
        sys.executable,
        "-c",
        code,
        "train",
        *map(str, words),
        "--arch",
        arch,
        "-o",
        str(folder),
        "--force",
        "-q",
        "--threads",
        "1",
    ]
    if minutes:
        command += ["--minutes", str(minutes)]
    subprocess.run(command + (["--preset", preset] if preset else []), check=True)
    return ModelFolder.open(folder).config


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--part", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--arch", nargs="+")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--preset", nargs="+", help="these alone, besides the default")
    parser.add_argument("--processor-time", action="store_true")
    args = parser.parse_args()
    code = PROCESSOR if args.processor_time else WALL
    print(f"{args.minutes:g} minutes each; held-out loss in nats, or accuracy in %")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for part in args.part:
            prepare, task, archs, figure = PARTS[part]
            words = prepare(args.data, folder)
            for arch in args.arch or archs:
                if arch not in catalog.architectures(task):
                    continue
                minutes = 0 if catalog.is_counted(task, arch) else args.minutes
                presets = args.preset or [name for name in catalog.presets(task, arch)[1] if name not in LEFT_OUT]

                found = {}
                for preset in [None, *presets]:
                    if preset in found:
                        continue  # the preset that was chosen without --preset is not trained again
                    record = trained(code, words, arch, preset, minutes, folder / "model")
                    found[record["preset"]] = record["valid"][figure] * (100 if figure == "accuracy" else 1)
                default, value = next(iter(found.items()))
                best = (max if figure == "accuracy" else min)(found.values())
                behind = best - value if figure == "accuracy" else 100 * (value / best - 1)
                unit = "points" if figure == "accuracy" else "%"
                values = "  ".join(f"{name} {value:.4g}" for name, value in found.items())
                print(
                    f"{part:>12} {arch:>12}  {values}  (default: {default}; behind the best by {behind:.2f} {unit})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
