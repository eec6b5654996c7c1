"""The small sample models behind commands without `-m` and in the demo, built from the shipped text on first use.

They are toys: good enough to see what a model is. They live in `$XDG_CACHE_HOME/seqcli` (a temporary folder where that
cannot be written); two first uses at once wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import __version__
from seqcli.errors import InputError, ModelError, nearest
from seqcli.interfaces import OpenModel, OpenTranslator, Reporter
from seqcli.system import signals
from seqcli.system.cache import cache_folder
from seqcli.text import nfc

if TYPE_CHECKING:
    from seqcli.tasks.classification.load import OpenClassifier
    from seqcli.tasks.embeddings.load import OpenEmbeddings
    from seqcli.tasks.train_each import Trained
    from seqcli.training.config import Request

ENGLISH, KOREAN = "english", "korean"
PREFIX = "sample-"  # of the names of the sample models
PAIRS = "english-korean.tsv"
_LETTER = re.compile(r"[^\W\d_]")
_HANGUL = re.compile("[가-힣ㄱ-ㅣ\u1100-\u11ff]")
_LATIN = re.compile("[A-Za-zªº\u00c0-\u02af\u1e00-\u1eff\u2c60-\u2c7f\ua722-\ua7ff\ufb00-\ufb06\uff21-\uff5a]")
_ASCII = re.compile("[A-Za-z]")
_WORD = re.compile(r"[^\W\d_]+")
# What predicted held-out pairs best among words, pieces and characters (docs/LOG.md).
TOKENIZER, VOCAB_SIZE = "sentencepiece", 1000
PRESET, COUNTED = "tiny", "ngram"
SETTINGS: dict[str, dict[str, Any]] = {  # of each architecture beside its preset, in the order of their history
    "ngram": {"order": 5},
    "feedforward": {"dropout": 0.2, "learning_rate": 4e-3},
    "rnn": {"width": 128, "dropout": 0.2, "learning_rate": 4e-3},
    "lstm": {"width": 96, "dropout": 0.2, "learning_rate": 6e-3},
    "gru": {"width": 96, "dropout": 0.2, "learning_rate": 6e-3},
    "transformer": {"width": 64, "layers": 2, "dropout": 0.1, "learning_rate": 5e-3},
}
CLASSIFIER, CLASSIFYING = "bag", {"buckets": 1 << 18}
EMBEDDER, EMBEDDING = "skipgram", {"epochs": 20, "subsample": 1e-3}
TRANSLATOR = "gru"  # whose attention aligns words: of a Transformer's layers and heads none does alone
TRANSLATED = 1500  # pieces of both languages
TRANSLATING = {"epochs": 20, "batch_tokens": 256, "warmup": 50, "evaluations": 1}
REAL = {  # what to try for more than a toy: models of the Hugging Face hub
    ("language", ENGLISH): "distilgpt2",
    ("language", KOREAN): "skt/kogpt2-base-v2",
    ("classification", ENGLISH): "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
    ("classification", KOREAN): "tabularisai/multilingual-sentiment-analysis",
    ("translation", ENGLISH): "Helsinki-NLP/opus-mt-tc-big-en-ko",
    ("translation", KOREAN): "Helsinki-NLP/opus-mt-ko-en",
    ("embeddings", ENGLISH): "sentence-transformers/all-MiniLM-L6-v2",
    ("embeddings", KOREAN): "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",
}
# Of each network: about 15 seconds on one core. No line of the samples ends without a mark; what a network says of such an
# end is chance, which label smoothing keeps small.
BUDGET = {"epochs": 12, "batch_tokens": 512, "warmup": 50, "evaluations": 1, "label_smoothing": 0.1}
MACHINE = {"device": "cpu", "precision": "fp32", "threads": 1, "resumable": False}


def folder() -> Path:
    """Where the sample corpora are: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    for path in (here / "sample_data", here.parent / "sample_data"):
        if (path / "english.txt").is_file():
            return path
    raise InputError("the sample corpora are missing", where=str(here), cure="install seqcli again")


