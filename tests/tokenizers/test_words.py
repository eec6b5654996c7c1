"""Words against a dictionary and bytes.split: the slow way judges hashes, tables and block arithmetic."""

import unicodedata
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.errors import ModelError
from seqcli.files import tensor_file
from seqcli.text import EOS_ID, SPECIALS, UNK_ID, nfc
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import words as words_module
from seqcli.tokenizers.words import Distinct, Learner, Words

BLANKS = "\0\t\v\f\r "
# Blanks of Unicode that are letters here, specials, near-specials, and words of 1 to 33 bytes around the hash's steps.
TOKENS = st.sampled_from(
    ["<s>", "</s>", "<unk>", "<s", "s>", "<s><s>", "\xa0", "\u3000", "\x85", "\u2028", "a", "b", "I", "나는", "학습을"]
    + ["x" * n for n in (7, 8, 9, 15, 16, 17, 24, 33)] + ["x" * 8 + "y", "x" * 16 + "y"]
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters=BLANKS + "\n"), min_size=1, max_size=12)  # fmt: skip
GAPS = st.text(BLANKS, min_size=1, max_size=3)
LINES = st.lists(st.lists(st.tuples(st.just("") | GAPS, TOKENS, GAPS) | GAPS.map(lambda gap: (gap,)), max_size=6))
TEXTS = LINES.map(lambda lines: nfc("".join("".join(map("".join, line)) + "\n" for line in lines)).encode())


def slow_lines(text: bytes, *, blanks: tuple[str, ...] = SPECIALS) -> list[list[str]]:
    """The words of every line; blanks: those that are none."""
    lines = text.replace(b"\0", b" ").split(b"\n")[:-1]
    return [[w.decode() for w in line.split() if w.decode() not in blanks] for line in lines]


def slow_vocabulary(text: bytes) -> list[str]:
    """Frequent words first, then the earlier ones: most_common keeps the order of arrival."""
    counts = Counter(word for line in slow_lines(text) for word in line)
    return [*SPECIALS, *(word for word, _ in counts.most_common())]


def learned(*texts: bytes, **limits) -> Words:
    learner = Learner()
    for text in texts:
        learner.add(Distinct(text))
    return learner.finish(**limits)


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_encoding_is_that_of_a_dictionary(text, unseen):
    vocabulary = learned(text)
    assert vocabulary.vocabulary() == slow_vocabulary(text) and vocabulary.vocab_size == len(slow_vocabulary(text))
    ids = {word: id for id, word in enumerate(slow_vocabulary(text))}
    for lines, learning in product((text, unseen), (False, True)):
        batch = vocabulary.encode(lines, learning=learning)
        blanks = SPECIALS if learning else SPECIALS[1:]
        expected = [[*(ids.get(word, UNK_ID) for word in line), EOS_ID] for line in slow_lines(lines, blanks=blanks)]
        assert batch.lengths.tolist() == [len(row) for row in expected]
        assert batch.tokens.tolist() == [token for row in expected for token in row]
        document = vocabulary.encode(lines, unit="document", learning=learning)
        assert document.tokens.tolist() == batch.tokens.tolist() and document.lengths.tolist() == [len(batch.tokens)]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_blocks_are_learned_like_one_text(texts, merge_now):
    learner, together = Learner(), b"".join(texts)
    for text, now in zip(texts, merge_now, strict=False):
        learner.add(Distinct(text))
        assert not now or learner.types >= 0
    assert learner.types == len(slow_vocabulary(together)) - len(SPECIALS)
    assert learner.symbols == sum(word.decode() in SPECIALS for word in together.replace(b"\0", b" ").split())
    vocabulary = learner.finish()
    assert vocabulary.vocabulary() == slow_vocabulary(together)
    # What a block knows of itself is enough to encode it.
    for text in texts:
        block = Distinct(text)
        ids = vocabulary.ids_of(block.hashes)[block.index]
        assert (
            TokenBatch.with_line_ends(ids, block.line_words).tokens.tolist()
            == vocabulary.encode(text, learning=True).tokens.tolist()
        )


