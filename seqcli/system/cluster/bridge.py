"""The process that uses Ray: it connects to the cluster, starts the workers, and passes on items and answers as bytes.

This is the only file that imports Ray.
"""

from __future__ import annotations

import logging
import os
import pickle
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from seqcli.errors import OutputError, SeqcliError, UsageError
from seqcli.system.cluster import LOCAL, Request, cores, unreachable
from seqcli.system.cluster.scheduling import WorkerDied, scheduled

_WATCHED = 0.5  # seconds between checks whether the parent still exists
# bytes of shared memory of a local cluster for blocks and answers in transit; Ray spills the rest to disk
_OBJECTS = 1 << 29


class Worker:
    """Runs on a core or GPU of the cluster. folder: the working folder of the command, to resolve relative paths."""

    def __init__(self, function: bytes, folder: str):
        self._function: Callable[[Any], Any] | None = None
        self._pickled = function
        with suppress(OSError):  # it may not exist on another machine
            os.chdir(folder)

    def start(self) -> bytes | None:
        """Opens the models. Returns None, or an error in the form of `answer`."""
        try:
            self._function = pickle.loads(self._pickled)
        except Exception as error:
            return _failed(error)
        return None

    def answer(self, item: bytes) -> bytes:
        """(True, the result) or (False, the exception), pickled."""
        assert self._function is not None
        try:
            return pickle.dumps((True, self._function(pickle.loads(item))))
        except Exception as error:
            return _failed(error)


def _failed(error: Exception) -> bytes:
    try:
        failed = pickle.dumps((False, error))
        pickle.loads(failed)
        return failed
    except Exception:  # an exception that cannot be pickled
        return pickle.dumps((False, SeqcliError(f"unexpected {type(error).__name__}: {error}")))


class RayWorkers:
    """The `scheduling.Workers` of a connected cluster."""

    def __init__(self, request: Request):
        import ray

        self._ray = ray
        room = ray.cluster_resources()
        gpus = int(room.get("GPU", 0))
        if request.gpu and not gpus:
            raise UsageError("the cluster has no GPU", where="--device cuda", cure="use --device cpu")
        gpu = gpus > 0 if request.gpu is None else request.gpu
        self.count = max(1, request.workers or (gpus if gpu else int(room.get("CPU", 1))))
        # `scheduled` replaces dead workers, even if their machine is gone
        self._kind = ray.remote(num_cpus=1, num_gpus=int(gpu), max_restarts=0, max_task_retries=0)(Worker)
        self._function = ray.put(request.function)
        self._folder = request.folder

    def begin(self) -> tuple[Any, Any]:
        worker: Any = self._kind.remote(self._function, self._folder)
        return worker, worker.start.remote()

    def ask(self, worker: Any, item: bytes) -> Any:
        return worker.answer.remote(item)

    def finished(self, tickets: Collection[Any], *, seconds: float) -> Any | None:
        ready, _ = self._ray.wait(list(tickets), timeout=seconds)
        return ready[0] if ready else None

    def answer(self, ticket: Any) -> bytes | None:
        try:
            return self._ray.get(ticket)
        except self._ray.exceptions.RayError as error:
            raise WorkerDied(_line(error)) from None


@contextmanager
def _connected(request: Request) -> Iterator[RayWorkers]:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.CRITICAL}
    try:
        if request.address == LOCAL:
            ray.init(
                num_cpus=request.workers or cores(), include_dashboard=False, object_store_memory=_OBJECTS,
                _temp_dir=request.temporary, **quiet,
            )  # fmt: skip
        else:
            ray.init(address=request.address, **quiet)
    except Exception as error:  # Ray raises exceptions of many types
        if request.address == LOCAL:
            raise OutputError(f"cannot start Ray ({_line(error)})", cure="leave out --ray") from None
        raise unreachable(request.address, _line(error)) from None
    yield RayWorkers(request)
    ray.shutdown()


def _line(error: BaseException) -> str:
    """The last part of a message of Ray, which has the cause, as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1][:300].rstrip(".")


def main(descriptor: int) -> None:
    pipe = Connection(descriptor)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        request: Request = pipe.recv()
        with _connected(request) as workers:

            def next_item() -> bytes | None:
                pipe.send(("next",))
                return next(iter(pipe.recv()), None)

            def delayed() -> None:
                pipe.send(("note", "no core of the cluster is free; waiting for one (see `ray status`)"))

            for answer in scheduled(workers, next_item, delayed=delayed):
                pipe.send(("answer", answer))
            pipe.send(("end",))
    except (EOFError, BrokenPipeError):
        pass
    except SeqcliError as error:
        pipe.send(("answer", pickle.dumps((False, error))))
    except Exception as error:
        failed = OutputError(f"the Ray cluster fails ({_line(error)})", cure="check the cluster: ray status")
        pipe.send(("answer", pickle.dumps((False, failed))))


def _end_with(parent: int) -> None:
    """Ends this process when its parent is gone, for whatever reason."""
    import time

    while os.getppid() == parent:
        time.sleep(_WATCHED)
    os._exit(1)
