"""Damaged and hostile models of every kind: answered as the whole one, or refused in one line, soon and in little memory."""

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import damage
import pytest
from tiny_training import TEXT

from seqcli import cli

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")]
MEMORY = 500 << 20  # bytes beyond those of the process that is forked
LINES = [*TEXT.splitlines(), "나는 기계 학습을 공부한다", "나는 매일 수학을 공부한다"]
SECONDS = 20  # of which a busy machine takes some

LANGUAGE = [
    "score -m M the-cat",
    "generate -m M the --next 3",
    "generate -m M the --max-new-tokens 3",
    "info M --verify",
    "tokenize -m M the",
]
CLASSIFIER = ["classify -m M the-cat", "classify -m M the-cat --explain", "info M --verify"]
KINDS = {  # how it is made, what it is asked
    "ngram": (["lm", "t.txt", "--order", 3], [*LANGUAGE, "convert M out.arpa"]),
    "gru": (["lm", "t.txt", "--arch", "gru"], LANGUAGE),
    "transformer": (["lm", "t.txt", "--arch", "transformer", "--tokenizer", "characters"], [*LANGUAGE, "score -m M the-cat --scramble"]),
    "feedforward": (["lm", "t.txt", "--arch", "feedforward", "--unit", "document"], LANGUAGE),
    "bag": (["classifier", "t.tsv", "--set", "buckets=1024"], CLASSIFIER),
    "c-ngram": (["classifier", "t.tsv", "--arch", "ngram", "--tokenizer", "words"], CLASSIFIER),
    "cnn": (["classifier", "t.tsv", "--arch", "cnn", "--tokenizer", "words"], CLASSIFIER),
    "translator": (["translator", "p.tsv", "--arch", "gru", "--tokenizer", "words"], ["translate -m M the-cat", "info M --verify"]),
    "tokenizer": (["tokenizer", "t.txt", "--vocab-size", 300], ["tokenize -m M the-cat", "info M", "tokenize -m M --vocab"]),
}  # fmt: skip
FILES = {"ngram": ["m.arpa", "m.arpa.gz"], "tokenizer": ["t.model"]}


class Answer(NamedTuple):
    """code: negative where a signal ended it; memory: bytes that it took."""

    code: int
    out: bytes
    err: str
    memory: int


def asked(question: str, model: str, folder: Path) -> Answer:
    """In a copy of this process, with limits."""
    arguments = [model if word == "M" else word.replace("-cat", " cat") for word in question.split()] + ["-q"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if not (pid := os.fork()):
        code = 99
        with suppress(BaseException):
            os.chdir(folder)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(SECONDS)
            for stream, name in ((1, "stdout"), (2, "stderr")):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
            sys.stdout, sys.stderr = (os.fdopen(stream, "w") for stream in (1, 2))
            code = cli.run(arguments)
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    _, status, used = os.wait4(pid, 0)
    out, err = ((folder / name).read_bytes() for name in ("stdout", "stderr"))
    return Answer(os.waitstatus_to_exitcode(status), out, err.decode(), (used.ru_maxrss - before) << 10)


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """A model of each kind, made when first asked for, and what it answers. Torch is imported here, once."""
    import torch

    torch.set_num_threads(1)
    folder, answers = tmp_path_factory.mktemp("whole"), {}
    (folder / "t.txt").write_text("".join(f"{line}\n" for line in LINES * 3))
    (folder / "t.tsv").write_text(
        "label\ttext\n" + "".join(f"{'ab'[i % 2]}\t{line}\n" for i, line in enumerate(LINES * 3))
    )
    (folder / "p.tsv").write_text("source\ttarget\n" + "".join(f"{line}\t{line[::-1]}\n" for line in LINES * 3))

    def make(kind: str, name: str) -> Path:
        arguments, _ = KINDS[kind]
        if not (folder / kind).exists():
            network = kind in ("gru", "transformer", "feedforward", "cnn", "translator")
            tiny = ["--preset", "tiny", "--steps", 2, "--threads", 1, *(["--set", "width=16"] if kind != "cnn" else [])]
            columns = ["--source-column", "source", "--target-column", "target"] if kind == "translator" else []
            words = ["train", *arguments, *(tiny if network else []), *columns, "-o", kind]
            assert asked(" ".join(map(str, words)), "", folder).code == 0, (folder / "stderr").read_text()
        if name.startswith("m.arpa") and not (folder / name).exists():
            assert asked(f"convert {kind} {name}", "", folder).code == 0
        if name == "t.model":
            damage.copied(folder / kind / "tokenizer.model", folder / name)
        return folder / (name or kind)

    def answer(question: str, kind: str, name: str) -> bytes:
        if (question, kind, name) not in answers:
            answers[question, kind, name] = asked(question, make(kind, name).name, folder).out
            for made in folder.glob("out*"):
                made.unlink()
        return answers[question, kind, name]

    return make, answer


def test_a_damaged_model_answers_as_the_whole_one_or_is_refused(whole, tmp_path, mutation):
    make, answer = whole
    rng = Random(mutation)
    kind = rng.choice([*KINDS])
    name = rng.choice(["", *FILES.get(kind, [])])
    question = rng.choice(KINDS[kind][1] if not name else ["info M", "tokenize -m M the-cat"])
    expected = answer(question, kind, name)
    model = damage.copied(make(kind, name), tmp_path / (name or kind))
    files = [model] if name else sorted(path for path in model.rglob("*") if path.is_file())
    ways = [
        (damage.changed_bytes, files),
        (damage.another_kind, files),
        (damage.changed_lines, files if "arpa" in name else []),
    ]
    ways += [(damage.changed_settings, [f for f in files if f.suffix == ".json"])] * 2
    ways += [(damage.changed_tensor, [f for f in files if f.suffix == ".safetensors"])] * 2
    way, choice = rng.choice([(way, choice) for way, choice in ways if choice])
    path, right = rng.choice(choice), False
    did = f"{path.name}: {way(rng, path)}"
    if (
        (model / "manifest.json").is_file()
        and path.name != "manifest.json"
        and path.is_file()
        and not path.is_symlink()
    ):
        right = rng.random() < 0.7
        if right:
            damage.put_right(model)
    done = asked(question, model.name, tmp_path)
    said = f"{kind}: {did}{', checksums put right' if right else ''}: {question}: {done}"
    assert done.code in (0, 3, 4), said
    assert done.code == 0 or (done.err.count("\n") == 1 and "error: " in done.err and "\x1b" not in done.err), said
    assert "Traceback" not in done.err and "Warning" not in done.err and done.memory < MEMORY, said
    unverified = right or name or path.name in ("manifest.json", "tokenizer.json")
    assert done.code or unverified or done.out == expected, f"answers otherwise than the whole model: {said}"
