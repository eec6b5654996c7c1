"""Where each token looks, in every layer and head (Vaswani et al. 2017, section 3.2).

Recorded from the network while it reads: of a text in itself, of a translation in its source. Heads are summed up by how much they
look at the token before, the first token and the token itself (Clark et al. 2019, section 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqcli.errors import UsageError
from seqcli.explain.reading import check_window, classified_pieces, closed, network_of, pieces_of, with_start
from seqcli.interfaces import OpenModel, OpenTranslator, is_pseudo, predicts_end
from seqcli.results.inside import AttentionHead, AttentionLayer, AttentionStep, AttentionView

_SCALE = 6  # digits of a weight


def attention(opened: Any, text: str) -> list[AttentionView]:
    """Of a Transformer language model or classifier its self-attention; of a translator, which translates the text, that of its
    encoder and decoder, and between them. Raises UsageError for a model without attention."""
    if isinstance(opened, OpenTranslator):
        return _of_translator(opened, text)
    names, maps, _ = _self(opened, text)
    return [_view("self", names, names, maps)]


def steps(opened: Any, text: str, *, layer: int, head: int, query: int) -> list[AttentionStep]:
    """How the token at place `query` (0 is `<s>`) weighs each token that it sees, in a layer and head, both from 0."""
    names, maps, projected = _self(opened, text)
    if not (layer < len(maps) and head < maps[layer].shape[0] and query < len(names)):
        shape = f"{len(maps)} layers of {maps[0].shape[0]} heads, {len(names)} tokens"
        raise UsageError(
            f"there is no layer {layer + 1}, head {head + 1}, token {query + 1}", cure=f"there are {shape}"
        )
    q, k, v = projected[layer]
    group = head // (len(q) // len(k))
    dots, values = k[group] @ q[head, query], np.linalg.norm(v[group], axis=-1)
    weights = maps[layer][head, query]
    return [
        AttentionStep(
            name, float(dot), float(dot / q.shape[-1] ** 0.5), float(weight), float(value), float(weight * value)
        )
        for name, dot, weight, value in zip(names, dots, weights, values)
        if weight > 0
    ]


def check_length(opened: Any, text: str) -> None:
    """Raises UsageError for a text of which `attention` would show only a part."""
    if not isinstance(opened, OpenTranslator):
        window = getattr(network_of(opened), "window", None)
        check_window(len(_read(opened, text)[1]), window, name=opened.name)


def _read(opened: Any, text: str) -> tuple[list[str], list[int]]:
    """Names and ids of the tokens that a language model or a classifier reads."""
    if not isinstance(opened, OpenModel):
        return with_start(classified_pieces(opened.tokenizer, text))
    pieces = pieces_of(opened, text)
    if not predicts_end(opened.model):
        return with_start(closed(pieces, text))
    return with_start(pieces if is_pseudo(opened.model) else pieces[:-1])  # `</s>` is predicted, not read


def _self(opened: Any, text: str) -> tuple[list[str], list[np.ndarray], list[tuple[np.ndarray, ...]]]:
    """Names of the tokens [T]; of each layer the weights [H, T, T], and its queries, keys and values."""
    import torch

    from seqcli.nn.recording import PROJECTED, SELF, recorded
    from seqcli.nn.transformer import TransformerStack

    model = network_of(opened)
    if not isinstance(model.body, TransformerStack):
        raise UsageError(f"{opened.name} ({opened.arch}) has no attention", cure="give a transformer, or use --gates")
    language = isinstance(opened, OpenModel)
    names, ids = _read(opened, text)
    check_window(len(ids), model.window, name=opened.name)
    tokens = torch.tensor([ids])
    everything = torch.ones_like(tokens, dtype=torch.bool)
    with torch.inference_mode(), recorded(SELF) as maps, recorded(PROJECTED) as projected:
        if not language:
            model.features(tokens, everything)
        elif is_pseudo(opened.model):
            model.seen(tokens, masked=~everything, real=everything)
        else:
            model.features(tokens)
    return names, [each[0].numpy() for each in maps], [tuple(part[0].numpy() for part in each) for each in projected]


def _of_translator(opened: OpenTranslator, text: str) -> list[AttentionView]:
    import torch

    from seqcli.decoding.attention import attentions
    from seqcli.decoding.translate import TranslationSettings, translate
    from seqcli.nn.recording import CROSS, SELF, recorded
    from seqcli.token_batch import TokenBatch

    (line,) = translate(opened, [text], TranslationSettings())
    if len(line.parts) != 1:
        raise UsageError(f"a text of {len(line.parts)} parts", cure="give one that is not blank and fits the window")
    (whole,) = attentions(opened, [line])
    source, target = whole.pieces
    batch = TokenBatch.of([np.array(line.best.parts[0], np.int32)])
    with torch.inference_mode(), recorded(SELF) as encoder:
        memory = opened.model.encode(TokenBatch.of([line.parts[0]]))
    given = opened.model.given(memory)
    with recorded(SELF) as decoder, recorded(CROSS) as cross:
        given.score(batch)
    views = []
    if encoder:
        views.append(_view("encoder", source, source, [each[0].numpy() for each in encoder]))
    read = ["<s>", *target[:-1]]
    if decoder:
        views.append(_view("decoder", read, read, [each[0].numpy() for each in decoder]))
    return [*views, _view("cross", target, source, [each[0].numpy() for each in cross])]


def _view(kind: str, queries: Sequence[str], keys: Sequence[str], maps: Sequence[np.ndarray]) -> AttentionView:
    layers = [AttentionLayer([_head(head, within=kind != "cross") for head in layer]) for layer in maps]
    return AttentionView(kind, list(queries), list(keys), layers)


def _head(weights: np.ndarray, *, within: bool) -> AttentionHead:
    """within: queries and keys are the same tokens."""
    share = weights.astype(np.float64)
    logs = np.log(share, where=share > 0, out=np.zeros_like(share))
    previous = float(np.diagonal(share, -1).mean()) if within and len(share) > 1 else None
    return AttentionHead(
        np.round(share, _SCALE).tolist(),
        previous=previous,
        first=float(share[:, 0].mean()),
        own=float(np.diagonal(share).mean()) if within else None,
        entropy=float(-(share * logs).sum(axis=1).mean()),
    )
