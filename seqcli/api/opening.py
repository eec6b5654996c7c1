"""What models in Python share: `seqcli.load`, pickling as what opens them again, and texts as one string or several."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from seqcli import ranges, sources
from seqcli.data.lines import as_record
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import SILENT, Placeable
from seqcli.interop.formats.arpa import is_arpa
from seqcli.interop.word_vectors import is_vectors
from seqcli.results import Results
from seqcli.runs.model_folder import version_of
from seqcli.tasks.classification.load import CLASSIFICATION, is_fasttext, open_classifier, open_fasttext
from seqcli.tasks.embeddings.load import EMBEDDINGS, open_embeddings
from seqcli.tasks.language.load import named, open_model
from seqcli.tasks.open_folder import folder_of
from seqcli.tasks.training_options import PRECISIONS
from seqcli.tasks.translation.load import TRANSLATION, open_translator

if TYPE_CHECKING:
    from seqcli.api.language_model import LanguageModel
    from seqcli.api.models import Classifier, Embeddings, Translator

Model: TypeAlias = "LanguageModel | Classifier | Translator | Embeddings"
T = TypeVar("T")
Texts = str | Iterable[str]
Answer: TypeAlias = T | list[T]
_KEPT = 4  # models that were unpickled in this process: engines unpickle the same one with every part of the data
_kept: dict[tuple[Any, ...], Model] = {}
_keeping = threading.Lock()


def path_of(path: Any) -> str:
    """A path as a string. Raises UsageError for what is not a path."""
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"{type(path).__name__} is not a path", cure="give a string or a pathlib.Path")
    return os.fspath(path)


def load(
    model: str | os.PathLike[str], *, device: str = "cpu", precision: str = "fp32", threads: int | None = None,
    encoding: str | None = None,
) -> Model:  # fmt: skip
    """The model in a folder, an ARPA file, a fastText model or a file of word vectors, a model of the Hugging Face hub ("hf:NAME@REVISION"), or a sample model by its name ("sample-english"): a `LanguageModel`, `Classifier`, `Translator` or `Embeddings` by its task.

    device ("cpu", "cuda", "auto"), precision ("fp32", "bf16", "int8", "w8a8", "int4") and threads apply to neural models; encoding is
    that of an ARPA file that is not UTF-8. Raises ModelError if the path is not a model or the model is damaged.

    A model is pickled as its place and these arguments, and opened again where it is unpickled: by its absolute path, or from the hub.
    """
    ranges.chosen("precision", precision, PRECISIONS)
    if threads is not None:
        ranges.checked("threads", threads, ranges.THREADS)
    source = path_of(model)
    path = sources.located(source, reporter=SILENT)
    settings: dict[str, Any] = {"device": device, "precision": precision, "threads": threads, "encoding": encoding}
    opening = Opening(sources.portable(source, path), None if path == source else source, settings)
    return dataclasses.replace(_opened(path, opening.name, **settings), opening=opening)


@dataclasses.dataclass(frozen=True)
class Opening:
    """What opens a model again. name: its own, None for that of its path; settings: of `load`."""

    source: str
    name: str | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Pickled:
    """Models that are pickled as what opens them."""

    opening: Opening | None

    def __reduce__(self) -> tuple[Callable[[Opening], Model], tuple[Opening]]:
        if self.opening is None:
            raise UsageError("this model was not opened from a file", cure="save it, and open it with seqcli.load")
        return _reopened, (self.opening,)


def _reopened(opening: Opening) -> Model:
    path = sources.located(opening.source, reporter=SILENT)
    with _keeping:
        key = (
            opening.source,
            opening.name,
            *sorted(opening.settings.items()),
            version_of(path),
            os.path.exists(path) and os.path.getmtime(path),
        )
        if key not in _kept:
            while len(_kept) >= _KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = dataclasses.replace(_opened(path, opening.name, **opening.settings), opening=opening)
        return _kept[key]


def _opened(
    path: str, name: str | None, *, device: str = "cpu", precision: str = "fp32", threads: int | None = None, encoding: str | None = None
) -> Model:  # fmt: skip
    from seqcli.api.language_model import LanguageModel
    from seqcli.api.models import Classifier, Embeddings, Translator

    if is_fasttext(path):
        return Classifier(*open_fasttext(path, name=name or next(named([path]))[0]))
    if is_vectors(path):
        return Embeddings(open_embeddings(path, name=name or os.path.basename(path)))
    folder = None if is_arpa(path) else folder_of(path)
    record = folder.config if folder else {}
    loaded: Model
    if folder and folder.task == CLASSIFICATION:
        loaded = Classifier(open_classifier(path, name=name), record)
    elif folder and folder.task == TRANSLATION:
        loaded = Translator(open_translator(path, name=name), record)
    elif folder and folder.task == EMBEDDINGS:
        loaded = Embeddings(open_embeddings(path, name=name or os.path.basename(path)), record)
    else:
        loaded = LanguageModel(open_model(path, name=name, encoding=encoding), record)
    place_model(loaded.opened.model, {"device": device, "precision": precision, "threads": threads})
    return loaded


def place_model(model: object, settings: Mapping[str, Any]) -> None:
    """Moves a neural model to the device and precision of `load`."""
    if isinstance(model, Placeable):
        from seqcli.training.device import place  # torch

        model.place(place(settings["device"], settings["precision"], threads=settings["threads"]))


def for_all(function: Callable[[list[str]], list[T]], texts: Texts) -> Answer[T]:
    """function(texts) for several texts, a result of each in order, or the result of one text."""
    results = function(as_list(texts))
    return results[0] if isinstance(texts, str) else Results(results)


def for_each(function: Callable[[str], T], texts: Texts) -> Answer[T]:
    """The same for a function of one text."""
    return for_all(lambda texts: list(map(function, texts)), texts)


def as_list(texts: Texts) -> list[str]:
    """One text or several as a list of records."""
    several = [texts] if isinstance(texts, str) else list(texts) if isinstance(texts, Iterable) else [texts]
    for text in several:
        if not isinstance(text, str):
            raise UsageError(f"{type(text).__name__} is not a text", cure="give a string or several strings")
    return list(map(as_record, several))


def as_list_for(others: Texts, texts: Sequence[str], what: str) -> list[str]:
    """Texts that belong to other texts, such as sources, as a list with one entry per text. Raises InputError where the numbers differ."""
    entries = as_list(others)
    if len(entries) != len(texts):
        raise InputError(f"{len(entries)} {what} for {len(texts)} texts", cure="give one for each text")
    return entries
