"""Assigns blocks to workers: results come in the order of the blocks, and none is lost or duplicated if workers die.

The pending items of a dead worker are given to others, and a new worker is started on any machine with room. Results are
stored by the number of their block, so each is yielded once.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

from seqcli.errors import OutputError

_AT_A_TIME = 2  # blocks assigned to a worker: while one result is transferred, it computes the next
_DEATHS = 4  # number of workers that may die on the same block before it is considered the cause
_PATIENCE = 15.0  # seconds without any worker before the user is told


class WorkerDied(Exception):
    """The worker of a ticket is gone, with all its pending items."""


class Workers(Protocol):
    """The operations of a cluster. A ticket is a hashable handle of a result that will be available later."""

    count: int  # maximum number of workers

    def begin(self) -> tuple[Any, Any]:
        """Starts a worker; returns it with the ticket of its start."""

    def ask(self, worker: Any, item: bytes) -> Any:
        """Sends an item; returns the ticket of its answer."""

    def finished(self, tickets: Collection[Any], *, seconds: float) -> Any | None:
        """A ticket whose result is available; None after the timeout."""

    def answer(self, ticket: Any) -> bytes | None:
        """The result of a ticket; None for the start of a worker if it succeeded. Raises WorkerDied."""


def scheduled(
    workers: Workers, next_item: Callable[[], bytes | None], *, delayed: Callable[[], None] = lambda: None
) -> Iterator[bytes]:
    """Yields the answers to all items, in order. next_item: returns None at the end. delayed: called once if no worker starts."""
    # by ticket: the worker, and the index of the item (None for its start)
    pending: dict[Any, tuple[Any, int | None]] = {}
    load: dict[Any, int] = {}  # pending items of each worker that has started
    items: dict[int, bytes] = {}  # unanswered items
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
            pending[workers.ask(worker, items[place])] = worker, place
            load[worker] += 1
        starting = sum(number is None for _, number in pending.values())
        for _ in range(min(len(unasked), workers.count - len(load)) - starting):
            worker, ticket = workers.begin()
            pending[ticket] = worker, None
        if given in answers:
            yield answers.pop(given)
            given += 1
            continue
        if ended and given == read:
            return
        ticket = workers.finished(pending, seconds=_PATIENCE)
        if ticket is None:
            if not load and not waited:
                delayed()
                waited = True
            continue
        worker, number = pending.pop(ticket)
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
