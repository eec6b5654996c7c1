"""The command line of `seqcli explain`, and the models of any task that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from seqcli.commands import session
from seqcli.commands.models import Models, Placement
from seqcli.data.lines import Block
from seqcli.explain.views import Explained, How
from seqcli.interop.formats.arpa import is_arpa
from seqcli.interop.word_vectors import is_vectors
from seqcli.models.ngram import NgramModel
from seqcli.tasks.classification.load import CLASSIFICATION, is_fasttext, open_classifier
from seqcli.tasks.embeddings.load import EMBEDDINGS, open_embeddings
from seqcli.tasks.language.load import named, open_model, untrained
from seqcli.tasks.model_names import folder_of
from seqcli.tasks.translation.load import TRANSLATION, open_translator

EXAMPLE = 'seqcli explain "I study machine learning"'


@dataclass(frozen=True)
class Arguments(session.Arguments):
    """The command line of `seqcli explain`. kinds: the requested views; empty: those that suit each model."""

    kinds: tuple[str, ...] = ()
    how: How = field(default_factory=How)

    def open(self) -> tuple[Models[Explained], Iterator[Block]]:
        """The models, and the blocks of texts."""
        records = session.open_records(self, example=EXAMPLE)

        def of_sample(language: str) -> Explained:
            from seqcli import samples

            sample = samples.language_model_of(language, reporter=self.reporter)
            return opened(samples.folder_of(sample.name, reporter=self.reporter), name=sample.name)

        chosen = [opened(path, name=name, encoding=self.source.encoding) for name, path in named(self.sources)]
        place = Placement(self.machine, reporter=self.reporter, reason="models are read as they are")
        models: Models[Explained] = Models(
            chosen, place, open_sample=of_sample, kind="language", beginning=records.beginning, reporter=self.reporter
        )
        _ = models.all  # one that cannot be opened is an error before anything is written
        return models, models.route(records)


def opened(path: str, *, name: str, encoding: str | None = None) -> Explained:
    """A model of any task. Networks stay as they are read: their weights are looked at and differentiated by."""
    if is_arpa(path):
        return Explained(open_model(path, name=name, encoding=encoding))
    if is_vectors(path) and not is_fasttext(path):
        return Explained(open_embeddings(path, name=name))
    folder = folder_of(path)
    if folder.task == EMBEDDINGS:
        return Explained(open_embeddings(path, name=name), folder.config, path=path)
    if folder.task == CLASSIFICATION:
        return Explained(open_classifier(path, name=name), folder.config, path=path)
    if folder.task == TRANSLATION:
        return Explained(open_translator(path, name=name), folder.config, path=path)
    model = open_model(path, name=name)
    if isinstance(model.model, NgramModel):
        return Explained(model, folder.config)
    return Explained(model, folder.config, untrained(path), path)
