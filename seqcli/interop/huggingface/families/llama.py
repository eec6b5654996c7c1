"""Llama and models with the same layers: rotary positions, RMSNorm before each sublayer, SwiGLU, grouped key-value heads.

Llama (Touvron et al. 2023), Mistral (Jiang et al. 2023), Qwen2 (Yang et al. 2024), SmolLM2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from seqcli.interop.huggingface.families import Config, Rule, linear, norm

ARCHITECTURES = dict.fromkeys(("LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"), "language")
MODULE = "transformer"
PREFIX = "model."
IGNORED = re.compile(r"(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq")
_SCALINGS = {"default": "none", "linear": "linear", "llama3": "llama3"}
_TYPES = {"LlamaForCausalLM": "llama", "MistralForCausalLM": "mistral", "Qwen2ForCausalLM": "qwen2"}
BARE = ("lm_head.",)
BYTE_LEVEL = {
    "qwen2": (
        "attention_bias=qkv is in Qwen2 alone, whose tokenizer is always a byte-level BPE",
        "train with --set attention_bias=all",
    )
}
HOLDS: dict[str, dict[str, tuple[Any, ...]]] = {"language": {
    "positions": ("rotary",), "norm": ("rms",), "norm_place": ("pre",), "activation": ("swiglu",), "embedding_width": (0,),
    "scaled": (False,), "embedding_norm": (False,), "token_types": (0,), "objective": ("causal",), "head_transform": (False,),
    "head_bias": (False,),
}}  # fmt: skip


def settings(config: Config) -> dict[str, Any]:
    heads = config.whole("num_attention_heads")
    config.must_be("partial_rotary_factor", 1.0)
    config.must_be("pretraining_tp", 1)
    config.choice("hidden_act", {"silu": "silu"}, default="silu")
    width = config.whole("hidden_size")
    qwen = config.values.get("model_type") == "qwen2"
    biased, both = config("attention_bias", False), config("mlp_bias", False)
    if both and not biased:
        raise config.unsupported("mlp_bias", True, {"mlp_bias with attention_bias": ""})
    return {
        "width": width,
        "layers": config.whole("num_hidden_layers"),
        "heads": heads,
        "groups": config("num_key_value_heads", heads),
        "head_width": config("head_dim", width // max(heads, 1)),
        "hidden": config.whole("intermediate_size"),
        "window": _window(config),
        "positions": "rotary",
        "activation": "swiglu",
        "norm": "rms",
        "epsilon": config("rms_norm_eps", 1e-6),
        "bias": both,
        "attention_bias": "qkv" if qwen else "all" if biased else "as_bias",
        "tied": config("tie_word_embeddings", False),
        **_rotary(config),
    }


def _window(config: Config) -> int:
    """The window of a model; sliding attention is limited to its own window."""
    longest = config("max_position_embeddings", 2048)
    sliding = config.values.get("sliding_window") if config("use_sliding_window", True) else None
    return longest if sliding is None else min(longest, config("sliding_window", 0))


def _rotary(config: Config) -> dict[str, Any]:
    """The rotary settings, from `rope_parameters` or the older `rope_theta` and `rope_scaling`."""
    rope = Config(
        config("rope_parameters", {}) or config("rope_scaling", {}) or {}, where=f"{config.where}, rope_parameters"
    )
    base = rope("rope_theta", config("rope_theta", 10000.0))
    kind = rope("rope_type", rope("type", "default"))
    if kind not in _SCALINGS:
        raise config.unsupported("rope_type", kind, _SCALINGS)
    found = {"rotary_base": base, "rotary_scaling": _SCALINGS[kind]}
    if kind != "default":
        found["rotary_factor"] = rope("factor", kind=float)
    if kind == "llama3":
        found |= {
            "rotary_low": rope("low_freq_factor", kind=float),
            "rotary_high": rope("high_freq_factor", kind=float),
            "rotary_window": rope("original_max_position_embeddings", kind=int),
        }
    return found


def rules(settings: dict[str, Any], architecture: str) -> Iterator[Rule]:
    heads, groups, hidden = (
        settings["heads"] * settings["head_width"],
        settings["groups"] * settings["head_width"],
        settings["hidden"],
    )
    bias, biases = settings["bias"], settings["attention_bias"]
    yield Rule("body.embedding.weight", ("embed_tokens.weight",), tokens=True)
    for i in range(settings["layers"]):
        ours, theirs = f"body.layers.{i}", f"layers.{i}"
        attention, feedforward = f"{theirs}.self_attn", f"{theirs}.mlp"
        yield from norm(f"{ours}.attention_norm", f"{theirs}.input_layernorm", bias=False)
        yield from linear(
            f"{ours}.attention.qkv", *(f"{attention}.{part}_proj" for part in "qkv"), rows=(heads, groups, groups),
            bias=bias or biases != "as_bias",
        )  # fmt: skip
        yield from linear(f"{ours}.attention.out", f"{attention}.o_proj", bias=bias or biases == "all")
        yield from norm(f"{ours}.feedforward_norm", f"{theirs}.post_attention_layernorm", bias=False)
        yield from linear(
            f"{ours}.feedforward.up", f"{feedforward}.gate_proj", f"{feedforward}.up_proj", rows=(hidden, hidden), bias=bias
        )  # fmt: skip
        yield from linear(f"{ours}.feedforward.out", f"{feedforward}.down_proj", bias=bias)
    yield from norm("body.norm", "norm", bias=False)
    if not settings["tied"]:
        yield Rule("head.weight", ("lm_head.weight",), tokens=True)


def config_of(settings: dict[str, Any], architecture: str | None) -> dict[str, Any]:
    """In Qwen2 only queries, keys and values have biases."""
    bias, biases = settings["bias"], settings["attention_bias"]
    if not bias and biases == "qkv":
        architecture = "Qwen2ForCausalLM"
    kind = _TYPES[architecture or "LlamaForCausalLM"]
    found = {
        "model_type": kind,
        "architectures": [architecture or "LlamaForCausalLM"],
        "hidden_size": settings["width"],
        "num_hidden_layers": settings["layers"],
        "num_attention_heads": settings["heads"],
        "num_key_value_heads": settings["groups"],
        "head_dim": settings["head_width"],
        "intermediate_size": settings["hidden"],
        "max_position_embeddings": settings["window"],
        "hidden_act": "silu",
        "rms_norm_eps": settings["epsilon"],
        "attention_dropout": settings["dropout"],
        "tie_word_embeddings": settings["tied"],
        "rope_theta": settings["rotary_base"],  # read by transformers before version 5
        "rope_parameters": _rope(settings),
    }
    if kind == "llama":
        found |= {"attention_bias": bias or biases == "all", "mlp_bias": bias}
    if kind == "mistral":
        found["sliding_window"] = None
    return found


def _rope(settings: dict[str, Any]) -> dict[str, Any]:
    kind = next(theirs for theirs, ours in _SCALINGS.items() if ours == settings["rotary_scaling"])
    found = {"rope_type": kind, "rope_theta": settings["rotary_base"]}
    if kind != "default":
        found["factor"] = settings["rotary_factor"]
    if kind == "llama3":
        found |= {
            "low_freq_factor": settings["rotary_low"],
            "high_freq_factor": settings["rotary_high"],
            "original_max_position_embeddings": settings["rotary_window"],
        }
    return found
