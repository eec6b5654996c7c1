"""report/frame and decimals: digits as `%` writes them, fields that stay fields, JSON without infinities."""

import json
import math
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seqcli import decimals
from seqcli.report import frame
from seqcli.report.frame import TEXT, WHOLE, Column
from seqcli.text import counted, significant, tsv_field

FLOATS = st.floats(-1e9, 1e9) | st.floats() | st.sampled_from([0.0, -0.0, -1e-9, 0.5e-6, 1e300, math.inf, math.nan])


def slowly(value: float, places: int) -> str:
    """`%.Nf`, but zero has no sign and what is not a number is missing."""
    if math.isnan(value):
        return ""
    text = f"%.{places}f" % value
    return text.removeprefix("-") if float(text) == 0 else text


@settings(max_examples=300)
@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=8), st.integers(0, 8))
@example([(1.0, -0.0), (math.inf, -1e-12)], 6)
@example([(2.0**53, 1.0), (-1e22, 0.1)], 0)
def test_digits_are_those_of_percent_f(rows, places):
    first, second = (np.array(column) for column in zip(*rows))
    got = decimals.rows([(first, places), (second, 2)])
    assert len(got) == len(rows)
    for row, pair in zip(got, rows, strict=True):
        for field, value, digits in zip(row.split("\t"), pair, (places, 2), strict=True):
            want = slowly(value, digits)
            if field != want:  # a half may be rounded the other way
                assert len(field.partition(".")[2]) == digits and math.isfinite(value)
                assert abs(float(field) - value) <= 0.5000001 * 10.0**-digits + abs(value) * 1e-15


@given(st.lists(st.integers(-(2**52), 2**52), min_size=1))
def test_whole_numbers_are_exact(numbers):
    assert decimals.rows([(np.array(numbers), 0)]) == list(map(str, numbers))


@pytest.mark.parametrize("odd", [math.inf, math.nan, -math.inf, 1e300])
def test_the_digits_of_a_number_do_not_depend_on_its_neighbours(odd):
    """Rows of one block must not depend on what else is in the block."""
    values = np.array([-0.0, -1e-9, 1.5, -2.25, 1234567.125])
    alone = decimals.rows([(values, 6)])
    beside = decimals.rows([(np.append(values, odd), 6)])
    assert beside[:-1] == alone and beside[-1] == ("" if math.isnan(odd) else f"{odd:.6f}")


def test_no_rows():
    assert decimals.rows([(np.zeros(0), 6), (np.zeros(0, np.int64), 0)]) == []
    assert frame.tsv([Column("a", np.zeros(0), "%.6f"), Column("b", [])]) == ""


@given(st.lists(st.tuples(st.text(), st.floats(-1e6, 1e6), st.integers(0, 10**9) | st.none()), max_size=6))
def test_tsv_has_a_row_a_record_and_a_field_a_column(rows):
    texts, numbers, wholes = ([row[i] for row in rows] for i in range(3))
    columns = [
        Column("a", np.array(numbers, float), "%.3f"), Column("b", texts), Column("c", wholes, WHOLE),
        Column("d", np.arange(len(rows)), WHOLE), Column("e", np.array(numbers, float), "%.1f"),
    ]  # fmt: skip
    lines = frame.tsv(columns).split("\n")
    assert lines.pop() == "" and len(lines) == len(rows)
    for place, (line, (text, number, whole)) in enumerate(zip(lines, rows)):
        fields = line.split("\t")
        assert fields[1:4] == [tsv_field(text), "" if whole is None else str(whole), str(place)]
        assert float(fields[0]) == pytest.approx(number, abs=6e-4) and float(fields[4]) == pytest.approx(
            number, abs=6e-2
        )


def test_a_header_is_escaped_like_fields():
    assert frame.tsv_header(["a", "b\tc"]) == "a\tb\\tc\n"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)  # fmt: skip


@given(VALUES)
def test_json_is_one_line_and_has_no_word_for_infinity(value):
    line = frame.json_line(value)
    assert line.endswith("\n") and line.count("\n") == 1

    def as_read(value):
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, dict):
            return {key: as_read(item) for key, item in value.items()}
        return [as_read(item) for item in value] if isinstance(value, list) else value

    def refuse(word):
        raise AssertionError(word)

    assert json.loads(line, parse_constant=refuse) == as_read(value)


