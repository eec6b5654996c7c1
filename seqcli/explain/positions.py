"""How alike the encodings of two positions are.

Learnt and sinusoidal positions are vectors: the cosine of two of them. A rotary position turns each pair of a query's or key's
numbers by an angle: the mean cosine of the angles between two positions, which depends on their distance alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqcli.errors import UsageError
from seqcli.explain.model_inputs import network_of
from seqcli.results.views import Positions

_MOST = 64


def positions(opened: Any, *, most: int = _MOST) -> Positions:
    """The similarity of the first `most` positions of a Transformer. Raises UsageError for a model without positions."""
    import torch

    from seqcli.nn.positions import angles
    from seqcli.nn.transformer import TransformerStack

    body = network_of(opened, what="position encodings", cure="use a transformer").body
    if not isinstance(body, TransformerStack):
        raise UsageError(f"{opened.name} ({opened.arch}) has no position encodings", cure="use a transformer")
    count = min(most, body.window)
    with torch.inference_mode():
        places = torch.arange(count)
        if body.rotary:
            angle = angles(places, body.head_width, rotary=body.rotary).double().numpy()
            similarity = np.cos(angle[:, None] - angle[None]).mean(axis=-1)
            kind = "rotary"
        else:
            vectors = body.positions(places + body.first_position).double().numpy()
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            similarity = (vectors / norms) @ (vectors / norms).T
            kind = "learned" if isinstance(body.positions, torch.nn.Embedding) else "sinusoidal"
    return Positions(kind, np.round(similarity, 6).tolist())
