"""`bench/gpu.py` runs every part on a processor, and says what it found."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench" / "gpu.py"
PARTS = ["device", "equality", "gpt2", "generate", "ranks", "shakespeare", "transformer", "gru", "nsmc"]


def run(folder, *options):
    command = [sys.executable, str(BENCH), "--device", "cpu", "--small", "--output", str(folder / "out"), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return done, json.loads((folder / "out" / "gpu.json").read_text())["parts"]


def corpora(folder):
    def put(name, lines):
        path = folder / f"{name}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))

    put("tinyshakespeare/input.txt", ["to be or not to be", "that is the question"] * 100)
    for part in ("train", "val", "test2016"):
        put(f"multi30k/tok/{part}.en", ["a dog runs", "a cat sits", "the dog sits"] * 20)
        put(f"multi30k/tok/{part}.de", ["ein hund rennt", "eine katze sitzt", "der hund sitzt"] * 20)
    for part in ("train", "dev"):
        put(f"nsmc/ratings_{part}.tsv", ["label\ttext", *["1\tit was good", "0\tit was bad"] * 40])
    return folder


@pytest.mark.slow
def test_every_part_runs_on_a_processor(tmp_path):
    done, parts = run(tmp_path, "--data", str(corpora(tmp_path / "data")))
    assert [part["part"] for part in parts] == PARTS
    assert [part["error"] or part["skipped"] for part in parts] == [""] * len(PARTS)
    judged = [figure for part in parts for figure in part["figures"] if figure["ok"] is not None]
    assert len(judged) > 100 and all(figure["ok"] for figure in judged) and done.returncode == 0
    table = (tmp_path / "out" / "gpu.md").read_text()
    assert all(f"| {part} |" in table for part in PARTS)


@pytest.mark.slow
def test_a_part_without_its_data_is_skipped_and_one_that_fails_stops_no_other(tmp_path):
    data = corpora(tmp_path / "data")
    (data / "multi30k" / "tok" / "test2016.de.gz").unlink()
    (data / "nsmc" / "ratings_dev.tsv.gz").write_bytes(b"not compressed")
    done, (device, gru, nsmc) = run(tmp_path, "--data", str(data), "--parts", "gru,nsmc,device")
    assert "test2016.de.gz is not there" in gru["skipped"] and not gru["error"]
    assert "BadGzipFile" in nsmc["error"]
    assert device["figures"] and not device["error"]
    assert done.returncode == 1 and "failed: nsmc" in done.stdout
