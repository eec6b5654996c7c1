"""Which worker gets which block: results in the order of the blocks, and none is lost or doubled where workers die.

What a worker was asked for when it died is asked of another; the place of the dead one is taken by a new one, on whatever machine
has room. A result is given out once, since it is filed under the number of its block.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

from seqcli.errors import OutputError

_AT_A_TIME = 2  # blocks that a worker has: while one result travels, it works on the next
_DEATHS = 4  # of workers over the same block, beyond which it is the block's fault
_PATIENCE = 15.0  # seconds without any worker after which the user is told


class WorkerDied(Exception):
    """Of a ticket: its worker is gone, with all that it was asked for."""


class Workers(Protocol):
    """What can be asked of a cluster. A ticket, hashable, stands for something that will be finished."""

    count: int  # of workers that the cluster has room for

    def begin(self) -> tuple[Any, Any]:
        """A new worker, and the ticket of its start."""

    def ask(self, worker: Any, item: bytes) -> Any:
        """The ticket of the answer to an item."""

    def finished(self, tickets: Collection[Any], *, seconds: float) -> Any | None:
        """A ticket that is finished, None where there is none by then."""

    def answer(self, ticket: Any) -> bytes | None:
        """What a worker answered: None to its start where that went well. Raises WorkerDied."""


def scheduled(
    workers: Workers, next_item: Callable[[], bytes | None], *, delayed: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    """The answers to all items, in order. next_item: gives None at the end. delayed: called once where no worker starts."""
    asked: dict[
        Any, tuple[Any, int | None]
    ] = {}  # by ticket: the worker, and the number of the item; None for its start
    load: dict[Any, int] = {}  # items of each worker that has started
    items: dict[int, bytes] = {}  # until they are answered
    unasked: deque[int] = deque()
    answers: dict[int, bytes] = {}
    deaths: Counter[int | None] = Counter()
    read = given = 0
    ended = waited = False
    while True:
        while not ended and read - given < 2 * _AT_A_TIME * workers.count and len(unasked) < workers.count:
            if (item := next_item()) is None:
                ended = True
            else:
                items[read] = item
                unasked.append(read)
                read += 1
        while unasked and (free := [worker for worker in load if load[worker] < _AT_A_TIME]):
            worker, place = min(free, key=load.__getitem__), unasked.popleft()
            asked[workers.ask(worker, items[place])] = worker, place
            load[worker] += 1
        starting = sum(number is None for _, number in asked.values())
        for _ in range(min(len(unasked), workers.count - len(load)) - starting):
            worker, ticket = workers.begin()
            asked[ticket] = worker, None
        if given in answers:
            yield answers.pop(given)
            given += 1
            continue
        if ended and given == read:
            return
        ticket = workers.finished(asked, seconds=_PATIENCE)
        if ticket is None:
            if not load and not waited:
                delayed()
                waited = True
            continue
        worker, number = asked.pop(ticket)
        try:
            answer = workers.answer(ticket)
        except WorkerDied as error:
            load.pop(worker, None)
            deaths[number] += 1
            if deaths[number] > _DEATHS:
                cure = "check the memory of the machines, or use smaller blocks of work: --threads 1 or shorter lines"
                what = (
                    "workers of the cluster cannot start"
                    if number is None
                    else "a worker of the cluster dies again and again"
                )
                raise OutputError(f"{what} ({error})", cure=cure) from None
            if number is not None:
                unasked.appendleft(number)
            continue
        if number is None:
            if answer is not None:  # it could not open the models
                yield answer
                return
            load[worker] = 0
            deaths[None] = 0
        else:
            if worker in load:
                load[worker] -= 1
            answers[number] = answer or b""
            del items[number]
