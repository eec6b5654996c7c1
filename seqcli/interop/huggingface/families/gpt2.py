"""GPT-2 (Radford et al. 2019): learned positions, LayerNorm before each sublayer, matrices stored [in, out]."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from seqcli.interop.huggingface.families import Config, Rule, linear, norm

ARCHITECTURES = {"GPT2LMHeadModel": "language"}
MODULE = "transformer"
PREFIX = "transformer."
IGNORED = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")
_ACTIVATIONS = {"gelu_new": "gelu", "gelu_pytorch_tanh": "gelu", "gelu": "gelu_exact", "relu": "relu", "silu": "silu"}
_THEIRS = {"gelu": "gelu_new", "gelu_exact": "gelu", "relu": "relu", "silu": "silu"}
BARE = ("lm_head.",)
HOLDS: dict[str, dict[str, tuple[Any, ...]]] = {"language": {
    "positions": ("learned",), "norm": ("layer",), "norm_place": ("pre",), "bias": (True,), "activation": tuple(_THEIRS),
    "groups": (0,), "head_width": (0,), "embedding_width": (0,), "scaled": (False,), "embedding_norm": (False,),
    "token_types": (0,), "first_position": (0,), "objective": ("causal",), "head_transform": (False,), "head_bias": (False,),
}}  # fmt: skip


def settings(config: Config) -> dict[str, Any]:
    for name, expected in (
        ("scale_attn_weights", True),
        ("scale_attn_by_inverse_layer_idx", False),
        ("add_cross_attention", False),
    ):
        config.must_be(name, expected)
    width = config.whole("n_embd", "hidden_size")
    return {
        "width": width,
        "layers": config.whole("n_layer", "num_hidden_layers"),
        "heads": config.whole("n_head", "num_attention_heads"),
        "hidden": config("n_inner", 4 * width),
        "window": config.whole("n_positions", "n_ctx", "max_position_embeddings"),
        "positions": "learned",
        "activation": config.choice("activation_function", _ACTIVATIONS, default="gelu_new"),
        "norm": "layer",
        "epsilon": config("layer_norm_epsilon", 1e-5),
        "bias": True,
        "dropout": config("resid_pdrop", 0.1),
        "tied": config("tie_word_embeddings", True),
    }


def rules(settings: dict[str, Any], architecture: str) -> Iterator[Rule]:
    yield Rule("body.embedding.weight", ("wte.weight",), tokens=True)
    yield Rule("body.positions.weight", ("wpe.weight",))
    for i in range(settings["layers"]):
        ours, theirs = f"body.layers.{i}", f"h.{i}"
        yield from norm(f"{ours}.attention_norm", f"{theirs}.ln_1")
        yield from linear(f"{ours}.attention.qkv", f"{theirs}.attn.c_attn", bias=True, transposed=True)
        yield from linear(f"{ours}.attention.out", f"{theirs}.attn.c_proj", bias=True, transposed=True)
        yield from norm(f"{ours}.feedforward_norm", f"{theirs}.ln_2")
        yield from linear(f"{ours}.feedforward.up", f"{theirs}.mlp.c_fc", bias=True, transposed=True)
        yield from linear(f"{ours}.feedforward.out", f"{theirs}.mlp.c_proj", bias=True, transposed=True)
    yield from norm("body.norm", "ln_f")
    if not settings["tied"]:
        yield Rule("head.weight", ("lm_head.weight",), tokens=True)


def config_of(settings: dict[str, Any], architecture: str | None) -> dict[str, Any]:
    dropout = settings["dropout"]
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_embd": settings["width"],
        "n_layer": settings["layers"],
        "n_head": settings["heads"],
        "n_inner": settings["hidden"],
        "n_positions": settings["window"],
        "activation_function": _THEIRS[settings["activation"]],
        "layer_norm_epsilon": settings["epsilon"],
        "resid_pdrop": dropout,
        "embd_pdrop": dropout,
        "attn_pdrop": dropout,
        "tie_word_embeddings": settings["tied"],
    }
