"""Language modelling: how its text is read and tokenized, how its models are made, opened and judged."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import catalog, tensor_file, tokenizers
from seqcli.data import lines, tables
from seqcli.data.lines import Block
from seqcli.data.parallel import ordered_map
from seqcli.data.token_store import Spool, TokenStore
from seqcli.errors import InputError, ModelError, UsageError
from seqcli.interfaces import SILENT, OpenModel, Reporter, TokenBatch, Tokenizer
from seqcli.metrics import signature
from seqcli.metrics.perplexity import Totals
from seqcli.models import ngram
from seqcli.ngram.arena import Arena
from seqcli.runs import Draft, Run, save_tokenizer, version_of
from seqcli.scoring.sentences import score_block, score_document
from seqcli.text import BOS_ID

TASK = "language"


@dataclass(frozen=True)
class Corpus:
    """Files of text and how to read them."""

    paths: tuple[str, ...]
    unit: str = "line"
    text_column: str | None = None
    encoding: str | None = None
    strict: bool = False

    def files(self, reporter: Reporter = SILENT) -> Iterator[Iterator[Block]]:
        """The blocks of each file; `reporter` hears of malformed text."""
        for path in self.paths:
            yield lines.noting(self.blocks(path), path, reporter)

    def blocks(self, path: str) -> Iterator[Block]:
        if tables.is_table(path):
            return tables.read_blocks(path, column=self.text_column, encoding=self.encoding, strict=self.strict)
        return lines.read_blocks(path, encoding=self.encoding, strict=self.strict)

    def all_lines(self) -> Iterator[bytes]:
        """Normalised lines of every file, block by block."""
        for blocks in self.files():
            for block in blocks:
                yield block.normalised()

    def size(self) -> int | None:
        """Bytes of all files, None where one has no size (standard input)."""
        paths = [Path(path) for path in self.paths]
        return sum(path.stat().st_size for path in paths) if all(path.is_file() for path in paths) else None


@dataclass(frozen=True)
class TokenizerChoice:
    """Which tokenizer a model gets: a kind to be learnt from its text, or the path of one that exists."""

    name: str = "words"
    vocab_size: int | None = None
    min_count: int = 1
    limit: str | None = None  # file of the words to keep
    algorithm: str | None = None  # of sentencepiece


@dataclass
class Reading:
    """A corpus as tokens: `stream` int32 [T] with `<s>` before each row."""

    tokenizer: Tokenizer
    stream: np.ndarray
    rows: int
    notes: list[str] = field(default_factory=list)


def read(corpus: Corpus, choice: TokenizerChoice, *, folder: Path, threads: int | None, reporter: Reporter) -> Reading:
    """The tokenizer, learnt or opened, and the corpus in its tokens."""
    if choice.name == "words":
        return _read_words(corpus, choice, folder=folder, threads=threads, reporter=reporter)
    if choice.name in catalog.names("tokenizers"):
        for path in corpus.paths:
            if not Path(path).is_file():
                cure = "save it to a file, or give --tokenizer a folder"
                raise InputError("text that is read only once cannot teach its tokenizer, too", where=path, cure=cure)
        tokenizer, notes = learn_tokenizer(corpus, choice)
    elif not Path(choice.name).exists() and "/" not in choice.name:
        cure = f"one of {', '.join(catalog.names('tokenizers'))}, or a folder"
        raise UsageError(f"no such tokenizer: {choice.name!r}", cure=cure)
    else:
        tokenizer, notes = open_tokenizer(choice.name), []
    for note in notes:
        reporter.note(note)
    store, rows = TokenStore(folder), 0
    for blocks in corpus.files(reporter):
        encoded = (tokenizer.encode(block.normalised(), unit=corpus.unit) for block in blocks)
        rows += _store(encoded, store, corpus.unit)
    return Reading(tokenizer, store.array(), rows, notes)


def learn_tokenizer(corpus: Corpus, choice: TokenizerChoice) -> tuple[Tokenizer, list[str]]:
    """A tokenizer of that kind learnt from the corpus, and what a user should know of it."""
    settings = {"vocab_size": choice.vocab_size, "min_count": choice.min_count, "unit": corpus.unit}
    if choice.name == "sentencepiece" and choice.algorithm:
        settings["algorithm"] = choice.algorithm
    return catalog.load("tokenizers", choice.name).train(corpus.all_lines(), **settings)


def train_tokenizer(
    corpus: Corpus, choice: TokenizerChoice, folder: str, *, force: bool, reporter: Reporter
) -> Tokenizer:
    """Learns a tokenizer into a new folder."""
    check_readable(corpus.paths, text_column=corpus.text_column)
    catalog.load("tokenizers", choice.name)
    tokenizer, notes = learn_tokenizer(corpus, choice)
    save_tokenizer(tokenizer, folder, force=force)
    for note in notes:
        reporter.note(note)
    return tokenizer


def check_readable(paths: Sequence[str], *, text_column: str | None = None) -> None:
    """Before any work: every file can be opened, and a column is asked of a table."""
    for path in paths:
        if not Path(path).is_fifo():  # which would lose what it has
            with lines.opened(path):
                pass
    if text_column and not any(map(tables.is_table, paths)):
        raise UsageError("--text-column is for .tsv, .csv, .jsonl and .parquet files", where=", ".join(paths))


def _read_words(corpus: Corpus, choice: TokenizerChoice, *, folder, threads, reporter) -> Reading:
    """One pass over the text: every block comes back as its distinct words and indices into them."""
    from seqcli.tokenizers import words

    learner, spool = words.Learner(), Spool(folder)
    done, size = 0, corpus.size()
    for number, blocks in enumerate(corpus.files(reporter)):
        for block_size, distinct in ordered_map(_distinct_words, blocks, workers=threads):
            learner.add(distinct)
            spool.add(distinct.hashes, distinct.index, distinct.line_words, np.array([number]))
            done += block_size
            reporter.progress("reading", done, size)
    if learner.symbols:
        reporter.note(f"{learner.symbols} <s>, </s> or <unk> written in the text count as spaces")
    only = _listed_words(choice.limit) if choice.limit else None
    tokenizer = learner.finish(size=choice.vocab_size, min_count=choice.min_count, only=only)
    store, rows, before = TokenStore(folder), 0, -1
    for hashes, index, line_words, number in spool:
        batch = words.with_line_ends(tokenizer.ids_of(hashes)[index], line_words)
        rows += _store([batch], store, corpus.unit, begins=int(number[0]) != before)
        before = int(number[0])
    return Reading(tokenizer, store.array(), rows)


def _distinct_words(block: Block):
    from seqcli.tokenizers.words import Distinct

    lines_ = block.normalised()
    return len(lines_), Distinct(lines_)


def _listed_words(path: str):
    """The words of a file, as a vocabulary."""
    from seqcli.tokenizers import words

    learner = words.Learner()
    for block in lines.read_blocks(path):
        learner.add(words.Distinct(block.normalised()))
    return learner.finish()


def _store(batches: Iterable[TokenBatch], store: TokenStore, unit: str, *, begins: bool = True) -> int:
    """Appends rows with `<s>` before each; a document is one row. Returns the number of rows."""
    start, rows = np.array([BOS_ID], np.int32), 0
    for batch in batches:
        if unit == "line":
            store.append(ngram.with_starts([batch], start)[0])
            rows += len(batch.lengths)
        else:
            if begins:
                store.append(start)
                rows += 1
            store.append(batch.tokens)
            begins = False
    return rows


def open_tokenizer(path: str) -> Tokenizer:
    """The tokenizer in a model folder, a tokenizer folder, an ARPA file or a SentencePiece .model file."""
    if path.endswith((".arpa", ".arpa.gz")):
        return open_model(path).tokenizer
    if path.endswith(".model"):
        return catalog.load("tokenizers", "sentencepiece").open_file(Path(path))
    folder = Path(path)
    return tokenizers.load(folder) if (folder / tokenizers.FILE).is_file() else Run.open(folder).tokenizer()


@dataclass(frozen=True)
class Trained:
    """What a training says when it is done."""

    opened: OpenModel
    record: dict[str, Any]
    valid: Totals | None


def train_counted(
    draft: Draft,
    corpus: Corpus,
    choice: TokenizerChoice,
    config: ngram.Config,
    *,
    memory: int,
    valid: Corpus | None = None,
    threads: int | None = None,
    reporter: Reporter = SILENT,
) -> Trained:
    """Counts an n-gram model of `corpus` into `draft` and judges it on `valid`."""
    begun = time.monotonic()
    reading = read(corpus, choice, folder=draft.folder, threads=threads, reporter=reporter)
    if not reading.rows:
        raise InputError("no text to learn from", where=", ".join(corpus.paths), cure="give a file with lines of text")
    vocab_size = reading.tokenizer.vocab_size
    arena = Arena(memory=memory, tokens=len(reading.stream), folder=draft.folder)
    counted = ngram.estimate(reading.stream, config, vocab_size=vocab_size, arena=arena, reporter=reporter)
    record = {
        "arch": "ngram",
        "settings": asdict(config),
        "unit": corpus.unit,
        "vocab_size": vocab_size,
        "tokenizer": signature.tokenizer_label(reading.tokenizer),
        "data": {
            "files": [Path(path).name for path in corpus.paths],
            "rows": reading.rows,
            "tokens": len(reading.stream) - reading.rows,
        },
        **counted.record,
        "seconds": round(time.monotonic() - begun, 3),
    }
    totals = None
    if valid is not None:
        model = ngram.load(record["settings"], counted.tensors, vocab_size=vocab_size)
        opened = OpenModel(draft.path.name, "ngram", corpus.unit, reading.tokenizer, model)
        totals = evaluate(opened, valid)
        record["valid"] = summary(totals)
    reporter.progress("saving", 1, 1)
    tensors = {name: tensor_file.tensor(array) for name, array in counted.tensors.items()}
    draft.save(task=TASK, arch="ngram", config=record, tensors=tensors, tokenizer=reading.tokenizer, card=_card(record))
    draft.log({"event": "trained", **record})
    return Trained(open_model(str(draft.path)), record, totals)


def told(trained: Trained, valid: Iterable[str]) -> Iterator[str]:
    """What a training says when it is done, in lines."""
    record, v = trained.record, trained.valid
    size = f"{record['data']['rows']:,} rows, {record['data']['tokens']:,} tokens"
    if "ngrams" in record:
        grams = ", ".join(f"{count:,}" for count in record["ngrams"])
        yield f"{size}; n-grams of order 1 to {len(record['ngrams'])}: {grams}; {record['seconds']:.1f} s"
    else:
        p = record["progress"]
        yield (
            f"{size}; {record['parameters']:,} parameters, {p['step']:,} steps in {p['seconds']:.1f} s, "
            f"{p['tokens'] / max(p['seconds'], 1e-9):,.0f} tokens/s, {record['precision']}"
        )
        yield f"best held-out loss {p['best']:.4f} nats a token, at step {p['best_step']:,}"
    if v is not None:
        yield (
            f"on {', '.join(valid)}: perplexity {v.perplexity:.4g} ({v.perplexity_known:.4g} without {v.unknown:,} "
            f"unknown of {v.tokens:,} tokens), {v.bits_per_byte:.4f} bits per byte"
        )


def save_counted(draft: Draft, opened: OpenModel, *, source: str) -> None:
    """Saves an n-gram model that was read from a foreign file."""
    table = opened.model.table
    record = {
        "arch": "ngram",
        "settings": {"order": table.order, "prune": []},
        "unit": opened.unit,
        "vocab_size": table.vocab_size,
        "tokenizer": signature.tokenizer_label(opened.tokenizer),
        "data": {"files": [Path(source).name]},
        "ngrams": table.sizes,
    }
    tensors = {name: tensor_file.tensor(array) for name, array in table.tensors().items()}
    card = f"# An n-gram language model\n\nConverted by seqcli from {Path(source).name}.\n"
    draft.save(task=TASK, arch="ngram", config=record, tensors=tensors, tokenizer=opened.tokenizer, card=card)


def evaluate(opened: OpenModel, corpus: Corpus) -> Totals:
    """Totals of a corpus under a model, in the model's unit."""
    totals = Totals()
    for blocks in corpus.files():
        if corpus.unit == "document":
            totals += score_document(opened, blocks).totals
        else:
            for block in blocks:
                totals += score_block(opened, block).totals
    return totals


