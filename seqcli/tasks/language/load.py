"""Opens language models from folders or ARPA files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from types import ModuleType
from typing import Any

from seqcli.data.files import unpacked_name
from seqcli.interfaces import SILENT, OpenModel, Reporter
from seqcli.interop.formats import arpa
from seqcli.interop.huggingface.hub import revision
from seqcli.models import ngram
from seqcli.ngram.table import Table
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.open_folder import is_network, open_folder, open_saved

LANGUAGE = "language"


def open_model(
    source: str, *, name: str | None = None, encoding: str | None = None, reporter: Reporter = SILENT
) -> OpenModel:
    """Opens a language model from a model folder or an ARPA file; problems of the file are reported as notes.
    encoding: of an ARPA file that is not UTF-8."""
    if arpa.is_arpa(source):
        table, tokenizer, unit = arpa.read(Path(source), encoding=encoding, note=reporter.note)
        return OpenModel(name or _stem(source), "ngram", unit, tokenizer, ngram.NgramModel(table))
    return open_folder(
        source, LANGUAGE, lambda run, module: _of_run(run, module, name or _stem(source), hub=revision(run.path))
    )


def open_saved_model(path: Path) -> OpenModel:
    """Opens a model that has just been trained."""
    return open_saved(path, lambda run, module: _of_run(run, module, _stem(str(path))))


def _of_run(run: ModelFolder, module: ModuleType, name: str, *, hub: str = "") -> OpenModel:
    tokenizer, unit = run.tokenizer(), run.config["unit"]
    if unit not in ("line", "document"):
        raise ValueError(f"unit {unit!r}")
    model = module.load(run.config["settings"], run.tensors(whole=is_network(module)), vocab_size=tokenizer.vocab_size)
    return OpenModel(
        name, run.arch, unit, tokenizer, model, ends_documents=bool(run.config.get("ends_documents")), hub=hub
    )  # fmt: skip


def untrained(path: str) -> Any:
    """The network of a model folder with random weights, as it was before training."""
    import torch

    def made(run: ModelFolder, module: ModuleType) -> Any:
        torch.manual_seed(0)
        return module.build(module.Config(**run.config["settings"]), vocab_size=run.tokenizer().vocab_size).eval()

    return open_folder(path, LANGUAGE, made)


def table_of(opened: OpenModel) -> Table:
    """The table of an n-gram model, the only kind that a foreign file contains."""
    assert isinstance(opened.model, ngram.NgramModel)
    return opened.model.table


def open_models(sources: Iterable[str], *, encoding: str | None = None, reporter: Reporter = SILENT) -> list[OpenModel]:
    """Models by `DIR` or `NAME=DIR`."""
    return [open_model(path, name=name, encoding=encoding, reporter=reporter) for name, path in named(sources)]


def named(sources: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names and paths of `DIR` or `NAME=DIR`; equal names are made unique with `#2`, `#3` ..."""
    taken: set[str] = set()
    for source in sources:
        name, sign, path = source.partition("=")
        if not sign or os.path.exists(source):
            name, path = _stem(source), source
        unique = next(n for n in chain([name], (f"{name}#{i}" for i in count(2))) if n not in taken)
        taken.add(unique)
        yield unique, path


def _stem(path: str) -> str:
    name = unpacked_name(os.path.basename(os.path.realpath(path)))
    return (Path(name).stem if name.lower().endswith((*arpa.SUFFIXES, ".model")) else name) or "model"