@given(st.lists(st.dictionaries(st.text(), st.text(st.sampled_from('\x1b\x9b\u202e\x7f\r\\"aé한') | st.characters()))))
def test_json_for_a_terminal_is_equivalent(values):
    lines = "".join(map(frame.json_line, values))
    shown = frame.json_for_terminal(lines)
    assert [json.loads(line) for line in shown.split("\n")[:-1]] == values
    assert not any(char in shown for char in "\x1b\x9b\u202e\x7f\r\u2028\u2066")


def test_json_rows_have_the_columns_names():
    columns = [Column("a", np.array([1.5, math.inf]), "%.1f"), Column("b", ["x", "y"]), Column("n", [None, 2], WHOLE)]
    assert frame.json_rows(columns) == '{"a": 1.5, "b": "x", "n": null}\n{"a": null, "b": "y", "n": 2}\n'


def test_a_table_shows_text_as_it_is():
    columns = [Column("[b]name", ["[red]x[/red]", ":smile:"]), Column("p", [1.5, None], "%.3f", "%.1f")]
    shown = frame.table(columns, title="t\x1b[31m", color=False, width=60)
    assert "\x1b" not in shown and "t\\x1b[31m" in shown
    for piece in ("[b]name", "[red]x[/red]", ":smile:", "1.5", "-"):
        assert piece in shown


def test_a_table_wraps_and_drops_nothing():
    text = "나는 기계 학습을 공부한다 " * 20
    shown = frame.table([Column("text", [text], TEXT)], color=False, width=40)
    assert "".join(shown.split()).count("공부한다") == 20 and max(map(len, shown.splitlines())) <= 40


def cells(text: str) -> int:
    """The columns of a terminal that `text` takes by Unicode's East Asian Width (UAX #11)."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


WORDS = st.lists(st.text("ab나는학습", min_size=1, max_size=9), min_size=1, max_size=12).map(" ".join)


@given(
    st.lists(st.lists(WORDS, min_size=2, max_size=2), min_size=1, max_size=3), st.integers(1, 5), st.integers(40, 120)
)
@settings(max_examples=40)
def test_no_word_is_broken_at_any_width(rows, numbers, width):
    """Text of words of at most 18 cells, beside columns of figures: a table where there is room, else lists."""
    columns = [Column(f"text{k}", [row[k] for row in rows]) for k in range(2)]
    columns += [Column(f"figure{k}", [1234.5] * len(rows), "%.6f", "%.4f") for k in range(numbers)]
    lines = frame.table(columns, color=False, width=width).splitlines()
    assert all(cells(line) <= width for line in lines)
    shown = " ".join(lines).split()
    for word in " ".join(text for row in rows for text in row).split():
        assert word in shown
    assert shown.count("1,234.5000") == numbers * len(rows)


@pytest.mark.parametrize(
    "value, text",
    [
        (57.934, "57.93"),
        (149.0, "149"),
        (999.96, "1,000"),
        (11498.09, "11,498"),
        (1.2e20, "1.2e+20"),
        (0.00012345, "0.0001234"),
    ],
)
def test_figures_of_four_digits(value, text):
    assert significant(value) == text


@pytest.mark.parametrize("count, text", [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1234, "1,234 rows")])
def test_counts_agree_with_their_nouns(count, text):
    assert counted(count, "row") == text
    assert counted(count, "story", "stories").split()[1] == ("story" if count == 1 else "stories")


@given(st.floats(0, 1))
def test_a_bar_is_as_long_as_its_share(share):
    drawn = frame.bar(share)
    eighths = sum(8 if block == "█" else "▏▎▍▌▋▊▉".index(block) + 1 for block in drawn)
    assert eighths == round(share * 96) and len(drawn) <= 12


def test_a_table_of_pairs_fits_80_columns():
    names = ("model", "tag", "pairs", "correct", "ties", "accuracy", "ci_low", "ci_high")
    values = ("sample-english", "word_choice", "134", "126", "0", "0.940", "0.887", "0.969")
    shown = frame.table([Column(name, [value]) for name, value in zip(names, values)], color=False, width=80)
    assert len([line for line in shown.splitlines() if line.strip()]) == 3  # names, a line, one row