def summary(totals: Totals) -> dict[str, float | None]:
    """Figures for a JSON file, which has no word for infinity and not-a-number: None."""
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


def open_model(source: str, *, name: str | None = None) -> OpenModel:
    """A language model from a model folder or an ARPA file."""
    if source.endswith((".arpa", ".arpa.gz")):
        from seqcli.interop import arpa

        table, tokenizer = arpa.read(Path(source))
        return OpenModel(name or _stem(source), "ngram", "line", tokenizer, ngram.NgramModel(table))
    version = version_of(source)
    try:
        return _opened(source, name)
    except ModelError:
        if version_of(source) == version:
            raise
        return open_model(source, name=name)  # a training replaced it while it was read


def _opened(source: str, name: str | None) -> OpenModel:
    run = Run.open(source).expect(TASK)
    module = run.config.get("module", run.arch)
    if module not in catalog.names("models"):
        raise ModelError(f"unknown architecture {module!r}", where=source, cure="upgrade seqcli or train again")
    tokenizer = run.tokenizer()
    try:
        unit, settings = run.config["unit"], run.config["settings"]
        if unit not in ("line", "document"):
            raise ValueError(f"unit {unit!r}")
        model = catalog.load("models", module).load(settings, run.tensors(), vocab_size=tokenizer.vocab_size)
    except ModelError as error:
        raise ModelError(error.what, where=error.where or source, cure=error.cure) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"damaged settings ({error})", where=source, cure="restore it or train again") from None
    return OpenModel(name or _stem(source), run.arch, unit, tokenizer, model)


