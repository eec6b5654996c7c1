"""Translating: JoeyNMT and seqcli on the same files, segmentation, model and batches, in one run.

    python bench/translate.py --joey PYTHON [--part speed] [--updates 100] [--threads 2] [--data ../shared/data]

speed    Multi30k English-German (`tok/`), Transformer of 4 + 4 layers of 128, 10,000 joint subwords: target tokens/s in training and
         sentences/s of test2016 by a beam of 5, each system by the model that it has just trained
tatoeba  English-Korean both ways, `dev`: rnn, lstm, gru and transformer side by side; no peer

PYTHON is that of an environment with JoeyNMT 2.3 (`pip install joeynmt`); where it is not given the bench measures seqcli alone.

Text is cut into subwords beforehand and both split it at spaces. A batch of 4,096 counts, in both, sentences times the longest source
or translation among them, `<s>` or `</s>` and padding included; JoeyNMT takes sentences as they come, seqcli those of like length, so that more of
the same budget is text. A token counts where it is a real one of the target, `</s>` too. seqcli computes matrix products in bfloat16 where
the processor can; JoeyNMT in float32, it offers no other on a processor. The first fifth of the updates is not counted.
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
import time
from datetime import date
from pathlib import Path
from statistics import mean

SEQCLI = [sys.executable, "-m", "seqcli"]
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIDES, PIECES, BATCH, BEAM = ("en", "de"), 10_000, 4096, 5
ARCHS = ("rnn", "lstm", "gru", "transformer")
SHAPE = {"width": 128, "layers": 4, "heads": 4, "hidden": 256, "activation": "relu", "dropout": 0.3, "label_smoothing": 0.1}

JOEY = """
name: bench
joeynmt_version: "2.3.0"
model_dir: {folder}/joey
use_cuda: False
data:
  train: {folder}/train
  dev: {folder}/val
  test: {folder}/test2016
  dataset_type: plain
  src: {{lang: en, level: word, lowercase: False, voc_file: {folder}/vocabulary, max_length: 200}}
  trg: {{lang: de, level: word, lowercase: False, voc_file: {folder}/vocabulary, max_length: 200}}
testing: {{beam_size: {beam}, beam_alpha: 1.0, batch_size: 64, batch_type: sentence, max_output_length: 100, eval_metrics: [bleu]}}
training:
  optimizer: adam
  adam_betas: [0.9, 0.98]
  scheduling: warmupinversesquareroot
  learning_rate: 0.005
  learning_rate_warmup: 2000
  label_smoothing: 0.1
  normalization: tokens
  batch_size: {batch}
  batch_type: token
  epochs: 1000
  updates: {updates}
  logging_freq: {often}
  validation_freq: {updates}
  keep_best_ckpts: 1
  overwrite: True
  shuffle: True
model:
  initializer: xavier_uniform
  embed_initializer: xavier_uniform
  tied_embeddings: True
  tied_softmax: True
  encoder: {{type: transformer, num_layers: 4, num_heads: 4, embeddings: {{embedding_dim: 128, scale: True, dropout: 0.}}, hidden_size: 128, ff_size: 256, dropout: 0.3, layer_norm: pre}}
  decoder: {{type: transformer, num_layers: 4, num_heads: 4, embeddings: {{embedding_dim: 128, scale: True, dropout: 0.}}, hidden_size: 128, ff_size: 256, dropout: 0.3, layer_norm: pre}}
