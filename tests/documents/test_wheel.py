"""The wheel holds what users need and nothing else, and it works in an environment that has never seen this checkout."""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from seqcli import samples

CHECKOUT = Path(__file__).parents[2]
pytest.importorskip("hatchling")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=CHECKOUT, check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The `bin` of a new environment with the wheel; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin/pip", "install", "-q", "--no-index", "--no-deps", wheel], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join({sysconfig.get_path("purelib"), *_added_paths()}) + "\n")
    return folder / "bin"


def _added_paths() -> list[str]:
    """What .pth files have added to this environment, but for the checkout."""
    return [path for path in sys.path if path.endswith("site-packages")]


def test_what_the_wheel_holds(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {"seqcli/py.typed", "seqcli/sample_data/english.txt", "seqcli/presets/language/lstm.toml"} <= set(names)
    page = [
        path
        for path in (CHECKOUT / "seqcli/report/page").rglob("*.*")
        if path.suffix in (".html", ".css", ".js", ".json")
    ]
    assert len(page) > 10 and {path.relative_to(CHECKOUT).as_posix() for path in page} <= set(names)
    packaged = {name for name in names if ".dist-info/" not in name}
    strays = [name for name in packaged if not name.startswith("seqcli/")]
    generators = [
        name for name in packaged if name.startswith("seqcli/sample_data/") and name.endswith((".py", ".toml"))
    ]
    assert not strays and not generators


def test_an_editable_install_points_at_the_checkout(tmp_path):
    build = "import sys; from hatchling.build import build_editable; print(build_editable(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, tmp_path], cwd=CHECKOUT, check=True, capture_output=True, text=True
    )
    wheel = zipfile.ZipFile(tmp_path / done.stdout.split()[-1])
    (pointer,) = (name for name in wheel.namelist() if name.endswith(".pth"))
    assert wheel.read(pointer).decode().split() == [str(CHECKOUT)]


def test_the_demo_begins_from_the_wheel(installed, tmp_path):
    """Part 1: what the models of all architectures make of word order."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "LANG": "C.UTF-8",
    }
    where = "import seqcli; print(seqcli.__file__)"
    place = subprocess.run(
        [installed / "python", "-c", where], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert Path(place.stdout).is_relative_to(installed.parent)
    with subprocess.Popen(
        [installed / "seqcli", "demo", "-q"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as demo:
        lines = []
        for line in demo.stdout:
            lines.append(line)
            if line.startswith("2."):
                break
        demo.terminate()
    english = next(line.split()[3:] for line in lines if line.startswith(" rank of 24"))
    assert len(english) == len(samples.SETTINGS) and english[0] == "1", "".join(lines)
