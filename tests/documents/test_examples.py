"""What README, the tutorials and CONTRIBUTING show is what the commands print."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import console

from seqcli import samples

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", "README.ko.md", "docs/tutorial.md", "docs/tutorial.ko.md"]


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> str:
    """Where the sample models are, for all documents."""
    return str(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def shell(cache, tmp_path, monkeypatch) -> dict[str, str]:
    """The environment of a reader's shell, in a folder with the sample data and with this checkout's `seqcli`."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "seqcli").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seqcli "$@"\n')
    (tools / "seqcli").chmod(0o755)
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "sample_data").symlink_to(samples.folder())
    monkeypatch.chdir(folder)
    for name in ("COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return dict(os.environ)


def check(name: str, environment: dict[str, str], *, slow: bool) -> None:
    """Runs the examples of a document in order, the slow ones only where asked. The first that differs fails."""
    for example in console.examples((CHECKOUT / name).read_text("utf-8")):
        if example.slow and not slow:
            continue
        where = f"{name}:{example.line}: $ {example.command}"
        printed = console.run(example.command, environment)
        assert printed.code == 0, f"{where}\n{printed.err}"
        shown = printed.out if printed.out.strip() else printed.err
        missing = console.difference(example.expected, shown, console.SLOW if example.slow else console.QUICK)
        assert missing is None, f"{where}\nthis line is not there: {missing}\n{shown}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_quick_examples(name, shell):
    check(name, shell, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "tutorial" in name])
def test_all_examples(name, shell):
    check(name, shell, slow=True)


MODELS = {
    "model": "train lm sample_data/english.txt --order 2",
    "sentiment": "train classifier sample_data/english.sentiment.tsv",
    "en-ko": "train translator sample_data/english-korean.tsv --arch gru --preset tiny --steps 1"
    " --source-column english --target-column korean",
}


def check_python(name: str, environment: dict[str, str], *, models: list[str]) -> None:
    """Runs the statements of a document's Python block that ask these models; each gives an answer."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", (CHECKOUT / name).read_text("utf-8"), re.M | re.S)
    for model in models:
        done = console.run(f"seqcli {MODELS[model]} -o {model} -q", environment)
        assert done.code == 0, done.err
    program = []
    for statement in ast.parse(block).body:
        source = ast.unparse(statement)
        if any(f"'{model}'" in source for model in MODELS.keys() - models):
            continue
        program.append(f"assert {source}, {source!r}" if isinstance(statement, ast.Expr) else source)
    Path("block.py").write_text("\n".join(program), encoding="utf-8")
    done = subprocess.run([sys.executable, "block.py"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_quick_python(name, shell):
    check_python(name, shell, models=["model", "sentiment"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_all_python(name, shell):
    check_python(name, shell, models=list(MODELS))


@pytest.mark.slow
def test_the_architecture_of_contributing(shell, tmp_path):
    """Its files are all that it takes: in a copy of the package the commands run and the contract holds."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text("utf-8")
    copy = tmp_path / "copy"
    for name in ("seqcli", "tests"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", copy)
    for path, content in re.findall(r"`(seqcli/\S+)`:\n\n```\w+\n(.*?)^```", text, re.M | re.S):
        (copy / path).write_text(content, "utf-8")
    environment = shell | {"PYTHONPATH": str(copy)}
    for example in console.examples(text):
        subprocess.run(["bash", "-c", example.command], env=environment, check=True)
    contract = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/contracts/test_models.py", "-k", "log_bilinear"]
    done = subprocess.run(contract, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout


@pytest.mark.parametrize(
    "expected, printed",
    [
        ("a 1.00 b", "a  1.0004   b"),
        ("1,234 rows", "1,234 rows"),
        ("one\n...\nlast", "one\ntwo\nthree\nlast"),
        ("...\nlast", "last"),
        ("trained in ... s, 5 steps", "trained in 12.3 s, 5 steps"),
        ("-0.5", "-0.5"),
        ("3 of 7 ... 0.99 ...", "3 of 7 6 0 0.99 12.5"),
        ("", ""),
    ],
)
def test_the_comparison_lets_pass(expected, printed):
    assert console.difference(expected, printed) is None


@pytest.mark.parametrize(
    "expected, printed",
    [
        ("a 1.00 b", "a 1.02 b"),
        ("1,234 rows", "1,235 rows"),
        ("one\nlast", "one\ntwo\nlast"),
        ("one", "one\ntwo"),
        ("one\ntwo", "one"),
        ("-0.5", "0.5"),
        ("one\n...\nlast", "one\ntwo"),
        ("", "something"),
    ],
)
def test_the_comparison_refuses(expected, printed):
    assert console.difference(expected, printed) is not None
