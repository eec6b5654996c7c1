"""`seqcli convert`: between the model folder and foreign formats."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli.commands.options import with_options
from seqcli.errors import ModelError, UsageError


@with_options
def convert(
    source: Annotated[
        str, typer.Argument(metavar="SRC", help="Model folder, or ARPA file (.arpa, .lm, compressed or not).")
    ],
    target: Annotated[
        str, typer.Argument(metavar="DST", help="The other: .arpa, .arpa.gz, .lm, .lm.gz, or a new folder.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of an ARPA file that is not UTF-8, such as latin-1.")
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No notes.")] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Convert an n-gram model to ARPA or back, with the same scores."""
    import shlex
    from pathlib import Path

    import numpy as np

    from seqcli.data.files import compression
    from seqcli.interop import arpa, is_arpa
    from seqcli.report.progress import Console
    from seqcli.runs.model_folder import ModelFolder, drafting
    from seqcli.tasks.language.load import LANGUAGE, open_model, table_of
    from seqcli.tasks.language.train_counted import save_counted

    reporter = Console(prefix="seqcli convert", quiet=quiet)
    reads, writes = map(is_arpa, (source, target))
    if reads == writes:
        if not reads:
            ModelFolder.open(source)  # what is no model at all is told first
        what = "both sides are ARPA files" if reads else "neither side is an ARPA file"
        raise UsageError(what, cure="seqcli convert DIR MODEL.arpa.gz, or the other way")
    if writes:
        if encoding:
            raise UsageError("--encoding is for an ARPA file that is read; files are written in UTF-8")
        if compression(target) not in (None, ".gz"):
            raise UsageError(
                f"cannot write {compression(target)} files", where=target, cure="name it .arpa or .arpa.gz"
            )
        taken = UsageError("exists already", where=target, cure="--force replaces it")
        if Path(target).exists() and not force:
            raise taken
        run = ModelFolder.open(source).expect(LANGUAGE)
        if run.arch != "ngram":
            raise ModelError(f"{run.arch} models have no ARPA form", where=source, cure="give an n-gram model")
        run.verify()
        opened = open_model(source)
        try:
            arpa.write(Path(target), table_of(opened), opened.tokenizer, opened.unit, exclusive=not force)
        except FileExistsError:  # another process wrote it meanwhile
            raise taken from None
        if impossible := sum(int(np.isneginf(log_backoff).sum()) for log_backoff in table_of(opened).log_backoff):
            held = "1 back-off is" if impossible == 1 else f"{impossible:,} back-offs are"
            reporter.note(f"{held} log10 of 0, written -inf as by lmplz; KenLM does not read such a file")
        if opened.tokenizer.KIND == "sentencepiece":
            reporter.note(f"{target} holds pieces; feed it the output of `seqcli tokenize -m {shlex.quote(source)}`")
    else:
        with drafting(target, force=force) as draft:
            opened = open_model(source, encoding=encoding, reporter=reporter)
            save_counted(draft, opened, source=source)
    reporter.note(f"{source} -> {target}: n-grams {', '.join(f'{n:,}' for n in table_of(opened).sizes)}")
