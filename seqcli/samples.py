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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import __version__
from seqcli.errors import InputError
from seqcli.interfaces import OpenModel, OpenTranslator, Reporter
from seqcli.system import signals
from seqcli.text import nfc

if TYPE_CHECKING:
    from seqcli.tasks.classification.load import OpenClassifier
    from seqcli.training.config import Request

ENGLISH, KOREAN = "english", "korean"
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
TRANSLATOR = "gru"  # whose attention aligns words: of a Transformer's layers and heads none does alone
TRANSLATED = 1500  # pieces of both languages
TRANSLATING = {"epochs": 20, "batch_tokens": 256, "warmup": 50, "evaluations": 1}
# Of each network: about 15 seconds on one core. No line of the samples ends without a mark; what a network says of such an
# end is chance, which label smoothing keeps small.
BUDGET = {"epochs": 12, "batch_tokens": 512, "warmup": 50, "evaluations": 1, "label_smoothing": 0.1}
MACHINE = {"device": "cpu", "precision": "fp32", "threads": 1, "resumable": False}


def folder() -> Path:
    """Where the sample corpora are: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    for place in (here / "sample_data", here.parent / "sample_data"):
        if (place / "english.txt").is_file():
            return place
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


def language_model(text: str, *, reporter: Reporter) -> OpenModel:
    """The sample language model for the script of `text`: counted, of all of its sample."""
    return language_model_of(language_of(text), reporter=reporter)


def language_model_of(name: str, *, reporter: Reporter) -> OpenModel:
    """The sample language model of a language."""
    from seqcli.tasks.language.load import open_model

    place = _built(name, COUNTED, reporter, whole=True)
    return open_model(str(place), name=f"sample-{name}")


def classifier(text: str, *, reporter: Reporter) -> OpenClassifier:
    """The sample classifier of sentiment for the script of `text`."""
    return classifier_of(language_of(text), reporter=reporter)


def classifier_of(name: str, *, reporter: Reporter) -> OpenClassifier:
    """The sample classifier of sentiment of a language."""
    from seqcli.tasks.classification.data import LabelledFiles, split
    from seqcli.tasks.classification.load import CLASSIFICATION, open_classifier
    from seqcli.tasks.classification.train import TrainingTexts, train_classifier

    source = folder() / f"{name}.sentiment.tsv"

    def train(place: Path) -> None:
        from seqcli.runs.model_folder import drafting
        from seqcli.tasks.language.data import TokenizerChoice
        from seqcli.training.config import requests

        (request,) = requests(CLASSIFICATION, [CLASSIFIER], PRESET, [("samples", CLASSIFYING)], threads=1)
        texts, held_out = split(LabelledFiles((str(source),)).read(), seed=0)
        given = TrainingTexts(texts, held_out, (source.name,), threads=1)
        with drafting(place) as draft:
            train_classifier(draft, given, TokenizerChoice(), request, reporter=reporter)

    recipe = f"{__version__} {CLASSIFIER} {PRESET} {CLASSIFYING}".encode()
    what = f"the sample {CLASSIFIER} model of sentiment for {name}"
    place = _once(f"sentiment-{name}-{CLASSIFIER}", recipe, source, train, what=what, asked=True, reporter=reporter)
    return open_classifier(str(place), name=f"sample-sentiment-{name}")


def translator(text: str, *, reporter: Reporter) -> OpenTranslator:
    """The sample translator from the script of `text`: English to Korean, or Korean to English."""
    return translator_of(language_of(text), reporter=reporter)


def translator_of(name: str, *, reporter: Reporter) -> OpenTranslator:
    """The sample translator from a language."""
    from seqcli.tasks.translation.data import PairFiles, split
    from seqcli.tasks.translation.load import TRANSLATION, open_translator
    from seqcli.tasks.translation.train import TrainingPairs, train_translator

    other = ENGLISH if name == KOREAN else KOREAN
    source = folder() / PAIRS

    def train(place: Path) -> None:
        from seqcli.runs.model_folder import drafting
        from seqcli.tasks.language.data import TokenizerChoice
        from seqcli.training.config import requests

        (request,) = requests(TRANSLATION, [TRANSLATOR], PRESET, [("samples", TRANSLATING)], **MACHINE)
        pairs, held_out = split(PairFiles((str(source),), source_column=name, target_column=other).read(), seed=0)
        given = TrainingPairs(pairs, held_out, (source.name,), threads=1)
        with drafting(place) as draft:
            train_translator(
                draft, given, TokenizerChoice(TOKENIZER, vocab_size=TRANSLATED), request, reporter=reporter
            )

    recipe = f"{__version__} {TRANSLATOR} {PRESET} {TRANSLATING} {TRANSLATED}".encode()
    what = f"the sample {TRANSLATOR} model from {name} to {other}"
    place = _once(f"{name}-{other}-{TRANSLATOR}", recipe, source, train, what=what, asked=True, reporter=reporter)
    return open_translator(str(place), name=f"sample-{name}-{other}")


def every_model(name: str, *, reporter: Reporter) -> Iterator:
    """The sample models of a language, of all architectures: one tokenizer, one held-out part."""
    from seqcli.runs.model_folder import ModelFolder
    from seqcli.tasks.language.load import open_model
    from seqcli.tasks.trained import Trained

    for arch in SETTINGS:
        place = _built(name, arch, reporter)
        yield Trained(place, open_model(str(place), name=arch), ModelFolder.open(place).config)


def _built(name: str, arch: str, reporter: Reporter, *, whole: bool = False) -> Path:
    """The language model's folder. whole: nothing is held out of the text, as where no -m is given."""
    source = folder() / f"{name}.txt"
    settings = SETTINGS[arch] | ({} if arch == COUNTED else BUDGET)
    tokenizer = TOKENIZER if arch == COUNTED else str(_built(name, COUNTED, reporter))
    recipe = f"{__version__} {TOKENIZER} {VOCAB_SIZE} {PRESET} {settings} {whole} ".encode()

    def train(place: Path) -> None:
        _train(place, source, _request(arch, settings), tokenizer, whole=whole, reporter=reporter)

    what = f"the sample {arch} model for {name}"
    return _once(f"language-{name}-{arch}", recipe, source, train, what=what, asked=whole, reporter=reporter)