def language_of(text: str) -> str:
    """`korean` where there is more Hangul than Latin, a syllable being worth three letters; else `english`."""
    text = nfc(text)
    return KOREAN if 3 * len(_HANGUL.findall(text)) > len(_ASCII.findall(text)) else ENGLISH


def is_foreign(text: str) -> bool:
    """Whether most letters are of scripts that no sample has: neither Latin, accents and all, nor Hangul."""
    letters = _LETTER.findall(nfc(text))
    known = sum(bool(_LATIN.match(letter) or _HANGUL.match(letter)) for letter in letters)
    return 2 * known < len(letters)


@cache
def words(kind: str, language: str) -> frozenset[str]:
    """The words, without case, of the sample of a kind: "language", "sentiment" or "translation"."""
    if kind == "language":
        text = (folder() / f"{language}.txt").read_text("utf-8")
    else:
        name, column = (f"{language}.sentiment.tsv", "text") if kind == "sentiment" else (PAIRS, language)
        header, *rows = (row.split("\t") for row in (folder() / name).read_text("utf-8").splitlines())
        text = "\n".join(row[header.index(column)] for row in rows)
    return frozenset(words_of(text))


def words_of(text: str) -> list[str]:
    """Those of any text in the same form."""
    return _WORD.findall(nfc(text).casefold())


@dataclass(frozen=True)
class Sample:
    """A sample model: how it is trained, and where it is kept.

    name: as -m takes it; language: of what it reads; prefix: of its folder's name; recipe: with which it is trained, so
    that another version of seqcli trains it anew; train: into a new folder; what: it is, for a note.
    """

    name: str
    task: str
    language: str
    arch: str
    prefix: str
    recipe: str
    source: Path
    train: Callable[[Path, Reporter], None]
    what: str

    def folder(self, cache: Path) -> Path:
        """Its folder, which may not exist yet."""
        recipe = f"{__version__} {self.recipe}".encode()
        return cache / f"{self.prefix}-{hashlib.sha256(recipe + self.source.read_bytes()).hexdigest()[:12]}"

    def build(self, *, announce: bool = False, reporter: Reporter) -> Path:
        """Its folder, after building it if necessary; concurrent first uses wait. announce: print a note that this toy is used, since no
        model was given, and which real model to try."""
        from seqcli.runs.model_folder import MANIFEST

        cache = cache_folder()
        folder = self.folder(cache)
        real = f"; for a real model, try -m hf:{REAL[self.task, self.language]}"
        with open(cache / f".{folder.name}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # concurrent first uses wait here
            if (folder / MANIFEST).is_file():
                if announce:
                    reporter.note(f"no model given; using {self.what} (a toy){real}")
                return folder
            for old in cache.glob(f".{folder.name}-*"):  # left by a first use that was killed
                shutil.rmtree(old, ignore_errors=True)
            building = f"building {self.what} (a toy, first use only) in {cache}"
            reporter.note(f"no model given; {building}{real}" if announce else building)
            try:
                with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=cache) as new:
                    self.train(Path(new) / self.prefix, reporter)
                    os.rename(Path(new) / self.prefix, folder)
            except signals.Stopped:
                reporter.note(
                    "interrupted; run the same command again to rebuild this sample model (complete ones are kept)"
                )
                raise
        return folder


def every() -> dict[str, Sample]:
    """The sample models by name."""
    models = []
    for language, other in ((ENGLISH, KOREAN), (KOREAN, ENGLISH)):
        models += [
            _of_language(language),
            _of_sentiment(language),
            _of_translation(language, other),
            _of_words(language),
        ]
        models += [_of_language(language, arch) for arch in SETTINGS]
    return {sample.name: sample for sample in models}


def cached() -> list[Path]:
    """The folders of the models that are kept, of other versions too."""
    return sorted(manifest.parent for manifest in cache_folder().glob("*/manifest.json"))


def folder_of(source: str, *, reporter: Reporter) -> str:
    """The folder of a sample model by its name, built where it is not there; any other source as it is.

    Raises ModelError for a name that only begins like one.
    """
    if not source.startswith(PREFIX) or os.path.exists(source):
        return source
    if source not in (known := every()):
        cure = f"{nearest(source, known)} (`seqcli info` lists them)"
        raise ModelError("no such sample model", where=source, cure=cure)
    return str(known[source].build(reporter=reporter))