def test_a_vocabulary_can_be_limited():
    text = b"b a a c c c d\n e e\n"
    assert learned(text).vocabulary()[3:] == ["c", "a", "e", "b", "d"]
    assert learned(text, size=5).vocabulary()[3:] == ["c", "a"]
    assert learned(text, size=2).vocabulary() == list(SPECIALS)
    assert learned(text, min_count=2).vocabulary()[3:] == ["c", "a", "e"]
    assert learned(text, only=learned(b"d a z\n")).vocabulary()[3:] == ["a", "d"]
    assert learned(text, only=learned(b"d a z\n"), min_count=2, size=9).vocabulary()[3:] == ["a"]
    assert learned(text, size=5).encode(b"c b a z\n").tokens.tolist() == [3, UNK_ID, 4, UNK_ID, EOS_ID]


@pytest.mark.parametrize("text", [b"", b"\n", b" \n\0\n", b"<s> </s> <unk>\n"])
def test_a_text_without_words(text, tmp_path):
    vocabulary = learned(text)
    vocabulary.save(tmp_path)
    assert Words.load(tmp_path).vocabulary() == list(SPECIALS)
    assert vocabulary.encode(b"a b\n").tokens.tolist() == [UNK_ID, UNK_ID, EOS_ID]
    assert vocabulary.encode(text, learning=True).lengths.tolist() == [1] * text.count(b"\n")
    assert vocabulary.encode(b"").tokens.size == 0


@given(st.lists(TOKENS.filter(lambda token: token not in SPECIALS)))
def test_decoding_gives_the_words_back(tokens):
    text = nfc(" ".join(tokens))
    vocabulary = learned(text.encode() + b"\n")
    assert vocabulary.decode(vocabulary.encode(text.encode() + b"\n").tokens) == text


def test_decoding_shows_unknown_words_and_hides_the_ends():
    assert learned(b"a\n").decode([1, 3, 0, 2]) == "a <unk>"


uneasy = st.text(
    st.sampled_from("ae \t\0<s>/\u0301\u0323\u0338\u1100\u1161\u11a8한é\u0f73")
    | st.characters(exclude_categories=["Cs"])
)


@settings(deadline=None)
@given(uneasy)
def test_pieces_point_into_the_text_as_given(text):
    vocabulary = learned("a e é 한\n".encode())
    pieces = list(vocabulary.pieces(text))
    line = unicodedata.normalize("NFC", text).replace("\n", " ").encode() + b"\n"
    assert [piece.id for piece in pieces] == vocabulary.encode(line).tokens.tolist()[:-1]
    assert [[piece.text for piece in pieces]] == slow_lines(line, blanks=SPECIALS[1:])
    for piece in pieces:
        assert unicodedata.normalize("NFC", text[piece.start : piece.end]).strip(BLANKS + "\n") == piece.text
    assert all(left.end <= right.start for left, right in pairwise(pieces))


def test_pieces_by_example():
    pieces = list(learned("é a\n".encode()).pieces("  e\u0301 <s> b <unk>"))
    assert [(p.text, p.id, p.start, p.end) for p in pieces] == [
        ("é", 3, 2, 4),
        ("b", UNK_ID, 9, 10),
        ("<unk>", UNK_ID, 11, 16),
    ]


@settings(deadline=None)
@given(TEXTS, st.integers(1, 40))
def test_a_long_text_is_read_in_parts(text, size):
    vocabulary = learned(text)
    whole = vocabulary.encode(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words_module, "_PART", size)
        assert b"".join(words_module._parts(text)) == text
        parts = vocabulary.encode(text)
    assert parts.tokens.tolist() == whole.tokens.tolist() and parts.lengths.tolist() == whole.lengths.tolist()


