r"""data/lines: N records in are N records out whatever the bytes; what is not text is refused with the cure."""

import codecs
import gzip
import io
import sys
import zlib
from types import SimpleNamespace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from seqcli.data import lines
from seqcli.data.files import STDIN
from seqcli.data.lines import Block, block_of, read_blocks
from seqcli.errors import InputError, UsageError
from seqcli.files import file_type

KOREAN = "나는 기계 학습을 공부한다\n오늘은 날씨가 좋다\n"
ENGLISH = "I study machine learning\nMy computer is very slow\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("lines") / "input.txt"


def blocks_of(path, data: bytes, **options) -> list[Block]:
    path.write_bytes(data)
    return list(read_blocks(str(path), **options))


def records_of(path, data: bytes, **options) -> list[str]:
    return [record for block in blocks_of(path, data, **options) for record in block.records()]


def slowly(data: bytes) -> list[str]:
    """The rule itself: bytes between line feeds, one trailing carriage return and a leading mark dropped."""
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    return [line.removesuffix(b"\r").decode("utf-8", "replace") for line in (lines if lines[-1] else lines[:-1])]


TEXTS = {
    "empty file": (b"", []),
    "one blank line": (b"\n", [""]),
    "blank and space-only lines": (b"\n \n\t\n\n", ["", " ", "\t", ""]),
    "no final newline": (b"a\nb", ["a", "b"]),
    "CRLF": (b"a\r\n\r\nb\r\n", ["a", "", "b"]),
    "CRLF but no final newline": (b"a\r\nb\r", ["a", "b"]),
    "two CR": (b"a\r\r\nb\r\r", ["a\r", "b\r"]),
    "lone CR": (b"a\rb\n\rc\n", ["a\rb", "\rc"]),
    "VT, FF and separators": (b"a\vb\fc\x1c\x1d\x1ed\n", ["a\vb\fc\x1c\x1d\x1ed"]),
    "NEL and U+2028": ("a\x85b\u2028c\u2029d\n".encode(), ["a\x85b\u2028c\u2029d"]),
    "NUL": (b"a\0b\n\0\n", ["a\0b", "\0"]),
    "BOM": (codecs.BOM_UTF8 + b"a\n" + codecs.BOM_UTF8 + b"b\n", ["a", "\ufeffb"]),
    "nothing but a BOM": (codecs.BOM_UTF8, []),
    "NFC and NFD Korean": ("한\n한\n".encode(), ["한", "한"]),
    "emoji, right to left, bidi": ("👩‍👩‍👧 שלום\u202e\n🏳️‍🌈\n".encode(), ["👩‍👩‍👧 שלום\u202e", "🏳️‍🌈"]),
    "truncated UTF-8": ("한국".encode()[:-1] + b"\nb\n", ["한\ufffd", "b"]),
    "surrogate": (b"a\xed\xa0\x80b\n", ["a\ufffd\ufffd\ufffdb"]),
    "overlong": (b"\xc0\xaf\n", ["\ufffd\ufffd"]),
    "0xFF": (b"a\xff\nb\n", ["a\ufffd", "b"]),
    "beyond Unicode": (b"\xf4\x90\x80\x80\n", ["\ufffd\ufffd\ufffd\ufffd"]),
    "Latin-1": ("café à Genève\nnaïve\n".encode("latin-1"), ["caf\ufffd \ufffd Gen\ufffdve", "na\ufffdve"]),
    "one megabyte in a line": (b"a " * (1 << 19) + b"\nb\n", ["a " * (1 << 19), "b"]),
    "a million carets": (b"^" * 10**6, ["^" * 10**6]),
}


@pytest.mark.parametrize("data, expected", TEXTS.values(), ids=TEXTS)
def test_records_in_are_records_out(path, data, expected):
    assert records_of(path, data) == expected == slowly(data)
    assert sum(block.replaced for block in blocks_of(path, data)) == "".join(expected).count("\ufffd")


