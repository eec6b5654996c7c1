"""`seqcli convert`: convert between model folders and foreign formats."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqcli import catalog
from seqcli.commands.declaration import with_options
from seqcli.commands.options import QUANTIZE
from seqcli.commands.parsers import choice
from seqcli.errors import ModelError, UsageError
from seqcli.interfaces import Reporter

if TYPE_CHECKING:
    from seqcli.runs.model_folder import ModelFolder


def _formats() -> list[str]:
    """As `interop.formats.names`, without imports."""
    return [name.replace("_", "-") for name in catalog.names("interop/formats")]


@with_options("Model")
def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Model folder, Hugging Face folder or hf:NAME, ARPA file (.arpa, .lm, compressed or not) or file of word vectors (word2vec, GloVe, fastText) to read.",
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="File to write (.arpa, .arpa.gz, .lm, .lm.gz; word vectors: .vec, .bin, .glove), or new folder.",
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(
            parser=choice(_formats),
            metavar="FORMAT",
            help=f"Format to write: {catalog.listed(_formats())} (hf is Hugging Face).  [default: from the file name]",
        ),
    ] = None,
    quantize: QUANTIZE = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing target.")] = False,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of an ARPA file that is not UTF-8, such as latin-1.")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="Do not print notes.", rich_help_panel="General")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Convert models to and from the formats of other tools. Scores and vectors stay the same.

    N-gram models become ARPA files, Transformers Hugging Face or CTranslate2 folders, word vectors files of word2vec, GloVe or
    fastText. ARPA files, Hugging Face folders (or hf:NAME) and files of vectors become model folders. With --quantize, the
    probabilities of an n-gram model are rounded to 8 bits, which makes it about a third as large.

    Examples:
      seqcli convert model model.arpa.gz
      seqcli convert model.arpa copy
      seqcli convert transformer folder --to hf
    """
    import shlex

    import numpy as np

    from seqcli import sources
    from seqcli.data.files import compression
    from seqcli.interop import formats
    from seqcli.interop.formats import arpa
    from seqcli.report.progress import Console
    from seqcli.runs.model_writer import writing_model
    from seqcli.tasks.language.load import open_model, table_of
    from seqcli.tasks.language.train_counted import foreign_record, save_counted
    from seqcli.tasks.open_folder import folder_of

    reporter = Console(prefix="seqcli convert", quiet=quiet)
    name, source = source, sources.located(source, reporter=reporter)
    vectors, foreign = _is_of_words(source), formats.reader(source)
    holds = formats.holds(to) if to else None
    if vectors or foreign or holds == formats.MODELS:
        if encoding:
            raise UsageError("--encoding applies to reading an ARPA file")
        if quantize:
            raise UsageError("--quantize applies to n-gram models", where=source, cure="leave it out")
    reads = arpa.is_arpa(source)
    if to:
        others = {formats.MODELS: vectors or reads, formats.NGRAMS: vectors or foreign, formats.VECTORS: not vectors}
        if holds and others[holds]:
            raise UsageError(f"--to {to} applies to {holds}", where=source, cure="leave it out")
        if holds == formats.MODELS:
            return _write_folder(source, target, to=to, force=force, reporter=reporter)
    if vectors:
        return _convert_vectors(source, target, format=to, force=force, reporter=reporter)
    if foreign:
        return _read_folder(source, target, name=name, force=force, reporter=reporter)
    writes = arpa.is_arpa(target) or holds == formats.NGRAMS
    if quantize and writes:
        raise UsageError("--quantize applies to model folders; an ARPA file holds decimal numbers", where=target)
    if reads == writes and not quantize:
        if not reads:
            folder_of(source)  # a source that is no model at all is reported first
        what = "source and target are both ARPA files" if reads else "neither source nor target is an ARPA file"
        raise UsageError(what, cure="use seqcli convert DIR MODEL.arpa.gz, or the other way round")
    if encoding and not reads:
        raise UsageError("--encoding applies to reading an ARPA file; files are written in UTF-8")
    if writes:
        if compression(target) not in (None, ".gz"):
            raise UsageError(
                f"cannot write {compression(target)} files", where=target, cure="name it .arpa or .arpa.gz"
            )
        taken = UsageError("already exists", where=target, cure="use --force to replace it")
        if Path(target).exists() and not force:
            raise taken
        _counted(source, "written as ARPA")
        opened = open_model(source)
        try:
            arpa.write(Path(target), table_of(opened), opened.tokenizer, opened.unit, exclusive=not force)
        except FileExistsError:  # another process wrote it meanwhile
            raise taken from None
        if impossible := sum(int(np.isneginf(log_backoff).sum()) for log_backoff in table_of(opened).log_backoff):
            held = "1 back-off is" if impossible == 1 else f"{impossible:,} back-offs are"
            reporter.note(f"{held} log10 of 0, written as -inf like lmplz does; KenLM cannot read such a file")
        if opened.tokenizer.KIND == "sentencepiece":
            reporter.note(
                f"{target} contains subword pieces; give it the output of `seqcli tokenize -m {shlex.quote(source)}`"
            )
    else:
        with writing_model(target, force=force) as writer:
            opened = open_model(source, encoding=encoding, reporter=reporter)
            record = foreign_record(opened, source=source) if reads else _counted(source, "quantized").config
            opened = save_counted(writer, opened, source=source, record=record, quantize=quantize)
    reporter.note(f"{source} -> {target}: n-grams {', '.join(f'{n:,}' for n in table_of(opened).sizes)}")


