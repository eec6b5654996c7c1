"""The small sample models behind commands without `-m`, built from the shipped text on first use.

They are toys: good enough to see what a model is. They live in `$XDG_CACHE_HOME/seqcli` (a temporary folder where that
cannot be written); two first uses at once wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from pathlib import Path

from seqcli import __version__
from seqcli.errors import InputError
from seqcli.interfaces import OpenModel, Reporter

# What predicted held-out pairs best among words, pieces and characters (docs/LOG.md).
TOKENIZER, VOCAB_SIZE, ORDER = "sentencepiece", 1000, 5


def folder() -> Path:
    """Where the sample corpora are: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).parent
    for place in (here / "sample_data", here.parent / "sample_data"):
        if (place / "english.txt").is_file():
            return place
    raise InputError("the sample corpora are missing", where=str(here), cure="install seqcli again")


def language_of(text: str) -> str:
    """`korean` where letters are mostly Hangul, else `english`."""
    hangul = sum("가" <= char <= "힣" or "ㄱ" <= char <= "ㅣ" for char in text)
    latin = sum(char.isalpha() and char.isascii() for char in text)
    return "korean" if 2 * hangul > latin else "english"


def language_model(text: str, *, reporter: Reporter) -> OpenModel:
    """The sample language model for the script of `text`."""
    from seqcli.tasks import language

    name = language_of(text)
    return language.open_model(str(_built(name, reporter)), name=f"sample-{name}")


def _built(name: str, reporter: Reporter) -> Path:
    from seqcli.models import ngram
    from seqcli.ngram.arena import default_memory
    from seqcli.runs import MANIFEST, drafting
    from seqcli.tasks import language

    source = folder() / f"{name}.txt"
    recipe = f"{__version__} {TOKENIZER} {VOCAB_SIZE} {ORDER} ".encode() + source.read_bytes()
    place = f"language-{name}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    cache = _cache()
    target = cache / place
    with open(cache / f".{place}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second first use waits here
        if not (target / MANIFEST).is_file():
            reporter.note(f"no -m: building the sample model for {name} once, a toy of {source.name}, into {cache}")
            with drafting(target) as draft:
                language.train_counted(
                    draft,
                    language.Corpus((str(source),)),
                    language.TokenizerChoice(TOKENIZER, vocab_size=VOCAB_SIZE),
                    ngram.Config(order=ORDER),
                    memory=default_memory(),
                    threads=1,
                )
        else:
            reporter.note(f"no -m: using the sample model for {name}, a toy")
    return target


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
