"""Imports only go down: the floors of docs/DESIGN.md and what each room may import from outside, held for every file.

Imports inside functions count too. Folders on one floor do not import each other. What is imported by name at run
time (`catalog`) is not seen here; `TYPE_CHECKING` blocks go down like all others but may name any package.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "seqcli"

ROOMS = {  # room: floor, packages imported anywhere, packages imported inside functions only
    "errors": (0, "", ""),
    "text": (0, "", ""),
    "long_text": (0, "", ""),
    "interfaces": (0, "", ""),
    "catalog": (0, "", ""),
    "config": (0, "pydantic", ""),
    "ragged": (0, "numpy", ""),
    "token_batch": (0, "numpy", ""),
    "decimals": (0, "numpy", ""),
    "finite": (0, "", ""),
    "adaptive_scoring": (0, "numpy", ""),
    "results": (0, "", ""),
    "ranges": (0, "", ""),
    "system": (0, "", ""),
    "files": (0, "numpy", ""),
    "tokenizers": (1, "numpy", ""),
    "nn": (2, "numpy torch", ""),
    "ngram": (2, "numpy", ""),
    "bag": (2, "numpy", ""),
    "embeddings": (2, "numpy", ""),
    "data": (2, "numpy", "datasets pyarrow"),
    "metrics": (2, "numpy", "sacrebleu"),
    "models": (3, "numpy torch", ""),
    "runs": (4, "numpy", ""),
    "training": (5, "numpy torch", ""),
    "decoding": (5, "numpy", ""),
    "interop": (5, "numpy", ""),
    "scoring": (5, "numpy", ""),
    "tasks": (6, "numpy", "torch"),
    "explain": (7, "numpy", "torch"),
    "report": (7, "rich", "matplotlib numpy pyarrow sklearn umap"),
    "samples": (7, "", ""),
    "sources": (8, "", ""),
    "commands": (9, "typer", "numpy rich sacrebleu"),
    "api": (9, "", ""),
    "lm_eval": (10, "numpy lm_eval", ""),
    "cli": (10, "typer", ""),
    "__main__": (10, "", ""),
}
FILES = {  # files that may import more, or less, than their room
    "files/tensor_file.py": "numpy xxhash",
    "tokenizers/sentencepiece.py": "numpy sentencepiece",
    "tokenizers/huggingface/pipeline.py": "tokenizers",
    "models/ngram.py": "numpy",
    "models/ngram_classifier.py": "numpy",
    "models/bag_classifier.py": "numpy",
    "models/word2vec.py": "numpy torch",
    "models/glove.py": "numpy torch",
    "embeddings/training.py": "numpy torch",
    "interop/huggingface/hub.py": "huggingface_hub",
    "interop/huggingface/tokenizer_json.py": "numpy tokenizers",
    "interop/formats/ctranslate2.py": "ctranslate2 numpy",
    "system/cluster/__init__.py": "cloudpickle",
    "system/cluster/bridge.py": "ray",
}
TOP, FUNCTION, TYPING = "at the top", "inside a function", "for types"


def imports(node: ast.AST, place: str = TOP) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """Every import below `node`, and where it stands."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, place
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from imports(child, FUNCTION)
        elif isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            yield from imports(child, TYPING)
        else:
            yield from imports(child, place)


