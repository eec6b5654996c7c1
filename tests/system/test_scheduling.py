"""Blocks and workers: every answer once and in order, whoever finishes first and whoever dies."""

import random
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.errors import OutputError
from seqcli.system.cluster.scheduling import WorkerDied, scheduled


class Fake:
    """Workers that answer b"x" with b"x!", in any order; `dies` says of each ticket in turn whether its worker is gone by then."""

    def __init__(self, workers, *, seed=0, dies=lambda item: False, room=None, start=None):
        self.count, self._room, self._start = workers, workers if room is None else room, start
        self._dies, self._random, self._numbers = dies, random.Random(seed), count()
        self.alive, self.open, self.begun, self.most = set(), {}, 0, 0

    def begin(self):
        self.begun += 1
        worker, ticket = f"worker {self.begun}", next(self._numbers)
        if len(self.alive) < self._room:
            self.alive.add(worker)
            self.open[ticket] = worker, None
        return worker, ticket

    def ask(self, worker, item):
        ticket = next(self._numbers)
        self.open[ticket] = worker, item
        self.most = max(self.most, len(self.open))
        return ticket

    def finished(self, tickets, *, seconds):
        done = sorted(self.open.keys() & set(tickets))
        return self._random.choice(done) if done else None

    def answer(self, ticket):
        worker, item = self.open.pop(ticket)
        if worker in self.alive and self._dies(item):
            self.alive.remove(worker)
        if worker not in self.alive:
            raise WorkerDied("killed")
        return self._start if item is None else item + b"!"


def ran(workers, number, **more):
    items = iter([b"%d" % n for n in range(number)])
    return list(scheduled(workers, lambda: next(items, None), **more))


@given(workers=st.integers(1, 5), number=st.integers(0, 40), seed=st.integers(0, 10**6))
def test_answers_are_those_of_all_items_in_order(workers, number, seed):
    fake = Fake(workers, seed=seed)
    assert ran(fake, number) == [b"%d!" % n for n in range(number)]
    assert fake.begun <= min(workers, number)  # no worker opens models for nothing
    assert all(item is None for _, item in fake.open.values())
    assert fake.most <= 2 * workers


@given(
    workers=st.integers(1, 4),
    number=st.integers(1, 30),
    seed=st.integers(0, 10**6),
    deaths=st.sets(st.integers(0, 60), max_size=4),
)
def test_nothing_is_lost_or_doubled_where_workers_die(workers, number, seed, deaths):
    turn = count()
    fake = Fake(workers, seed=seed, dies=lambda item: next(turn) in deaths)
    assert ran(fake, number) == [b"%d!" % n for n in range(number)]
    assert fake.begun <= min(workers, number) + len(deaths)


def test_items_are_read_a_little_ahead():
    read = given = 0

    def next_item():
        nonlocal read
        read += 1
        assert read - given <= 4 * 3
        return b"" if read <= 100 else None

    for _ in scheduled(Fake(3, seed=1), next_item):
        given += 1
    assert given == 100


def test_an_item_that_kills_every_worker_is_an_error():
    with pytest.raises(OutputError, match=r"dies again and again \(killed\); check the memory"):
        ran(Fake(2, dies=lambda item: item == b"7"), 20)


def test_workers_that_never_start_are_an_error():
    with pytest.raises(OutputError, match="cannot start"):
        ran(Fake(2, dies=lambda item: item is None), 20)


def test_fewer_workers_than_the_cluster_seemed_to_have_room_for():
    """Others use it too."""
    fake = Fake(4, room=1)
    assert ran(fake, 20) == [b"%d!" % n for n in range(20)]


def test_an_error_of_the_start_is_the_answer():
    assert ran(Fake(2, start=b"no model"), 20) == [b"no model"]


def test_the_user_is_told_once_that_there_is_no_room():
    told, fake, left = [], Fake(2, room=0), count(3, -1)

    def delayed():
        told.append(len(told))

    def waited(tickets, *, seconds):
        if next(left) == 0:  # at last there is
            fake.alive |= {"worker 1"}
            fake.open[0] = "worker 1", None
        return Fake.finished(fake, tickets, seconds=seconds)

    fake.finished = waited
    assert ran(fake, 3, delayed=delayed) == [b"0!", b"1!", b"2!"] and told == [0]
