"""Sequence models of text: train, score, generate, compare; from n-grams to Transformers.

    import seqcli
    lm = seqcli.load("DIR")
    lm.score(["I study machine learning"])

What the command line refuses raises `seqcli.SeqcliError`.
"""

__version__ = "0.1.0"


def __getattr__(name: str):
    if name == "SeqcliError":  # nothing is imported before it is used
        from seqcli.errors import SeqcliError

        return SeqcliError
    raise AttributeError(f"module 'seqcli' has no attribute {name!r}")


def load(
    model: str, *, device: str = "cpu", precision: str = "fp32", threads: int | None = None, encoding: str | None = None
):
    """The model in a folder (or an ARPA file), with the verbs of the command line as methods.

    encoding: of an ARPA file that is not UTF-8.
    device, precision (fp32, bf16, int8) and threads are for networks.
    """
    from seqcli.api import Classifier, LanguageModel, Translator
    from seqcli.interfaces import Placeable
    from seqcli.interop import is_arpa
    from seqcli.runs.model_folder import ModelFolder
    from seqcli.tasks.classification.load import CLASSIFICATION, open_classifier
    from seqcli.tasks.language.load import LANGUAGE, open_model
    from seqcli.tasks.translation.load import TRANSLATION, open_translator

    task = LANGUAGE if is_arpa(model) else ModelFolder.open(model).task
    answering: LanguageModel | Classifier | Translator
    if task == CLASSIFICATION:
        answering = Classifier(open_classifier(model))
    elif task == TRANSLATION:
        answering = Translator(open_translator(model))
    else:
        answering = LanguageModel(open_model(model, encoding=encoding))
    network = answering.opened.model
    if isinstance(network, Placeable):
        from seqcli.training.device import place

        network.place(place(device, precision, threads=threads))
    return answering