bytes_of_texts = st.lists(
    st.sampled_from([b"\n", b"\r", b"\r\n", codecs.BOM_UTF8, b"\0", b"\xff", b"\xed\xa0\x80", b"\xe2\x80", b"abc"])
    | st.text(max_size=3).map(lambda text: text.encode("utf-8", "ignore"))
    | st.binary(max_size=4),
    max_size=40,
).map(b"".join)


@settings(deadline=None)
@given(bytes_of_texts, st.integers(1, 40))
def test_the_size_of_blocks_changes_nothing(path, data, size):
    assume(file_type.recognised(data) is None)
    blocks = blocks_of(path, data, encoding="utf-8", size=size)
    assert [record for block in blocks for record in block.records()] == slowly(data)
    assert sum(b.replaced for b in blocks) == "".join(slowly(data)).count("\ufffd") - data.count("\ufffd".encode())
    first = 1
    for block in blocks:
        assert block.first == first and block.data.endswith(b"\n") and len(block) == len(block.records()) > 0
        first += len(block)


def test_a_mark_is_dropped_from_the_beginning_only(path):
    data = codecs.BOM_UTF8 + b"a\n" + codecs.BOM_UTF8 + b"b\n"
    for size in range(1, len(data)):
        assert records_of(path, data, size=size) == ["a", "\ufeffb"]


@given(st.lists(st.text(max_size=8)))
def test_lines_stand_for_the_records(records):
    block = block_of(records)
    lines = block.data.decode().split("\n")[:-1]
    assert len(lines) == len(block) == len(block.records()) == len(records)
    for line, record in zip(lines, block.records(), strict=True):
        assert line == record.replace("\n", " ")


def test_records_in_memory_keep_line_feeds_and_lose_only_lone_surrogates():
    assert block_of(["a\nb", "", "c\ud800"]).records() == ["a\nb", "", "c\ufffd"]


@pytest.mark.parametrize("data, expected", [case for case in TEXTS.values() if len(case[1]) == 1])
def test_arguments_are_read_as_the_lines_of_a_file(data, expected):
    block = block_of([data.removesuffix(b"\n").decode("utf-8", "surrogateescape")])
    assert block.records() == expected and block.replaced == expected[0].count("\ufffd")


def test_malformed_arguments_are_named_where_strict():
    with pytest.raises(InputError, match=r"text 2: not valid UTF-8; .*--strict") as refusal:
        block_of(["\ufffd", "a\udcff"], strict=True)
    assert refusal.value.exit_code == 3
    assert block_of(["\ufffd"], strict=True).replaced == 0


# --- what is not text -------------------------------------------------------------------------------------------------

NOT_TEXT = {
    "UTF-16 with its mark": (ENGLISH.encode("utf-16"), "UTF-16", "--encoding utf-16"),
    "UTF-16, big end first": (codecs.BOM_UTF16_BE + ENGLISH.encode("utf-16-be"), "UTF-16", "--encoding utf-16"),
    "UTF-16 without": (ENGLISH.encode("utf-16-le"), "UTF-16", "--encoding utf-16-le"),
    "UTF-16 without, big end first": (ENGLISH.encode("utf-16-be"), "UTF-16", "--encoding utf-16-be"),
    "Korean UTF-16": (KOREAN.encode("utf-16"), "UTF-16", "--encoding utf-16"),
    "UTF-32": (ENGLISH.encode("utf-32"), "UTF-32", "--encoding utf-32"),
    "CP949": (KOREAN.encode("cp949"), "CP949", "--encoding cp949"),
    "CP949 beyond EUC-KR": ("똠방각하 펲시콜라\n".encode("cp949"), "CP949", "--encoding cp949"),
    "long CP949": (KOREAN.encode("cp949") * 1000, "CP949", "--encoding cp949"),
    "long CP949 in one line": (b"a" + "한국어".encode("cp949") * 10_000, "CP949", "--encoding cp949"),
    "CP949 after English": (ENGLISH.encode() * 5 + KOREAN.encode("cp949"), "CP949", "--encoding cp949"),
    "gzip": (gzip.compress(b"text"), "gzip", "name it .gz"),
    "zip": (b"PK\x03\x04\x14\x00", "zip", "decompress"),
    "Parquet": (b"PAR1\x15\x04", "Parquet", "name it .parquet"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "PNG", "give a text file"),
    "JPEG": (b"\xff\xd8\xff\xe0", "JPEG", "give a text file"),
    "PDF": (b"%PDF-1.7\n", "PDF", "extract its text"),
}


