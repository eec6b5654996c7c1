"""Trainings of a few minutes by the commands, whose scores on held-out text are compared with targets."""

from __future__ import annotations

import gzip
import json
import statistics
import time
from pathlib import Path
from typing import Any

from gpu_parts.run import Run, Skipped, seqcli


def lines_of(run: Run, name: str) -> list[str]:
    path = run.data / name
    if not path.is_file():
        raise Skipped(f"{path} is not there (--data)")
    return gzip.decompress(path.read_bytes()).decode().split("\n")[:-1]


def written(run: Run, name: str, lines: list[str]) -> str:
    (run.folder / name).write_text("\n".join(lines) + "\n")
    return str(run.folder / name)


def budget(run: Run, minutes: float) -> list[str]:
    return ["--steps", "4"] if run.small else ["--minutes", str(minutes)]


def on(run: Run) -> list[str]:
    return ["--device", run.device.type]


def sets(**settings: Any) -> list[str]:
    return [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


def shakespeare(run: Run) -> None:
    lines = lines_of(run, "tinyshakespeare/input.txt.gz")
    text = "\n".join(lines) + "\n"
    cut = int(len(text) * 0.9)
    for name, part in {"train.txt": text[:cut], "valid.txt": text[cut:]}.items():
        (run.folder / name).write_text(part[: 20_000 if run.small else None])
    shape = sets(width=384, layers=6, heads=6, window=256, dropout=0.25, batch_tokens=16384)
    if run.small:
        shape = sets(width=32, layers=1, heads=2, window=32, batch_tokens=256)
    out = str(run.folder / "model")
    begun = time.perf_counter()
    seqcli(
        run, "train", "lm", str(run.folder / "train.txt"), "--valid", str(run.folder / "valid.txt"), "-o", out, "--arch", "transformer", "--preset",
        "small", "--unit", "document", "--tokenizer", "characters", *budget(run, 3.0), *on(run), *shape, "-q",
    )  # fmt: skip
    run.add("training, whole process", time.perf_counter() - begun, "s")
    said = json.loads(
        seqcli(run, "score", "-m", out, "-i", str(run.folder / "valid.txt"), "--unit", "document", "--level", "corpus", "--json", "-q", *on(run))
    )  # fmt: skip
    run.at_most("nats a character of the last 10 %", -said["log_prob"] / said["tokens"], 1.455, always=False)
    trained(run, out)


def trained(run: Run, out: str) -> None:
    """What the log of a training says."""
    events = [json.loads(line) for line in (Path(out) / "metrics.jsonl").read_text().splitlines()]
    speeds = [event["tokens_per_second"] for event in events if "tokens_per_second" in event]
    if speeds:
        run.add("training", statistics.median(speeds), "tokens/s")
    run.add("steps", float(events[-1]["step"]))


def multi30k(run: Run, arch: str, wanted: float, preset: str) -> None:
    texts = {
        f"{part}.{side}": lines_of(run, f"multi30k/tok/{part}.{side}.gz")[: 200 if run.small and part == "train" else 20 if run.small else None]
        for part in ("train", "val", "test2016") for side in ("en", "de")
    }  # fmt: skip
    paths = {name: written(run, name, lines) for name, lines in texts.items()}
    out = str(run.folder / "model")
    seqcli(
        run, "train", "translator", "--source", paths["train.en"], "--target", paths["train.de"], "--valid-source", paths["val.en"],
        "--valid-target", paths["val.de"], "-o", out, "--arch", arch, "--preset", "tiny" if run.small else preset,
        *(["--tokenizer", "words"] if run.small else []), *budget(run, 3.0), *on(run), "-q",
    )  # fmt: skip
    begun = time.perf_counter()
    found = seqcli(run, "translate", "-m", out, "-i", paths["test2016.en"], "--beam-size", "5", "-q", *on(run)).split(
        "\n"
    )[:-1]
    run.add("translating test2016, whole process", len(found) / (time.perf_counter() - begun), "sentences/s")
    from seqcli.metrics.translator import bleu as bleu_metric

    bleu = bleu_metric.score(found, [texts["test2016.de"]], tokenize="none").value
    run.at_least("BLEU of test2016", bleu, wanted, always=False)
    trained(run, out)


def transformer(run: Run) -> None:
    multi30k(run, "transformer", 41.0, "base")


def gru(run: Run) -> None:
    multi30k(run, "gru", 39.0, "small")


def nsmc(run: Run) -> None:
    most = 300 if run.small else None
    learnt, judged = (
        written(run, f"{part}.tsv", lines_of(run, f"nsmc/ratings_{part}.tsv.gz")[:most]) for part in ("train", "dev")
    )
    out = str(run.folder / "model")
    seqcli(
        run, "train", "classifier", learnt, "-o", out, "--arch", "lstm", "--tokenizer", "characters" if run.small else "sentencepiece",
        *([] if run.small else ["--vocab-size", "8000"]), *budget(run, 2.0), *on(run), "-q",
    )  # fmt: skip
    said = json.loads(seqcli(run, "classify", "-m", out, "--evaluate", "--json", "-q", "-i", judged, *on(run)))
    run.at_least("accuracy on ratings_dev", 100 * said["accuracy"], 86.0, "%", always=False)
    trained(run, out)
