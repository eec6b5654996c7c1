"""BERT (Devlin et al. 2019) and models with the same layers: RoBERTa (Liu et al. 2019; XLM-R, CamemBERT), ELECTRA (Clark et al. 2020).

RoBERTa's positions begin after the id of the padding token, and it has its own heads; ELECTRA's embeddings may be narrower than its
layers. ELECTRA's discriminator, which has no labels, is opened as an encoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from seqcli.interop.huggingface import encoders
from seqcli.interop.huggingface.encoders import CLASSIFICATION, EMBEDDINGS, LANGUAGE, Heads, Layer
from seqcli.interop.huggingface.families import Config, Rule

_ROBERTA = ("Roberta", "XLMRoberta", "Camembert")
_TASKS = {"ForMaskedLM": LANGUAGE, "ForSequenceClassification": CLASSIFICATION, "Model": EMBEDDINGS}
ARCHITECTURES = {f"{name}{kind}": task for name in ("Bert", "Electra", *_ROBERTA) for kind, task in _TASKS.items()}
ARCHITECTURES |= {"BertForPreTraining": LANGUAGE, "ElectraForPreTraining": EMBEDDINGS}
MODULE, renamed = encoders.MODULE, encoders.renamed
HOLDS, BARE = encoders.holds("tanh", "gelu_exact", token_types=(2, 1)), ("",)
_TYPES = {
    "Bert": "bert", "Electra": "electra", "Roberta": "roberta", "XLMRoberta": "xlm-roberta", "Camembert": "camembert",
}  # fmt: skip
PREFIX = ("bert.", "roberta.", "electra.")
IGNORED = re.compile(
    r"embeddings\.(position_ids|token_type_ids)|pooler\..*"  # the pooler is only used by classifiers; the rest is of pretraining heads
    r"|cls\..*|lm_head\..*|generator_(predictions|lm_head)\..*|discriminator_predictions\..*"
)
_LAYER = Layer(
    "encoder.layer", "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip
_HEADS = {
    "bert.": Heads(
        "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias",
        "cls.predictions.decoder", "bert.pooler.dense", "tanh", "classifier",
    ),
    "roberta.": Heads(
        "lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder", "classifier.dense", "tanh",
        "classifier.out_proj",
    ),
    "electra.": Heads(
        "generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias", "generator_lm_head",
        "classifier.dense", "gelu_exact", "classifier.out_proj",
    ),
}  # fmt: skip


def settings(config: Config) -> dict[str, Any]:
    prefix, task = _prefix(config.architecture), ARCHITECTURES[config.architecture]
    known = encoders.ACTIVATIONS
    if task == LANGUAGE and prefix != "bert.":  # these heads have their own activation
        known = {name: ours for name, ours in known.items() if ours == "gelu_exact"}
    width = config.whole("hidden_size")
    first = config("pad_token_id", 1) + 1 if prefix == "roberta." else 0
    narrow = config("embedding_size", width) if prefix == "electra." else width
    return encoders.settings(
        config, task, _HEADS[prefix],
        width=width,
        layers=config.whole("num_hidden_layers"),
        heads=config.whole("num_attention_heads"),
        hidden=config.whole("intermediate_size"),
        window=config.whole("max_position_embeddings") - first,
        first_position=first,
        activation=config.choice("hidden_act", known, default="gelu"),
        epsilon=config("layer_norm_eps", 1e-12),
        token_types=config("type_vocab_size", 2),
        embedding_width=0 if narrow == width else narrow,
        dropout=config("hidden_dropout_prob", 0.1),
    )  # fmt: skip


def record(config: Config, folder: Any) -> dict[str, Any]:
    return encoders.record(config, folder, _HEADS[_prefix(config.architecture)])


def rules(settings: dict[str, Any], architecture: str) -> Iterator[Rule]:
    prefix = _prefix(architecture)
    yield from encoders.body_rules(settings, prefix, _LAYER)
    yield from encoders.head_rules(settings, ARCHITECTURES[architecture], prefix, _HEADS[prefix])


def beginning(settings: dict[str, Any], architecture: str) -> Iterator[Rule]:
    prefix = _prefix(architecture)
    yield from encoders.body_rules(settings, prefix, _LAYER)
    yield from encoders.pooler_rules(_HEADS[prefix])


def config_of(settings: dict[str, Any], architecture: str | None) -> dict[str, Any]:
    """config.json for BERT, or for the architecture that the model came from."""
    task = LANGUAGE if "objective" in settings else CLASSIFICATION
    name = (architecture or "Bert").partition("For")[0]
    first = settings["first_position"]
    found = {
        "model_type": _TYPES[name],
        "architectures": [f"{name}{next(kind for kind, of in _TASKS.items() if of == task)}"],
        "hidden_size": settings["width"],
        "num_hidden_layers": settings["layers"],
        "num_attention_heads": settings["heads"],
        "intermediate_size": settings["hidden"],
        "max_position_embeddings": settings["window"] + first,
        "type_vocab_size": settings["token_types"],
        "hidden_act": encoders.THEIRS[settings["activation"]],
        "layer_norm_eps": settings["epsilon"],
        "hidden_dropout_prob": settings["dropout"],
        "attention_probs_dropout_prob": settings["dropout"],
        "tie_word_embeddings": settings.get("tied", True),
        "pad_token_id": first - 1 if first else None,
    }
    return found | ({"embedding_size": settings["embedding_width"] or settings["width"]} if name == "Electra" else {})


def _prefix(architecture: str) -> str:
    return (
        "roberta."
        if architecture.startswith(_ROBERTA)
        else f"{architecture.partition('For')[0].removesuffix('Model').lower()}."
    )
