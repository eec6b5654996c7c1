"""Shared by all modes of `seqcli tokenize`: the records, and the tokenizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from seqcli.commands import session
from seqcli.commands.models import Models, Placement
from seqcli.data.lines import Block
from seqcli.data.record_reader import RecordReader
from seqcli.report.output import Output

EXAMPLE = 'seqcli tokenize "I study machine learning"'


class NamedReader(NamedTuple):
    """A tokenizer that reads records as its model does. path: as given by -m, None for a sample model."""

    name: str
    reader: RecordReader
    path: str | None = None


@dataclass(frozen=True)
class Arguments(session.Arguments):
    """The command line of `seqcli tokenize`. ids: read or write token ids instead of tokens."""

    needs_weights: ClassVar[bool] = False
    ids: bool = False

    def open_records(self, out: Output | None = None) -> session.Records:
        """Opens the records. out: an output whose rows should appear as they are computed."""
        return session.open_records(self, example=EXAMPLE, out=out)

    def open_readers(self, beginning: str = "") -> Models[NamedReader]:
        """Opens the tokenizers of -m, or those of the sample models. beginning: of the texts."""
        from seqcli import samples
        from seqcli.tasks.language.load import named
        from seqcli.tasks.tokenizer_choice import open_reader

        def of_sample(language: str) -> NamedReader:
            opened = samples.language_model_of(language, reporter=self.reporter)
            return NamedReader(opened.name, RecordReader.of(opened))

        chosen = [
            NamedReader(name, open_reader(path, encoding=self.source.encoding), path)
            for name, path in named(self.sources)
        ]
        place = Placement(self.machine, reporter=self.reporter, reason="tokenizers run on the CPU")
        readers: Models[NamedReader] = Models(
            chosen,
            place,
            reopen=self.open_readers,
            open_sample=of_sample,
            kind="language",
            beginning=beginning,
            reporter=self.reporter,
        )
        _ = readers.all  # opened now, so that an error is raised before anything is written
        return readers


def only(readers: Models[NamedReader], block: Block) -> NamedReader:
    """The only one that answers the records of a block."""
    (named,) = readers.of(block)
    return named
