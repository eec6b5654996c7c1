"""SentencePiece models as the library trains them, for tests of files that others made."""

import io
from collections.abc import Iterable

import sentencepiece

from seqcli.system.workers import in_child


def trained(texts: Iterable[str], **settings) -> bytes:
    """The contents of a `.model` file.

    In a process of its own: the library's threads stay behind in one that has trained, and end the processes which are forked from it.
    """

    def model() -> bytes:
        out = io.BytesIO()
        how = {"hard_vocab_limit": False, "minloglevel": 4} | settings
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(texts), model_writer=out, **how)
        return out.getvalue()

    return in_child(model)
