"""Python refuses the numbers that the command line refuses, in the same words: both have them from the ranges of the settings."""

import dataclasses
import math

import pytest

import seqcli
from seqcli import ranges
from seqcli.commands import generate, translate
from seqcli.decoding.generate import GenerationSettings
from seqcli.decoding.sampling import Policy
from seqcli.decoding.translate import TranslationSettings
from seqcli.errors import UsageError

TRIED = [math.nan, math.inf, -math.inf, -1, 0, 0.5, 10**9, 10**30]
COMMANDS = {
    "generate": (generate.generate, GenerationSettings),
    "translate": (translate.translate, TranslationSettings),
}
NUMBERS = [
    (verb, field) for verb, (command, settings) in COMMANDS.items() for kind in (Policy, settings)
    for field in dataclasses.fields(kind) if "rule" in field.metadata and field.name in command.__annotations__
]  # fmt: skip


def test_all_numbers_of_decoding_are_tried():
    assert len(NUMBERS) == 5 + 4 + 3 + 7


@pytest.mark.parametrize("verb, field", NUMBERS, ids=lambda part: getattr(part, "name", part))
def test_a_number_is_refused_alike(here, models, translator, verb, field):
    folder = translator if verb == "translate" else models("words")
    ask, rule = getattr(seqcli.load(str(folder)), verb), field.metadata["rule"]
    whole = rule.whole or isinstance(field.default, int)
    refused = 0
    for value in TRIED:
        if not (fault := rule.fault(value, int if whole else float)):
            continue
        refused += 1
        with pytest.raises(UsageError) as error:
            ask("a", **{field.name: value})
        option = f"--{field.name.replace('_', '-')}"
        done = here(verb, "a", "-m", folder, f"{option}={value}")
        assert done.code == error.value.exit_code == 2 and done.err.count("\n") == 1
        assert str(error.value).startswith(f"{field.name} {fault}, got ")
        assert f"Invalid value for '{option}': {fault}, got " in done.err
    assert refused >= 4


@pytest.mark.parametrize("verb, field", NUMBERS, ids=lambda part: getattr(part, "name", part))
def test_an_option_has_the_range_of_its_setting(verb, field):
    (option,) = COMMANDS[verb][0].__annotations__[field.name].__metadata__
    assert option.parser.rule == field.metadata["rule"]


@pytest.mark.parametrize(
    "settings, options, told",
    [
        ({"precision": "int2"}, ["--precision", "int2"], "auto, fp32, bf16, fp16, int8, w8a8, int4"),
        ({"threads": 0}, ["--threads", 0], "must be 1 to 1,024, got"),
        ({"threads": "two"}, ["--threads", "two"], "1 to 1,024, got 'two'"),
        ({"device": "gpu"}, ["--device", "gpu"], "no such device: 'gpu'; use auto, cpu, cuda, cuda:N or mps"),
    ],
)
def test_what_load_refuses(here, translator, settings, options, told):
    with pytest.raises(UsageError) as error:
        seqcli.load(str(translator), **settings)
    done = here("translate", "a", "-m", translator, *options)
    assert done.code == error.value.exit_code == 2 and done.err.count("\n") == 1
    assert told in str(error.value) and told.split(", got")[0] in done.err


@pytest.mark.parametrize("labels", ["0=bad", {"0": 1}, {0: "bad"}])
def test_a_label_map_is_one_of_strings(tmp_path, labels):
    with pytest.raises(UsageError, match="label_map must map labels to names; for example"):
        seqcli.train_classifier("no.tsv", str(tmp_path / "m"), label_map=labels)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, 1.5, "3", True])
def test_arguments_that_are_no_settings(models, value):
    lm = seqcli.load(str(models("words")))
    for name, ask in (("k", lm.next), ("orderings", lm.scramble), ("seed", lm.scramble)):
        with pytest.raises(UsageError, match=f"{name} must be"):
            ask("the cat", **{name: value})
    with pytest.raises(UsageError, match="beam_size"):
        lm.generate("a", beam_size=2, temperature=1.0)


def test_a_range_error_is_a_value_error_too():
    """pydantic and those who open model folders expect one."""
    assert issubclass(ranges.OutOfRange, ValueError)
    with pytest.raises(ValueError, match="top_k must be 1 to 2,147,483,647, got 0"):
        dataclasses.replace(Policy(), top_k=0)
