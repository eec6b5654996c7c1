"""The process that asks Ray, with a module in Ray's place: what goes through the pipe, and that nothing stays behind."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from seqcli.errors import InputError, OutputError, UsageError
from seqcli.system import cluster

pytest.importorskip("cloudpickle", reason="functions travel by it")
FAKE = '''
"""As much of Ray as is asked, in one process; "CPU" is what the cluster has."""
import os, sys
class exceptions:
    class RayError(Exception): pass
def init(**how):
    print("noise"); print("noise", file=sys.stderr)
    folder = how.get("_temp_dir")
    if folder: open(os.path.join(folder, "log"), "w").close()
    if "REFUSED" in os.environ: raise ConnectionError("several lines\\n\\nthe reason.")
def shutdown(): pass
def cluster_resources(): return {"CPU": 2.0}
def put(value): return value
class Method:
    def __init__(self, call): self.remote = lambda *given: (call, given)
def remote(**how):
    assert how["max_restarts"] == 0
    def kind(Kind):
        class Actor:
            def __init__(self, *given):
                self._own = Kind(*given)
            def __getattr__(self, name): return Method(getattr(self._own, name))
        class Remote:
            remote = staticmethod(Actor)
        return Remote
    return kind
def wait(tickets, timeout): return tickets[-1:], tickets[:-1]
def get(ticket):
    call, given = ticket
    return call(*given)
'''


@pytest.fixture
def fake_ray(tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "ray.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.setattr(cluster, "check_installed", lambda: None)
    made = []
    make = cluster.tempfile.mkdtemp
    monkeypatch.setattr(cluster.tempfile, "mkdtemp", lambda **how: made.append(make(**how)) or made[-1])
    yield tmp_path
    assert not any(map(os.path.exists, made))


def test_results_are_in_order_and_nothing_is_printed(fake_ray, capfd):
    power = 2
    assert list(cluster.ordered_map(lambda n: n**power, range(20), address="local")) == [n**2 for n in range(20)]
    assert list(cluster.ordered_map(lambda n: n, [], address="local")) == []
    assert capfd.readouterr() == ("", "")


def test_an_error_of_a_worker_is_raised_in_its_turn(fake_ray):
    def checked(n):
        if n == 5:
            raise InputError("five", where="n", cure="leave it out")
        return n

    got = []
    with pytest.raises(InputError, match=r"^n: five; leave it out$"):
        for n in cluster.ordered_map(checked, range(20), address="local"):
            got.append(n)
    assert got == [0, 1, 2, 3, 4]


def test_an_exception_that_cannot_be_pickled_keeps_its_message(fake_ray):
    class Untravelled(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    def failing(n):
        raise Untravelled("so it is", 2)

    with pytest.raises(Exception, match="unexpected Untravelled: so it is"):
        list(cluster.ordered_map(failing, range(3), address="local"))


def test_an_error_of_the_input_ends_the_cluster(fake_ray):
    def items():
        yield from range(3)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        list(cluster.ordered_map(lambda n: n, items(), address="local"))


def test_a_cluster_that_does_not_start(fake_ray, monkeypatch):
    monkeypatch.setenv("REFUSED", "1")
    with pytest.raises(OutputError, match=r"^cannot start Ray \(the reason\); leave out --ray$"):
        list(cluster.ordered_map(lambda n: n, range(3), address="local"))


def test_an_address_where_nobody_listens(fake_ray):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(UsageError, match=r"cannot reach the Ray cluster \(Connection refused\); start one with"):
            list(cluster.ordered_map(lambda n: n, range(3), address=address))
    assert time.monotonic() - began < 5


def test_a_gpu_that_the_cluster_does_not_have(fake_ray):
    with pytest.raises(UsageError, match=r"^--device cuda: the cluster has no GPU; use --device cpu$"):
        list(cluster.ordered_map(lambda n: n, range(3), address="local", gpu=True))


def test_a_process_beside_this_one_that_dies(fake_ray):
    def dying(n):
        os._exit(3)

    with pytest.raises(OutputError, match="connection to the Ray cluster is lost"):
        list(cluster.ordered_map(dying, range(3), address="local"))


def test_who_stops_early_ends_the_process(fake_ray):
    results = cluster.ordered_map(lambda n: os.getpid(), range(100), address="local")
    beside = next(results)
    assert beside != os.getpid()
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(beside, 0)


def test_the_process_ends_with_the_one_that_was_killed(fake_ray):
    code = (
        "import time; from seqcli.system import cluster; cluster.check_installed = lambda: None\n"
        "import os\n"
        "make = cluster.tempfile.mkdtemp; cluster.tempfile.mkdtemp = lambda **how: make(dir=os.environ['HERE'])\n"
        "for n in cluster.ordered_map(lambda n: os.getpid(), range(9), address='local'): print(n, flush=True); time.sleep(60)"
    )
    path = os.pathsep.join([str(Path(cluster.__file__).parents[3]), os.environ["PYTHONPATH"]])
    environment = {**os.environ, "PYTHONPATH": path, "HERE": str(fake_ray)}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    watchdog = threading.Timer(20, process.kill)
    watchdog.start()
    beside = int(process.stdout.readline())
    process.kill()
    process.wait()
    watchdog.cancel()
    process.stdout.close()
    for _ in range(100):
        if not os.path.exists(f"/proc/{beside}"):
            break
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{beside}")