def _once(
    name: str, recipe: bytes, source: Path, train: Callable[[Path], None], *, what: str, asked: bool, reporter: Reporter
) -> Path:
    """The folder that `train` makes of `source` by a recipe; who comes second waits.

    what: is in it; asked: no -m was given, and whoever asked is told that a toy answers, whether it is new or not.
    """
    from seqcli.runs.model_folder import MANIFEST

    place = f"{name}-{hashlib.sha256(recipe + source.read_bytes()).hexdigest()[:12]}"
    cache = _cache()
    with open(cache / f".{place}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second first use waits here
        if (cache / place / MANIFEST).is_file():
            if asked:
                reporter.note(f"no -m: using {what}, a toy")
            return cache / place
        for old in cache.glob(f".{place}-*"):  # of a first use that was ended
            shutil.rmtree(old, ignore_errors=True)
        reporter.note(f"{'no -m: ' if asked else ''}building {what} once, a toy of {source.name}, into {cache}")
        try:
            with tempfile.TemporaryDirectory(prefix=f".{place}-", dir=cache) as new:
                train(Path(new) / name)
                os.rename(Path(new) / name, cache / place)
        except signals.Stopped:
            reporter.note(
                "interrupted; the same command begins this sample model again and keeps those that are complete"
            )
            raise
    return cache / place


def _request(arch: str, settings: dict) -> Request:
    from seqcli.training.config import requests

    return requests("language", [arch], PRESET, [("samples", settings)], **MACHINE)[0]


def _train(place: Path, source: Path, request: Request, tokenizer: str, *, whole: bool, reporter: Reporter) -> None:
    from seqcli.ngram.arena import default_memory
    from seqcli.runs.model_folder import drafting
    from seqcli.tasks.language.data import Corpus, TokenizerChoice
    from seqcli.tasks.language.train import train_network
    from seqcli.tasks.language.train_counted import train_counted
    from seqcli.training.config import settings_of

    corpus, choice = Corpus((str(source),)), TokenizerChoice(tokenizer, vocab_size=VOCAB_SIZE)
    with drafting(place) as draft:
        if request.arch == COUNTED:
            train_counted(
                draft, corpus, choice, settings_of(request)[1], memory=default_memory(),
                holding_out=None if whole else 0, threads=1,
            )  # fmt: skip
        else:
            train_network(draft, corpus, choice, request, valid=None, resume=False, reporter=reporter)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        place = (Path(base) if base else Path.home() / ".cache") / "seqcli"
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except (OSError, RuntimeError):  # not writable, or nobody's home is known
        place = Path(tempfile.gettempdir()) / f"seqcli-{os.getuid()}"
        place.mkdir(mode=0o700, exist_ok=True)
        if place.lstat().st_uid != os.getuid():
            return Path(tempfile.mkdtemp(prefix="seqcli-"))
        return place
