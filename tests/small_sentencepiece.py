"""SentencePiece models as the library trains them, for tests of files that others made."""

import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import sentencepiece

from seqcli.system.workers import in_child


def trained(texts: Iterable[str], **settings) -> bytes:
    """The contents of a `.model` file.

    In a process of its own: the library's threads stay behind in one that has trained, and end the processes which are forked from it.
    """
    how = {"hard_vocab_limit": False, "minloglevel": 4} | settings
    with tempfile.TemporaryDirectory() as folder:
        text, model = Path(folder) / "text.txt", Path(folder) / "m.model"
        text.write_text("".join(f"{line}\n" for line in texts), encoding="utf-8")
        train = sentencepiece.SentencePieceTrainer.train
        in_child(partial(train, input=str(text), model_prefix=str(model.with_suffix("")), **how), openmp=True)
        return model.read_bytes()
