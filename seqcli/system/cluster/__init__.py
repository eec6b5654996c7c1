"""A function over blocks on the machines of a Ray cluster, results in the order of the blocks.

Blocks are read and results are written here; a worker for each core or GPU of the cluster computes what comes between. The
function travels as cloudpickle writes it, once to each worker, so that what it closes over (the models) is opened there once.

Ray prints what it has to say on the standard output of the process that asks it, handles its signals and may end it. So it is asked
by a process of its own (`bridge`), which this one tells what it wants through a pipe and ends at once where it stops before the end.

What travels is pickled, as everything in Ray is: whoever can reach a cluster can run code on it, and its workers answer with code. So
it is for clusters that one trusts, and nothing is unpickled unless --ray names one.
"""

from __future__ import annotations

import os
import pickle
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, TypeVar

from seqcli.errors import OutputError, UsageError
from seqcli.system import cpu, signals

Item = TypeVar("Item")
Result = TypeVar("Result")
LOCAL = "local"  # the address of a cluster of this machine alone, which is started and ended
_PACKAGES = ("ray", "cloudpickle")
_SWEEPS = 20
_LISTEN = 10.0  # seconds for a connection
_CONNECT = 120.0  # seconds until a cluster answers, or one of this machine has started
_LEAVE = 3.0  # seconds in which Ray may say goodbye to a cluster
_PACKAGE = Path(__file__).parents[3]  # where `import seqcli` finds this one


@dataclass(frozen=True)
class Request:
    """What the process beside this one is told first. function: as cloudpickle writes it; workers: None for one per core or GPU;
    gpu: None where the cluster decides; temporary: Ray's folder on this machine, of a cluster of its own."""

    address: str
    function: bytes
    workers: int | None
    gpu: bool | None
    folder: str
    temporary: str | None


def check_installed() -> None:
    """Raises UsageError where Ray is missing; it is not imported, which takes a second."""
    if missing := [name for name in _PACKAGES if find_spec(name) is None]:
        raise UsageError(f"needs the package {missing[0]}", where="--ray", cure="pip install 'seqcli[ray]'")


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    address: str,
    workers: int | None = None,
    gpu: bool | None = False,
    note: Callable[[str], None] = lambda line: None,
) -> Iterator[Result]:
    """`map(function, items)` on a cluster; reads at most four items a worker ahead.

    address: LOCAL, or HOST:PORT of a cluster; workers: how many, None for one per core, or per GPU; gpu: whether a worker has one,
    None: where the cluster has any. Raises what `function` raises, in its turn, UsageError where the cluster cannot be reached,
    and OutputError where workers die again and again.
    """
    import cloudpickle

    check_installed()
    _check_listening(address)
    items = iter(items)
    with _folder(address) as temporary:
        request = Request(address, cloudpickle.dumps(function), workers, gpu, os.getcwd(), temporary)
        with _bridge(request) as pipe:
            if not pipe.poll(_CONNECT):
                raise unreachable(address, f"no answer within {_CONNECT:.0f} seconds")
            yield from _results(pipe, items, note)


def _check_listening(address: str) -> None:
    """Raises UsageError where nobody listens, which takes Ray minutes to find."""
    if address == LOCAL:
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_LISTEN).close()
    except (OSError, OverflowError) as error:
        raise unreachable(address, getattr(error, "strerror", None) or str(error)) from None


def unreachable(address: str, why: str) -> UsageError:
    cure = "start one with `ray start --head`, or use --ray local"
    return UsageError(f"cannot reach the Ray cluster ({why})", where=f"--ray {address}", cure=cure)


def _results(pipe: Connection, items: Iterator[Item], note: Callable[[str], None]) -> Iterator[Any]:
    """The other end asks for each item, so that one process alone waits for the other."""
    while True:
        try:
            kind, *content = pipe.recv()
            if kind == "next":
                pipe.send([pickle.dumps(item) for item in _one(items)])
                continue
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise OutputError(
                "the connection to the Ray cluster is lost", cure="check the cluster: ray status"
            ) from None
        if kind == "end":
            return
        if kind == "note":
            note(content[0])
            continue
        sound, result = pickle.loads(content[0])
        if not sound:
            raise result
        yield result


def _one(items: Iterator[Item]) -> Iterator[Item]:
    """The next item, or none at the end."""
    for item in items:
        yield item
        return


@contextmanager
def _folder(address: str) -> Iterator[str | None]:
    """Where a cluster of this machine alone keeps its sockets and logs, which are of no use afterwards."""
    if address != LOCAL:
        yield None
        return
    path = None
    try:
        with signals.held():  # the paths of sockets are short: TMPDIR may be deep
            path = tempfile.mkdtemp(prefix="seqcli-", dir="/tmp" if os.path.isdir("/tmp") else None)
        yield path
    finally:
        with signals.held():
            for _ in range(_SWEEPS):  # processes that are about to end may still write
                if not path or not os.path.exists(path):
                    break
                shutil.rmtree(path, ignore_errors=True)
                time.sleep(0.05)


@contextmanager
def _bridge(request: Request) -> Iterator[Connection]:
    """A pipe to a new process that runs `bridge.main`; it and all that Ray has started here are gone afterwards."""
    environment = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")])),
    }
    if request.address == LOCAL:  # other users of this machine cannot use it, and no token is left in the home folder
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with ExitStack() as stack:
        with signals.held():
            ours, theirs = Pipe()
            stack.callback(ours.close)
            debug = "--debug" in sys.argv
            command = [
                sys.executable,
                "-P",
                "-c",
                f"from seqcli.system.cluster import bridge; bridge.main({theirs.fileno()})",
            ]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=2 if debug else subprocess.DEVNULL,
                stderr=None if debug else subprocess.DEVNULL, pass_fds=[theirs.fileno()], env=environment, start_new_session=True,
            )  # fmt: skip
            stack.callback(_end, process)
            theirs.close()
        with suppress(BrokenPipeError):
            ours.send(request)
        yield ours
        if request.address != LOCAL:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVE)


def _end(process: subprocess.Popen) -> None:
    with signals.held():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its session: of a local cluster, all processes of Ray
        process.wait()


def cores() -> int:
    """Of this machine."""
    return cpu.allowed()
