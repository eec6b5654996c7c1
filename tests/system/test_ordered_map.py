"""ordered_map: `map`, on several processes, in order, a bounded way ahead, and gone when it is done."""

import os
import signal
import time

import pytest

from seqcli.errors import InputError, SeqcliError
from seqcli.system.workers import ordered_map

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")


@pytest.fixture(autouse=True)
def _pipe_signal_as_before():
    before = signal.getsignal(signal.SIGPIPE)
    yield
    signal.signal(signal.SIGPIPE, before)


@pytest.fixture(autouse=True)
def _no_child_is_left():
    yield
    end = time.monotonic() + 10
    while True:
        try:
            assert os.waitpid(-1, os.WNOHANG) != (0, 0) or time.monotonic() < end, "a worker lives on"
        except ChildProcessError:
            return
        time.sleep(0.01)


def square(x: int) -> tuple[int, int]:
    time.sleep(0.002 * (x % 3))  # the later ones are often ready first
    return x * x, os.getpid()


@pytest.mark.parametrize("workers", [None, 1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 40])
def test_it_is_map(count, workers):
    results = list(ordered_map(square, range(count), workers=workers))
    assert [value for value, _ in results] == [x * x for x in range(count)]
    pids = {pid for _, pid in results}
    assert pids <= {os.getpid()} if workers == 1 or count < 3 else os.getpid() not in pids


def test_it_reads_a_bounded_way_ahead():
    read = []

    def items():
        for x in range(1000):
            read.append(x)
            yield x

    results = ordered_map(square, items(), workers=2)
    for taken in range(1, 20):
        next(results)
        assert len(read) <= taken + 2 * 2 + 1
    results.close()


def test_one_worker_reads_nothing_ahead():
    read = []
    results = ordered_map(lambda x: x, (read.append(x) or x for x in range(9)), workers=1)
    assert next(results) == 0 and read == [0]


def test_functions_may_close_over_what_cannot_be_sent():
    offset = iter([5])
    lock = open(os.devnull)  # noqa: SIM115
    with lock:
        assert list(ordered_map(lambda x: x + lock.fileno() * 0 + len([offset]), range(5), workers=2)) == [
            1,
            2,
            3,
            4,
            5,
        ]


def failing(x: int) -> int:
    if x == 5:
        raise InputError("no good", where="a.txt, line 5", cure="mend it")
    return x


def test_an_exception_crosses_whole_and_in_its_place():
    results = ordered_map(failing, range(20), workers=2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(InputError) as raised:
        next(results)
    assert (raised.value.what, raised.value.where, raised.value.cure) == ("no good", "a.txt, line 5", "mend it")
    assert raised.value.exit_code == 3


@pytest.mark.parametrize("kind", [ValueError, MemoryError, OSError, UnicodeDecodeError])
def test_other_exceptions_keep_their_type(kind):
    def fail(x):
        raise kind("utf-8", b"\xff", 0, 1, "bad") if kind is UnicodeDecodeError else kind(28, "full")

    with pytest.raises(kind):
        list(ordered_map(fail, range(5), workers=2))


def test_what_the_reader_raises_is_raised():
    def items():
        yield from range(6)
        raise InputError("torn")

    with pytest.raises(InputError, match="torn"):
        list(ordered_map(square, items(), workers=2))


@pytest.mark.parametrize("victim", [0, 3, 11])
def test_a_worker_that_dies_is_an_error_and_no_hang(victim):
    def die(x):
        if x == victim:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    begun = time.monotonic()
    with pytest.raises(SeqcliError, match=r"worker process died.*--threads 1"):
        list(ordered_map(die, range(12), workers=2))
    assert time.monotonic() - begun < 20


def test_an_answer_that_cannot_be_sent_is_an_error_and_no_hang():
    with pytest.raises(SeqcliError, match="worker process died"):
        list(ordered_map(lambda x: lambda: x, range(5), workers=2))


def test_closing_early_ends_the_workers():
    results = ordered_map(square, range(10**9), workers=3)
    assert next(results)[0] == 0
    results.close()  # the fixture looks for what is left


def test_an_error_of_the_consumer_ends_the_workers():
    def consume():
        for value, _ in ordered_map(square, range(10**9), workers=2):
            if value > 100:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        consume()


def test_large_answers_do_not_stop_the_pipes():
    sizes = [len(part) for part in ordered_map(lambda x: bytes(3_000_000 + x), range(8), workers=2)]
    assert sizes == [3_000_000 + x for x in range(8)]
