"""A text as a network reads it: its tokens with their names, and the part of the network that a view looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from seqcli.data.record_reader import RecordReader
from seqcli.errors import UsageError
from seqcli.interfaces import OpenScorer, Piece
from seqcli.text import BOS, BOS_ID, EOS, EOS_ID, one_line


def pieces_of(opened: OpenScorer, text: str) -> list[Piece]:
    """The tokens of a text as `score` counts them: with the one that ends it, where there is one."""
    return list(RecordReader.of(opened).pieces(text, whole=opened.ends))


def classified_pieces(tokenizer: Any, text: str) -> list[Piece]:
    """Those that a classifier reads."""
    return closed(tokenizer.pieces(one_line(text)), text)


def closed(pieces: Iterable[Piece], text: str) -> list[Piece]:
    """With the `</s>` that ends them."""
    return [*pieces, Piece(EOS, EOS_ID, len(text), len(text))]


def with_start(pieces: Sequence[Piece]) -> tuple[list[str], list[int]]:
    """Names and ids after `<s>`."""
    return [BOS, *(piece.text for piece in pieces)], [BOS_ID, *(piece.id for piece in pieces)]


def network_of(opened: Any) -> Any:
    """The network of an opened model, of an ensemble its first member. Raises UsageError for a model that is counted."""
    model = getattr(opened.model, "members", [opened.model])[0]
    if not hasattr(model, "body"):
        raise UsageError(
            f"{opened.name} ({opened.arch}) is no neural model", cure="give an rnn, lstm, gru or transformer"
        )
    return model


def check_window(count: int, window: int | None, *, name: str) -> None:
    """Raises UsageError for more tokens than a model sees at once."""
    if window is not None and count > window:
        raise UsageError(
            f"{count:,} tokens, and {name} sees {window:,} at once", cure="give a shorter text, or use another view"
        )
