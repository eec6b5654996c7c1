"""`seqcli info`: describe a model folder, an ARPA file, a fastText classifier or a tokenizer; without one, list the sample models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seqcli.commands.declaration import with_options
from seqcli.commands.options import Results
from seqcli.interfaces import Reporter

if TYPE_CHECKING:
    from pathlib import Path


@with_options("Model")
def info(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR",
            help="Model or tokenizer folder, ARPA file (.arpa, .lm), fastText classifier (.bin, .ftz), SentencePiece .model file, sample model or hf:NAME[@REVISION].  [default: list them]",
            show_default=False,
        ),
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and check its checksum.")] = False,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="Encoding of an ARPA file that is not UTF-8, such as latin-1.")
    ] = None,
    *,
    results: Results,
) -> None:
    """Describe a model: task, architecture, size, tokenizer, data and scores.

    Without DIR, list the sample models, which are built on first use, and the models in the cache.

    Examples:
      seqcli info
      seqcli info model
      seqcli info model --verify --json
    """
    from pathlib import Path

    from seqcli import sources
    from seqcli.commands.info import overview
    from seqcli.interop.formats.arpa import is_arpa
    from seqcli.report.frame import Column
    from seqcli.report.output import JSON, TABLE
    from seqcli.report.progress import Console
    from seqcli.tasks.classification.load import is_fasttext

    reporter = Console(prefix="seqcli info", quiet=results.quiet)
    if model is None:
        overview.show_samples(results, reporter)
        return
    name, model = model, sources.located(model, reporter=reporter)
    if is_arpa(model):
        values = _of_arpa(model, verify=verify, encoding=encoding, reporter=reporter)
    elif is_fasttext(model):
        values = _of_fasttext(model, verify=verify)
    elif _is_tokenizer(Path(model)):
        values = _of_tokenizer(model, verify=verify)
    else:
        values = _of_run(model, verify=verify)
    with results.opened() as out:
        if out.mode == JSON:
            out.rows([], json=[values])
        elif out.mode == TABLE:
            out.write(overview.drawn(values, name=name, color=out.color))
        else:
            out.begin(["what", "value"])
            rows = list(overview.flat(values))
            texts = [overview.plain(value) for _, value in rows]
            columns = [Column("what", [key for key, _ in rows]), Column("value", texts)]
            out.rows(columns)


def _of_run(model: str, *, verify: bool) -> dict:
    from seqcli.interop.huggingface.hub import snapshot_of
    from seqcli.ngram.quantised import parameters
    from seqcli.tasks.open_folder import folder_of

    run, snapshot = folder_of(model), snapshot_of(model)
    if verify:
        run.verify()
    ngrams = run.config.get("ngrams")
    return {
        "model": str(run.path),
        **({"hub": "@".join(snapshot)} if snapshot else {}),
        "task": run.task,
        "arch": run.arch,
        "parameters": parameters(run.tensors()),
        "bytes": run.bytes(),
        **({"bytes_per_ngram": round(run.bytes() / sum(ngrams), 2)} if ngrams else {}),
        "format": run.manifest["format"],
        "seqcli": run.manifest.get("seqcli"),
        "verified": verify,
        **{key: value for key, value in run.config.items() if key != "arch"},
    }


def _of_fasttext(model: str, *, verify: bool) -> dict:
    from pathlib import Path

    from seqcli.tasks.classification.load import CLASSIFICATION, open_fasttext

    _, record = open_fasttext(model, name=model)
    return {
        "model": model,
        "task": CLASSIFICATION,
        "bytes": Path(model).stat().st_size,
        "format": "fasttext",
        "verified": verify,
        **record,
    }


def _of_arpa(model: str, *, verify: bool, encoding: str | None, reporter: Reporter) -> dict:
    """Reading it verifies all that an ARPA file says about itself."""
    from pathlib import Path

    from seqcli.ngram.quantised import parameters
    from seqcli.tasks.language.load import LANGUAGE, open_model, table_of
    from seqcli.tasks.language.train_counted import foreign_record

    opened = open_model(model, encoding=encoding, reporter=reporter)
    return {
        "model": model,
        "task": LANGUAGE,
        "parameters": parameters(table_of(opened).tensors()),
        "bytes": Path(model).stat().st_size,
        "format": "arpa",
        "verified": verify,
        **foreign_record(opened, source=model),
    }


def _is_tokenizer(path: Path) -> bool:
    """Whether there is a tokenizer without a model."""
    from seqcli import tokenizers
    from seqcli.runs.model_folder import CONFIG

    if not path.is_dir():
        return path.suffix == ".model" or tokenizers.foreign(path)
    return not (path / CONFIG).is_file() and ((path / tokenizers.FILE).is_file() or tokenizers.foreign(path))


def _of_tokenizer(path: str, *, verify: bool) -> dict:
    from pathlib import Path

    from seqcli import tokenizers
    from seqcli.tasks.language.tokenize import shown_vocabulary
    from seqcli.tasks.tokenizer_choice import open_tokenizer

    folder = Path(path)
    ours = folder.is_dir() and not tokenizers.foreign(folder)
    tokenizer = tokenizers.load(folder, verify=verify) if ours else open_tokenizer(path)
    files = [file for file in folder.iterdir() if file.is_file()] if folder.is_dir() else [folder]
    return {
        "tokenizer": path,
        "kind": tokenizer.KIND,
        "vocab_size": len(shown_vocabulary(tokenizer)[0]),
        "fingerprint": tokenizer.fingerprint,
        "bytes": sum(file.stat().st_size for file in files),
        "verified": verify and ours,
    }
