"""Starting is quick because little is imported: torch never, rich for eyes only, numpy where there is work to do."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "rich",
    "pydantic",
    "sentencepiece",
    "pyarrow",
    "datasets",
    "matplotlib",
    "numpy",
    "torch._dynamo",
    "huggingface_hub",
)
CODE = f"""
import sys
from seqcli import cli
code = cli.run(sys.argv[1:])
print("code", code, *sorted(set(sys.modules) & set({HEAVY})), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments, allowed",
    [
        (["--help"], ""),
        (["--version"], ""),
        (["score", "--help"], "pydantic"),  # typer's own
        (["train", "lm", "--help"], "pydantic"),
        (["translate", "--help"], "pydantic"),
        (["translate", "I study", "-m", "TRANSLATOR", "--alignment"], "pydantic numpy torch sentencepiece"),
        (["scoer"], "pydantic"),
        (["score", "the cat", "-m", "MODEL"], "pydantic numpy"),
        (["score", "the cat", "-m", "MODEL", "--json", "--scramble"], "pydantic numpy"),
        (["score", "the cat", "-m", "MODEL", "--level", "word"], "pydantic numpy"),
        (["tokenize", "the cat", "-m", "MODEL"], "pydantic numpy"),
        (["info", "MODEL"], "pydantic numpy"),
        (["convert", "MODEL", "m.arpa"], "pydantic numpy"),
        (["train", "lm", "CORPUS", "-o", "new"], "pydantic numpy"),
        (
            ["train", "lm", "CORPUS", "-o", "new", "--arch", "gru", "--preset", "tiny", "--steps", "2"],
            "pydantic numpy torch",
        ),
        (
            ["train", "lm", "CORPUS", "-o", "new", "--arch", "gru", "--set", "optimizer=muon", "--steps", "1"],
            "pydantic numpy torch",
        ),
    ],
    ids=" ".join,
)
def test_only_what_is_needed_is_imported(environment, model, translator, corpus, tmp_path, arguments, allowed):
    arguments = [
        {"MODEL": str(model), "TRANSLATOR": str(translator), "CORPUS": str(corpus)}.get(word, word)
        for word in arguments
    ]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    said, code, *imported = done.stderr.splitlines()[-1].split()
    assert said == "code" and code == ("2" if arguments == ["scoer"] else "0"), done.stderr
    assert set(imported) <= set(allowed.split())


def test_version_names_what_matters(seqcli):
    from importlib.metadata import version

    done = seqcli("--version")
    assert done.code == 0 and [line.split()[0] for line in done.out.splitlines()] == [
        "seqcli",
        "python",
        "torch",
        "cuda",
    ]
    assert f"python {sys.version.split()[0]}\n" in done.out
    try:
        assert f"torch {version('torch')}\n" in done.out
    except ModuleNotFoundError:
        assert "torch none\n" in done.out


def test_help_names_every_command(here):
    done = here("--help")
    assert done.code == 0 and done.err == ""
    for command in ("tokenize", "train", "score", "convert", "info", "demo"):
        assert f"\n  {command} " in done.out
        assert here(command, "--help").out.startswith(f"Usage: seqcli {command}")


def test_opening_a_network_does_not_import_the_compiler():
    """torch imports it, a second's work, where weights are drawn on the meta device."""
    code = """
import sys
from seqcli import catalog
from seqcli.nn import weights
for arch in ("feedforward", "gru", "lstm", "rnn", "transformer"):
    name, presets = catalog.presets("language", arch)
    module = catalog.load("models", name)
    config = module.Config(**{k: v for k, v in presets["tiny"].items() if k in module.Config.__dataclass_fields__})
    model = weights.outline(lambda: module.build(config, vocab_size=9))
    assert all(p.is_meta for p in model.parameters()) and "torch._dynamo" not in sys.modules, arch
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stderr == ""


@pytest.mark.parametrize(
    "arguments, imported",
    [(["--help"], set()), (["score", "--help"], {"score"}), (["train", "lm", "--help"], {"train"}), (["scoer"], set())],
    ids=" ".join,
)
def test_no_other_command_is_imported(environment, tmp_path, arguments, imported):
    code = (
        "import sys; from seqcli import cli; cli.run(sys.argv[1:]); "
        "print(*(name for name in cli.COMMANDS if f'seqcli.commands.{name}' in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert set(done.stderr.splitlines()[-1].split()) == imported
