"""Families of Hugging Face models, one file each: how their settings and tensors map to seqcli's.

A family's file offers

    ARCHITECTURES = {"GPT2LMHeadModel": "language"}    the `architectures` of config.json that it opens, with their tasks
    MODULE = "transformer"                             the module in `models/` that computes them, or one for each task
    PREFIX = "transformer."                            of the names of tensors, which some files omit; or several
    IGNORED = re.compile(...)                          tensors that are not weights, such as masks

    settings(config: Config) -> dict                   settings of MODULE; raises ModelError for unsupported features
    record(config: Config, folder) -> dict             the rest of the record of a seqcli model folder (default: `language_record`)
    tokenizers(path, *, rows: (int, int)) -> (source, target)       their tokenizers, and the rows of their embeddings (default: one of the `tokenizers` library)
    rules(settings: dict, architecture: str) -> Iterator[Rule]      which tensors make up which weight
    renamed(name: str) -> str                          the current name of a tensor of older files (default: unchanged)
    beginning(settings: dict, architecture: str) -> Iterator[Rule]  the weights that initialise a classifier (default: `rules` of the body)

Rules are applied in both directions: a folder is opened and written with the same list. A family whose models can be written also
has

    HOLDS = {"language": {"norm": ("layer",), ...}}    by task, the supported values of settings, the default first
    BARE = ("lm_head.",)                               prefixes of names that do not get PREFIX; "" if rules have full names
    config_of(settings: dict, architecture: str | None) -> dict     config.json for supported settings
    BYTE_LEVEL = {"qwen2": (what, cure)}               model types whose tokenizer is always a byte-level BPE, and the error for any other
                                                       (default: none)
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from seqcli import catalog
from seqcli.errors import ModelError
from seqcli.metrics import signature

_FEW = 3  # maximum number of settings in an error; for more, a preset is suggested if it has them all
_HEADS = ("ForCausalLM", "ForMaskedLM", "ForSequenceClassification", "ForConditionalGeneration")  # one for each task


class Rule(NamedTuple):
    """A weight of seqcli, and the tensors of the file that it consists of, stacked along the first axis.

    rows: number of rows of each, if there are several; transposed: the tensor in the file is [in, out]; tokens: it has a row for each
    token; optional: a vector with a value for each token that may be missing in the file, and is then zero; of_mask: it is the row of
    the mask token in a matrix of tokens; of_target: its tokens are those of the target, if a translator has two vocabularies; flat:
    the tensor in the file has an additional axis of size 1; tied: names of equal tensors, one of which some files have instead.
    """

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...] = ()
    transposed: bool = False
    tokens: bool = False
    optional: bool = False
    of_mask: bool = False
    of_target: bool = False
    flat: bool = False
    tied: tuple[str, ...] = ()


def linear(ours: str, *theirs: str, rows: tuple[int, ...] = (), bias: bool, transposed: bool = False) -> Iterator[Rule]:
    """Rules for the weight and bias of a linear layer, or of several that are one layer in seqcli."""
    yield Rule(f"{ours}.weight", tuple(f"{name}.weight" for name in theirs), rows, transposed)
    if bias:
        yield Rule(f"{ours}.bias", tuple(f"{name}.bias" for name in theirs), rows)


def norm(ours: str, theirs: str, *, bias: bool = True) -> Iterator[Rule]:
    for part in ("weight", "bias")[: 1 + bias]:
        yield Rule(f"{ours}.{part}", (f"{theirs}.{part}",))


class Config:
    """config.json, with values that are type-checked on access. where: its name in errors."""

    def __init__(self, values: dict[str, Any], *, where: str):
        self.values, self.where = values, where

    def __call__(self, name: str, default: Any = None, *, kind: type | None = None) -> Any:
        """A value, or the default if it is missing or null. Raises ModelError if there is neither, or if the type is not that of the
        default or `kind`."""
        value = self.values.get(name)
        value = default if value is None else value
        kind = kind or type(default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind and not (default is None and value is None):
            raise self.refused(f"{name} is {_short(value)}, a {kind.__name__} expected")
        if value is None:
            raise self.refused(f"no {name}")
        return value

    @property
    def architecture(self) -> str:
        """The architecture of the model. Raises ModelError if config.json does not name one."""
        names = self("architectures", [])
        if len(names) != 1 or not isinstance(names[0], str):
            raise self.refused(f"names {len(names)} architectures, one expected")
        return names[0]

    def whole(self, name: str, *others: str) -> int:
        """The integer under the first of these names that exists."""
        found = next((name for name in (name, *others) if self.values.get(name) is not None), name)
        return self(found, kind=int)

    def choice(self, name: str, known: dict[str, str], *, default: str) -> str:
        """The name of a value in seqcli. Raises ModelError for an unknown value."""
        value = self(name, default)
        if value not in known:
            raise self.unsupported(name, value, known)
        return known[value]

    def must_be(self, name: str, expected: Any) -> None:
        """Raises ModelError if a setting has another value, which would change the computation in an unsupported way."""
        if self.values.get(name, expected) not in (expected, None):
            raise self.unsupported(name, self.values[name], {str(expected): ""})

    def unsupported(self, name: str, value: Any, known: dict[str, str]) -> ModelError:
        cure = f"supported: {', '.join(known)}"
        return ModelError(f"{name} {_short(value)} is not supported", where=self.where, cure=cure)

    def refused(self, what: str) -> ModelError:
        return ModelError(what, where=self.where, cure="download the model again")


def language_record(config: Config, folder: Any) -> dict[str, Any]:
    """The rest of the record of a language model: it reads running text, with documents that end in `</s>`."""
    tokenizer, written = folder.tokenizer(), config("seqcli", {})
    folder.config["settings"]["impossible"] = folder.impossible
    unit = written.get("unit", "document")
    if unit not in ("line", "document"):
        raise config.refused(f"seqcli.unit is {_short(unit)}")
    return {
        "unit": unit,
        "ends_documents": written.get("ends_documents", True) is True,
        "classifier": {"pooling": ["last"], "causal": True},
        "tokenizer": signature.tokenizer_label(tokenizer),
        "vocab_size": tokenizer.vocab_size,
    }


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def all_families() -> list[ModuleType]:
    return [import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]


def of_architecture(architecture: str, *, where: str) -> ModuleType:
    """The family of an architecture. Raises ModelError if it is not supported, naming the nearest ones: with the same name or the
    same head."""
    known = {name: family for family in all_families() for name in family.ARCHITECTURES}
    if architecture not in known:
        (name, head), parts = _parted(architecture), {each: _parted(each) for each in known}
        alike = [each for each in known if parts[each][0] == name] or [
            each for each in known if head in _HEADS and parts[each][1] == head
        ]
        cure = f"supported: {', '.join(sorted({each for each, _ in parts.values()}))}"
        if alike:
            cure = f"nearest: {', '.join(sorted(alike))}; {cure}"
        raise ModelError(f"architecture {_short(architecture)} is not supported", where=where, cure=cure)
    return known[architecture]


def _parted(architecture: str) -> tuple[str, str]:
    """The family and the task in the name of an architecture: `GPT2LMHeadModel` is GPT2 for causal language models."""
    name, head = re.fullmatch(r"(.*?)(For\w+|LMHeadModel|MTModel|Model|)", architecture, re.DOTALL).groups()  # type: ignore[union-attr]
    return name, {"LMHeadModel": "ForCausalLM", "MTModel": "ForConditionalGeneration"}.get(head, head)


def that_write() -> list[ModuleType]:
    """The families whose models can be written."""
    return [family for family in all_families() if hasattr(family, "config_of")]


def that_holds(settings: Mapping[str, Any], *, task: str, architecture: str | None, where: str) -> ModuleType:
    """The family that supports these settings. settings: all of them, resolved; architecture: the original one if the model came from a
    Hugging Face folder. If no family does, raises ModelError with the settings to change for the nearest one."""
    known = [family for family in that_write() if task in family.HOLDS]
    known = [family for family in known if architecture in family.ARCHITECTURES] or known
    objective = settings.get("objective")  # prefer not to suggest another objective, if any family supports this one
    known = [family for family in known if objective in family.HOLDS[task].get("objective", (objective,))] or known
    others = {family.__name__: _not_held(settings, family.HOLDS[task]) for family in known}
    best = min(known, key=lambda family: len(others[family.__name__]))
    if wrong := others[best.__name__]:
        name = best.__name__.rpartition(".")[2]
        shown = ", ".join(f"{each}={_toml(settings[each])}" for each in wrong)
        cure = " ".join(f"--set {each}={_toml(best.HOLDS[task][each][0])}" for each in wrong)
        if len(wrong) > _FEW and name in catalog.presets(task, "transformer")[1]:
            cure = f"--preset {name}"
        what = f"{shown} {'is' if len(wrong) == 1 else 'are'} not in {name}"
        raise ModelError(what, where=where, cure=f"train with {cure}")
    return best


def _not_held(settings: Mapping[str, Any], holds: Mapping[str, tuple]) -> list[str]:
    """The settings with unsupported values. A width or number of heads equal to the default counts as 0."""
    usual = {"groups": settings["heads"], "head_width": settings["width"] // settings["heads"]}
    same = {name: 0 if usual.get(name) == value else value for name, value in settings.items()}
    return [name for name, values in holds.items() if same[name] not in values]


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(repr, value))}]".replace("'", '"')
    return str(value).lower() if isinstance(value, bool) else str(value)
