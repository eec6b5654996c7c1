"""Attention weights of every layer and head (Vaswani et al. 2017, section 3.2).

Computed from the queries and keys that are recorded during a forward pass: self-attention for a text, also cross-attention for a
translation. Each head is summarised by its mean attention to the previous token, the first token and the token itself (Clark et al.
2019, section 3).

A long text has too many weights to display or keep: T x S in each head, 100 million for 10,000 tokens. They are computed for a part of
the queries at a time, and consecutive tokens are grouped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqcli.errors import UsageError
from seqcli.explain.model_inputs import (
    check_source,
    check_window,
    classified_pieces,
    closed,
    network_of,
    pieces_of,
    with_start,
)
from seqcli.interfaces import OpenModel, OpenTranslator, is_pseudo, predicts_end
from seqcli.results.views import AttentionHead, AttentionLayer, AttentionStep, AttentionSteps, AttentionView

_SCALE = 6  # decimal places of a weight
_MOST = 16_000_000  # maximum number of weights in a view, over all heads
_GROUPS = 256  # number of groups per side of a larger view, so that a picture fits the screen
_MOST_STEPS = 4_000_000  # maximum number of weights in a view that shows their computation
_AT_ONCE = 4_000_000  # number of weights computed at a time


def attention(opened: Any, text: str) -> list[AttentionView]:
    """The self-attention of a Transformer language model or classifier; for a translator, which translates the text, that of its
    encoder and decoder, and the cross-attention. Raises UsageError for a model without attention."""
    if isinstance(opened, OpenTranslator):
        return _of_translator(opened, text)
    return [_of_text(opened, text)]


def steps(view: AttentionView, *, layer: int | None, head: int | None, query: int) -> AttentionSteps:
    """How the attention weights of one token are computed. layer, head, query: numbered from 1 (token 1 is `<s>`); by default the last
    layer and the first head. Raises UsageError if there is no such layer, head or token."""
    layer, head = layer or len(view.layers), head or 1
    heads = len(view.layers[0].heads)
    if not (layer <= len(view.layers) and head <= heads and query <= len(view.queries)):
        raise UsageError(
            f"there is no layer {layer}, head {head}, token {query}",
            cure=f"there are {len(view.layers)} layers of {heads} heads, {len(view.queries)} tokens",
        )
    chosen = view.layers[layer - 1].heads[head - 1]
    if chosen.dots is None or chosen.values is None or view.width is None:
        raise UsageError(
            f"the {view.kind} attention of this text cannot be shown step by step",
            cure="use a transformer and a shorter text",
        )
    rows = [
        AttentionStep(name, dot, dot / view.width**0.5, weight, value, weight * value)
        for name, dot, weight, value in zip(
            view.attended, chosen.dots[query - 1], chosen.weights[query - 1], chosen.values, strict=True
        )
        if weight > 0
    ]
    return AttentionSteps(view.kind, layer, head, query, view.queries[query - 1], rows)


def check_length(opened: Any, text: str) -> None:
    """Raises InputError for a text of which `attention` would show only a part."""
    if isinstance(opened, OpenTranslator):
        check_source(opened, text)
    else:
        window = getattr(_network(opened), "window", None)
        check_window(len(_read(opened, text)[1]), window, name=opened.name)


def _network(opened: Any) -> Any:
    return network_of(opened, what="attention", cure="use a transformer")


def _read(opened: Any, text: str) -> tuple[list[str], list[int]]:
    """Names and ids of the tokens that a language model or a classifier reads."""
    if not isinstance(opened, OpenModel):
        return with_start(classified_pieces(opened.tokenizer, text))
    pieces = pieces_of(opened, text)
    if not predicts_end(opened.model):
        return with_start(closed(pieces, text))
    return with_start(pieces if is_pseudo(opened.model) else pieces[:-1])  # `</s>` is predicted but not read


def _of_text(opened: Any, text: str) -> AttentionView:
    import torch

    from seqcli.nn.attention import SELF, recorded
    from seqcli.nn.transformer import TransformerStack

    model = _network(opened)
    if not isinstance(model.body, TransformerStack):
        raise UsageError(f"{opened.name} ({opened.arch}) has no attention", cure="use a transformer, or --gates")
    language = isinstance(opened, OpenModel)
    names, ids = _read(opened, text)
    check_window(len(ids), model.window, name=opened.name)
    tokens = torch.tensor([ids])
    everything = torch.ones_like(tokens, dtype=torch.bool)
    with torch.inference_mode(), recorded(SELF) as looked:
        if not language:
            model.all_states(tokens)
        elif is_pseudo(opened.model):
            model.seen(tokens, masked=~everything, real=everything)
        else:
            model.features(tokens)
        return _view("self", names, names, looked)


def _of_translator(opened: OpenTranslator, text: str) -> list[AttentionView]:
    import torch

    from seqcli.decoding.attention import attentions
    from seqcli.decoding.translate import TranslationSettings, translate
    from seqcli.nn.attention import CROSS, CROSS_PROJECTED, SELF, recorded
    from seqcli.token_batch import TokenBatch

    check_source(opened, text)
    (line,) = translate(opened, [text], TranslationSettings())
    (whole,) = attentions(opened, [line])
    source, target = whole.pieces
    batch = TokenBatch.of([np.array(line.best.parts[0], np.int32)])
    with torch.inference_mode(), recorded(SELF) as encoder:
        memory = opened.model.encode(TokenBatch.of([line.parts[0]]))
    conditioned = opened.model.conditioned_on(memory)
    with (
        torch.inference_mode(),
        recorded(SELF) as decoder,
        recorded(CROSS) as cross,
        recorded(CROSS_PROJECTED) as projected,
    ):
        conditioned.score(batch)
        views = []
        if encoder:
            views.append(_view("encoder", source, source, encoder))
        read = ["<s>", *target[:-1]]
        if decoder:
            views.append(_view("decoder", read, read, decoder))
        return [*views, _view("cross", target, source, projected or [_Weighed(maps) for maps in cross])]


class _Weighed:
    """Attention weights of a recurrent translator, which are not computed from queries and keys."""

    def __init__(self, maps: Any):
        self._maps = maps  # float [B, H, T, S]

    def weights(self, queries: slice = slice(None)) -> Any:
        return self._maps[:, :, queries]


def _view(kind: str, queries: Sequence[str], keys: Sequence[str], layers: Sequence[Any]) -> AttentionView:
    """layers: the attention of each layer to a single text, `nn.attention.Projected` or `_Weighed`."""
    heads, size = sum(each.weights(slice(1)).shape[1] for each in layers), len(queries) * len(keys)
    group = 1 if heads * size <= _MOST else -(-max(len(queries), len(keys)) // _GROUPS)
    shown = heads * size <= _MOST_STEPS
    made = [
        AttentionLayer(_heads(each, len(queries), within=kind != "cross", group=group, steps=shown)) for each in layers
    ]
    width = None if isinstance(layers[0], _Weighed) else layers[0].q.shape[-1]
    return AttentionView(kind, _grouped(queries, group), _grouped(keys, group), made, width, group)


def _grouped(names: Sequence[str], group: int) -> list[str]:
    return [" ".join(names[begin : begin + group]) for begin in range(0, len(names), group)]


def _heads(looked: Any, count: int, *, within: bool, group: int, steps: bool) -> list[AttentionHead]:
    """The heads of a layer. count: number of queries; within: whether queries and keys are the same tokens; group: number of tokens
    per group; steps: whether to keep the intermediate values."""
    heads, size = looked.weights(slice(1)).shape[1], looked.weights(slice(1)).shape[3]
    sums = np.zeros((4, heads))  # previous, first, own, entropy
    rows = []
    step = max(1, _AT_ONCE // (heads * size * group)) * group
    for begin in range(0, count, step):
        weights = looked.weights(slice(begin, begin + step))[0].double().numpy()  # [H, t, S]
        logs = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
        sums[1] += weights[:, :, 0].sum(axis=1)
        sums[3] -= np.einsum("hts,hts->h", weights, logs)
        if within:
            sums[0] += np.trace(weights, begin - 1, axis1=1, axis2=2)
            sums[2] += np.trace(weights, begin, axis1=1, axis2=2)
        if group > 1:
            begins = np.arange(0, weights.shape[1], group)
            weights = np.add.reduceat(weights, np.arange(0, size, group), axis=2)
            weights = np.add.reduceat(weights, begins, axis=1) / np.diff([*begins, min(step, count - begin)])[:, None]
        rows.append(np.round(weights, _SCALE))
    weights = np.concatenate(rows, axis=1)
    dots = values = [None] * heads
    if steps and not isinstance(looked, _Weighed):
        each = heads // looked.v.shape[1]  # heads that share keys and values
        dots = np.round(looked.dots()[0].double().numpy(), _SCALE).tolist()
        values = looked.v[0].double().norm(dim=-1).repeat_interleave(each, dim=0).tolist()
    return [
        AttentionHead(
            weights[head].tolist(),
            previous=float(sums[0, head] / (count - 1)) if within and count > 1 else None,
            first=float(sums[1, head] / count),
            own=float(sums[2, head] / count) if within else None,
            entropy=float(sums[3, head] / count),
            dots=dots[head],
            values=values[head],
        )
        for head in range(heads)
    ]
