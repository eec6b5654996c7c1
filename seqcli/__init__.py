"""Sequence models of text: train, score, generate, compare; from n-grams to Transformers.

    import seqcli
    lm = seqcli.load("DIR")
    lm.score(["I study machine learning"])
"""

__version__ = "0.1.0"


def load(model: str):
    """The model in a folder (or an ARPA file), with the verbs of the command line as methods."""
    from seqcli.api import LanguageModel
    from seqcli.tasks import language

    return LanguageModel(language.open_model(model))
