"""Shared by the encoders of BERT's kind: post-norm layers, masked language model and classification heads, pooled text embeddings.

An encoder without a head computes text embeddings. Their pooling is read from the files of sentence-transformers (modules.json,
1_Pooling/config.json, sentence_bert_config.json); without them it is the mean over all tokens, the default of sentence-transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqcli.errors import ModelError
from seqcli.files import foreign
from seqcli.interop.huggingface.families import Config, Rule, linear, norm
from seqcli.metrics import signature

LANGUAGE, CLASSIFICATION, EMBEDDINGS = "language", "classification", "embeddings"
MODULE = {LANGUAGE: "transformer", CLASSIFICATION: "transformer_classifier", EMBEDDINGS: "transformer_encoder"}
ACTIVATIONS = {
    "gelu": "gelu_exact", "gelu_python": "gelu_exact", "gelu_new": "gelu", "gelu_fast": "gelu", "gelu_pytorch_tanh": "gelu",
    "relu": "relu", "silu": "silu", "swish": "silu",
}  # fmt: skip
_POST_NORM = {
    "norm": "layer", "norm_place": "post", "bias": True, "embedding_norm": True, "positions": "learned",
}  # fmt: skip
_FILLS_IN = {"objective": "masked", "head_transform": True, "head_bias": True, "predicts_end": False}
THEIRS = {
    "gelu_exact": "gelu",
    "gelu": "gelu_new",
    "relu": "relu",
    "silu": "silu",
}  # names of activations in config.json
_HOLDS: dict[str, tuple[Any, ...]] = {
    "positions": ("learned",), "norm": ("layer",), "norm_place": ("post",), "bias": (True,), "embedding_norm": (True,),
    "activation": tuple(THEIRS), "groups": (0,), "head_width": (0,), "scaled": (False,),
}  # fmt: skip
_POOLINGS = {  # names in sentence-transformers, in the order in which it concatenates several
    "pooling_mode_cls_token": "first", "pooling_mode_max_tokens": "max", "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
}  # fmt: skip
_POOLINGS_BY_NAME = {"cls": "first", "max": "max", "mean": "mean", "lasttoken": "last"}
_POOLING = "1_Pooling/config.json"
_MODULES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_MOST_LABELS = 1 << 20


class Layer(NamedTuple):
    """The names of the tensors of a layer. place: of the layers."""

    place: str
    query: str
    key: str
    value: str
    out: str
    attention_norm: str
    up: str
    down: str
    feedforward_norm: str


class Heads(NamedTuple):
    """The names of the tensors of the heads, and what is between pooling and labels.

    transform, norm, bias, decoder: of the masked language model head; pooler, activation, classifier: of the classification head.
    """

    transform: str
    norm: str
    bias: str
    decoder: str
    pooler: str
    activation: str
    classifier: str

    @property
    def decoder_bias(self) -> str:
        """The name of the output bias if the matrices are not tied; otherwise it is `bias`."""
        return f"{self.decoder}.bias"


def settings(config: Config, task: str, after: Heads, **body: Any) -> dict[str, Any]:
    """The settings of an encoder with this body. Raises ModelError for a feature that is not supported."""
    for name, expected in (
        ("position_embedding_type", "absolute"),
        ("is_decoder", False),
        ("add_cross_attention", False),
    ):
        config.must_be(name, expected)
    found = _POST_NORM | body
    if task == LANGUAGE:
        return found | _FILLS_IN | {"tied": config("tie_word_embeddings", True)}
    if task == CLASSIFICATION:
        return found | {"closed": True, **_classifier(after)}
    return found | {"closed": True}


def holds(*activations: str, **others: tuple[Any, ...]) -> dict[str, dict[str, tuple[Any, ...]]]:
    """HOLDS of a family whose classification heads have one of these activations."""
    fills_in = {name: (value,) for name, value in _FILLS_IN.items()}
    classifies = {
        "pooling": (("first",),),
        "transform": activations,
        "closed": (True,),
        "causal": (False,),
        "members": (1,),
    }
    return {LANGUAGE: _HOLDS | fills_in | others, CLASSIFICATION: _HOLDS | classifies | others}


def _classifier(heads: Heads) -> dict[str, Any]:
    return {"pooling": ["first"], "transform": heads.activation}


def body_rules(settings: dict[str, Any], prefix: str, layer: Layer) -> Iterator[Rule]:
    """prefix: of all names."""
    embeddings = f"{prefix}embeddings"
    yield Rule("body.embedding.weight", (f"{embeddings}.word_embeddings.weight",), tokens=True)
    yield Rule("body.positions.weight", (f"{embeddings}.position_embeddings.weight",))
    if settings.get("token_types"):
        yield Rule("body.token_types.weight", (f"{embeddings}.token_type_embeddings.weight",))
    yield from norm("body.embedding_norm", f"{embeddings}.LayerNorm")
    if settings.get("embedding_width"):
        yield from linear("body.widen", f"{prefix}embeddings_project", bias=True)
    width = settings["width"]
    for i in range(settings["layers"]):
        ours, theirs = f"body.layers.{i}", f"{prefix}{layer.place}.{i}"
        attention = (f"{theirs}.{part}" for part in (layer.query, layer.key, layer.value))
        yield from linear(f"{ours}.attention.qkv", *attention, rows=(width, width, width), bias=True)
        yield from linear(f"{ours}.attention.out", f"{theirs}.{layer.out}", bias=True)
        yield from norm(f"{ours}.attention_norm", f"{theirs}.{layer.attention_norm}")
        yield from linear(f"{ours}.feedforward.up", f"{theirs}.{layer.up}", bias=True)
        yield from linear(f"{ours}.feedforward.out", f"{theirs}.{layer.down}", bias=True)
        yield from norm(f"{ours}.feedforward_norm", f"{theirs}.{layer.feedforward_norm}")


def head_rules(settings: dict[str, Any], task: str, prefix: str, heads: Heads) -> Iterator[Rule]:
    if task == LANGUAGE:
        yield Rule("mask", (f"{prefix}embeddings.word_embeddings.weight",), of_mask=True)
        yield from linear("transform.linear", heads.transform, bias=True)
        yield from norm("transform.norm", heads.norm)
        yield Rule("head.bias", (heads.bias,), tokens=True, optional=not settings["tied"])
        if not settings["tied"]:  # `bias` is in the file but not used
            yield Rule("head.bias", (heads.decoder_bias,), tokens=True)
            yield Rule("head.weight", (f"{heads.decoder}.weight",), tokens=True)
    elif task == CLASSIFICATION:
        yield from pooler_rules(heads)
        yield from linear("head", heads.classifier, bias=True)


def pooler_rules(heads: Heads) -> Iterator[Rule]:
    """The rules for the layer between pooling and labels."""
    yield from linear("transform.linear", heads.pooler, bias=True)


def renamed(name: str) -> str:
    """Today's name: norms had gamma and beta, and some files have the output bias as the bias of its matrix."""
    name = re.sub(r"(LayerNorm|layer_norm)\.gamma$", r"\1.weight", name)
    name = re.sub(r"(LayerNorm|layer_norm)\.beta$", r"\1.bias", name)
    return re.sub(r"^(cls\.predictions|lm_head)\.decoder\.bias$", r"\1.bias", name)


