"""Opening translators."""

from __future__ import annotations

from seqcli import catalog
from seqcli.errors import ModelError
from seqcli.interfaces import OpenTranslator
from seqcli.runs import Run, version_of
from seqcli.tasks.language.opened import named

TASK = "translation"


def open_translator(source: str, *, name: str | None = None) -> OpenTranslator:
    """A translator from a model folder, `DIR` or `NAME=DIR`."""
    if name is None:
        name, source = next(named([source]))
    version = version_of(source)
    try:
        return _opened(source, name)
    except ModelError:
        if version_of(source) == version:
            raise
        return open_translator(source, name=name)  # a training replaced it while it was read


def _opened(source: str, name: str) -> OpenTranslator:
    run = Run.open(source).expect(TASK)
    module_name = run.config.get("module", "")
    if module_name not in catalog.names("models"):
        raise ModelError(f"unknown architecture {module_name!r}", where=source, cure="upgrade seqcli or train again")
    try:
        sides = run.tokenizers()
        model = catalog.load("models", module_name).load(
            run.config["settings"], run.tensors(), source_size=sides[0].vocab_size, vocab_size=sides[1].vocab_size,
            joint=sides[0] is sides[1],
        )  # fmt: skip
    except ModelError as error:
        raise ModelError(error.what, where=error.where or source, cure=error.cure) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"damaged settings ({error})", where=source, cure="restore it or train again") from None
    return OpenTranslator(name, run.arch, *sides, model)
