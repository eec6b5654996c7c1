"""DistilBERT (Sanh et al. 2019): BERT with half the layers, without segments and pooler, and with other names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from seqcli.interop.huggingface import encoders
from seqcli.interop.huggingface.encoders import CLASSIFICATION, EMBEDDINGS, LANGUAGE, Heads, Layer
from seqcli.interop.huggingface.families import Config, Rule

ARCHITECTURES = {
    "DistilBertForMaskedLM": LANGUAGE,
    "DistilBertForSequenceClassification": CLASSIFICATION,
    "DistilBertModel": EMBEDDINGS,
}
MODULE, renamed = encoders.MODULE, encoders.renamed
PREFIX = "distilbert."
HOLDS, BARE = (
    encoders.holds("relu", token_types=(0,), epsilon=(1e-12,), embedding_width=(0,), first_position=(0,)),
    ("",),
)
IGNORED = re.compile(r"embeddings\.position_ids|vocab_(transform|layer_norm|projector)\..*")
_LAYER = Layer(
    "transformer.layer", "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm", "ffn.lin1",
    "ffn.lin2", "output_layer_norm",
)  # fmt: skip
_HEADS = Heads(
    "vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector", "pre_classifier", "relu", "classifier"
)  # fmt: skip


def settings(config: Config) -> dict[str, Any]:
    """Sinusoidal positions, if any, are stored as learned ones."""
    return encoders.settings(
        config, ARCHITECTURES[config.architecture], _HEADS,
        width=config.whole("dim", "hidden_size"),
        layers=config.whole("n_layers", "num_hidden_layers"),
        heads=config.whole("n_heads", "num_attention_heads"),
        hidden=config.whole("hidden_dim"),
        window=config.whole("max_position_embeddings"),
        activation=config.choice("activation", encoders.ACTIVATIONS, default="gelu"),
        epsilon=1e-12,
        dropout=config("dropout", 0.1),
    )  # fmt: skip


def record(config: Config, folder: Any) -> dict[str, Any]:
    return encoders.record(config, folder, _HEADS)


def rules(settings: dict[str, Any], architecture: str) -> Iterator[Rule]:
    yield from encoders.body_rules(settings, PREFIX, _LAYER)
    yield from encoders.head_rules(settings, ARCHITECTURES[architecture], PREFIX, _HEADS)


def beginning(settings: dict[str, Any], architecture: str) -> Iterator[Rule]:
    yield from encoders.body_rules(settings, PREFIX, _LAYER)
    yield from encoders.pooler_rules(_HEADS)


def config_of(settings: dict[str, Any], architecture: str | None) -> dict[str, Any]:
    task = LANGUAGE if "objective" in settings else CLASSIFICATION
    return {
        "model_type": "distilbert",
        "architectures": [next(name for name, of in ARCHITECTURES.items() if of == task)],
        "dim": settings["width"],
        "n_layers": settings["layers"],
        "n_heads": settings["heads"],
        "hidden_dim": settings["hidden"],
        "max_position_embeddings": settings["window"],
        "activation": encoders.THEIRS[settings["activation"]],
        "dropout": settings["dropout"],
        "attention_dropout": settings["dropout"],
        "tie_word_embeddings": settings.get("tied", True),
        "pad_token_id": None,
    }
