"""Training of counted models: from a corpus to a model folder in one pass."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import catalog
from seqcli.data.paths import recorded
from seqcli.errors import UsageError
from seqcli.files import tensor_file
from seqcli.interfaces import SILENT, OpenModel, Reporter, Tokenizer
from seqcli.metrics import signature, unigram
from seqcli.models import ngram
from seqcli.ngram.arena import Arena, default_memory
from seqcli.ngram.quantised import quantised
from seqcli.ngram.table import Table
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter
from seqcli.tasks.language import evaluate
from seqcli.tasks.language.data import Corpus, check_enough, read, split
from seqcli.tasks.language.evaluate import evaluate_stream, evaluate_text, figures_of
from seqcli.tasks.language.load import LANGUAGE, open_saved_model, table_of
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.tasks.train_each import Trained
from seqcli.token_batch import count_rows
from seqcli.training import resuming


def train_counted(
    writer: ModelWriter,
    corpus: Corpus,
    choice: TokenizerChoice,
    config: Any,
    *,
    memory: int,
    arch: str = "ngram",
    valid: Corpus | None = None,
    holding_out: int | None = None,
    threads: int | None = None,
    reporter: Reporter = SILENT,
) -> Trained[OpenModel]:
    """Estimates a counted model of `corpus` into `writer` and evaluates it on `valid`.

    config: of the module of `arch`, which has `estimate` and `load`.
    holding_out: seed for holding out a part of the corpus for the evaluation instead, as for networks.
    """
    begun, name = time.monotonic(), catalog.presets(LANGUAGE, arch)[0]
    module = catalog.load("models", name)
    text = _prepared(
        corpus,
        choice,
        config,
        arch=arch,
        valid=valid,
        holding_out=holding_out,
        folder=writer.folder,
        threads=threads,
        reporter=reporter,
    )
    vocab_size = text.tokenizer.vocab_size
    arena = Arena(memory=memory, tokens=len(text.stream), folder=writer.folder)
    counted = module.estimate(
        text.stream, config, vocab_size=vocab_size, arena=arena, workers=threads, reporter=reporter
    )
    record = text.record if name == arch else {**text.record, "module": name}
    return finished(
        writer, counted, record, tokenizer=text.tokenizer, valid=valid, held_out=text.held_out, begun=begun, reporter=reporter
    )  # fmt: skip


def finished(
    writer: ModelWriter, counted: Any, record: Mapping[str, Any], *,
    tokenizer: Tokenizer, valid: Corpus | None, held_out: np.ndarray | None = None, begun: float, reporter: Reporter,
) -> Trained[OpenModel]:  # fmt: skip
    """Evaluates and saves a counted model. record: of its training so far; begun: its start, on the monotonic clock."""
    record = {
        **record,
        **counted.record,
        "parameters": counted.parameters,
        "seconds": round(time.monotonic() - begun, 3),
    }
    module = catalog.load("models", record.get("module", record["arch"]))
    model = module.load(record["settings"], counted.tensors, vocab_size=tokenizer.vocab_size)
    opened = OpenModel(writer.path.name, record["arch"], record["unit"], tokenizer, model)
    if valid is not None:
        record["valid"] = figures_of(evaluate_text(opened, valid))
    elif held_out is not None:
        record["valid"] = figures_of(evaluate_stream(opened, held_out))
    reporter.progress("saving", 1, 1)
    tensors = {name: tensor_file.tensor(array) for name, array in counted.tensors.items()}
    writer.save(
        task=LANGUAGE, arch=record["arch"], config=record, tensors=tensors, tokenizer=tokenizer, card=_card(record)
    )
    writer.log({"event": "trained", **record})
    return Trained(writer.path, open_saved_model(writer.path), record)


def counted_before(
    path: Path, corpus: Corpus, choice: TokenizerChoice, config: Any, *,
    valid: Corpus | None, holding_out: int | None, threads: int | None, reporter: Reporter,
) -> Trained[OpenModel]:  # fmt: skip
    """The model that `train_counted` made in `path`, which --resume keeps. Raises UsageError if its settings or data differ."""
    record = ModelFolder.open(path).config
    with tempfile.TemporaryDirectory(prefix="seqcli-") as folder:
        text = _prepared(
            corpus,
            choice,
            config,
            arch=record["arch"],
            valid=valid,
            holding_out=holding_out,
            folder=Path(folder),
            threads=threads,
            reporter=SILENT,
        )
    resuming.check(resuming.settings_of(record), resuming.settings_of(text.record), done=True, reporter=reporter)
    return Trained(path, open_saved_model(path), record)


@dataclass(frozen=True)
class _Text:
    """The text that is counted, the text for the evaluation, and the record of both."""

    tokenizer: Tokenizer
    stream: np.ndarray
    held_out: np.ndarray | None
    record: dict[str, Any]


def _prepared(
    corpus: Corpus, choice: TokenizerChoice, config: Any, *,
    arch: str, valid: Corpus | None, holding_out: int | None, folder: Path, threads: int | None, reporter: Reporter,
) -> _Text:  # fmt: skip
    """Prepares everything before counting."""
    reading = read(corpus, choice, folder=folder, threads=threads, reporter=reporter)
    check_enough(reading, corpus, judged_on_others=valid is not None)
    tokenizer, stream, held_out = reading.tokenizer, reading.stream, None
    if holding_out is not None:
        stream, held_out = split(stream, unit=corpus.unit, seed=holding_out, folder=folder)
    record: dict[str, Any] = {
        "arch": arch,
        "settings": asdict(config),
        "unit": corpus.unit,
        "vocab_size": tokenizer.vocab_size,
        "tokenizer": signature.tokenizer_label(tokenizer),
        "data": {
            "files": recorded(corpus.paths), "rows": reading.rows,
            "tokens": len(stream) - count_rows(stream), "fingerprint": resuming.fingerprint(stream),
        },
    }  # fmt: skip
    if held_out is not None:
        counts, of_held_out = unigram.counts(held_out, tokenizer.vocab_size), resuming.fingerprint(held_out)
    elif valid is not None and not valid.read_once():
        counts, of_held_out = evaluate.token_counts(valid, tokenizer, threads=threads)
    else:
        return _Text(tokenizer, stream, held_out, record)
    record["data"]["held_out_fingerprint"] = of_held_out
    record["baseline"] = evaluate.baseline(stream, counts, size=tokenizer.vocab_size)
    return _Text(tokenizer, stream, held_out, record)


def save_counted(
    writer: ModelWriter, opened: OpenModel, *, source: str, record: Mapping[str, Any], quantize: int | None = None
) -> OpenModel:
    """Saves an n-gram model that was read from `source`. record: of its training; quantize: bits of its values, None for no change.
    Returns the saved model. Raises UsageError if it is already quantized."""
    if quantize:
        table = table_of(opened)
        if table.precision != Table.precision:
            raise UsageError("is already quantized", where=source, cure="use the model that it was made from")
        arena = Arena(memory=default_memory(), tokens=sum(table.sizes), folder=writer.folder)
        opened = replace(opened, model=ngram.NgramModel(quantised(table, arena=arena)))
        settings = {**record["settings"], "quantize": quantize}
        record = {**{key: value for key, value in record.items() if key != "valid"}, "settings": settings}
    tensors = {name: tensor_file.tensor(array) for name, array in table_of(opened).tensors().items()}
    card = f"# An n-gram language model\n\nConverted by seqcli from {Path(source).name}.\n"
    writer.save(task=LANGUAGE, arch="ngram", config=record, tensors=tensors, tokenizer=opened.tokenizer, card=card)
    return opened


def foreign_record(opened: OpenModel, *, source: str) -> dict[str, Any]:
    """The record of an n-gram model that was read from a foreign file."""
    table = table_of(opened)
    return {
        "arch": "ngram",
        "settings": {"order": table.order, "prune": [], "quantize": 0},
        "unit": opened.unit,
        "vocab_size": table.vocab_size,
        "tokenizer": signature.tokenizer_label(opened.tokenizer),
        "data": {"files": [Path(source).name]},
        "ngrams": table.sizes,
    }


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    rows = "\n".join(f"| {n} | {count:,} |" for n, count in enumerate(record.get("ngrams", ()), 1))
    table = f"| order | n-grams |\n|---|---|\n{rows}\n" if rows else ""
    valid = record.get("valid")
    result = f"\nOn held-out text: perplexity {valid['perplexity']:.2f}.\n" if valid and valid["perplexity"] else ""
    return (
        f"# A language model ({record['arch']})\n\nMade by seqcli: {settings}; tokenizer {record['tokenizer']}; "
        f"{record['data']['rows']:,} rows, {record['data']['tokens']:,} tokens of "
        f"{', '.join(record['data']['files'])}.\n\n{table}{result}\n"
        f'Try it: `seqcli score -m DIR "a sentence"`.\n'
    )
