"""The generated pages are up to date, what documents link to exists, and facts written twice agree."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import seqcli
from seqcli import catalog

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/*.md")]
README = (CHECKOUT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", CHECKOUT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_up_to_date(generate):
    assert (CHECKOUT / "docs/reference.md").read_text("utf-8") == generate.reference(), "run python docs/generate.py"


def test_settings_of_models_are_up_to_date(generate):
    text = (CHECKOUT / "docs/models.md").read_text("utf-8")
    assert text == generate.models(text), "run python docs/generate.py"


def test_every_setting_has_a_meaning(generate):
    rows = [row for name in ("reference", "models") for row in _rows_of_settings(CHECKOUT / f"docs/{name}.md")]
    assert rows and not [row for row in rows if not row[-1]]


def _rows_of_settings(path: Path) -> list[list[str]]:
    tables = re.findall(r"^\| setting .*\n\|[- |]*\n((?:\|.*\n)*)", path.read_text("utf-8"), re.M)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for table in tables for row in table.splitlines()]


@pytest.mark.parametrize("task", ["language", "classification", "translation"])
def test_readme_and_models_name_every_architecture(task):
    models = (CHECKOUT / "docs/models.md").read_text("utf-8")
    for arch in catalog.architectures(task):
        assert f"`{arch}`" in README
        assert re.search(rf"^### .*\b{arch}\b", models, re.M)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", path.read_text("utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        file, _, heading = target.partition("#")
        if "://" in file:
            continue
        there = path.parent / file if file else path
        assert there.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), re.M)
            assert heading in {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}, target


def test_readme_is_short():
    assert README.count("\n") <= 170


def test_benchmarks_that_documents_name_exist():
    for path in DOCUMENTS:
        for script in re.findall(r"\bbench/\w+\.py", path.read_text("utf-8")):
            assert (CHECKOUT / script).exists(), f"{path.name}: {script}"


def test_one_version():
    assert "version" in tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["dynamic"]
    assert re.search(
        rf"^## .*\b{re.escape(seqcli.__version__)}\b", (CHECKOUT / "CHANGELOG.md").read_text("utf-8"), re.M
    )
