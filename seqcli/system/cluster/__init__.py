"""Maps a function over blocks on the machines of a Ray cluster; results come in the order of the blocks.

Blocks are read and results written on this machine; a worker for each core or GPU of the cluster computes them. The
function is pickled with cloudpickle and sent to each worker once, so that what it closes over (the models) is opened once
per worker.

Ray prints to the standard output of the process that uses it, handles its signals and may exit. So a separate process
(`bridge`) uses Ray; this process talks to it through a pipe and ends it at once when it stops early.

Everything is pickled, as always with Ray: whoever can reach a cluster can run code on it, and its workers can run code
here. Use only clusters that you trust; nothing is unpickled unless --ray is given.
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
LOCAL = "local"  # a temporary cluster on this machine, which is started and ended by the command
_PACKAGES = ("ray", "cloudpickle")
_SWEEPS = 20
_LISTEN = 10.0  # timeout of a connection, in seconds
_CONNECT = 120.0  # timeout for a cluster to answer or start, in seconds
_LEAVE = 3.0  # timeout for Ray to disconnect, in seconds
_PACKAGE = Path(__file__).parents[3]  # the folder from which this package was imported


@dataclass(frozen=True)
class Request:
    """The first message to the bridge. function: pickled with cloudpickle; workers: None for one per core or GPU; gpu: None to
    let the cluster decide; temporary: Ray's folder on this machine, for a local cluster."""

    address: str
    function: bytes
    workers: int | None
    gpu: bool | None
    folder: str
    temporary: str | None


def check_installed() -> None:
    """Raises UsageError if Ray is not installed; does not import it, which takes a second."""
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
    """`map(function, items)` on a cluster; reads at most four items per worker ahead.

    address: LOCAL, or HOST:PORT of a cluster; workers: their number, None for one per core or GPU; gpu: whether a worker
    has one, None for yes if the cluster has any. Raises what `function` raises, in order, UsageError if the cluster cannot
    be reached, and OutputError if workers keep dying.
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
    """Raises UsageError if nothing listens at the address; Ray would take minutes to report it."""
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
    """Serves items on request, so that only one side waits for the other at any time."""
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
    """The next item; an empty message at the end."""
    for item in items:
        yield item
        return


@contextmanager
def _folder(address: str) -> Iterator[str | None]:
    """The temporary folder of a local cluster, for its sockets and logs."""
    if address != LOCAL:
        yield None
        return
    path = None
    try:
        with signals.held():  # socket paths have a length limit: TMPDIR may be too long
            path = tempfile.mkdtemp(prefix="seqcli-", dir="/tmp" if os.path.isdir("/tmp") else None)
        yield path
    finally:
        with signals.held():
            for _ in range(_SWEEPS):  # processes that are ending may still write
                if not path or not os.path.exists(path):
                    break
                shutil.rmtree(path, ignore_errors=True)
                time.sleep(0.05)


@contextmanager
def _bridge(request: Request) -> Iterator[Connection]:
    """A pipe to a new process that runs `bridge.main`; at the end it and everything that Ray started here are terminated."""
    environment = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGE), os.environ.get("PYTHONPATH")])),
    }
    # so that other users of this machine cannot connect, and no token is stored in the home folder
    if request.address == LOCAL:
        environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        environment.setdefault("RAY_worker_niceness", "0")  # as nice as this process; Ray's own default is 15
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
            os.killpg(process.pid, signal.SIGKILL)  # its session includes all processes of a local cluster
        process.wait()


def cores() -> int:
    """The address of this machine."""
    return cpu.allowed()