def _counted(source: str, use: str) -> ModelFolder:
    """The folder of a whole n-gram model, which alone can be put to this use."""
    from seqcli.tasks.language.load import LANGUAGE
    from seqcli.tasks.open_folder import folder_of

    run = folder_of(source).expect(LANGUAGE)
    if run.arch != "ngram":
        raise ModelError(f"{run.arch} models cannot be {use}", where=source, cure="use an n-gram model")
    run.verify()
    return run


def _read_folder(source: str, target: str, *, name: str, force: bool, reporter: Reporter) -> None:
    """Converts a model of another tool to a model folder. name: the source as the user named it."""
    from seqcli.files import tensor_file
    from seqcli.interop.huggingface import hub
    from seqcli.runs.model_writer import writing_model
    from seqcli.tasks.open_folder import verified_folder

    with writing_model(target, force=force) as draft:
        run = verified_folder(source)
        arch = run.config.get("architecture", run.arch)
        tensors, sides = run.tensors(whole=True), run.tokenizers()
        record = run.config | {
            "source": hub.revision(source) or Path(source).name,
            "parameters": sum(array.size for array in tensors.values()),
        }
        draft.save(
            task=run.task,
            arch=run.arch,
            config=record,
            tensors={tensor: tensor_file.tensor(array) for tensor, array in tensors.items()},
            tokenizer=sides[0] if sides[0] is sides[1] else sides,
            card=f"# A model ({arch})\n\nConverted by seqcli from {record['source']}.\n",
        )
    reporter.note(f"{name} -> {target}: {arch}, {record['parameters']:,} parameters")


def _write_folder(source: str, target: str, *, to: str, force: bool, reporter: Reporter) -> None:
    """Converts a model folder to the format `to`. Raises UsageError if it can only be read."""
    from seqcli.interop import formats
    from seqcli.runs.whole_folder import writing_folder
    from seqcli.tasks.open_folder import verified_folder

    format = formats.load(to)
    if not hasattr(format, "write"):
        raise UsageError(f"{format.TOOL} models can be read, but not written", where=f"--to {to}")
    what = f"a {format.TOOL} folder that seqcli wrote"
    with writing_folder(target, what=what, is_one=format.is_written, force=force) as replace:
        run = verified_folder(source)
        replace(lambda folder: format.write(run, folder))
    reporter.note(f"{source} -> {target}: {_about(run)}")


def _about(run: ModelFolder) -> str:
    parameters = run.config.get("parameters")
    return f"{run.arch}, {parameters:,} parameters" if parameters else run.arch


def _is_of_words(source: str) -> bool:
    """Whether a source is a file or a folder of word vectors."""
    from seqcli.interop.word_vectors import is_vectors
    from seqcli.runs.model_folder import ModelFolder
    from seqcli.tasks.embeddings.load import is_of_words

    if os.path.isdir(source):
        try:
            return is_of_words(ModelFolder.open(source))
        except ModelError:
            return False
    return is_vectors(source)


def _convert_vectors(source: str, target: str, *, format: str | None, force: bool, reporter: Reporter) -> None:
    """Raises UsageError where nothing would be converted, or the target exists."""
    from seqcli.interop import formats
    from seqcli.interop import word_vectors as interop
    from seqcli.runs.model_writer import writing_model
    from seqcli.tasks.embeddings.load import open_embeddings, save_vectors

    is_file = os.path.isfile(source)
    vectors = interop.read(source) if is_file else open_embeddings(source).vectors
    format = format or interop.format_of(target, subwords=vectors.subwords is not None)
    if format:
        if os.path.exists(target) and not force:
            raise UsageError("already exists", where=target, cure="use --force to replace it")
        if os.path.exists(target) and os.path.samefile(source, target):
            raise UsageError("source and target are the same file", where=target, cure="write to another name")
        interop.write(target, vectors, format=format)
    else:
        if not is_file:
            raise UsageError(
                "cannot tell the format to write", where=target, cure="name it .vec, .bin or .glove, or give --to"
            )
        with writing_model(target, force=force) as draft:
            save_vectors(draft, vectors, source=Path(source).name)
    reporter.note(f"{source} -> {target}: {len(vectors):,} words x {vectors.dim} numbers")
    if vectors.subwords is not None and format and not formats.load(format).KEEPS_NGRAMS:
        reporter.note(f"{target} has no n-grams: unknown words have no vector there; fasttext-bin keeps them")
