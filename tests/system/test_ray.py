"""Ray itself, on a cluster of two nodes on this machine: the bytes of one process, also where a worker is killed in the middle."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'seqcli[ray]'"),
]
NODES = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 1 << 28})
cluster.add_node(num_cpus=1, object_store_memory=1 << 28)
cluster.wait_for_nodes()
print("address", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""
BY_HAND = """
import sys
import ray
import seqcli

ray.init(address=sys.argv[1], log_to_driver=False)
lm = seqcli.load(sys.argv[2])
rows = ray.data.read_parquet(sys.argv[3])
rows = rows.map_batches(lambda batch: {**batch, "again": [row.log_prob for row in lm.score(batch["text"].tolist())]})
for row in rows.take_all():
    assert abs(row["again"] - row["log_prob"]) < 1e-5
print("agree")
"""


@pytest.fixture(scope="module")
def address():
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    process = subprocess.Popen(
        [sys.executable, "-c", NODES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        yield next(line.split()[1] for line in process.stdout if line.startswith("address "))
        process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def asked(environment, models, tmp_path):
    """A command line, what starts it, and a text of some blocks."""
    lines = ["I study machine learning", "the cat saw the dog", "my computer is very old", "an unknown thing"]
    (tmp_path / "texts.txt").write_text("".join(f"{lines[n % 4]} {lines[n % 3]}\n" for n in range(200_000)))

    def start(*arguments):
        command = [sys.executable, "-m", "seqcli", *map(str, arguments), "-i", "texts.txt", "-q"]
        return subprocess.Popen(
            command, cwd=tmp_path, env={**environment, "RAY_AUTH_MODE": "disabled"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start, ["score", "-m", models("words")]


def workers():
    """The processes of Ray's workers that compute."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                if file.read().startswith(b"ray::Worker.answer"):
                    found.append(int(entry))
        except OSError:
            pass
    return found


def test_a_worker_is_killed_and_nothing_is_lost_or_doubled(address, asked, tmp_path):
    start, command = asked
    alone = start(*command, "-o", "alone.jsonl", "--threads", 1)
    assert alone.communicate(timeout=200) == ("", "")
    shared = start(*command, "-o", "shared.jsonl", "--ray", address)
    until, killed = time.monotonic() + 120, []
    while not killed and shared.poll() is None and time.monotonic() < until:
        for process in workers()[:1]:
            os.kill(process, signal.SIGKILL)
            killed.append(process)
        time.sleep(0.05)
    assert shared.communicate(timeout=200) == ("", "") and shared.returncode == 0 and killed
    assert (tmp_path / "alone.jsonl").read_bytes() == (tmp_path / "shared.jsonl").read_bytes()


def test_an_interrupt_ends_the_command_and_leaves_nothing(address, asked, tmp_path):
    start, command = asked
    for where in ("local", address):
        process = start(*command, "-o", "never.tsv", "--ray", where)
        time.sleep(5)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "") and process.returncode == 130
        assert time.monotonic() - began < 5  # of a busy machine; a fraction of a second alone
    assert sorted(os.listdir(tmp_path)) == ["texts.txt"]


def test_ray_data_by_hand(address, environment, here, models, tmp_path):
    """The example of docs/scale.md."""
    texts = ["the cat saw the dog", "I study", "", "my computer"]
    assert here("score", "-m", models("words"), *texts, "-o", tmp_path / "scores.parquet").code == 0
    done = subprocess.run(
        [sys.executable, "-c", BY_HAND, address, models("words"), tmp_path / "scores.parquet"], capture_output=True, text=True,
        env={**environment, "RAY_AUTH_MODE": "disabled"}, timeout=300,
    )  # fmt: skip
    assert "agree" in done.stdout, done.stderr[-2000:]