@pytest.mark.parametrize("data, what, cure", NOT_TEXT.values(), ids=NOT_TEXT)
def test_what_is_not_text_is_refused_with_the_cure(path, data, what, cure):
    with pytest.raises(InputError) as refusal:
        records_of(path, data)
    assert what in refusal.value.what and cure in refusal.value.cure and refusal.value.where == str(path)
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("data, what, cure", [case for case in NOT_TEXT.values() if "--encoding" in case[2]])
def test_the_cure_cures(path, data, what, cure):
    encoding = cure.split()[-1]
    text = "\n".join(records_of(path, data, encoding=encoding, strict=True))
    assert text.strip("\n") == data.decode(encoding).removeprefix("\ufeff").strip("\n")


def test_long_korean_is_text_wherever_its_first_bytes_are_cut(path):
    for shift in range(3):
        text = "a" * shift + "한국어" * 2000
        assert records_of(path, text.encode()) == [text]


def test_korean_with_a_broken_byte_is_still_utf8(path):
    whole = KOREAN.encode()
    for place in range(len(whole)):
        assert len(records_of(path, whole[:place] + b"\xff" + whole[place + 1 :])) >= 1
        assert len(records_of(path, whole[:place] + whole[place + 1 :])) >= 1


# --- encodings and strictness -----------------------------------------------------------------------------------------


LETTERS = {
    "cp949": "a한똠國",
    "utf-16": "a한👩",
    "utf-16-le": "a한👩",
    "utf-32": "a한👩",
    "shift_jis": "a国",
    "latin-1": "aé",
}


@settings(deadline=None)
@given(st.sampled_from(sorted(LETTERS)), st.data(), st.integers(1, 9))
def test_other_encodings_are_decoded_across_blocks(path, encoding, data, size):
    text = data.draw(st.text(LETTERS[encoding] + "\r\n\0 "))
    assert records_of(path, text.encode(encoding), encoding=encoding, size=size) == slowly(text.encode())


def test_malformed_text_of_another_encoding_is_replaced_and_no_line_is_lost(path):
    assert records_of(path, b"a\x81\nb\xff\xff\nc\n", encoding="cp949") == ["a\ufffd", "b\ufffd\ufffd", "c"]
    with pytest.raises(InputError, match="not cp949"):
        records_of(path, b"a\x81\nb\n", encoding="cp949", strict=True)


@pytest.mark.parametrize("encoding", ["utf-9", "base64", "rot13", "undefined"])
def test_an_encoding_that_is_none_is_a_usage_error(path, encoding):
    with pytest.raises(UsageError, match=encoding):
        records_of(path, b"a\n", encoding=encoding)


@pytest.mark.parametrize("size", [3, 1 << 20])
@pytest.mark.parametrize(
    "data, line, byte",
    [
        (b"\xffa\n", 1, 1),
        (b"a\r\nb\n\ncd\xe2\x80\n", 4, 3),
        (b"a\nb\xed\xa0\x80", 2, 2),
        ("한국\n어".encode()[:-1], 2, 1),
    ],
)
def test_strict_names_line_and_byte(path, data, line, byte, size):
    with pytest.raises(InputError) as refusal:
        records_of(path, data, strict=True, size=size)
    assert refusal.value.where == f"{path}, line {line}, byte {byte}"
    assert "--strict" in refusal.value.cure


def test_strict_lets_good_text_pass(path):
    assert records_of(path, (KOREAN + ENGLISH + "\ufffd\n").encode(), strict=True) == [
        *(KOREAN + ENGLISH).split("\n")[:-1],
        "\ufffd",
    ]


# --- where it comes from ----------------------------------------------------------------------------------------------


