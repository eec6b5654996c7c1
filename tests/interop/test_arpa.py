"""ARPA files: KenLM judges what is read and what is written; damaged files end in one line."""

import errno
import gzip
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seqcli import decimals
from seqcli.errors import ModelError, OutputError
from seqcli.interop.arpa import source, writing
from seqcli.interop.formats import arpa
from seqcli.ngram import counts, kneser_ney
from seqcli.ngram.arena import Arena
from seqcli.text import BOS_ID, Normalisation
from seqcli.tokenizers import characters
from seqcli.tokenizers.bytes import Bytes
from seqcli.tokenizers.words import Distinct, Learner

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "kenlm"
LN10 = math.log(10)

SMALL = """\\data\\
ngram 1=5
ngram 2=4
ngram 3=2

\\1-grams:
-1.5\t<unk>\t0
0\t<s>\t-0.4
-0.9\t</s>\t0
-0.6\ta\t-0.3
-0.8\tb\t-0.2

\\2-grams:
-0.25\t<s> a\t-0.1
-0.35\ta b\t-0.05
-0.4\tb a\t-0.15
-0.45\tb </s>\t0

\\3-grams:
-0.125\t<s> a b
-0.2\ta b </s>

\\end\\
"""


class Pieces:
    """A tokenizer that is nothing but its vocabulary."""

    KIND = "words"
    normalisation = Normalisation.NONE

    def __init__(self, pieces):
        self._pieces = ["<unk>", "<s>", "</s>", *pieces]
        self.vocab_size = len(self._pieces)

    def vocabulary(self):
        return self._pieces


def stream_of(words, text):
    """The tokens of lines of text with <s> in front of every row, and where they are not <s>."""
    batch = words.encode(text.encode())
    stream = np.insert(batch.tokens, batch.starts, BOS_ID)
    return stream, stream != BOS_ID


def trained(text, *, order=3, prune=()):
    learner = Learner()
    learner.add(Distinct(text.encode()))
    words = learner.finish()
    stream, _ = stream_of(words, text)
    arena = Arena(memory=1 << 30, tokens=len(stream))
    levels = counts.count(stream, vocab_size=words.vocab_size, order=order, arena=arena)
    return kneser_ney.smooth(levels, arena=arena, prune=prune).table, words


def scores(table, words, text):
    """log10 p and matched length of every token."""
    stream, scored = stream_of(words, text)
    log_prob, order = table.score(stream)
    return log_prob[scored] / LN10, order[scored]


def kenlm_scores(path, text):
    kenlm = pytest.importorskip("kenlm")
    model = kenlm.Model(str(path))
    told = [score for line in text.removesuffix("\n").split("\n") for score in model.full_scores(line)]
    return np.array([score[0] for score in told]), np.array([score[1] for score in told])


