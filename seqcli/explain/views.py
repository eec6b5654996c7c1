"""The views of `seqcli explain`: which suit a model, and how each is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from seqcli.errors import InputError, UsageError
from seqcli.explain.attention import attention
from seqcli.explain.attention import check_length as check_attention
from seqcli.explain.embeddings import embeddings
from seqcli.explain.gates import gates
from seqcli.explain.model_inputs import check_source
from seqcli.explain.ngram import ngram_paths
from seqcli.explain.positions import positions
from seqcli.explain.reach import reach
from seqcli.explain.search import search
from seqcli.explain.surprisal import surprisal
from seqcli.interfaces import OpenModel, OpenTranslator
from seqcli.models.ngram import NgramModel
from seqcli.results.views import WordInfluences
from seqcli.tasks.classification.load import OpenClassifier
from seqcli.tasks.embeddings.load import OpenEmbeddings, open_embeddings


@dataclass(frozen=True)
class Explained:
    """An opened model; record: of its training; untrained: the same network with random weights, None for a counted model; path: of its
    folder."""

    opened: Any
    record: dict[str, Any] = field(default_factory=dict)
    untrained: Any = None
    path: str | None = None


@dataclass(frozen=True)
class How:
    """top_k: number of expected tokens to show; beam_size, max_new_tokens: of the search."""

    top_k: int = 5
    beam_size: int = 4
    max_new_tokens: int = 20


def views(
    model: Explained,
    text: str,
    *,
    kinds: tuple[str, ...] = (),
    how: How | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Iterator[Any]:
    """The views of these kinds, or those that suit the model and the length of the text; note: called with a line about each view
    that is left out. Raises UsageError for a view that does not apply to the model, and InputError, before any is computed, for a text
    that is too long."""
    chosen = bool(kinds)
    kinds = kinds or suited(model.opened)
    if isinstance(model.opened, OpenEmbeddings) and kinds != ("embeddings",):
        other = next(kind for kind in kinds if kind != "embeddings")
        raise UsageError(
            f"{model.opened.name} is a model of word embeddings", where=f"--{other}", cure="use --embeddings"
        )
    too_long = {kind: error for kind in kinds if (error := _too_long(kind, model.opened, text))}
    if too_long and (chosen or len(too_long) == len(kinds)):
        raise next(iter(too_long.values()))
    for kind, error in too_long.items():
        note(f"{kind} is left out: {error.what}")
    kinds = tuple(kind for kind in kinds if kind not in too_long)
    for kind in kinds:
        made = KINDS[kind](model, text, how or How())
        yield from made if isinstance(made, list) else [made]


def _too_long(kind: str, opened: Any, text: str) -> InputError | None:
    """Why the text is too long for a view, if it is."""
    try:
        if kind == "attention":
            check_attention(opened, text)
        elif kind == "search" and isinstance(opened, OpenTranslator):
            check_source(opened, text)
    except InputError as error:
        return error
    return None


def suited(opened: Any) -> tuple[str, ...]:
    """The views that suit a model."""
    if isinstance(opened, OpenEmbeddings):
        return ("embeddings",)
    if isinstance(opened, OpenTranslator):
        return ("attention", "search")
    if isinstance(opened, OpenClassifier):
        return ("words",)
    if isinstance(opened.model, NgramModel):
        return ("ngram",)
    from seqcli.nn.transformer import TransformerStack

    if isinstance(getattr(opened.model, "body", None), TransformerStack):
        return ("surprisal", "attention")
    return ("surprisal", "gates") if opened.arch in ("rnn", "lstm", "gru") else ("surprisal",)


def _language(view: Callable[..., Any], name: str) -> Callable[[Explained, str, How], Any]:
    """A view that only language models have."""

    def made(model: Explained, text: str, how: How) -> Any:
        if not isinstance(model.opened, OpenModel):
            raise UsageError(
                f"{model.opened.name} is not a language model", where=f"--{name}", cure="use a language model"
            )
        return view(model, text, how)

    return made


def _words(model: Explained, text: str, how: How) -> WordInfluences:
    from seqcli.tasks.classification.classify import explain

    if not isinstance(model.opened, OpenClassifier):
        raise UsageError(f"{model.opened.name} is not a classifier", where="--words", cure="use a classifier")
    found = explain(model.opened, text)
    return WordInfluences(found.label, found.probability, found.words, found.grouped)


def _embeddings(model: Explained, text: str, how: How) -> Any:
    opened = model.opened
    if not isinstance(opened, OpenEmbeddings):
        if model.path is None:
            raise UsageError(
                f"{opened.name} has no embeddings", where="--embeddings", cure="give embeddings or a neural model"
            )
        opened = open_embeddings(model.path, name=opened.name)
    return embeddings(opened, text, k=how.top_k)


KINDS: dict[str, Callable[[Explained, str, How], Any]] = {
    "surprisal": _language(lambda model, text, how: surprisal(model.opened, text, k=how.top_k), "surprisal"),
    "attention": lambda model, text, how: attention(model.opened, text),
    "gates": lambda model, text, how: gates(model.opened, text),
    "reach": _language(lambda model, text, how: reach(model.opened, text, untrained=model.untrained), "reach"),
    "positions": lambda model, text, how: positions(model.opened),
    "search": lambda model, text, how: search(
        model.opened, text, beam_size=how.beam_size, max_new_tokens=how.max_new_tokens
    ),
    "ngram": _language(lambda model, text, how: ngram_paths(model.opened, text, record=model.record), "ngram"),
    "words": _words,
    "embeddings": _embeddings,
}
