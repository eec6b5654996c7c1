"""Families of Hugging Face models, one file each: how their settings and tensors are said in ours.

A family's file offers

    ARCHITECTURES = {"GPT2LMHeadModel": "language"}    the `architectures` of config.json that it opens, with their tasks
    MODULE = "transformer"                             the module in `models/` that computes them, or one for each task
    PREFIX = "transformer."                            of the tensors' names, which some files leave out; or several
    IGNORED = re.compile(...)                          tensors that hold no weights, such as masks

    settings(config: Config) -> dict                   settings of MODULE; raises ModelError for what it cannot compute
    record(config: Config, folder) -> dict             what else a model folder of ours writes down (default: `language_record`)
    tokenizers(path, *, rows: (int, int)) -> (source, target)       their tokenizers, and the rows of their embeddings (default: one of the `tokenizers` library)
    rules(settings: dict, architecture: str) -> Iterator[Rule]      which tensors make which weight
    renamed(name: str) -> str                          today's name of a tensor of older files (default: its own)
    beginning(settings: dict, architecture: str) -> Iterator[Rule]  what a classifier begins with (default: `rules` of the body)

Rules are read in both directions: a folder is opened and written by the same list. A family whose models can be written offers
besides

    HOLDS = {"language": {"norm": ("layer",), ...}}    by task, the values that our settings may have, the first of each the usual one
    BARE = ("lm_head.",)                               how the names begin that do not get PREFIX; "" where rules have whole names
    config_of(settings: dict, architecture: str | None) -> dict     config.json of settings that it holds
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

_FEW = 3  # settings that are named one by one, where a preset has them all
_HEADS = ("ForCausalLM", "ForMaskedLM", "ForSequenceClassification", "ForConditionalGeneration")  # each for one task


class Rule(NamedTuple):
    """A weight of ours, and the tensors of theirs that it is made of, stacked along the first axis.

    rows: of each of them, where there are several; transposed: theirs is [in, out]; tokens: it has a row for each token; optional:
    a vector of tokens that may be missing in the file, and is zero then; of_mask: it is the one row of a matrix of tokens that stands
    for a hidden token; of_target: its tokens are those of the target, where a translator has two vocabularies; flat: theirs has
    another axis, of size 1; tied: names of tensors that are the same, one of which some files have in its place.
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
    """Weight and bias of a linear layer, or of several that are one of ours."""
    yield Rule(f"{ours}.weight", tuple(f"{name}.weight" for name in theirs), rows, transposed)
    if bias:
        yield Rule(f"{ours}.bias", tuple(f"{name}.bias" for name in theirs), rows)


def norm(ours: str, theirs: str, *, bias: bool = True) -> Iterator[Rule]:
    for part in ("weight", "bias")[: 1 + bias]:
        yield Rule(f"{ours}.{part}", (f"{theirs}.{part}",))


class Config:
    """config.json, whose values are checked for their types when they are asked for. where: its name in errors."""

    def __init__(self, values: dict[str, Any], *, where: str):
        self.values, self.where = values, where

    def __call__(self, name: str, default: Any = None, *, kind: type | None = None) -> Any:
        """A value, or the default where it is missing or null. Raises ModelError where there is neither, or of another type than
        the default or `kind`."""
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
        """What the model is. Raises ModelError where config.json does not say so."""
        names = self("architectures", [])
        if len(names) != 1 or not isinstance(names[0], str):
            raise self.refused(f"names {len(names)} architectures, one expected")
        return names[0]

    def whole(self, name: str, *others: str) -> int:
        """A whole number under the first of these names that there is."""
        found = next((name for name in (name, *others) if self.values.get(name) is not None), name)
        return self(found, kind=int)

    def choice(self, name: str, known: dict[str, str], *, default: str) -> str:
        """What a value is called here. Raises ModelError for one that is not known."""
        value = self(name, default)
        if value not in known:
            raise self.unsupported(name, value, known)
        return known[value]

    def must_be(self, name: str, expected: Any) -> None:
        """Raises ModelError where a setting changes what the model computes in a way that is not known here."""
        if self.values.get(name, expected) not in (expected, None):
            raise self.unsupported(name, self.values[name], {str(expected): ""})

    def unsupported(self, name: str, value: Any, known: dict[str, str]) -> ModelError:
        cure = f"supported: {', '.join(known)}"
        return ModelError(f"{name} {_short(value)} is not supported", where=self.where, cure=cure)

    def refused(self, what: str) -> ModelError:
        return ModelError(what, where=self.where, cure="download the model again")


def language_record(config: Config, folder: Any) -> dict[str, Any]:
    """What the record of a language model says besides: it reads running text, whose documents end in `</s>`."""
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
    """The family of an architecture. Raises ModelError where it is not supported, with what is nearest: of the same name, or with the
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
    """The name of a family, and what its models are for: `GPT2LMHeadModel` is of GPT2, for causal language models."""
    name, head = re.fullmatch(r"(.*?)(For\w+|LMHeadModel|MTModel|Model|)", architecture, re.DOTALL).groups()  # type: ignore[union-attr]
    return name, {"LMHeadModel": "ForCausalLM", "MTModel": "ForConditionalGeneration"}.get(head, head)


def that_write() -> list[ModuleType]:
    """The families whose models can be written."""
    return [family for family in all_families() if hasattr(family, "config_of")]


def that_holds(settings: Mapping[str, Any], *, task: str, architecture: str | None, where: str) -> ModuleType:
    """The family whose models these settings are. settings: all of them, resolved; architecture: what it was when it came from a
    Hugging Face folder. Raises ModelError with the settings to change in the nearest family, where none holds them."""
    known = [family for family in that_write() if task in family.HOLDS]
    known = [family for family in known if architecture in family.ARCHITECTURES] or known
    objective = settings.get("objective")  # what a model learns is not for its format to change, if any format holds it
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
    """The settings whose values are others. A width or a number of heads that is the usual one counts as 0."""
    usual = {"groups": settings["heads"], "head_width": settings["width"] // settings["heads"]}
    same = {name: 0 if usual.get(name) == value else value for name, value in settings.items()}
    return [name for name, values in holds.items() if same[name] not in values]


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(repr, value))}]".replace("'", '"')
    return str(value).lower() if isinstance(value, bool) else str(value)
