"""Opens language models from folders or ARPA files, and evaluates them on a corpus."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from seqcli.data.files import unpacked_name
from seqcli.interfaces import SILENT, OpenModel, Reporter
from seqcli.interop import ARPA_SUFFIXES, is_arpa
from seqcli.interop.huggingface.hub import revision
from seqcli.metrics.perplexity import Totals
from seqcli.models import ngram
from seqcli.ngram.table import Table
from seqcli.runs.model_folder import ModelFolder
from seqcli.scoring.sentences import score_block, score_documents
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.model_names import is_network, opened
from seqcli.token_batch import TokenBatch

LANGUAGE = "language"


def open_model(
    source: str, *, name: str | None = None, encoding: str | None = None, reporter: Reporter = SILENT
) -> OpenModel:
    """Opens a language model from a model folder or an ARPA file; problems of the file are reported as notes.
    encoding: of an ARPA file that is not UTF-8."""
    if is_arpa(source):
        from seqcli.interop import arpa

        table, tokenizer, unit = arpa.read(Path(source), encoding=encoding, note=reporter.note)
        return OpenModel(name or _stem(source), "ngram", unit, tokenizer, ngram.NgramModel(table))
    return opened(source, LANGUAGE, lambda run, module: _of_run(run, module, name or _stem(source)))


def _of_run(run: ModelFolder, module: ModuleType, name: str) -> OpenModel:
    tokenizer, unit = run.tokenizer(), run.config["unit"]
    if unit not in ("line", "document"):
        raise ValueError(f"unit {unit!r}")
    model = module.load(run.config["settings"], run.tensors(whole=is_network(module)), vocab_size=tokenizer.vocab_size)
    return OpenModel(
        name, run.arch, unit, tokenizer, model, ends_documents=bool(run.config.get("ends_documents")), hub=revision(run.path)
    )  # fmt: skip


def untrained(path: str) -> Any:
    """The network of a model folder with random weights, as it was before training."""
    import torch

    def made(run: ModelFolder, module: ModuleType) -> Any:
        torch.manual_seed(0)
        return module.build(module.Config(**run.config["settings"]), vocab_size=run.tokenizer().vocab_size).eval()

    return opened(path, LANGUAGE, made)


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
    return (Path(name).stem if name.lower().endswith((*ARPA_SUFFIXES, ".model")) else name) or "model"


def evaluate_text(opened: OpenModel, corpus: Corpus) -> Totals:
    """Totals of a corpus under a model, in the model's unit."""
    totals = Totals()
    for blocks in corpus.files():
        if corpus.unit == "document":
            for _, sums in score_documents(lambda block: [opened], blocks):
                totals += sums[opened.name].totals
        else:
            for block in blocks:
                totals += score_block(opened, block).totals
    return totals


def judge(opened: OpenModel, stream: np.ndarray) -> Totals:
    """Totals of rows of tokens (int32 [T], `<s>` before each) under a model, in bytes and characters of their text."""
    batch = TokenBatch.of_stream(stream)
    log_prob = opened.model.score(batch).log_prob
    text = opened.tokenizer.decode(batch.tokens.tolist()) + "\n" * opened.ends
    return Totals.of(
        batch.tokens, log_prob, sentences=len(batch.lengths), bytes=len(text.encode()), characters=len(text)
    )


def figures_of(totals: Totals) -> dict[str, float | None]:
    """Figures for a JSON file, with None for infinity and NaN."""
    figures = {
        "sentences": totals.sentences,
        "tokens": totals.tokens,
        "unknown": totals.unknown,
        "log_prob": totals.log_prob,
        "perplexity": totals.perplexity,
        "perplexity_known": totals.perplexity_known,
        "bits_per_byte": totals.bits_per_byte,
        "bits_per_character": totals.bits_per_character,
    }
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
