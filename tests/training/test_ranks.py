"""Two processes that train together take the steps of one; what is saved, resumed, stopped and broken is so for both."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from seqcli.data.batches import NOT_COUNTED, Example
from seqcli.interfaces import SILENT
from seqcli.runs import checkpoint
from seqcli.training.distributed import Ranks

TEXT = "".join(
    f"the {a} {v} the {b} .\n" for a in ("cat", "dog", "bird") for v in ("sees", "likes") for b in ("man", "fish")
)
CASES = {
    "lstm-document": ["--arch", "lstm", "--unit", "document", "--set", "width=16", "--set", "bptt=16"],
    "transformer-line": ["--arch", "transformer", "--set", "width=16", "--set", "heads=2", "--set", "layers=1"],
    "few-rows": ["--arch", "gru", "--set", "width=8", "--set", "batch_tokens=24"],  # a row a batch: one rank has none
}
SETTINGS = ["batch_tokens=80", "accumulate=2", "warmup=2", "schedule=constant", "evaluate_every=3", "save_minutes=60"]


@pytest.fixture
def command(tmp_path):
    (tmp_path / "text.txt").write_text(TEXT * 4)

    def of(case: str, folder: str, *, steps: int, dropout: float = 0.0, more=()) -> list[str]:
        settings = [part for setting in (*SETTINGS, f"dropout={dropout}") for part in ("--set", setting)]
        machine = [
            "--tokenizer",
            "characters",
            "--device",
            "cpu",
            "--precision",
            "fp32",
            "--threads",
            "1",
            "--preset",
            "tiny",
        ]
        return [
            "train",
            "lm",
            "text.txt",
            *machine,
            *settings,
            *CASES[case],
            "--steps",
            str(steps),
            "-o",
            folder,
            *more,
        ]

    return of


def losses(folder: Path) -> list[float]:
    events = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [event[name] for event in events if event["event"] == "evaluated" for name in ("valid", "loss")]


@pytest.mark.parametrize(
    "case",
    ["lstm-document", *(pytest.param(name, marks=pytest.mark.slow) for name in ("transformer-line", "few-rows"))],
)
def test_two_take_the_steps_of_one(here, ranks, command, tmp_path, case):
    one = here(*command(case, "one", steps=9))
    first, second = ranks(*command(case, "two", steps=9))
    assert one.code == 0, one.err
    assert first.code == 0, first.err
    assert second == (0, "", "")
    assert len(losses(tmp_path / "one")) == 6
    np.testing.assert_allclose(losses(tmp_path / "two"), losses(tmp_path / "one"), rtol=1e-5)
    weights = [checkpoint.newest(tmp_path / name, reporter=SILENT)[0] for name in ("one", "two")]
    for name, array in weights[0].items():
        if name.startswith("weight."):
            np.testing.assert_allclose(weights[1][name], array, atol=2e-5, err_msg=name)
    assert "rank1.random.cpu" in weights[1]


@pytest.mark.slow
def test_resumed_is_bitwise_equal_on_as_many_and_goes_on_on_fewer(here, ranks, command, tmp_path):
    case = "lstm-document"
    for folder, steps, more in (("whole", 7, []), ("parts", 4, []), ("parts", 7, ["--resume"])):
        first, second = ranks(*command(case, folder, steps=steps, dropout=0.2, more=more))
        assert (first.code, second.code) == (0, 0), first.err + second.err
    whole, parts = (checkpoint.newest(tmp_path / name, reporter=SILENT)[0] for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        assert np.array_equal(array, parts[name]), name
    assert not np.array_equal(whole["rank1.random.cpu"], whole["random.cpu"])
    done = here(*command(case, "parts", steps=9, dropout=0.2, more=["--resume"]))
    assert done.code == 0 and "started with 2 processes, now 1" in done.err


@pytest.mark.slow
def test_a_sharded_transformer_takes_the_same_steps_and_resumes_exactly(here, ranks, command, tmp_path):
    case, ema = "transformer-line", ["--set", "ema=0.5"]
    one = here(*command(case, "one", steps=7, more=ema))
    assert one.code == 0, one.err
    for folder, steps, more in (("whole", 7, []), ("parts", 4, []), ("parts", 7, ["--resume"])):
        first, second = ranks(*command(case, folder, steps=steps, more=[*ema, "--set", "shard=true", *more]))
        assert (first.code, second.code) == (0, 0), first.err + second.err
    one, whole, parts = (checkpoint.newest(tmp_path / name, reporter=SILENT)[0] for name in ("one", "whole", "parts"))
    np.testing.assert_allclose(losses(tmp_path / "whole"), losses(tmp_path / "one"), rtol=1e-5)
    assert one.keys() == {name for name in whole if not name.startswith("rank1.")} and whole.keys() == parts.keys()
    for name, array in whole.items():
        assert np.array_equal(array, parts[name]), name
        if name.startswith(("weight.", "average.")):
            np.testing.assert_allclose(array, one[name], atol=2e-5, err_msg=name)
    goes_on = here(*command(case, "parts", steps=9, more=[*ema, "--resume"]))
    assert goes_on.code == 0, goes_on.err


def test_one_process_alone_shards_nothing(here, command):
    done = here(*command("transformer-line", "m", steps=3, more=["--set", "shard=true"]))
    assert done.code == 2 and "needs several processes" in done.err


BROKEN = """
import os, signal, sys
from seqcli import cli
from seqcli.errors import InputError
from seqcli.training.distributed import Ranks
rows, calls = Ranks.rows, []
def broken(self, example):
    calls.append(1)
    if self.rank == 1 and len(calls) == 9:
        if sys.argv[1] == "raises":
            raise InputError("the moon is not full", where="rank 1")
        os.kill(os.getpid(), signal.SIGKILL)
    return rows(self, example)