def language_model(text: str, *, reporter: Reporter) -> OpenModel:
    """The sample language model for the script of `text`: counted, of all of its sample."""
    return language_model_of(language_of(text), reporter=reporter)


def language_model_of(name: str, *, reporter: Reporter) -> OpenModel:
    """The sample language model of a language."""
    from seqcli.tasks.language.load import open_model

    sample = _of_language(name)
    return open_model(str(sample.build(announce=True, reporter=reporter)), name=sample.name)


def classifier(text: str, *, reporter: Reporter) -> OpenClassifier:
    """The sample classifier of sentiment for the script of `text`."""
    return classifier_of(language_of(text), reporter=reporter)


def classifier_of(name: str, *, reporter: Reporter) -> OpenClassifier:
    """The sample classifier of sentiment of a language."""
    from seqcli.tasks.classification.load import open_classifier

    sample = _of_sentiment(name)
    return open_classifier(str(sample.build(announce=True, reporter=reporter)), name=sample.name)


def embeddings(text: str, *, reporter: Reporter) -> OpenEmbeddings:
    """The sample embeddings for the script of `text`."""
    from seqcli.tasks.embeddings.load import open_embeddings

    sample = _of_words(language_of(text))
    return open_embeddings(str(sample.build(announce=True, reporter=reporter)), name=sample.name)


def translator(text: str, *, reporter: Reporter) -> OpenTranslator:
    """The sample translator from the script of `text`: English to Korean, or Korean to English."""
    return translator_of(language_of(text), reporter=reporter)


def translator_of(name: str, *, reporter: Reporter) -> OpenTranslator:
    """The sample translator from a language."""
    from seqcli.tasks.translation.load import open_translator

    sample = _of_translation(name, ENGLISH if name == KOREAN else KOREAN)
    return open_translator(str(sample.build(announce=True, reporter=reporter)), name=sample.name)


def every_model(name: str, *, reporter: Reporter) -> Iterator[Trained]:
    """The sample models of a language, of all architectures: one tokenizer, one held-out part."""
    from seqcli.runs.model_folder import ModelFolder
    from seqcli.tasks.language.load import open_model
    from seqcli.tasks.train_each import Trained

    for arch in SETTINGS:
        folder = _of_language(name, arch).build(reporter=reporter)
        yield Trained(folder, open_model(str(folder), name=arch), ModelFolder.open(folder).config)


def _of_language(language: str, arch: str | None = None) -> Sample:
    """A language model. arch: None for the one that is used without -m, for which nothing of the text is held out."""
    whole, arch = arch is None, arch or COUNTED
    source = folder() / f"{language}.txt"
    settings = SETTINGS[arch] | ({} if arch == COUNTED else BUDGET)

    def train(folder: Path, reporter: Reporter) -> None:
        tokenizer = TOKENIZER if arch == COUNTED else str(_of_language(language, COUNTED).build(reporter=reporter))
        _train(folder, source, _request(arch, settings), tokenizer, whole=whole, reporter=reporter)

    return Sample(
        f"{PREFIX}{language}" if whole else f"{PREFIX}{language}-{arch}", "language", language, arch, f"language-{language}-{arch}",
        f"{TOKENIZER} {VOCAB_SIZE} {PRESET} {settings} {whole} ", source, train, f"the sample {arch} model for {language.capitalize()}",
    )  # fmt: skip


def _of_sentiment(language: str) -> Sample:
    """A classifier of sentiment."""
    source = folder() / f"{language}.sentiment.tsv"

    def train(folder: Path, reporter: Reporter) -> None:
        from seqcli.runs.model_writer import writing_model
        from seqcli.tasks.classification.data import LabelledFiles, split
        from seqcli.tasks.classification.train import TrainingTexts, train_classifier
        from seqcli.tasks.tokenizer_choice import TokenizerChoice
        from seqcli.training.config import requests

        (request,) = requests("classification", [CLASSIFIER], PRESET, [("samples", CLASSIFYING)], threads=1)
        texts, held_out = split(LabelledFiles((str(source),)).read(), seed=0)
        data = TrainingTexts(texts, held_out, (source.name,), threads=1)
        with writing_model(folder) as writer:
            train_classifier(writer, data, TokenizerChoice(), request, reporter=reporter)

    return Sample(
        f"{PREFIX}sentiment-{language}", "classification", language, CLASSIFIER, f"sentiment-{language}-{CLASSIFIER}",
        f"{CLASSIFIER} {PRESET} {CLASSIFYING}", source, train, f"the sample {CLASSIFIER} model of sentiment for {language.capitalize()}",
    )  # fmt: skip