def written(tmp_path, text, name="model.arpa"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def assert_same(table, other):
    assert table.sizes == other.sizes
    for mine, theirs in zip(table.words[1:] + table.children, other.words[1:] + other.children, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(table.log_prob + table.log_backoff, other.log_prob + other.log_backoff, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize(
    "name", ["tiny.o3.fallback", "brown3k.o2", "brown3k.o3.prune001", "brown3k.o5", "reviews3k.o3"]
)
def test_scores_are_those_of_kenlm(name, tmp_path):
    if not REFERENCE.is_dir():
        pytest.skip("no reference data in ../shared")
    query = (REFERENCE / f"{name.split('.')[0].removesuffix('3k')}-query.txt").read_text()
    fields = (REFERENCE / f"{name}.query.txt").read_text().replace("\n", "\t").split("\t")
    told = [field.split(" ")[1:] for field in fields if "=" in field and field.count(" ") == 2]
    expected = np.array([float(log10) for _, log10 in told])
    lengths = np.array([int(length) for length, _ in told])

    table, words, _ = arpa.read(REFERENCE / f"{name}.arpa.gz")
    log10, order = scores(table, words, query)
    np.testing.assert_allclose(log10, expected, atol=2e-5)
    np.testing.assert_array_equal(order, lengths)

    path = tmp_path / "again.arpa"
    arpa.write(path, table, words)
    log10, order = kenlm_scores(path, query)
    np.testing.assert_allclose(log10, expected, atol=2e-5)
    np.testing.assert_array_equal(order, lengths)


@pytest.mark.parametrize("prune", [(), (0, 1)])
def test_kenlm_scores_a_written_model_as_we_do(prune, tmp_path):
    text = "the cat sat on the mat\nthe dog sat on the cat\n고양이 가 앉았다\nthe <UNK> \\x20 sat\n" * 3 + "a dog\n\n"
    table, words = trained(text, order=4, prune=prune)
    path = tmp_path / "model.arpa"
    arpa.write(path, table, words)
    query = "the cat sat\non the dog a cat\n고양이 sat 가\n\nunheard of words\n"
    log10, order = kenlm_scores(path, query)
    mine, my_order = scores(table, words, query)
    np.testing.assert_allclose(mine, log10, atol=1e-5)
    np.testing.assert_array_equal(my_order, order)


def test_gz_is_the_same_model(tmp_path):
    table, words = trained("a b c a b\nb c\n" * 4)
    arpa.write(tmp_path / "m.arpa", table, words)
    arpa.write(tmp_path / "m.arpa.gz", table, words)
    assert gzip.decompress((tmp_path / "m.arpa.gz").read_bytes()) == (tmp_path / "m.arpa").read_bytes()
    assert_same(arpa.read(tmp_path / "m.arpa.gz")[0], table)


def test_the_size_of_runs_changes_nothing(tmp_path, monkeypatch):
    table, words = trained("a b c a b\nb c\n글 a <c\n")
    arpa.write(tmp_path / "m.arpa", table, words)
    at_once = arpa.read(tmp_path / "m.arpa")
    monkeypatch.setattr(source, "_RUN_BYTES", 40)
    monkeypatch.setattr(writing, "_RUN_ROWS", 3)
    arpa.write(tmp_path / "again.arpa", table, words)
    assert (tmp_path / "again.arpa").read_bytes() == (tmp_path / "m.arpa").read_bytes()
    again = arpa.read(tmp_path / "again.arpa")
    assert_same(again[0], at_once[0])
    assert again[1].vocabulary() == words.vocabulary()


_WORD = st.text("abé글\\x20<>/s", min_size=1, max_size=4)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(st.lists(_WORD, max_size=8), min_size=1, max_size=12), order=st.integers(1, 5))
@example(lines=[["0"], ["0", "00"], ["0", "2", "00"]], order=2)  # a back-off weight of 0
def test_what_is_written_is_read(lines, order, tmp_path):
    text = "".join(" ".join(line) + "\n" for line in lines)
    table, words = trained(text, order=order)
    arpa.write(tmp_path / "m.arpa", table, words)
    again, again_words, _ = arpa.read(tmp_path / "m.arpa")
    assert again_words.vocabulary() == words.vocabulary()
    assert_same(again, table)
    np.testing.assert_array_equal(scores(table, words, text)[1], scores(again, again_words, text)[1])


PIECES = [
    " ",
    "\t",
    "\n",
    "\r",
    "\v",
    "\0",
    "",
    "\\",
    "\\x20",
    "x20",
    "<s>",
    "</s>",
    "<unk>",
    "<UNK>",
    "a b",
    "▁a",
    "글",
]


def test_pieces_that_arpa_cannot_hold_come_back(tmp_path):
    table, _ = trained("a b c d e f g h i j k l m n o p q\n")
    path = tmp_path / "pieces.arpa"
    arpa.write(path, table, Pieces(PIECES))
    again, words, _ = arpa.read(path)
    assert words.vocabulary()[3:] == PIECES
    assert_same(again, table)
    log10, _ = kenlm_scores(path, r"\x20 \x09 \x0a \x0d \x0b \x00 \x \x5c \x5cx20 x20" "\n")
    stream = np.array([1, *range(3, 13), 2], np.int32)
    np.testing.assert_allclose(table.score(stream)[0][1:] / LN10, log10, atol=1e-5)


def test_words_of_foreign_files_are_not_unescaped(tmp_path):
    path = written(tmp_path, SMALL.replace("\ta", "\t\\x20").replace(" a", " \\x20"))
    _, words, _ = arpa.read(path)
    assert words.vocabulary()[3:] == ["\\x20", "b"]
    arpa.write(path, *arpa.read(path))
    assert path.read_bytes().startswith(b"\\data\\")


def test_layout(tmp_path):
    path = written(tmp_path, SMALL)
    table, words, _ = arpa.read(path)
    assert words.vocabulary() == ["<unk>", "<s>", "</s>", "a", "b"]
    assert table.log_prob[0][BOS_ID] == -np.inf
    assert table.log_backoff[0][BOS_ID] == np.float32(-0.4 * LN10)
    assert [words.tolist() for words in table.words[1:]] == [[3, 4, 2, 3], [4, 2]]
    assert [children.tolist() for children in table.children] == [[0, 0, 1, 1, 2, 4], [0, 1, 2, 2, 2]]
    np.testing.assert_allclose(table.log_prob[1], np.array([-0.25, -0.35, -0.45, -0.4]) * LN10, rtol=1e-6)
    arpa.write(path, table, words)  # in the order of the table
    lines = SMALL.replace("-0.4\tb a\t-0.15\n-0.45\tb </s>\t0\n", "-0.45\tb </s>\t0\n-0.4\tb a\t-0.15\n")
    assert path.read_text() == lines


@pytest.mark.parametrize(
    "spelling",
    [
        SMALL.replace("0\t<s>", "-99\t<s>"),
        SMALL.replace("\t0\n", "\n"),
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("\t", " "),
        SMALL.replace(" ", "\t").replace("ngram\t", "ngram "),
        SMALL.replace("\t", "  \t ").replace("\n", " \n"),
        "written by a tool\nngram 1=7\n\n" + SMALL + "\ntrailing text\n",
        SMALL.replace("\n\n", "\n"),
        SMALL.replace("\n\n", "\n\n\n").replace("grams:\n", "grams:\n\n"),
        SMALL.replace("=", " = "),
        SMALL.removesuffix("\n"),
        "\ufeff" + SMALL,
        SMALL.replace("-0.25", "-2.5e-1").replace("-0.35", "-.35").replace("-0.4\t", "-4000000000000e-13\t"),
        SMALL.replace("-0.25", "-00.2500000000000000").replace("-0.8\t", "-0.80000000000000000000000\t"),
        SMALL.replace("<unk>", "<UNK>"),
    ],
)
def test_spellings_of_one_model(spelling, tmp_path):
    notes = []
    table, words, _ = arpa.read(written(tmp_path, spelling), note=notes.append)
    expected, expected_words, _ = arpa.read(written(tmp_path, SMALL))
    assert words.vocabulary() == expected_words.vocabulary()
    assert_same(table, expected)
    assert not notes


@given(
    st.lists(st.floats(-990, 0) | st.floats(-1, 0) | st.sampled_from([-0.0, -10.0, -99.99999999, -100.0]), min_size=1)
)
def test_decimals(values):
    data, starts, lengths = decimals.pieces(np.array(values))
    told = [bytes(data[s : s + n]).decode() for s, n in zip(starts, lengths, strict=True)]
    for value, text in zip(values, told, strict=True):
        assert abs(float(text) - value) < 5.1e-8
        assert text == (f"{float(text):.7f}".rstrip("0").rstrip(".") if float(text) else "0")


_DECIMAL = st.from_regex(r"\A[-+]?[0-9]{0,12}\.?[0-9]{0,20}([eE][-+]?[0-9]{1,3})?\Z") | st.text("-.0e9inf", max_size=9)


@given(st.lists(_DECIMAL.filter(len), max_size=9))
def test_numbers(spellings):
    data = bytes(8) + " ".join(spellings).encode() + b" .1" + bytes(8)
    lengths = np.array([len(text) for text in spellings], np.int64)
    starts = 8 + np.cumsum(lengths + 1) - lengths - 1
    told = decimals.parsed(np.frombuffer(data, np.uint8), starts, lengths)
    for text, value in zip(spellings, told, strict=True):
        try:
            expected = float(text)
        except ValueError:
            expected = math.nan
        assert value == pytest.approx(expected, rel=1e-14, abs=0, nan_ok=True)


@given(
    st.lists(
        st.floats(-(2.0**99), 2.0**99, width=32) | st.sampled_from([-math.inf, -1000.0, -999.99999999, 1e5]), min_size=1
    )
)
def test_decimals_of_any_size_keep_a_float32(values):
    data, starts, lengths = decimals.pieces(np.array(values, np.float64))
    told = [float(bytes(data[s : s + n])) for s, n in zip(starts, lengths, strict=True)]
    for value, number in zip(values, told, strict=True):
        assert np.float32(number) == np.float32(value) if abs(value) >= 1000 else abs(number - value) < 5.1e-8


@pytest.mark.parametrize("value", ["-inf", "-5000", "-99", "-1e-05", "-1000000"])
def test_probabilities_of_zero_and_near_it_are_kept(value, tmp_path):
    text = SMALL.replace("-1.5\t<unk>", f"{value}\t<unk>").replace("-0.25\t<s> a\t-0.1", f"{value}\t<s> a\t{value}")
    once = arpa.read(written(tmp_path, text))
    arpa.write(tmp_path / "again.arpa", *once)
    again = arpa.read(tmp_path / "again.arpa")
    query = "a c\nb zebra\n"
    np.testing.assert_array_equal(scores(*again[:2], query)[0], scores(*once[:2], query)[0])
    assert float(value) * LN10 == pytest.approx(float(again.table.log_prob[0][0]), rel=1e-6)
    if value != "-inf":  # a back-off that KenLM does not read
        np.testing.assert_allclose(
            scores(*again[:2], query)[0], kenlm_scores(tmp_path / "again.arpa", query)[0], rtol=1e-6
        )


@pytest.mark.parametrize("missing", ["<unk>", "<s>", "</s>"])
def test_a_missing_special_symbol_is_made_up_for(missing, tmp_path):
    lines = [line for line in SMALL.split("\n") if missing not in line or line.startswith("\\")]
    sizes = {"<unk>": (4, 4, 2), "<s>": (4, 3, 1), "</s>": (4, 3, 1)}[missing]
    lines[1:4] = [f"ngram {n}={size}" for n, size in enumerate(sizes, 1)]
    notes = []
    table, words, _ = arpa.read(written(tmp_path, "\n".join(lines)), note=notes.append)
    assert len(notes) == 1 and missing in notes[0]
    log10, _ = scores(table, words, "zebra\n")
    expected = {"<unk>": [-0.4 - 100, -0.9], "<s>": [-1.5, -0.9], "</s>": [-0.4 - 1.5, -1.5]}[missing]
    np.testing.assert_allclose(log10, expected, rtol=1e-6)


def test_an_ngram_without_its_suffix_scores_as_in_kenlm(tmp_path):
    path = tmp_path / "m.arpa"
    text = "a b c d e f g\nh i j k l m n\nb d f h j l n g\n"
    arpa.write(path, *trained(text))
    whole = path.read_text()
    lines = [line for line in whole.split("\n") if "\tg </s>" not in line]
    path.write_text("\n".join(lines).replace("ngram 2=24", "ngram 2=23"))
    assert "f g </s>" in path.read_text()
    query = text + "c g\nf g\ng\n"
    np.testing.assert_allclose(scores(*arpa.read(path)[:2], query)[0], kenlm_scores(path, query)[0], atol=1e-6)


def test_malformed_words_of_a_utf8_file_stay_distinct(tmp_path):
    """KenLM compares bytes, so that such words match nothing that is UTF-8, and all others what they should."""
    notes, text = (
        [],
        SMALL.replace("ngram 1=5", "ngram 1=8").replace("-0.8\tb", "-0.7\té\n-0.7\té\udcff\n-0.7\té\udcfe\n-0.8\tb"),
    )
    path = written(tmp_path, text.encode("utf-8", "surrogateescape"))
    table, words, _ = arpa.read(path, note=notes.append)
    assert words.vocabulary()[3:] == ["a", "é", "é\\xff", "é\\xfe", "b"]
    assert len(notes) == 1 and "2 byte sequences are not valid UTF-8" in notes[0]
    query = "a b é\né\ufffd a\n"
    np.testing.assert_allclose(scores(table, words, query)[0], kenlm_scores(path, query)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("encoding", "a", "b"), [("latin-1", "café", "cafè"), ("cp949", "학교", "하교"), ("utf-16", "é", "한")]
)
def test_a_file_in_another_encoding_is_read_by_its_name(encoding, a, b, tmp_path):
    text = SMALL.replace("\ta", f"\t{a}").replace(" a", f" {a}").replace("\tb", f"\t{b}").replace(" b", f" {b}")
    path, same = written(tmp_path, text.encode(encoding)), written(tmp_path, text, "utf8.arpa")
    with pytest.raises(ModelError) as caught:
        arpa.read(path)
    assert "--encoding" in str(caught.value)
    for file in (path, same):  # a file that is UTF-8 is read as such
        table, words, _ = arpa.read(file, encoding=encoding)
        assert words.vocabulary()[3:] == [a, b]
        assert_same(table, arpa.read(same).table)


def test_one_word_in_another_encoding_is_enough_to_refuse(tmp_path):
    path = written(tmp_path, SMALL.replace("\tb", "\té").replace(" b", " é").encode("latin-1"))
    with pytest.raises(ModelError, match=r"not UTF-8 text.*--encoding.*iconv"):
        arpa.read(path)


def test_a_description_of_the_format_may_stand_before_the_data(tmp_path):
    said = "The data begin with \\data\\ :\nngram 1=nr\n\\1-grams:\np_1 wd_1 bo_wt_1\n\\end\\\n\n"
    assert_same(arpa.read(written(tmp_path, said + SMALL)).table, arpa.read(written(tmp_path, SMALL)).table)


def test_a_probability_above_one_is_refused_by_its_cause(tmp_path):
    with pytest.raises(ModelError, match=r", line 14: .*log10 p is 0.25, a probability above 1; write it again"):
        arpa.read(written(tmp_path, SMALL.replace("-0.25\t", "0.25\t")))


def test_log_probabilities_slightly_above_zero_are_read_as_zero(tmp_path):
    notes = []
    text = SMALL.replace("-0.25\t", "1e-07\t").replace("-0.35\t", "0.0012\t")
    table, _, _ = arpa.read(written(tmp_path, text), note=notes.append)
    assert len(notes) == 1 and "2 n-grams have a log10 p slightly above 0" in notes[0]
    assert_same(table, arpa.read(written(tmp_path, SMALL.replace("-0.25\t", "0\t").replace("-0.35\t", "0\t"))).table)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: "", "no line \\data\\"),
        (lambda text: "some text\n", "no line \\data\\"),
        (lambda text: "\\data\\\n\\1-grams:\n", "no counts"),
        (lambda text: text[: text.index("-1.5")] + text[text.index("\\2-grams") :], "claims 5 1-grams but contains 0"),
        (lambda text: text[: text.index("\\3-grams")], "no line \\3-grams:"),
        (lambda text: text.replace("\\end\\\n", ""), "no line \\end\\"),
        (lambda text: text.replace("\\2-grams:", "\\3-grams:"), "line 13"),
        (lambda text: text.replace("2=4", "2=5"), "claims 5 2-grams but contains 4"),
        (lambda text: text.replace("2=4", "2=3"), "claims 3 2-grams but contains more"),
        (lambda text: text.replace("1=5", "1=100000000000"), "claims 100000000000 1-grams but contains 5"),
        (lambda text: text.replace("2=4", "2=" + "9" * 5000), "line 3"),
        (lambda text: text.replace("ngram 2=4\n", ""), "line 3"),
        (lambda text: text.replace("3=2\n", "3=2\n" + "".join(f"ngram {n}=1\n" for n in range(4, 12))), "line 12"),
        (lambda text: text.replace("-0.25", "0.25"), "line 14"),
        (lambda text: text.replace("-0.25", "-1_000"), "line 14"),
        (lambda text: text.replace("-0.25", "nan"), "line 14"),
        (lambda text: text.replace("-0.25", "-0.2.5"), "line 14"),
        (lambda text: text.replace("-0.05", "inf"), "line 15"),
        (lambda text: text.replace("-0.05", "-0,05"), "line 15"),
        (lambda text: text.replace("-0.35\ta b", "-0.35\ta c"), "line 15"),
        (lambda text: text.replace("-0.35\ta b", "-0.35\ta"), "line 15"),
        (lambda text: text.replace("-0.35\ta b", "-0.35\ta b a b"), "line 15"),
        (lambda text: text.replace("-0.2\ta b </s>", "-0.2\ta a </s>"), "line 21"),
        (lambda text: text.replace("-0.45\tb </s>", "-0.45\tb a"), "line 17"),
        (lambda text: text.replace("-0.8\tb", "-0.8\ta"), "line 11"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(damage, says, tmp_path):
    path = written(tmp_path, damage(SMALL))
    with pytest.raises(ModelError) as caught:
        arpa.read(path)
    line = str(caught.value)
    assert says in line and str(path) in line and caught.value.cure and "\n" not in line and len(line) < 400


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_damage_is_never_more_than_an_error(data, tmp_path):
    text = SMALL.encode()
    for _ in range(data.draw(st.integers(1, 4))):
        begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        end = min(end, begin + data.draw(st.sampled_from([0, 1, 2, 9, 10**6])))
        piece = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"\\", b"\n", b"\t", b"-1e999", b"\n\\end\\\n", text[begin:end]])
        )
        text = text[:begin] + piece + text[end:]
    path = written(tmp_path, text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            table, words, _ = arpa.read(path)
        except ModelError as error:
            assert "\n" not in str(error)
        else:
            assert table.vocab_size == words.vocab_size


@pytest.mark.parametrize("tokenizer", [characters.Characters("ab \\<é\n"), Bytes()])
@pytest.mark.parametrize("unit", ["line", "document"])
def test_characters_and_bytes_come_back(tokenizer, unit, tmp_path):
    batch = tokenizer.encode("a b\\é<\nabba ab\n".encode(), unit=unit)
    stream = np.insert(batch.tokens, batch.starts, BOS_ID)
    arena = Arena(memory=1 << 30, tokens=len(stream))
    table = kneser_ney.smooth(
        counts.count(stream, vocab_size=tokenizer.vocab_size, order=3, arena=arena), arena=arena
    ).table
    arpa.write(tmp_path / "m.arpa", table, tokenizer, unit)
    again = arpa.read(tmp_path / "m.arpa")
    assert (again.tokenizer.KIND, again.unit, again.tokenizer.fingerprint) == (
        tokenizer.KIND,
        unit,
        tokenizer.fingerprint,
    )
    assert_same(again.table, table)
    arpa.write(tmp_path / "again.arpa", *again)
    assert (tmp_path / "again.arpa").read_bytes() == (tmp_path / "m.arpa").read_bytes()


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_1_grams_that_are_not_of_their_tokenizer_are_refused(kind, tmp_path):
    foreign = f"# seqcli: tokenizer {kind}, unit line\n" + SMALL.replace("\tb", "\tbc").replace(" b", " bc")
    with pytest.raises(ModelError, match="1-grams that are no"):
        arpa.read(written(tmp_path, foreign))


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match="no such file"):
        arpa.read(tmp_path / "none.arpa")
    with pytest.raises(ModelError, match=r"UTF-16.*use --encoding utf-16"):
        arpa.read(written(tmp_path, SMALL.encode("utf-16")))


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = written(tmp_path, SMALL)
    table, words, _ = arpa.read(path)
    monkeypatch.setattr(writing, "_lines", full)
    with pytest.raises(OutputError, match="No space left"):
        arpa.write(path, table, words)
    assert [file.name for file in tmp_path.iterdir()] == ["model.arpa"]
    assert path.read_text() == SMALL
