"""Which of seqcli's files a command executes, and how often a call goes from one of them to another.

    python bench/journey.py [--show VERB]

Every command runs on one sentence, with models trained for the purpose. A file counts as executed when one of its functions is called
(importing it does not count); a move is a call of a function in another file than the caller's, whatever libraries lie between. Commands
with many moves are hard to follow.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import seqcli
from seqcli import cli

ROOT = Path(seqcli.__file__).parent
TEXT = "the cat sat on the mat\nthe dog sat on the cat\nI study machine learning\n" * 40
TRAININGS = {
    "ngram": "train lm t.txt -o ngram --order 3",
    "bag": "train classifier t.tsv -o bag",
    "gru": "train translator p.tsv -o gru --arch gru --preset tiny --tokenizer words --steps 2",
}
VERBS = {
    "tokenize": "tokenize -m ngram",
    "score": "score -m ngram",
    "score --level token": "score -m ngram --level token",
    "score --scramble": "score -m ngram --scramble",
    "generate": "generate -m ngram --max-new-tokens 3",
    "generate --next": "generate -m ngram --next 3",
    "classify": "classify -m bag",
    "translate": "translate -m gru",
    "train lm": "train lm t.txt -o made --order 3 --force",
}


class Journey:
    """The files whose functions are called, and the calls from one file to another."""

    def __init__(self):
        self.moves: Counter[tuple[str, str]] = Counter()
        self.files: set[str] = set()
        self._callers: list[str] = []

    def __call__(self, frame, event, _) -> None:
        name = frame.f_code.co_filename
        if event not in ("call", "return") or not name.startswith(str(ROOT)) or frame.f_code.co_name == "<module>":
            return
        if event == "return":
            if self._callers:
                self._callers.pop()
            return
        file = str(Path(name).relative_to(ROOT))
        self.files.add(file)
        if self._callers and self._callers[-1] != file:
            self.moves[self._callers[-1], file] += 1
        self._callers.append(file)


def travelled(command: str, text: str | None) -> Journey:
    """Runs a command once to import what it needs, and once to watch it."""
    arguments = command.split() + ([text] if text else [])
    for watched in (False, True):
        journey = Journey()
        with (
            contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())),
            contextlib.redirect_stderr(io.StringIO()) as errors,
        ):
            sys.setprofile(journey if watched else None)
            try:
                code = cli.run(arguments)
            finally:
                sys.setprofile(None)
        if code:
            sys.exit(f"{command}: {errors.getvalue()}")
    return journey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", help="list the moves of a verb")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("t.txt").write_text(TEXT)
        Path("t.tsv").write_text(
            "label\ttext\n" + "".join(f"{'ab'[n % 2]}\t{line}\n" for n, line in enumerate(TEXT.splitlines()))
        )
        Path("p.tsv").write_text("source\ttarget\n" + "".join(f"{line}\t{line[::-1]}\n" for line in TEXT.splitlines()))
        for training in TRAININGS.values():  # the first time imports, the second replaces
            travelled(f"{training} --force", None)
        print(f"{'':22}{'files':>6}{'moves':>7}")
        for verb, command in VERBS.items():
            journey = travelled(command, None if verb.startswith("train") else "I study machine learning")
            print(f"{verb:22}{len(journey.files):>6}{sum(journey.moves.values()):>7}")
            if args.show == verb:
                for (caller, called), count in journey.moves.most_common():
                    print(f"    {count:>4}  {caller} -> {called}")


if __name__ == "__main__":
    main()
