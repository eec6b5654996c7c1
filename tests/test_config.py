"""Settings: sources by rank, unknown keys with the nearest name, ranges that the settings themselves hold."""

from dataclasses import dataclass

import pytest

from seqcli.config import parse_assignments, read_toml, resolve
from seqcli.errors import UsageError


@dataclass(frozen=True)
class Shape:
    width: int = 64
    rate: float = 0.5
    name: str = "plain"
    prune: tuple[int, ...] = ()

    def __post_init__(self):
        if self.width < 1:
            raise ValueError(f"width must be 1 or more, got {self.width}")


def test_later_sources_win():
    assert resolve(Shape) == Shape()
    made = resolve(Shape, ("a.toml", {"width": 8, "name": "a", "prune": [0, 1]}), ("--set", {"width": 9}))
    assert made == Shape(width=9, name="a", prune=(0, 1))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"widht": 1}, "a.toml: unknown setting 'widht'; did you mean 'width'?"),
        ({"zzz": 1}, "a.toml: unknown setting 'zzz'; known: name, prune, rate, width"),
        ({"width": "wide"}, "a.toml: width = 'wide': "),
        ({"width": 1.5}, "a.toml: width = 1.5: "),
        ({"width": None}, "a.toml: width = None: "),
        ({"width": True}, "a.toml: width is not true or false, got true"),
        ({"rate": False}, "a.toml: rate is not true or false, got false"),
        ({"prune": [0, "x"]}, r"a.toml: prune = \[0, 'x'\]: "),
        ({"width": 0}, "width must be 1 or more, got 0"),
    ],
)
def test_2_what_no_setting_can_be(values, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        resolve(Shape, ("a.toml", values), ("--set", {}))


@dataclass(frozen=True)
class Heads:
    width: int = 64
    heads: int = 4

    def __post_init__(self):
        if self.width % self.heads:
            raise ValueError(f"width {self.width}, which heads={self.heads} must divide")


@pytest.mark.parametrize(
    "sources, where",
    [
        ([("a.toml", {"heads": 5})], "a.toml: "),
        ([("preset small", {"width": 64}), ("--set", {"heads": 5})], "--set: "),
        ([("preset small", {"heads": 5}), ("--set", {"width": 64})], "--set: "),
    ],
)
def test_2_a_rule_of_several_settings_is_broken_by_the_last_source_of_one(sources, where):
    with pytest.raises(UsageError, match=f"^{where}width 64"):
        resolve(Heads, *sources)


def test_assignments_are_toml_or_plain_text():
    given = ["width=3", "rate = 1e-3", "name=ngram", 'other="a=b"', "prune=[0, 1]", "yes=true", "text=a=b c", "empty="]
    assert parse_assignments(given) == {
        "width": 3, "rate": 0.001, "name": "ngram", "other": "a=b", "prune": [0, 1], "yes": True, "text": "a=b c", "empty": ""
    }  # fmt: skip
    for wrong in ("width", "=3", " =3"):
        with pytest.raises(UsageError, match=r"--set: not KEY=VALUE"):
            parse_assignments([wrong])


def test_one_assignment_sets_one_key():
    """What follows a line feed is no second setting."""
    assert set(parse_assignments(["width=3\nname='x'"])) == {"width"}


def test_2_toml_that_cannot_be_read(tmp_path):
    (tmp_path / "good.toml").write_text('width = 8\nname = "é"\n', encoding="utf-8")
    assert read_toml(str(tmp_path / "good.toml")) == {"width": 8, "name": "é"}
    (tmp_path / "bad.toml").write_text("width = \n")
    (tmp_path / "latin.toml").write_bytes('name = "é"\n'.encode("latin-1"))
    (tmp_path / "deep.toml").write_text("width = " + "[" * 50_000)
    (tmp_path / "dots.toml").write_text("a" + ".a" * 100_000 + " = 1")  # 40 GB, if it were parsed
    (tmp_path / "digits.toml").write_text("width = " + "9" * 5000)
    (tmp_path / "large.toml").write_text(" " * (1 << 20) + "width = 8")
    for name, what in [
        ("bad.toml", "not TOML"),
        ("absent.toml", "no such"),
        ("latin.toml", "cannot read"),
        (".", "cannot read"),
        ("deep.toml", "nested too deeply"),
        ("dots.toml", "more than 50 dots"),
        ("digits.toml", "not TOML"),
        ("large.toml", "too large"),
    ]:
        with pytest.raises(UsageError, match=what) as refusal:
            read_toml(str(tmp_path / name))
        assert refusal.value.where == str(tmp_path / name)


def test_a_setting_is_assigned_once():
    with pytest.raises(UsageError, match="--set: setting 'order' is given twice"):
        parse_assignments(["order=3", "prune=[0]", " order = 4"])


@pytest.mark.parametrize(
    "value", ["9" * 5000, "[" * 50_000, "{a" + ".a" * 50_000 + " = 1}"], ids=["digits", "deep", "dots"]
)
def test_an_assigned_value_that_is_no_toml_is_text(value):
    assert parse_assignments([f"order={value}"]) == {"order": value}