def record(config: Config, folder: Any, heads: Heads) -> dict[str, Any]:
    """The rest of the record of a seqcli model folder: every line is a text."""
    settings, task = folder.config["settings"], folder.task
    found: dict[str, Any] = {"classifier": _classifier(heads)}
    if task == CLASSIFICATION:
        found["labels"] = labels(config)
    if task == EMBEDDINGS and (pooled := pooling(folder.path)) is not None:
        found["classifier"] = {"pooling": pooled["pooling"]}
        settings |= pooled
    tokenizer = folder.tokenizer()
    if task == LANGUAGE:
        settings["impossible"] = folder.impossible
        found["unit"] = "line"
    return found | {"tokenizer": signature.tokenizer_label(tokenizer), "vocab_size": tokenizer.vocab_size}


def labels(config: Config) -> list[str]:
    """The names of the labels. Raises ModelError for a model that is not a single-label classifier."""
    kind = config("problem_type", "single_label_classification")
    names = config("id2label", {}) or {str(k): f"LABEL_{k}" for k in range(min(config("num_labels", 2), _MOST_LABELS))}
    if kind == "regression" or (len(names) == 1 and kind != "multi_label_classification"):
        raise _not_one_of("gives a number (regression), not a label", config)
    if kind != "single_label_classification":
        raise _not_one_of(f"gives several labels a text (problem_type {kind})", config)
    found = [names.get(str(k)) for k in range(len(names))]
    if not all(isinstance(name, str) for name in found):
        raise config.refused("id2label does not name every label from 0 on")
    return [str(name) for name in found]


def _not_one_of(what: str, config: Config) -> ModelError:
    return ModelError(what, where=config.where, cure="give a classifier that chooses one of two or more labels")


def pooling(path: Path) -> dict[str, Any] | None:
    """Settings of the text embeddings from the files of sentence-transformers in the folder; None if there are none.

    Raises ModelError for features that are not supported, such as a dense layer after the pooling.
    """
    modules = foreign.read_json_list(path, "modules.json")
    if modules is None:
        return None
    kinds = [str(module.get("type")).rpartition(".")[2] if isinstance(module, dict) else "" for module in modules]
    if kinds not in _MODULES:
        what = f"sentence-transformers modules {', '.join(kinds)[:80]} are not supported"
        raise ModelError(what, where=str(path / "modules.json"), cure="supported: Transformer, Pooling, Normalize")
    found: dict[str, Any] = {"pooling": _pooling_kinds(path), "normalised": "Normalize" in kinds}
    longest = (foreign.read_json(path, "sentence_bert_config.json") or {}).get("max_seq_length")
    return found | ({"longest": longest} if type(longest) is int else {})


def _pooling_kinds(path: Path) -> list[str]:
    """The kinds of pooling in 1_Pooling/config.json; the vectors of several are concatenated."""
    config = foreign.read_json(path, _POOLING)
    if config is None:
        raise ModelError(f"no {_POOLING} in the folder, which modules.json names", where=str(path), cure=foreign.CURE)
    named = config.get("pooling_mode")
    chosen = (
        {named: True} if isinstance(named, str) else {k: v for k, v in config.items() if k.startswith("pooling_mode_")}
    )
    known = _POOLINGS | _POOLINGS_BY_NAME
    if other := [name for name, on in chosen.items() if on and name not in known]:
        cure = f"supported: {', '.join(_POOLINGS_BY_NAME)}"
        raise ModelError(f"pooling {other[0][:40]!r} is not supported", where=str(path / _POOLING), cure=cure)
    return [kind for name, kind in known.items() if chosen.get(name)] or ["mean"]
