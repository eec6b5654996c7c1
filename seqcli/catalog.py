"""The plug-ins of a folder: listed without importing any, loaded by name.

The folder is the registry: `tokenizers/words.py` is the tokenizer "words". What a plug-in must offer is said in its
folder's `__init__` or in `interfaces.py`, and tried by `tests/contracts`.
"""

import importlib
import pkgutil
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

from seqcli.errors import UsageError, nearest

PLACES = [Path(__file__).parent]  # folders that have plug-ins; the package is the first

TRAINING = {  # the command that trains each task's architectures
    "language": "train lm",
    "classification": "train classifier",
    "translation": "train translator",
    "embeddings": "train embeddings",
}
FOREIGN_TOKENIZERS = ("huggingface", "marian")  # they come with models of other tools and are not trained


def names(folder: str) -> list[str]:
    """The plug-ins of a folder of this package, such as "models" or "interop/formats", in alphabetical order; what begins with an underscore is what they share."""
    found = (module.name for module in pkgutil.iter_modules([str(place / folder) for place in PLACES]))
    return sorted(name for name in found if not name.startswith("_"))


def load(folder: str, name: str) -> ModuleType:
    """The plug-in's module. Raises UsageError with the nearest name for one that is not there."""
    known = names(folder)
    if name not in known:
        raise UsageError(f"unknown {folder.rpartition('/')[2].removesuffix('s')} {name!r}", cure=nearest(name, known))
    package = importlib.import_module(f"seqcli.{folder.replace('/', '.')}")
    for place in PLACES[1:]:
        if str(place / folder) not in package.__path__:
            package.__path__.append(str(place / folder))
    return importlib.import_module(f"{package.__name__}.{name}")


def trained_tokenizers() -> list[str]:
    """The tokenizers that are trained on text."""
    return [name for name in names("tokenizers") if name not in FOREIGN_TOKENIZERS]


def architectures(task: str) -> list[str]:
    """The architectures of a task: the files of `presets/TASK`."""
    return sorted(_preset_files(task))


def trained_by(arch: str) -> str | None:
    """The command that trains an architecture, of several the first: `train lm` for lstm."""
    return next((command for task, command in TRAINING.items() if arch in architectures(task)), None)


def listed(known: list[str]) -> str:
    """`ngram, lstm or gru`: names as a help text has them."""
    return " or ".join(filter(None, [", ".join(known[:-1]), *known[-1:]]))


def presets(task: str, arch: str) -> tuple[str, dict[str, dict[str, Any]]]:
    """The module that makes an architecture, and its presets: settings by name. Nothing is imported."""
    values = _preset_file(task, arch)
    return values["module"], {name: settings for name, settings in values.items() if isinstance(settings, dict)}


def is_counted(task: str, arch: str) -> bool:
    """Whether an architecture is estimated at once (its module has `estimate`) rather than trained step by step (`build`)."""
    return _preset_file(task, arch).get("counted", False)


def _preset_file(task: str, arch: str) -> dict[str, Any]:
    known = _preset_files(task)
    if arch not in known:
        raise UsageError(f"unknown architecture {arch!r}", where="--arch", cure=nearest(arch, known))
    return tomllib.loads(known[arch].read_text(encoding="utf-8"))


def _preset_files(task: str) -> dict[str, Path]:
    return {path.stem: path for place in PLACES for path in (place / "presets" / task).glob("*.toml")}
