"""Marian (Junczys-Dowmunt et al. 2018), the translators of opus-mt: encoder and decoder of Vaswani et al. (2017).

Translations begin with the padding token, which is our `<s>`: it is in the softmax, but never generated. final_logits_bias is the
bias of the output matrix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from seqcli.interop.huggingface.families import Config, Rule, linear, norm
from seqcli.metrics import signature
from seqcli.text import BOS_ID
from seqcli.tokenizers.marian import open_sides as tokenizers

__all__ = [
    "ARCHITECTURES", "BARE", "HOLDS", "IGNORED", "MODULE", "PREFIX", "config_of", "record", "rules", "settings", "tokenizers",
]  # fmt: skip
ARCHITECTURES = {"MarianMTModel": "translation"}
MODULE = "transformer_translator"
PREFIX = "model."
IGNORED = re.compile(r"(encoder|decoder)\.embed_positions\.weight")
_ACTIVATIONS = {"swish": "silu", "silu": "silu", "gelu": "gelu_exact", "gelu_new": "gelu", "relu": "relu"}
_THEIRS = {"silu": "swish", "gelu_exact": "gelu", "gelu": "gelu_new", "relu": "relu"}
BARE = ("final_logits_bias",)
HOLDS: dict[str, dict[str, tuple[Any, ...]]] = {"translation": {
    "positions": ("sinusoidal",), "norm": ("layer",), "norm_place": ("post",), "bias": (True,), "activation": tuple(_THEIRS),
    "epsilon": (1e-5,), "groups": (0,), "head_width": (0,), "embedding_width": (0,), "embedding_norm": (False,),
    "token_types": (0,), "tied": (True,),
}}  # fmt: skip


def settings(config: Config) -> dict[str, Any]:
    for name, expected in (
        ("normalize_before", False),
        ("normalize_embedding", False),
        ("add_final_layer_norm", False),
        ("add_bias_logits", False),
        ("static_position_embeddings", True),
        ("tie_word_embeddings", True),
    ):
        config.must_be(name, expected)
    ours = config("seqcli", {})  # of a folder that seqcli wrote; earlier versions wrote `unsaid`
    return {
        "width": config.whole("d_model", "hidden_size"),
        "layers": config.whole("encoder_layers", "num_hidden_layers"),
        "heads": config.whole("encoder_attention_heads"),
        "hidden": config.whole("encoder_ffn_dim"),
        "decoder_layers": config.whole("decoder_layers"),
        "decoder_heads": config.whole("decoder_attention_heads"),
        "decoder_hidden": config.whole("decoder_ffn_dim"),
        "window": config("max_position_embeddings", 1024),
        "positions": "sinusoidal",
        "activation": config.choice("activation_function", _ACTIVATIONS, default="gelu"),
        "norm": "layer",
        "norm_place": "post",
        "scaled": config("scale_embedding", False),
        "bias": True,
        "dropout": config("dropout", 0.1),
        "tied": True,
        "head_bias": True,
        "impossible": (),
        "suppress_tokens": tuple(ours.get("suppress_tokens", ours.get("unsaid", (BOS_ID,)))),
        "joint": config("share_encoder_decoder_embeddings", True),
    }


def record(config: Config, folder: Any) -> dict[str, Any]:
    sides = folder.tokenizers()
    return {
        "tokenizer": " ".join(dict.fromkeys(map(signature.tokenizer_label, sides))),
        "vocab_size": sides[1].vocab_size,
    }


def rules(settings: dict[str, Any], architecture: str) -> Iterator[Rule]:
    joint = settings["joint"]
    encoder, decoder, head = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"
    if joint:
        yield Rule("body.encoder.embedding.weight", ("shared.weight",), tokens=True, tied=(decoder, encoder, head))
    else:
        yield Rule("body.encoder.embedding.weight", (encoder,), tokens=True)
        yield Rule("body.decoder.embedding.weight", (decoder,), tokens=True, of_target=True, tied=(head,))
    yield from _stack("encoder", settings["layers"], settings["width"], crossed=False)
    yield from _stack("decoder", settings["decoder_layers"], settings["width"], crossed=True)
    yield Rule("head.bias", ("final_logits_bias",), tokens=True, of_target=not joint, flat=True, optional=True)


def config_of(settings: dict[str, Any], architecture: str | None) -> dict[str, Any]:
    dropout = settings["dropout"]
    return {
        "model_type": "marian",
        "architectures": ["MarianMTModel"],
        "d_model": settings["width"],
        "encoder_layers": settings["layers"],
        "encoder_attention_heads": settings["heads"],
        "encoder_ffn_dim": settings["hidden"],
        "decoder_layers": settings["decoder_layers"],
        "decoder_attention_heads": settings["decoder_heads"],
        "decoder_ffn_dim": settings["decoder_hidden"],
        "max_position_embeddings": settings["window"],
        "activation_function": _THEIRS[settings["activation"]],
        "scale_embedding": settings["scaled"],
        "static_position_embeddings": True,
        "share_encoder_decoder_embeddings": settings["joint"],
        "tie_word_embeddings": True,
        "normalize_before": False,
        "normalize_embedding": False,
        "add_final_layer_norm": False,
        "dropout": dropout,
        "is_encoder_decoder": True,
    }


def _stack(name: str, layers: int, width: int, *, crossed: bool) -> Iterator[Rule]:
    for i in range(layers):
        ours, theirs = f"body.{name}.layers.{i}", f"{name}.layers.{i}"
        attention = f"{theirs}.self_attn"
        yield from linear(
            f"{ours}.attention.qkv", *(f"{attention}.{part}_proj" for part in "qkv"), rows=(width,) * 3, bias=True
        )
        yield from linear(f"{ours}.attention.out", f"{attention}.out_proj", bias=True)
        yield from norm(f"{ours}.attention_norm", f"{theirs}.self_attn_layer_norm")
        if crossed:
            yield from linear(f"{ours}.cross.q", f"{theirs}.encoder_attn.q_proj", bias=True)
            attention = f"{theirs}.encoder_attn"
            yield from linear(
                f"{ours}.cross.kv", *(f"{attention}.{part}_proj" for part in "kv"), rows=(width,) * 2, bias=True
            )
            yield from linear(f"{ours}.cross.out", f"{attention}.out_proj", bias=True)
            yield from norm(f"{ours}.cross_norm", f"{theirs}.encoder_attn_layer_norm")
        yield from linear(f"{ours}.feedforward.up", f"{theirs}.fc1", bias=True)
        yield from linear(f"{ours}.feedforward.out", f"{theirs}.fc2", bias=True)
        yield from norm(f"{ours}.feedforward_norm", f"{theirs}.final_layer_norm")
