"""What torchrun tells each process that it starts, and a line between them. Knows no torch.

`torchrun --nproc-per-node 2 -m seqcli ...` runs the same command twice; the processes differ by their rank. What training
needs of the others is `training/distributed.py`; everything else gives rank 0 the word: it reads, writes and reports, and the
others answer what it asks them over a socket. `RANK` alone is not believed, which cluster software sets for its own ends.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from seqcli.errors import UsageError

_PATIENCE = 600.0  # seconds: torchrun ends all processes when one dies, so that nobody waits for a dead one
_AGAIN = 0.02


def _number(name: str, otherwise: int) -> int:
    return int(os.environ.get(name, otherwise)) if "TORCHELASTIC_RUN_ID" in os.environ else otherwise


def rank() -> int:
    """Which of the processes this is; 0 where there is one."""
    return _number("RANK", 0)


def world() -> int:
    """How many processes there are."""
    return _number("WORLD_SIZE", 1)


def local_rank() -> int:
    """Which of this machine's processes this is."""
    return _number("LOCAL_RANK", 0)


def local_world() -> int:
    return _number("LOCAL_WORLD_SIZE", 1)


@contextmanager
def lines_to_others() -> Iterator[list[Connection]]:
    """For rank 0: a connection to every other rank; they are told to end by closing it."""
    place = _meeting_place()
    with ExitStack() as open_lines, socket.socket(socket.AF_UNIX) as door:
        with suppress(FileNotFoundError):
            place.unlink()  # of a job that was killed
        door.bind(str(place))
        door.settimeout(_PATIENCE)
        door.listen(world())
        lines = []
        try:
            for _ in range(world() - 1):
                other, _ = door.accept()
                other.setblocking(True)
                lines.append(open_lines.enter_context(Connection(other.detach())))
        finally:
            place.unlink()
        yield lines


def line_to_first() -> Connection:
    """For the others: the connection to rank 0, when it is there."""
    place, late = _meeting_place(), time.monotonic() + _PATIENCE
    while True:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(place))
            return Connection(line.detach())
        except (FileNotFoundError, ConnectionRefusedError):
            line.close()
            if time.monotonic() > late:
                raise
            time.sleep(_AGAIN)


def hang_up(lines: list[Connection]) -> None:
    """Ends the conversations, also for a thread that waits for an answer."""
    for line in lines:
        with socket.socket(fileno=os.dup(line.fileno())) as ours, suppress(OSError):
            ours.shutdown(socket.SHUT_RDWR)


def _meeting_place() -> Path:
    """A socket in a folder that nobody else can enter: what comes out of it is trusted. torchrun's port names the job."""
    if local_world() != world():
        cure = "start torchrun on one machine, and give each machine its part of the input"
        raise UsageError("only training runs on several machines together", cure=cure)
    folder = Path(tempfile.gettempdir()) / f"seqcli-torchrun-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = folder.lstat()
    if kept.st_uid != os.getuid() or kept.st_mode & 0o077 or folder.is_symlink():
        raise UsageError("a folder of somebody else's", where=str(folder), cure="remove it, or set TMPDIR")
    return folder / f"{os.environ['MASTER_PORT']}-{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