"""


def run(command: list[str], *, threads: int, stdin: Path | None = None) -> tuple[float, str]:
    """Wall seconds and what was said."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    begun = time.perf_counter()
    with open(stdin or os.devnull, "rb") as given:
        done = subprocess.run(command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
    return time.perf_counter() - begun, done.stdout


def prepared(data: Path, folder: Path) -> None:
    """Subwords of all parts, and their vocabulary as JoeyNMT reads it."""
    for part in ("train", "val", "test2016"):
        for side in SIDES:
            (folder / f"{part}.{side}.txt").write_bytes(gzip.decompress((data / "multi30k" / "tok" / f"{part}.{side}.gz").read_bytes()))
    texts = [str(folder / f"train.{side}.txt") for side in SIDES]
    settings = ["--tokenizer", "sentencepiece", "--vocab-size", str(PIECES)]
    run([*SEQCLI, "train", "tokenizer", *texts, "-o", str(folder / "pieces"), *settings, "-q"], threads=2)
    seen: dict[str, None] = {}
    for part in ("train", "val", "test2016"):
        for side in SIDES:
            run([*SEQCLI, "tokenize", "-m", str(folder / "pieces"), "-i", str(folder / f"{part}.{side}.txt"), "-o", str(folder / f"{part}.{side}")], threads=2)
            if part == "train":
                seen |= dict.fromkeys((folder / f"{part}.{side}").read_text(encoding="utf-8").split())
    (folder / "vocabulary").write_text("".join(f"{piece}\n" for piece in ["<unk>", "<pad>", "<s>", "</s>", *seen]), encoding="utf-8")


def joey(python: str, folder: Path, *, updates: int, threads: int) -> dict[str, float]:
    config = folder / "joey.yaml"
    often = max(1, updates // 10)
    config.write_text(JOEY.format(folder=folder, beam=BEAM, batch=BATCH, updates=updates, often=often))
    _, said = run([python, "-m", "joeynmt", "train", "--skip-test", str(config)], threads=threads)
    speeds = [float(number) for number in re.findall(r"Tokens per Sec:\s+(\d+)", said)]
    seconds, _ = run([python, "-m", "joeynmt", "translate", str(config)], threads=threads, stdin=folder / "test2016.en")
    return {"tokens_per_second": mean(speeds[len(speeds) // 5 :]), "seconds": seconds}


def ours(folder: Path, *, updates: int, threads: int, precision: str) -> dict[str, float]:
    model = folder / f"seqcli-{precision}"
    settings = [part for name, value in SHAPE.items() for part in ("--set", f"{name}={value}")]
    run([
        *SEQCLI, "train", "translator", "--source", str(folder / "train.en"), "--target", str(folder / "train.de"),
        "--valid-source", str(folder / "val.en"), "--valid-target", str(folder / "val.de"), "-o", str(model), "--tokenizer", "words",
        "--batch-tokens", str(BATCH), "--steps", str(updates), "--threads", str(threads), "--precision", precision, *settings,
        "--set", "evaluations=1", "-q",
    ], threads=threads)  # fmt: skip
    events = [json.loads(line) for line in (model / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    progress = [event for event in events if event["event"] == "progress"]
    progress = progress[len(progress) // 5 :]
    first, last = progress[0], progress[-1]
    seconds, _ = run([
        *SEQCLI, "translate", "-m", str(model), "-i", str(folder / "test2016.en"), "-o", str(folder / "out"), "--beam-size", str(BEAM),
        "--threads", str(threads), "-q",
    ], threads=threads)  # fmt: skip
    return {"tokens_per_second": (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"]), "seconds": seconds}


def speed(given: argparse.Namespace, folder: Path) -> None:
    prepared(given.data, folder)
    lines = (folder / "test2016.en").read_bytes().count(b"\n")
    peer = joey(given.joey, folder, updates=given.updates, threads=given.threads) if given.joey else None
    rows = {"JoeyNMT": peer} if peer else {}
    for precision in ("fp32", "bf16"):
        rows[f"seqcli {precision}"] = ours(folder, updates=given.updates, threads=given.threads, precision=precision)
    print(f"{'':14}{'target tokens/s':>18}{'ratio':>8}{f'sentences/s, beam {BEAM}':>26}{'ratio':>8}")
    for name, row in rows.items():
        ratios = [row["tokens_per_second"] / peer["tokens_per_second"], peer["seconds"] / row["seconds"]] if peer else [float("nan")] * 2
        print(f"{name:14}{row['tokens_per_second']:18,.0f}{ratios[0]:8.2f}{lines / row['seconds']:26.1f}{ratios[1]:8.2f}")
    print("whole processes translate, start-up included; ratios above 1: seqcli is faster")


def tatoeba(given: argparse.Namespace, folder: Path) -> None:
    for part in ("train", "dev"):
        (folder / f"{part}.tsv").write_bytes(gzip.decompress((given.data / "tatoeba-ko-en" / f"{part}.tsv.gz").read_bytes()))
    for source, target in (("en", "ko"), ("ko", "en")):
        archs = [part for arch in ARCHS for part in ("--arch", arch)]
        _, said = run([
            *SEQCLI, "train", "translator", str(folder / "train.tsv"), "--valid", str(folder / "dev.tsv"), "--source-column", source,
            "--target-column", target, "-o", str(folder / f"{source}-{target}"), *archs, "--vocab-size", "4000", "--preset", "tiny",
            "--epochs", str(given.epochs), "--threads", str(given.threads), "-q",
        ], threads=given.threads)  # fmt: skip
        record = json.loads(next((folder / f"{source}-{target}" / "gru").glob("state-*/config.json")).read_text(encoding="utf-8"))
        print(f"{source}-{target}: {record['valid']['bleu_signature']}, {record['valid']['chrf_signature']}\n{said}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--joey", help="the Python of an environment with JoeyNMT")
    parser.add_argument("--part", choices=("speed", "tatoeba"), action="append")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--epochs", type=float, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=Path, help="a folder for files and models")
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    if not given.data.is_dir():
        sys.exit(f"{given.data} is missing (--data FOLDER with multi30k and tatoeba-ko-en): nothing to measure")
    print(f"{date.today()}, {platform.machine()}, {given.threads} threads")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for part in given.part or ("speed", "tatoeba"):
            {"speed": speed, "tatoeba": tatoeba}[part](given, folder.resolve())


if __name__ == "__main__":
    main()
