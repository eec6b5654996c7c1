"""Settings out of their range are refused with the range, wherever they come from; nothing is allocated for them."""

import dataclasses
import hashlib
import json
import math
import resource
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli import catalog
from seqcli.ranges import check, each, fraction, one_of, within


@dataclasses.dataclass(frozen=True)
class Example:
    layers: int = within(1, 64, default=2)
    rate: float = within(0, 10, default=1.0, open_low=True)
    dropout: float = fraction(0.0)
    cell: str = one_of(("rnn", "lstm"), default="rnn")
    widths: tuple[int, ...] = each(1, 5, default=(3,))
    tied: bool = True

    def __post_init__(self):
        check(self)


@pytest.mark.parametrize(
    "settings, error",
    [
        ({"layers": 65}, "layers must be 1 to 64, got 65"),
        ({"layers": 10**400}, "layers must be 1 to 64, got 1000"),
        ({"layers": True}, "layers must be a whole number from 1 to 64, got True"),
        ({"layers": 2.0}, "layers must be a whole number from 1 to 64, got 2.0"),
        ({"rate": 0}, "rate must be above 0 and at most 10, got 0"),
        ({"rate": math.nan}, "rate must be a finite number above 0 and at most 10, got nan"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"cell": "gru"}, "cell must be one of rnn, lstm, got 'gru'"),
        ({"cell": ["rnn"]}, "cell must be one of rnn, lstm, got"),
        ({"widths": (3, 6)}, r"widths must be 1 to 5, got \(3, 6\)"),
        ({"widths": 3}, "widths must be a list, got 3"),
        ({"tied": 1}, "tied must be a bool, got 1"),
    ],
)
def test_what_is_out_of_its_range_is_named(settings, error):
    with pytest.raises(ValueError, match=error):
        Example(**settings)


@given(st.floats() | st.integers())
def test_a_number_is_accepted_exactly_within_its_range(value):
    def accepted(**settings):
        try:
            return Example(**settings) is not None
        except ValueError:
            return False

    assert accepted(layers=value) == (isinstance(value, int) and 1 <= value <= 64)
    assert accepted(rate=value) == (0 < value <= 10)
    assert accepted(dropout=value) == (0 <= value < 1)


ARCHITECTURES = [
    (task, arch) for task in ("language", "classification", "translation") for arch in catalog.architectures(task)
]


@pytest.mark.parametrize("task, arch", ARCHITECTURES)
def test_every_setting_of_every_architecture_has_a_range(task, arch):
    from seqcli.training.config import kinds_of

    for kind in kinds_of(task, arch):
        for field in dataclasses.fields(kind):
            assert "rule" in field.metadata or field.default in (True, False) or field.name == "pooling", field.name


@pytest.mark.parametrize("setting", ["layers=1000000", "width=1000000000", "seed=-1", "members=5000", "window=1e30"])
def test_2_a_setting_out_of_its_range_is_refused_before_anything_is_built(here, tmp_path, setting):
    (tmp_path / "t.tsv").write_text("label\ttext\nx\ta\ny\tb\n" * 9)
    done = here("train", "classifier", "t.tsv", "--arch", "gru", "--set", setting, "-o", "m")
    assert done.code == 2 and done.err.count("\n") == 1 and setting.partition("=")[0] in done.err
    assert not (tmp_path / "m").exists()


def test_4_a_folder_whose_settings_are_out_of_range_is_refused(here, translator, tmp_path):
    shutil.copytree(translator, tmp_path / "m")
    manifest = json.loads((tmp_path / "m/manifest.json").read_text())
    path = tmp_path / "m" / manifest["current"] / "config.json"
    config = json.loads(path.read_text())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, value in [("layers", 10**9), ("hidden", 10**12), ("heads", 0), ("width", 2.5), ("window", 1 << 40)]:
        if name not in config["settings"]:
            continue
        changed = {**config, "settings": {**config["settings"], name: value}}
        path.write_text(json.dumps(changed))
        size, sha256 = path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()
        manifest["files"]["config.json"] = {"size": size, "sha256": sha256}
        (tmp_path / "m/manifest.json").write_text(json.dumps(manifest))
        done = here("translate", "-m", "m", "a b")
        assert done.code == 4 and f"damaged settings ({name} must be" in done.err
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes
