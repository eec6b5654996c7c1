"""Rules about strings: normalisation with origins, TSV fields, what a terminal may be shown."""

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.text import nfc, nfc_spans, printable, tsv_field, utf8

# What normalisation moves, joins, splits or leaves: jamo, marks of several classes, singletons, a mark that decomposes
# into marks but calls itself a base (U+0F73), exclusions from composition, and plain characters.
UNEASY = ["\u1100\u1161", "\u1100\u1161\u11a8", "\uac00\u11a8", "e\u0323\u0301", "\u09c7\u09be", "\U0001d157\U0001d165"]
UNEASY += [
    *"aeK >\n가한é\u0300\u0301\u0323\u0338\u0344\u0345\u0f71\u0f72\u0f73\u0f75\u0f81\u0958\u212a\u2126\ufb1d\U0001d15e"
]
texts = st.lists(st.sampled_from(UNEASY) | st.characters(exclude_categories=["Cs"]), max_size=30).map("".join)


@given(texts)
def test_nfc_is_the_standard_form_and_keeps_the_lines(text):
    assert nfc(text) == unicodedata.normalize("NFC", text)
    assert nfc(text).count("\n") == text.count("\n")


@given(texts)
def test_spans_lead_back_to_the_text_as_given(text):
    same, origin = nfc_spans(text)
    assert same == unicodedata.normalize("NFC", text)
    assert len(origin) == len(same) + 1
    assert list(origin) == sorted(origin) and origin[-1] == len(text)
    for i in range(len(same)):
        if i == 0 or origin[i] > origin[i - 1]:  # a piece begins: what is before it is the form of what was before it
            assert unicodedata.normalize("NFC", text[: origin[i]]) == same[:i]


def test_spans_of_an_accent():
    same, origin = nfc_spans("e\u0301t")
    assert (same, list(origin)) == ("ét", [0, 2, 3])


def test_a_mark_that_calls_itself_a_base_stays_with_its_letter():
    text = "a\u0f73\u0301"  # the accent passes the Tibetan marks and joins the a
    assert nfc_spans(text)[0] == unicodedata.normalize("NFC", text)


@given(st.text())
def test_tsv_field_is_one_field_and_can_be_undone(text):
    field = tsv_field(text)
    assert not any(unicodedata.category(char) == "Cc" for char in field)
    named = {"\\": "\\", "t": "\t", "n": "\n"}
    undone = re.sub(r"\\(\\|t|n|x[0-9a-f]{2})", lambda m: named.get(m[1]) or chr(int(m[1][1:], 16)), field)
    assert undone == text


@pytest.mark.parametrize(
    "text, field",
    [("a\tb", r"a\tb"), ("a\\tb", r"a\\tb"), ("\x1b[31m", r"\x1b[31m"), ("\x85\n", r"\x85\n"), ("한", "한")],
)
def test_tsv_field_by_example(text, field):
    assert tsv_field(text) == field


@given(st.text(st.one_of(st.sampled_from("\x1b\r\x9b\u202e\u2066\u2028\u200f\ud800"), st.characters())))
def test_printable_obeys_nothing(text):
    shown = printable(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in shown)
    assert not any(
        unicodedata.bidirectional(char) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
        for char in shown
    )
    assert printable(shown) == shown


def test_printable_leaves_people_their_letters():
    text = "한국어, עברית, 👩‍👩‍👧, café \\ ^"
    assert printable(text) == text


@given(st.text(st.characters()))
def test_json_written_as_utf8_gives_back_every_string_lone_surrogates_too(text):
    assert json.loads(utf8(json.dumps(text, ensure_ascii=False))) == text
