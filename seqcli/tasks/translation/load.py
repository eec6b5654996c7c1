"""Opening translators."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from seqcli.interfaces import OpenTranslator
from seqcli.interop.huggingface.hub import revision
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.language.load import named
from seqcli.tasks.open_folder import open_folder, open_saved

TRANSLATION = "translation"


def open_translator(source: str, *, name: str | None = None) -> OpenTranslator:
    """A translator from a model folder, `DIR` or `NAME=DIR`."""
    if name is None:
        name, source = next(named([source]))
    return open_folder(source, TRANSLATION, lambda run, module: _of_run(run, module, name, hub=revision(run.path)))


def open_saved_translator(path: Path) -> OpenTranslator:
    """Opens a translator that has just been trained."""
    return open_saved(path, lambda run, module: _of_run(run, module, path.name))


def _of_run(run: ModelFolder, module: ModuleType, name: str, *, hub: str = "") -> OpenTranslator:
    sides = run.tokenizers()
    model = module.load(
        run.config["settings"], run.tensors(whole=True), source_size=sides[0].vocab_size, vocab_size=sides[1].vocab_size,
        joint=sides[0] is sides[1],
    )  # fmt: skip
    return OpenTranslator(name, run.arch, *sides, model, hub)