def names(node: ast.Import | ast.ImportFrom, file: str) -> list[str]:
    """The modules that an import names, absolute: `from seqcli import text` is `seqcli.text`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level:
        base = ["seqcli", *Path(file).parts][: -node.level]
        module = ".".join([*base, *([node.module] if node.module else [])])
    else:
        module = node.module
    return [f"seqcli.{alias.name}" for alias in node.names] if module == "seqcli" else [module]


def complaints(file: str, source: str) -> list[str]:
    """What a file (its path inside the package) imports and should not."""
    room = file.partition("/")[0].removesuffix(".py")
    found = []
    for node, place in imports(ast.parse(source)):
        for name in names(node, file):
            package, _, rest = name.partition(".")
            if package == "seqcli":
                wrong = not _goes_down(room, rest.partition(".")[0], place)
            else:
                wrong = package not in sys.stdlib_module_names and not _may_import(room, file, package, place)
            if wrong:
                found.append(f"seqcli/{file}:{node.lineno} imports {name} {place}")
    return found


def _goes_down(room: str, target: str, place: str) -> bool:
    if target == "__version__":
        return True
    if room == "__init__":  # the Python door: nothing until it is used
        return place in (FUNCTION, TYPING) and target in ROOMS
    if target not in ROOMS:
        return False
    floor, below = ROOMS[room][0], ROOMS[target][0]
    return target == room or below < floor or below == floor in (0, 10)


def _may_import(room: str, file: str, package: str, place: str) -> bool:
    if place == TYPING:
        return True
    _, anywhere, inside = ROOMS.get(room, (0, "", ""))
    allowed = FILES.get(file, f"{anywhere} {inside}" if place == FUNCTION else anywhere)
    return package in allowed.split()


SOURCES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("file", SOURCES)
def test_imports_go_down_and_stay_in_their_column(file):
    room = file.partition("/")[0].removesuffix(".py")
    assert room in ROOMS or room == "__init__", "a new room needs a floor, here and in docs/DESIGN.md"
    assert not complaints(file, SOURCES[file].read_text("utf-8"))


@pytest.mark.parametrize(
    "file, source",
    [
        ("tasks/language.py", "from seqcli.models import ngram\nfrom seqcli import catalog\nimport numpy, os.path"),
        ("tasks/language.py", "def loss():\n    import torch"),
        ("data/hub.py", "def read():\n    import datasets"),
        ("data/hub.py", "from seqcli.data import lines\nfrom .lines import Block\nfrom . import lines"),
        ("text.py", "from seqcli.errors import InputError"),
        ("interfaces.py", "if TYPE_CHECKING:\n    import numpy as np"),
        ("runs/model_folder.py", "from seqcli import __version__"),
        ("__init__.py", "def load():\n    from seqcli.tasks import language"),
    ],
)
def test_the_rule_lets_pass(file, source):
    assert not complaints(file, source)


@pytest.mark.parametrize(
    "file, source",
    [
        ("data/lines.py", "from seqcli.models import ngram"),
        ("data/lines.py", "import seqcli.models.ngram"),
        ("data/lines.py", "from seqcli import models"),
        ("data/lines.py", "from ..models import ngram"),
        ("data/lines.py", "def late():\n    from seqcli.models import ngram"),
        ("data/lines.py", "from seqcli.ngram import table"),  # the same floor
        ("errors.py", "if TYPE_CHECKING:\n    from seqcli.data import lines"),
        ("errors.py", "from seqcli import load"),
        ("errors.py", "import seqcli"),
        ("__init__.py", "from seqcli.tasks import language"),
        ("__init__.py", "import numpy"),
        ("text.py", "import numpy"),
        ("tokenizers/words.py", "class Words:\n    import sentencepiece"),
        ("data/hub.py", "import datasets"),
        ("report/tables.py", "def read():\n    import datasets"),
        ("tasks/language.py", "import torch"),
        ("commands/score.py", "import numpy"),
        ("commands/score.py", "def score():\n    import torch"),
        ("models/ngram.py", "def late():\n    import torch.nn.functional as F"),
        ("decoding/logits.py", "from torch import nn"),
        ("interop/arpa/reading.py", "try:\n    import torch\nexcept ImportError:\n    torch = None"),
    ],
)
def test_the_rule_complains(file, source):
    assert complaints(file, source)


def test_docstrings_name_modules_that_exist():
    """`data/lines` and `training.recorder.HeldOut` in a docstring or comment lead to a file, and to a name in it."""
    folders = "|".join(sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "nn"))
    wrong, seen = [], 0
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text("utf-8")
        for name in re.findall(rf"`((?:{folders})(?:/[a-z_0-9]+)+)(?:\.py)?`", text):
            seen += 1
            if not ((PACKAGE / f"{name}.py").exists() or (PACKAGE / name).exists()):
                wrong.append(f"{path.relative_to(PACKAGE)}: {name}")
        for module, name in re.findall(rf"`((?:{folders})(?:\.[a-z_0-9]+)+)\.([A-Z]\w+)`", text):
            seen += 1
            file = PACKAGE / f"{module.replace('.', '/')}.py"
            if not file.exists() or not re.search(rf"\b{name}\b", file.read_text("utf-8")):
                wrong.append(f"{path.relative_to(PACKAGE)}: {module}.{name}")
    assert not wrong and seen > 30