def open_models(sources: Iterable[str]) -> list[OpenModel]:
    """Models by `DIR` or `NAME=DIR`."""
    return [open_model(path, name=name) for name, path in named(sources)]


def named(sources: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names and paths of `DIR` or `NAME=DIR`; alike names are made unique with `#2`, `#3` ..."""
    taken: set[str] = set()
    for source in sources:
        name, sign, path = source.partition("=")
        if not sign or Path(source).exists():
            name, path = _stem(source), source
        unique = next(n for n in chain([name], (f"{name}#{i}" for i in count(2))) if n not in taken)
        taken.add(unique)
        yield unique, path


def _stem(path: str) -> str:
    name = Path(path).resolve().name
    return name.removesuffix(".gz").removesuffix(".arpa").removesuffix(".model") or "model"


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    rows = "\n".join(f"| {n} | {count:,} |" for n, count in enumerate(record["ngrams"], 1))
    valid = record.get("valid")
    judged = f"\nOn held-out text: perplexity {valid['perplexity']:.2f}.\n" if valid and valid["perplexity"] else ""
    return (
        f"# An n-gram language model\n\nMade by seqcli: {settings}; tokenizer {record['tokenizer']}; "
        f"{record['data']['rows']:,} rows, {record['data']['tokens']:,} tokens of "
        f"{', '.join(record['data']['files'])}.\n\n| order | n-grams |\n|---|---|\n{rows}\n{judged}\n"
        f"Ask it: `seqcli score -m DIR \"a sentence\"`.\n"
    )


