"""The tokens of a text as a model reads them, and the network of an opened model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from seqcli.data.lines import block_of
from seqcli.data.record_reader import RecordReader
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import OpenScorer, OpenTranslator, Piece
from seqcli.text import BOS, BOS_ID, EOS, EOS_ID, one_line


def pieces_of(opened: OpenScorer, text: str) -> list[Piece]:
    """The tokens of a text as `score` counts them, including `</s>` if it is scored."""
    return list(RecordReader.of(opened).pieces(text, whole=opened.ends))


def classified_pieces(tokenizer: Any, text: str) -> list[Piece]:
    """The tokens that a classifier reads."""
    return closed(tokenizer.pieces(one_line(text)), text)


def closed(pieces: Iterable[Piece], text: str) -> list[Piece]:
    """The pieces followed by `</s>`."""
    return [*pieces, Piece(EOS, EOS_ID, len(text), len(text))]


def with_start(pieces: Sequence[Piece]) -> tuple[list[str], list[int]]:
    """Names and ids, with `<s>` before them."""
    return [BOS, *(piece.text for piece in pieces)], [BOS_ID, *(piece.id for piece in pieces)]


def network_of(opened: Any, *, what: str = "gradients", cure: str = "use an rnn, lstm, gru or transformer") -> Any:
    """The network of an opened model, or the first member of an ensemble. Raises UsageError for a counted model, which lacks what is
    asked for."""
    model = getattr(opened.model, "members", [opened.model])[0]
    if not hasattr(model, "body"):
        raise UsageError(f"{opened.name} ({opened.arch}) has no {what}", cure=cure)
    return model


def check_window(count: int, window: int | None, *, name: str) -> None:
    """Raises InputError for more tokens than the window of a model."""
    if window is not None and count > window:
        raise InputError(
            f"{count:,} tokens, but {name} reads at most {window:,} at once",
            cure="give a shorter text, or use another view",
        )


def check_source(opened: OpenTranslator, text: str) -> None:
    """Raises InputError for a text of which a translator makes nothing, or several translations."""
    if not text.strip():
        raise InputError("the text is blank", cure="give a text to translate")
    count, window = len(opened.source.encode(block_of([text]).data).tokens), opened.model.window
    if count > window:
        raise InputError(
            f"{count:,} tokens, but {opened.name} reads at most {window:,} at once",
            cure="give a shorter text, for example a sentence at a time",
        )
