"""The plug-ins of a folder: listed without importing any, loaded by name.

The folder is the registry: `tokenizers/words.py` is the tokenizer "words". What a plug-in must offer is said in its
folder's `__init__` or in `interfaces.py`, and tried by `tests/contracts`.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from seqcli.errors import UsageError, nearest


def names(folder: str) -> list[str]:
    """The plug-ins of a folder of this package, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / folder)]))


def load(folder: str, name: str) -> ModuleType:
    """The plug-in's module. Raises UsageError with the nearest name for one that is not there."""
    known = names(folder)
    if name not in known:
        raise UsageError(f"nothing called {name!r} among the {folder}", cure=nearest(name, known))
    return importlib.import_module(f"seqcli.{folder}.{name}")
