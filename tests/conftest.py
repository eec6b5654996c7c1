"""What several rooms' tests share: a small corpus, models of it made once, and two ways to run a command.

`seqcli` starts a process, as a user's shell does; `here` runs the same command in this process, ten times as fast.
"""

import compileall
import gc
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from seqcli import cli
from seqcli.interfaces import OpenModel
from seqcli.models import ngram
from seqcli.runs.model_writer import writing_model
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.load import open_model
from seqcli.tasks.language.train_counted import train_counted
from seqcli.tasks.tokenizer_choice import TokenizerChoice

CHECKOUT = Path(__file__).parents[1]
LINES = [
    "I study machine learning", "I study mathematics every day", "she studies machine learning at night",
    "my computer is very slow", "my computer is very old", "my shirt is very clean", "the dog saw the cat",
    "the cat saw the dog", "the cat sleeps", "나는 기계 학습을 공부한다", "나는 매일 수학을 공부한다",
    "제 컴퓨터는 아주 느려요",
]  # fmt: skip

if "PYTEST_XDIST_WORKER" in os.environ:  # as many workers as cores: threads of their own would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run of CI; at a desk new ones every time. A busy machine is slow, and no test fails of that.
settings.register_profile(
    "seqcli", derandomize=bool(os.environ.get("CI")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("seqcli")


def pytest_collection_finish() -> None:
    gc.freeze()  # what is imported stays: half a million objects that the garbage collector need not visit again


class Done(NamedTuple):
    """A command that has ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """Its output as TSV."""
        assert self.out == "" or self.out.endswith("\n")
        return [line.split("\t") for line in self.out.split("\n")[:-1]]


@pytest.fixture(scope="session", autouse=True)
def no_wait_for_disks():
    """Only a machine that loses its power could tell whether a file has reached the disk; tests wait for it thousands of times.
    Processes that tests start do wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def one_thread():
    """PyTorch in one thread: so little work is slower in two."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text("".join(line + "\n" for line in LINES * 3), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def models(tmp_path_factory, corpus):
    """Model folders by the name of their tokenizer ("document": words, of running text), made when first asked for."""
    folder = tmp_path_factory.mktemp("models")

    def made(name: str) -> Path:
        if not (folder / name).exists():
            unit = "document" if name == "document" else "line"
            sizes = {"sentencepiece": 300}
            choice = TokenizerChoice("words" if name == "document" else name, vocab_size=sizes.get(name))
            with writing_model(folder / name) as writer:
                train_counted(writer, Corpus((str(corpus),), unit=unit), choice, ngram.Config(order=3), memory=1 << 30)
        return folder / name

    return made


@pytest.fixture(scope="session")
def model(models) -> Path:
    """A small model of words."""
    return models("words")


@pytest.fixture(scope="session")
def opened(model) -> OpenModel:
    return open_model(str(model))


@pytest.fixture(scope="session")
def translator(tmp_path_factory) -> Path:
    """A translator from English to Korean that has learnt next to nothing: a network of one second."""
    folder = tmp_path_factory.mktemp("translator")
    lines = (CHECKOUT / "sample_data" / "english-korean.tsv").read_text("utf-8").split("\n")[:80]
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [
        "train", "translator", folder / "pairs.tsv", "-o", folder / "tiny", "--source-column", "english", "--target-column",
        "korean", "--preset", "tiny", "--steps", 20, "--set", "width=16", "--vocab-size", 400, "--precision", "fp32",
        "--threads", 1, "-q",
    ]  # fmt: skip
    assert cli.run([str(word) for word in command]) == 0
    return folder / "tiny"


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """Of the processes that tests start: nothing of this machine's user is touched.

    The package is compiled for them here, once, even where Python is told not to keep what it compiles. A process under a limit on
    the size of files would keep half of it.
    """
    compileall.compile_dir(CHECKOUT / "seqcli", quiet=2)
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM", "COLUMNS")}
    cache = str(tmp_path_factory.mktemp("cache"))
    return {
        **kept,
        "XDG_CACHE_HOME": cache,
        "PYTHONPATH": str(CHECKOUT),
        "TERM": "xterm-256color",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture
def seqcli(environment, tmp_path):
    """`seqcli("score", "-m", ...)` in a process of its own, in an empty folder; stdin is bytes."""

    def run(*arguments: object, stdin: bytes = b"", cwd: Path = tmp_path, env: dict | None = None) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "seqcli", *map(str, arguments)],
            input=stdin, capture_output=True, cwd=cwd, env={**environment, **(env or {})}, timeout=120,
        )  # fmt: skip
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def ranks(environment, tmp_path):
    """`ranks("score", "-m", ...)`: the command in two processes, as torchrun starts them; what each of them said.

    The input, if any, is there for whoever reads it first, as with torchrun.
    """

    def run(*arguments: object, stdin: bytes = b"", module: str = "seqcli", world: int = 2) -> list[Done]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            job = {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        job |= {"WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world), "OMP_NUM_THREADS": "1", "TMPDIR": "/tmp"}
        (tmp_path / "stdin").write_bytes(stdin)
        with open(tmp_path / "stdin", "rb") as given:
            processes = [
                subprocess.Popen(
                    [sys.executable, "-m", module, *map(str, arguments)], stdin=given, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, cwd=tmp_path, env={**environment, **job, "RANK": str(r), "LOCAL_RANK": str(r)},
                )
                for r in range(world)
            ]  # fmt: skip
            said = [process.communicate(timeout=120) for process in processes]
        return [Done(process.returncode, out.decode(), err.decode()) for process, (out, err) in zip(processes, said)]

    return run


@pytest.fixture
def here(capsysbinary, monkeypatch, tmp_path, tmp_path_factory):
    """`here("score", "-m", ...)` in this process: the exit code and what was printed."""
    given = tmp_path_factory.mktemp("stdin")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGPIPE)}
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, stdin: bytes = b"") -> Done:
        (given / "stdin").write_bytes(stdin)
        capsysbinary.readouterr()
        with open(given / "stdin", "rb") as file:
            monkeypatch.setattr(
                sys, "stdin", SimpleNamespace(buffer=file, closed=False, fileno=file.fileno, close=file.close)
            )
            code = cli.run([str(argument) for argument in arguments])
        out, err = capsysbinary.readouterr()
        return Done(code, out.decode(), err.decode())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