def _of_translation(language: str, other: str) -> Sample:
    """A translator from one language to the other."""
    source = folder() / PAIRS

    def train(folder: Path, reporter: Reporter) -> None:
        from seqcli.runs.model_writer import writing_model
        from seqcli.tasks.tokenizer_choice import TokenizerChoice
        from seqcli.tasks.translation.data import PairFiles, split
        from seqcli.tasks.translation.train import TrainingPairs, train_translator
        from seqcli.training.config import requests

        (request,) = requests("translation", [TRANSLATOR], PRESET, [("samples", TRANSLATING)], **MACHINE)
        pairs, held_out = split(PairFiles((str(source),), source_column=language, target_column=other).read(), seed=0)
        data = TrainingPairs(pairs, held_out, (source.name,), threads=1)
        with writing_model(folder) as writer:
            train_translator(
                writer, data, TokenizerChoice(TOKENIZER, vocab_size=TRANSLATED), request, reporter=reporter
            )

    return Sample(
        f"{PREFIX}{language}-{other}", "translation", language, TRANSLATOR, f"{language}-{other}-{TRANSLATOR}",
        f"{TRANSLATOR} {PRESET} {TRANSLATING} {TRANSLATED}", source, train,
        f"the sample {TRANSLATOR} model from {language.capitalize()} to {other.capitalize()}",
    )  # fmt: skip


def _of_words(language: str) -> Sample:
    """Embeddings of words."""
    source = folder() / f"{language}.txt"

    def train(folder: Path, reporter: Reporter) -> None:
        from seqcli.runs.model_writer import writing_model
        from seqcli.tasks.embeddings.train import train_embeddings
        from seqcli.tasks.language.data import Corpus
        from seqcli.tasks.tokenizer_choice import TokenizerChoice
        from seqcli.training.config import requests

        (request,) = requests("embeddings", [EMBEDDER], PRESET, [("samples", EMBEDDING)], threads=1)
        with writing_model(folder) as writer:
            choice = TokenizerChoice("words", min_count=2)
            train_embeddings(writer, Corpus((str(source),)), choice, request, reporter=reporter)

    return Sample(
        f"{PREFIX}words-{language}", "embeddings", language, EMBEDDER, f"words-{language}-{EMBEDDER}",
        f"{EMBEDDER} {PRESET} {EMBEDDING}", source, train, f"the sample {EMBEDDER} embeddings for {language.capitalize()}",
    )  # fmt: skip


def _request(arch: str, settings: dict) -> Request:
    from seqcli.training.config import requests

    return requests("language", [arch], PRESET, [("samples", settings)], **MACHINE)[0]


def _train(folder: Path, source: Path, request: Request, tokenizer: str, *, whole: bool, reporter: Reporter) -> None:
    from seqcli.ngram.arena import default_memory
    from seqcli.runs.model_writer import writing_model
    from seqcli.tasks.language.data import Corpus
    from seqcli.tasks.language.train import train_network
    from seqcli.tasks.language.train_counted import train_counted
    from seqcli.tasks.tokenizer_choice import TokenizerChoice
    from seqcli.training.config import settings_of

    corpus, choice = Corpus((str(source),)), TokenizerChoice(tokenizer, vocab_size=VOCAB_SIZE)
    with writing_model(folder) as writer:
        if request.arch == COUNTED:
            train_counted(
                writer, corpus, choice, settings_of(request)[1], memory=default_memory(),
                holding_out=None if whole else 0, threads=1,
            )  # fmt: skip
        else:
            train_network(writer, corpus, choice, request, valid=None, resume=False, reporter=reporter)
