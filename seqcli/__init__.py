"""Sequence models of text: n-grams, RNN, LSTM, GRU and the Transformer, to train, score, generate, classify and translate.

A model is a folder that `seqcli train` wrote, or an ARPA file. `load` opens it, with the verbs of the command line as methods:

    import seqcli
    lm = seqcli.load("DIR")
    lm.score("I study machine learning").log_prob
    lm.next("I study", k=5)                             # the most probable next tokens
    lm.generate("I study", num_samples=3, seed=1)
    seqcli.load("SENTIMENT").classify(["What a film!", "Boring."])
    seqcli.load("EN-KO").translate("I study machine learning", n_best=3)
    seqcli.load("WORDS").neighbours("computer")

One text has one result, a list of texts a list of results. Results are dataclasses; `pandas.DataFrame(results)` makes a data frame
of a list, and a notebook shows it as a table.

`train_lm`, `train_classifier`, `train_translator`, `train_embeddings` and `train_tokenizer` train:

    lm = seqcli.train_lm("text.txt", "model", arch="lstm", minutes=1)
    lm.record["valid"]["perplexity"]

Everything that can go wrong with files, models and options raises `SeqcliError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqcli.adaptive_scoring import Cache, Dynamic
    from seqcli.api.language_model import LanguageModel
    from seqcli.api.models import Classifier, Embeddings, Translator
    from seqcli.api.opening import load
    from seqcli.api.training import (
        Progress,
        train_classifier,
        train_embeddings,
        train_lm,
        train_tokenizer,
        train_translator,
    )
    from seqcli.errors import SeqcliError

__version__ = "0.1.0"
__all__ = [
    "Cache",
    "Classifier",
    "Dynamic",
    "Embeddings",
    "LanguageModel",
    "Progress",
    "SeqcliError",
    "Translator",
    "load",
    "train_classifier",
    "train_embeddings",
    "train_lm",
    "train_tokenizer",
    "train_translator",
]


_MODULES = {  # of what is not trained
    "SeqcliError": "errors",
    "Cache": "adaptive_scoring",
    "Dynamic": "adaptive_scoring",
    "load": "api.opening",
    "LanguageModel": "api.language_model",
    **dict.fromkeys(("Classifier", "Embeddings", "Translator"), "api.models"),
}


def __getattr__(name: str):
    """Nothing is imported before it is used."""
    if name not in __all__:
        raise AttributeError(f"module 'seqcli' has no attribute {name!r}")
    return getattr(import_module(f"seqcli.{_MODULES.get(name, 'api.training')}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