Ranks.rows = broken
cli.main(sys.argv[2:])
"""


def torchrun(environment, tmp_path, *arguments, **more) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, arguments)],
        cwd=tmp_path, env={**environment, "OMP_NUM_THREADS": "1", "TMPDIR": "/tmp"}, stderr=subprocess.PIPE, text=True, **more,
    )  # fmt: skip


@pytest.mark.parametrize("how, said", [
    ("raises", "rank 1: the moon is not full"), pytest.param("dies", "another process of the training has ended", marks=pytest.mark.slow),
])  # fmt: skip
def test_one_that_fails_ends_all_with_the_cause_first(environment, command, tmp_path, how, said):
    (tmp_path / "broken.py").write_text(BROKEN)
    job = torchrun(environment, tmp_path, "broken.py", how, *command("lstm-document", "m", steps=900))
    _, err = job.communicate(timeout=60)
    assert job.returncode == 1
    first = next(line for line in err.splitlines() if line.startswith("seqcli"))
    assert said in first, err
    assert err.count("the moon") == (how == "raises")
    _, saved = checkpoint.newest(tmp_path / "m", reporter=SILENT)
    assert saved["progress"]["step"] == 3


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGTERM to one", "Control-C"])
def test_a_signal_stops_both_and_is_saved(environment, command, tmp_path, how):
    job = torchrun(
        environment, tmp_path, "-m", "seqcli", *command("lstm-document", "m", steps=10**9), start_new_session=True
    )
    while not (tmp_path / "m" / "manifest.json").exists():
        time.sleep(0.05)
        assert job.poll() is None, job.stderr.read()
    if how == "Control-C":
        os.killpg(job.pid, signal.SIGINT)
    else:
        children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGTERM)
    _, err = job.communicate(timeout=60)
    assert job.returncode and "saved; " in err
    events = [json.loads(line) for line in (tmp_path / "m" / "metrics.jsonl").read_text().splitlines()]
    _, saved = checkpoint.newest(tmp_path / "m", reporter=SILENT)
    assert events[-1]["event"] == "stopped" and events[-1]["step"] == saved["progress"]["step"]


def test_rows_are_dealt_out_and_a_rank_without_any_counts_nothing():
    inputs = np.arange(10).reshape(5, 2)
    parts = [Ranks(rank, 2).rows(Example(inputs, inputs + 1, True)) for rank in (0, 1)]
    assert [part.inputs[:, 0].tolist() for part in parts] == [[0, 4, 8], [2, 6]] and parts[1].carries
    spare = Ranks(3, 4).rows(Example(inputs[:2], inputs[:2] + 1))
    assert spare.inputs.shape == (1, 2) and (spare.targets == NOT_COUNTED).all()
