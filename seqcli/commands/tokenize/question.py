"""What every mode of `seqcli tokenize` has in common: the records, and the tokenizers that read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from seqcli.commands import session
from seqcli.data.lines import Block
from seqcli.data.record_reader import RecordReader
from seqcli.report.output import Output

EXAMPLE = 'seqcli tokenize "I study machine learning"'


class NamedReader(NamedTuple):
    """A tokenizer as its model reads records with it. path: of -m, None of a sample model's."""

    name: str
    reader: RecordReader
    path: str | None = None


@dataclass(frozen=True)
class Question(session.Question):
    """What the command line asks. ids: token ids are read or shown instead of pieces."""

    ids: bool = False

    def open_records(self, out: Output | None = None) -> session.Records:
        """out: an output whose rows should appear as they are made."""
        return session.open_records(self, example=EXAMPLE, out=out)

    def open_readers(self, beginning: str = "") -> session.Models[NamedReader]:
        """Those of -m, or those of the sample models. beginning: of the texts."""
        from seqcli import samples
        from seqcli.tasks.language.data import open_reader
        from seqcli.tasks.language.load import named

        def of_sample(language: str) -> NamedReader:
            opened = samples.language_model_of(language, reporter=self.reporter)
            return NamedReader(opened.name, RecordReader.of(opened))

        chosen = [
            NamedReader(name, open_reader(path, encoding=self.source.encoding), path)
            for name, path in named(self.sources)
        ]
        place = session.Placement(self.machine, reporter=self.reporter, otherwise="tokenizers run on the CPU")
        readers: session.Models[NamedReader] = session.Models(
            chosen, place, open_sample=of_sample, kind="language", beginning=beginning, reporter=self.reporter
        )
        _ = readers.all  # one that cannot be opened is an error before anything is written
        return readers


def only(readers: session.Models[NamedReader], block: Block) -> NamedReader:
    """The only one that answers the records of a block."""
    (named,) = readers.of(block)
    return named