def test_gzip_is_read_transparently(tmp_path):
    path = tmp_path / "input.txt.gz"
    assert records_of(path, gzip.compress(KOREAN.encode()) + gzip.compress(b"a"), size=5) == [
        *KOREAN.split("\n")[:-1],
        "a",
    ]
    assert records_of(path, gzip.compress(b"")) == []


GZ_DAMAGE = {
    "truncated": gzip.compress(KOREAN.encode())[:-9],
    "flipped": b"".join([gzip.compress(KOREAN.encode())[:20], b"\xff\xff", gzip.compress(KOREAN.encode())[22:]]),
    "not gzip": b"plain\n",
    "without its header": zlib.compress(b"plain\n"),
}


@pytest.mark.parametrize("data", GZ_DAMAGE.values(), ids=GZ_DAMAGE)
def test_a_damaged_gz_file_is_bad_input(tmp_path, data):
    with pytest.raises(InputError, match="gz"):
        records_of(tmp_path / "input.gz", data)


def test_what_a_gz_file_holds_is_judged_too(tmp_path):
    with pytest.raises(InputError, match="looks like gzip data"):
        records_of(tmp_path / "twice.gz", gzip.compress(gzip.compress(b"a\n")))
    with pytest.raises(InputError, match="looks like CP949"):
        records_of(tmp_path / "korean.gz", gzip.compress(KOREAN.encode("cp949")))


def test_a_missing_file_and_a_folder_are_bad_input(tmp_path):
    (tmp_path / "file").touch()
    for place, what in [
        ("absent", "no such file"),
        ("file/x", "no such file"),
        ("absent.gz", "no such file"),
        (".", "directory"),
    ]:
        with pytest.raises(InputError, match=what) as refusal:
            list(read_blocks(str(tmp_path / place)))
        assert str(tmp_path) in refusal.value.where


class Pipe:
    """Standard input that gives one chunk a read."""

    def __init__(self, *chunks: bytes):
        self.chunks = list(chunks)

    def fileno(self) -> int:
        raise io.UnsupportedOperation

    def read1(self, size: int) -> bytes:
        return self.chunks.pop(0) if self.chunks else b""

    read = read1


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a\nb")))
    assert [record for block in read_blocks(STDIN) for record in block.records()] == ["a", "b"]


def test_a_line_from_a_pipe_is_not_kept_waiting_for_the_next(monkeypatch):
    pipe = Pipe(b"o", b"ne\n", b"two\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=pipe))
    blocks = read_blocks(STDIN)
    assert next(blocks).records() == ["one"] and pipe.chunks == [b"two\n"]
    assert next(blocks).records() == ["two"]


def test_a_slow_pipe_is_judged_by_more_than_its_first_bytes(monkeypatch):
    korean = KOREAN.encode("cp949")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Pipe(*(korean[i : i + 1] for i in range(len(korean))))))
    with pytest.raises(InputError, match=r"standard input: looks like CP949"):
        list(read_blocks(STDIN))


def test_a_line_is_bounded_where_the_size_of_a_file_does_not_bound_it(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST", 5_000_000)
    for name, size in (("a.txt", 6_000_000), ("short.txt.gz", 4_000_000)):
        with (gzip.open if name.endswith("gz") else open)(tmp_path / name, "wb") as file:
            file.write(b"a b\n" + b"x" * size)
        assert sum(len(block.data) for block in read_blocks(str(tmp_path / name))) == 5 + size
    with gzip.open(tmp_path / "long.txt.gz", "wb") as file:
        file.write(b"a b\n" + b"x" * 9_000_000)
    with pytest.raises(InputError, match=r"long\.txt\.gz, line 2: a line of more than 5,000,000 bytes"):
        list(read_blocks(str(tmp_path / "long.txt.gz")))
    with pytest.raises(InputError, match="a line of more than 5,000,000 bytes"):
        list(read_blocks("/dev/zero"))
    with pytest.raises(InputError, match=r"line 2: a line of more than 1,000 bytes"):
        list(read_blocks(str(tmp_path / "a.txt"), size=500, longest=1000))