@given(TEXTS)
def test_written_specials_are_counted(text):
    words = [word.decode() for word in text.replace(b"\0", b" ").split()]
    assert words_module.written(text) == sum(word in SPECIALS for word in words)
    assert words_module.written(text, ("<unk>",)) == words.count("<unk>")


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_a_saved_vocabulary_is_the_same(tmp_path_factory, text, unseen):
    first, second = tmp_path_factory.mktemp("words"), tmp_path_factory.mktemp("words")
    vocabulary = learned(text)
    vocabulary.save(first)
    loaded = Words.load(first)
    assert loaded.vocabulary() == vocabulary.vocabulary()
    assert loaded.encode(text + unseen).tokens.tolist() == vocabulary.encode(text + unseen).tokens.tolist()
    loaded.save(second)
    assert (first / words_module.FILE).read_bytes() == (second / words_module.FILE).read_bytes()


# --- the table of hashes ----------------------------------------------------------------------------------------------

TOP = 2**64 - 1
# Hashes that crowd: all in one home, in neighbouring homes, in the last home (they spill behind the table's end).
crowded = st.builds(
    lambda base, step: min(max(base + step, 1), TOP),
    st.sampled_from([1, 2**40, 2**60, 2**63, TOP]),
    st.integers(-40, 40),
)
spread = st.integers(1, TOP)


@settings(deadline=None)
@given(st.sets(crowded | spread, max_size=200), st.sets(crowded | spread), st.randoms())
def test_crowded_hashes_are_found_and_others_are_not(known, asked, random):
    known = sorted(known)
    random.shuffle(known)
    keys = np.array(known, np.uint64)
    vocabulary = Words.of(b"w" * len(keys), np.arange(1, len(keys) + 1), keys)
    assert vocabulary.ids_of(keys).tolist() == list(range(len(SPECIALS), len(SPECIALS) + len(keys)))
    strangers = np.array(sorted({*asked, *(key + 1 for key in known if key < TOP)} - {*known}), np.uint64)
    assert not vocabulary.ids_of(strangers).any()  # UNK_ID is 0


def test_the_hash_of_a_word_depends_on_its_bytes_alone():
    """All words of up to two bytes, and long ones that differ in one byte, anywhere in a block: no two alike."""
    words = [bytes([a]) for a in range(33, 127)] + [bytes([a, b]) for a in range(33, 127) for b in range(33, 127)]
    words += [b"x" * n for n in range(3, 200)] + [b"x" * n + b"y" + b"x" * (40 - n) for n in range(41)]
    ahead, behind = (words_module.Split(b" ".join(some) + b"\n").hashes for some in (words, words[::-1]))
    assert len(np.unique(ahead)) == len(words) == len(ahead)
    assert np.array_equal(ahead, behind[::-1])
    assert (ahead != 0).all()


# --- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"words": None},
        {"keys": None},
        {"ends": np.array([1.0])},
        {"ends": np.array([7])},
        {"keys": np.zeros(3, np.uint64), "ids": np.zeros(3, np.int32)},
        {"ids": np.zeros(3, np.int32)},
        {"keys": np.ones(17, np.uint64)},
        {"keys": np.zeros((17, 1), np.uint64)},
        {"words": np.zeros((), np.uint8)},
        {"ends": np.zeros((), np.int64)},
        {"ends": np.zeros((2, 2), np.int64)},
    ],
    ids=lambda change: " ".join(
        f"{k}:{'absent' if v is None else v.dtype.str + str(v.shape)}" for k, v in change.items()
    ),
)
def test_a_damaged_vocabulary_is_a_damaged_model(tmp_path, change):
    learned(b"a\n").save(tmp_path)
    path = tmp_path / words_module.FILE
    arrays = {name: array.copy() for name, array in tensor_file.read(path).items()} | change
    tensor_file.write(path, {name: tensor_file.tensor(a) for name, a in arrays.items() if a is not None})
    with pytest.raises(ModelError, match="damaged vocabulary"):
        Words.load(tmp_path)
