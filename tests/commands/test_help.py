"""The help of every command: in groups, in words, within 80 columns, with examples that work."""

import dataclasses
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import typer

from seqcli import catalog, cli
from seqcli.commands import declaration
from seqcli.training.config import Plan, kinds_of
from seqcli.training.setting_table import toml

WORDS = re.compile(r"[A-Z]+(([|=]|,)[A-Z]+)*(,\.\.\.)?")  # FILE, KIND|DIR, KEY=VALUE, N,N,...
OPINIONS = [("good", "a fine film"), ("bad", "a dull film")] * 8
PAIRS = [("the cat sleeps", "고양이가 잔다"), ("the dog saw the cat", "개가 고양이를 보았다")] * 8


def _commands() -> dict[str, typer.core.TyperCommand]:
    """Every command that has no commands of its own, by its whole name."""
    found, waiting = {}, [("seqcli", cli.program())]
    for name, command in waiting:
        if hasattr(command, "commands"):
            waiting += [(f"{name} {part}", each) for part, each in command.commands.items()]
        else:
            found[name] = command
    return found


COMMANDS = _commands()
EXAMPLES = [example for command in COMMANDS.values() for example in declaration.parts(command.help)[1]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_in_a_group_and_takes_a_word(name):
    for parameter in COMMANDS[name].params:
        if not parameter.hidden:
            assert parameter.rich_help_panel in declaration.GROUPS, parameter.name
            assert getattr(parameter, "is_flag", False) or WORDS.fullmatch(parameter.metavar), parameter.metavar
            assert re.match(r"[A-Z]", parameter.help) and re.search(r"[.\])]$", parameter.help), parameter.help


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_with_few_values_names_them(name):
    for parameter in COMMANDS[name].params:
        parse = getattr(getattr(parameter, "type", None), "func", None)
        for value in getattr(parse, "known", ()):
            assert re.search(rf"\b{value}\b", parameter.help), (parameter.name, value)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_help_breaks_no_word(here, monkeypatch, name, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = here(*name.split()[1:], "--help")
    examples = "\n".join(EXAMPLES)
    assert done.code == 0 and done.out.startswith(f"Usage: {name} ") and "<" not in done.out.partition("\n")[0]
    assert all(len(line) <= columns or line.strip() in examples for line in done.out.splitlines())
    shown = set(done.out.split())
    for parameter in COMMANDS[name].params:
        if not parameter.hidden:
            assert set(parameter.help.split()) <= shown
    assert set(declaration.parts(COMMANDS[name].help)[0].split()) <= shown


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_three_examples(here, name):
    lines = here(*name.split()[1:], "--help").out.splitlines()
    assert lines[-4] == "Examples:" and all(line.startswith(f"  {name}") for line in lines[-3:])


@pytest.fixture(scope="module")
def sample_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def files(here, tmp_path, corpus, model, translator, sample_cache):
    """The files that the examples name; a function puts a model for a command into the folder `model`."""
    shutil.copy(corpus, tmp_path / "text.txt")
    rows = [f'{label},"{text}"\n' for label, text in OPINIONS]
    (tmp_path / "reviews.csv").write_text("label,text\n" + "".join(rows))
    (tmp_path / "pairs.tsv").write_text("source\ttarget\n" + "".join(f"{one}\t{other}\n" for one, other in PAIRS))
    for name, column in (("en.txt", 0), ("ko.txt", 1)):
        (tmp_path / name).write_text("".join(pair[column] + "\n" for pair in PAIRS))

    def prepare(command: str) -> None:
        if command == "seqcli classify":
            assert here("train", "classifier", "reviews.csv", "-o", "model", "-q").code == 0
        elif command == "seqcli embed":
            assert here("train", "embeddings", "text.txt", "-o", "model", "--min-count", 1, "-q").code == 0
        else:
            shutil.copytree(translator if "translat" in command else model, tmp_path / "model")
        if command == "seqcli tokenize":
            ids = here("tokenize", "-m", "model", "the cat", "--ids").out
            (tmp_path / "ids.txt").write_text(ids)
        if command == "seqcli convert":
            assert here("convert", "model", "model.arpa").code == 0
            train = ("train", "lm", "text.txt", "--arch", "transformer", "--preset", "llama", "--steps", 1)
            assert here(*train, "--set", "width=32", "-o", "transformer", "-q").code == 0

    return prepare


@pytest.mark.parametrize("example", [example for example in EXAMPLES if not example.startswith("seqcli demo")])
def test_examples_work(here, files, tmp_path, example):
    """Budgets are cut to one step, and the minute in which a sample translator is trained is spared."""
    files(next(name for name in COMMANDS if example.startswith(name)))
    arguments = shlex.split(re.sub(r"--(minutes|epochs) \S+", "--steps 1", example))[1:]
    if arguments[0] == "train" and {"--steps", "transformer", "gru"} & {*arguments}:
        arguments += ["--preset", "tiny", *([] if "--steps" in arguments else ["--steps", "1"])]
    if "model" in arguments[arguments.index("-o") + 1 :][:1] if "-o" in arguments else arguments[0] == "convert":
        target = tmp_path / arguments[-1 if arguments[0] == "convert" else arguments.index("-o") + 1]
        shutil.rmtree(target, ignore_errors=True)
        target.unlink(missing_ok=True)
    if arguments[0] == "translate" and "-m" not in arguments:
        arguments += ["-m", "model"]
    done = here(*arguments)
    assert done.code == 0, done.err
    if "--json" in arguments:
        json.loads(done.out)
    if "-o" in arguments:
        assert Path(arguments[arguments.index("-o") + 1]).exists()


def test_demo_has_no_options_that_its_examples_lack():
    """The demo takes a minute: its examples are only parsed here, and tests/test_samples.py runs it."""
    for example in (example for example in EXAMPLES if example.startswith("seqcli demo")):
        arguments = shlex.split(example.partition(">")[0])[2:]
        COMMANDS["seqcli demo"].make_context("demo", arguments)


@pytest.mark.parametrize("arch", sorted({arch for task in catalog.TRAINING for arch in catalog.architectures(task)}))
def test_help_settings_lists_every_setting_and_preset(here, arch):
    """The judge is the dataclass of the settings itself, and the file of the presets."""
    done = here("help", "settings", arch)
    assert done.code == 0 and all(len(line) <= 80 for line in done.out.splitlines())
    for task in catalog.TRAINING:
        if arch in catalog.architectures(task):
            part = done.out.partition(f"Settings of {catalog.TRAINING[task]} --arch {arch} ")[2].partition(
                "\nSettings of"
            )[0]
            for field in dataclasses.fields(kinds_of(task, arch)[0]):
                (shown,) = re.findall(rf"^  {field.name} (.*(?:\n {{10}}.*)*)", part, re.M)
                values = [each.get(field.name) for each in catalog.presets(task, arch)[1].values()]
                agreed = None not in values and all(value == values[0] for value in values)
                default = toml(values[0] if agreed else field.default)
                assert f"[default: {default}]" in " ".join(shown.split())
            for name, values in catalog.presets(task, arch)[1].items():
                (shown,) = re.findall(rf"^  {name} (.*(?:\n {{10}}.*)*)", part, re.M)
                assert all(f"{key}={toml(value)}" in shown for key, value in values.items() if key != "cell")


@pytest.mark.parametrize("arch", ["rnn", "lstm", "gru", "skipgram", "cbow"])
def test_the_default_of_what_an_architecture_decides_is_its_own(here, arch):
    shown = " ".join(here("help", "settings", arch).out.split())
    defaults = re.findall(r"each --arch has its own\. \[default: \"(\w+)\"\]", shown)
    assert defaults and set(defaults) == {arch}


def test_help_settings_lists_those_of_all_neural_models(here):
    done = here("help", "settings")
    assert done.code == 0
    for field in dataclasses.fields(Plan):
        assert re.search(rf"^  {field.name} ", done.out, re.M)
    assert "did you mean 'lstm'?" in here("help", "settings", "LSTM").err
    assert "transformer" in here("help", "settings", "nothing-like-it").err
    wrong = here("help", "settings", "ltsm")
    assert wrong.code == 2 and "did you mean 'lstm'?" in wrong.err and wrong.err.count("\n") == 1
