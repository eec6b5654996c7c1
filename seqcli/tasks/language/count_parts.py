"""Counts a large corpus in parts, each in its own process, and merges the parts into the model of a single run.

`count_part` writes a folder of counts: all n-grams of the part in its own vocabulary. `merge_parts` merges the vocabularies,
renumbers the n-grams, adds their counts and smooths them. Word ids are ordered by frequency and then by first occurrence, so parts
that are merged in the order of the text give the vocabulary, and the files, of a single run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from seqcli import catalog, ranges
from seqcli.data.paths import recorded
from seqcli.data.records import check_readable
from seqcli.errors import UsageError
from seqcli.files import tensor_file
from seqcli.interfaces import OpenModel, Reporter, Tokenizer
from seqcli.metrics import signature, unigram
from seqcli.models import ngram
from seqcli.ngram import counts
from seqcli.ngram.arena import Arena, default_memory
from seqcli.ngram.level import Level, of_tensors, tensors_of
from seqcli.ngram.merging import merged_levels
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import ModelWriter, writing_model
from seqcli.tasks.language import evaluate
from seqcli.tasks.language.data import Corpus, check_enough, read
from seqcli.tasks.language.load import LANGUAGE
from seqcli.tasks.language.train_counted import finished
from seqcli.tasks.language.train_several import summary_lines
from seqcli.tasks.tokenizer_choice import TokenizerChoice, learned_vocabulary, listed_words
from seqcli.tasks.train_each import Trained
from seqcli.tasks.training_options import TrainingOptions
from seqcli.text import SPECIAL_IDS
from seqcli.token_batch import count_rows
from seqcli.tokenizers import words
from seqcli.training import resuming
from seqcli.training.config import settings_of

COUNTS = "counts"
_FIRST = "first"  # first occurrence of each word, for a vocabulary learned from the text
_ROWS = 1 << 20


def train_parts(
    data: Sequence[str], corpus: Corpus | None, output: str, options: TrainingOptions, *,
    valid: Corpus | None, order: int | None, prune: Sequence[int] | None, quantize: int | None, memory: int | None,
    reporter: Reporter,
) -> Trained[OpenModel] | dict[str, Any]:  # fmt: skip
    """Implements `seqcli train lm` with --counts-only and --merge; returns the record of the counts, or the model.

    corpus: the text of a part, None if `data` are folders of counts to merge. The options are those of `train_language_models`.
    Raises UsageError for options that cannot be combined.
    """
    flag = "--merge" if corpus is None else "--counts-only"
    if [*options.arch] != ["ngram"]:
        raise UsageError(f"{flag} needs --arch ngram, and no other")
    choice, model = options.choice(words.KIND), {"prune": None if prune is None else list(prune), "quantize": quantize}
    limits = {
        "min_count": choice.min_count if choice.min_count > 1 else None,
        "vocab_size": choice.vocab_size,
        "limit_vocab": choice.limit,
    }
    without_effect: dict[str, dict[str, Any]] = {
        "--merge": {"tokenizer": options.tokenizer},
        "--counts-only": {**model, **limits, "valid": valid},
    }
    for name, value in {**without_effect[flag], **options.budget, "resume": options.resume or None}.items():
        if value is not None:
            other = "; use it with --merge" if corpus is not None and name in {**model, **limits, "valid": 0} else ""
            raise UsageError(f"--{name.replace('_', '-')} has no effect with {flag}{other}")
    if memory is not None:
        ranges.checked("memory", memory, ranges.MEMORY)
    if corpus is None:
        order = order or order_of(data)
    elif choice.name in catalog.trained_tokenizers() and choice.name not in (words.KIND, "bytes"):
        cure = "train one with seqcli train tokenizer, and give all parts --tokenizer DIR"
        raise UsageError(f"every part would train its own {choice.name} tokenizer", cure=cure)
    (request,) = options.requests(LANGUAGE, {"order": order, **model})
    config = settings_of(request)[1]
    memory = memory or default_memory()
    paths = [*(corpus.paths if corpus else ()), *(valid.paths if valid else ())]
    check_readable(paths, text_column=corpus.text_column if corpus else None, format=corpus.format if corpus else None)
    with writing_model(output, force=options.force) as writer:
        if corpus is not None:
            return count_part(
                writer, corpus, choice, order=config.order, memory=memory, threads=options.threads, reporter=reporter
            )
        made = merge_parts(
            writer, data, config, choice, valid=valid, memory=memory, threads=options.threads, reporter=reporter
        )
    lines = tuple(summary_lines(made.record, valid.paths if valid else ()))
    return replace(made, name=made.opened.arch, summary=lines)


def count_part(
    writer: ModelWriter, corpus: Corpus, choice: TokenizerChoice, *,
    order: int, memory: int, threads: int | None, reporter: Reporter,
) -> dict[str, Any]:  # fmt: skip
    """Counts a part of a corpus into `writer`. Returns the record."""
    begun = time.monotonic()
    reading = read(corpus, choice, folder=writer.folder, threads=threads, reporter=reporter)
    check_enough(reading, corpus, judged_on_others=True)
    tokenizer, stream = reading.tokenizer, reading.stream
    arena = Arena(memory=memory, tokens=len(stream), folder=writer.folder)
    levels = counts.count(
        stream, vocab_size=tokenizer.vocab_size, order=order, arena=arena, workers=threads, reporter=reporter
    )
    tensors, learnt = tensors_of(levels), choice.name == words.KIND
    if learnt:
        tensors[_FIRST] = _first_places(stream, tokenizer.vocab_size)
    record: dict[str, Any] = {
        "arch": "ngram",
        "settings": {"order": order},
        "unit": corpus.unit,
        "vocab_size": tokenizer.vocab_size,
        "tokenizer": signature.tokenizer_label(tokenizer),
        "learnt": learnt,
        "data": {
            "files": recorded(corpus.paths),
            "rows": reading.rows,
            "tokens": len(stream) - count_rows(stream),
            "stream": len(stream),
            "fingerprint": resuming.fingerprint(stream),
        },
        "ngrams": [len(level) for level in levels],
        "seconds": round(time.monotonic() - begun, 3),
    }
    card = f"# Counts of a part of a corpus\n\nMade by seqcli of {', '.join(recorded(corpus.paths))}.\n"
    saved = {name: tensor_file.tensor(array) for name, array in tensors.items()}
    writer.save(task=COUNTS, arch="ngram", config=record, tensors=saved, tokenizer=tokenizer, card=card)
    return record


def merge_parts(
    writer: ModelWriter, folders: Sequence[str], config: ngram.Config, choice: TokenizerChoice, *,
    valid: Corpus | None, memory: int, threads: int | None, reporter: Reporter,
) -> Trained[OpenModel]:  # fmt: skip
    """The model of all parts, in the order of the text. choice: limits of the vocabulary learned from the parts.

    Raises UsageError for parts that cannot be merged.
    """
    begun = time.monotonic()
    parts = [ModelFolder.open(folder).expect(COUNTS) for folder in folders]
    _check_alike(parts, order=config.order)
    tokenizers = [part.tokenizer() for part in parts]
    arrays = [part.tensors(whole=True) for part in parts]  # check them before hours of work
    levels = [
        of_tensors(tensors, order=config.order, vocab_size=tokenizer.vocab_size)
        for tensors, tokenizer in zip(arrays, tokenizers, strict=True)
    ]
    records = [part.config for part in parts]
    tokens = sum(record["data"]["stream"] for record in records)
    tokenizer, ids = tokenizers[0], None
    if not records[0]["learnt"] and (choice.vocab_size or choice.limit or choice.min_count > 1):
        raise UsageError("a limit of the vocabulary has no effect: the parts were counted with a given tokenizer")
    if records[0]["learnt"]:
        firsts = [tensors[_FIRST] for tensors in arrays]
        tokenizer, ids = _united(tokenizers, records, levels, firsts, choice, reporter)
    arena = Arena(memory=memory, tokens=tokens, folder=writer.folder)
    merged = merged_levels(levels, vocab_size=tokenizer.vocab_size, words=ids, arena=arena, reporter=reporter)
    record: dict[str, Any] = {
        "arch": "ngram",
        "settings": asdict(config),
        "unit": records[0]["unit"],
        "vocab_size": tokenizer.vocab_size,
        "tokenizer": signature.tokenizer_label(tokenizer),
        "data": {
            "files": [file for each in records for file in each["data"]["files"]],
            "rows": sum(each["data"]["rows"] for each in records),
            "tokens": sum(each["data"]["tokens"] for each in records),
            "fingerprint": resuming.fingerprint(*(each["data"]["fingerprint"].encode() for each in records)),
        },
    }
    if valid is not None and not valid.read_once():
        held_out, record["data"]["held_out_fingerprint"] = evaluate.token_counts(valid, tokenizer, threads=threads)
        size = tokenizer.vocab_size
        loss = unigram.cross_entropy(merged[0].count, held_out)
        record["baseline"] = {"unigram": loss, "uniform": unigram.uniform(size)}
    counted = ngram.smoothed(merged, config, arena=arena, reporter=reporter)
    return finished(writer, counted, record, tokenizer=tokenizer, valid=valid, begun=begun, reporter=reporter)


def order_of(folders: Sequence[str]) -> int:
    """The order up to which all parts were counted."""
    return min(ModelFolder.open(folder).expect(COUNTS).config["settings"]["order"] for folder in folders)


def _check_alike(parts: Sequence[ModelFolder], *, order: int) -> None:
    first = parts[0]
    if len({os.path.realpath(part.path) for part in parts}) < len(parts):
        raise UsageError("a part is given twice", cure="give each folder of counts once")
    for part in parts:
        where = str(part.path)
        if part.config["settings"]["order"] < order:
            what = f"was counted up to order {part.config['settings']['order']}, but --order {order} needs more"
            raise UsageError(what, where=where, cure="lower --order, or count this part again")
        if part.config["unit"] != first.config["unit"]:
            what = f"has the unit {part.config['unit']}, but {first.path} has {first.config['unit']}"
            raise UsageError(what, where=where, cure="count all parts with the same --unit")
        same = part.config["learnt"] or part.config["tokenizer"] == first.config["tokenizer"]
        if part.config["learnt"] != first.config["learnt"] or not same:
            what = f"has another tokenizer than {first.path}"
            cure = "count all parts with the default tokenizer, or all with the same --tokenizer DIR"
            raise UsageError(what, where=where, cure=cure)


def _first_places(stream: np.ndarray, vocab_size: int) -> np.ndarray:
    """The first occurrence of each word in `stream`: int64 [V - 3]."""
    first = np.zeros(vocab_size, np.int64)
    for begin in reversed(range(0, len(stream), _ROWS)):
        piece = stream[begin : begin + _ROWS][::-1]  # for repeated indices the last assignment counts
        first[piece] = np.arange(begin + len(piece) - 1, begin - 1, -1)
    return first[len(SPECIAL_IDS) :]


def _united(
    tokenizers: Sequence[Tokenizer], records: Sequence[dict[str, Any]], levels: Sequence[list[Level]],
    firsts: Sequence[np.ndarray], choice: TokenizerChoice, reporter: Reporter,
) -> tuple[words.Words, list[np.ndarray]]:  # fmt: skip
    """The merged vocabulary, and the id in it of each id of a part."""
    learner, special = words.Learner(), len(SPECIAL_IDS)
    known = [each for each in tokenizers if isinstance(each, words.Words)]
    for vocabulary, record, of_part, first in zip(known, records, levels, firsts, strict=True):
        learner.add_vocabulary(vocabulary, of_part[0].count[special:], first, tokens=record["data"]["stream"])
    only = listed_words(choice.limit) if choice.limit else None
    tokenizer, notes = learned_vocabulary(learner, choice, only=only)
    for note in notes:
        reporter.note(note)
    return tokenizer, [np.append(np.arange(special), tokenizer.ids_of(each.hashes())) for each in known]
