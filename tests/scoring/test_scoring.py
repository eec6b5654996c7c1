"""scoring/: sums over records, tokens, words and whole documents, against a model small enough to be read."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli import catalog
from seqcli.data.lines import block_of, read_blocks
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import OpenModel, Scores
from seqcli.metrics.perplexity import Totals
from seqcli.models import ngram
from seqcli.runs.model_writer import writing_model
from seqcli.scoring.choices import choices
from seqcli.scoring.pairs import OVERALL, judge_pairs, read_pairs
from seqcli.scoring.scramble import scramble
from seqcli.scoring.sentences import score_block, score_documents, score_texts, shares
from seqcli.scoring.tokens import score_tokens, score_words
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.load import open_model
from seqcli.tasks.language.train_counted import train_counted
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.text import EOS_ID, WORD, nfc
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import characters, words

TEXT = b"the cat saw the dog\nab c\n"


class Lengths:
    """A model of order 2 in a few lines: -log p is the token's id plus a tenth of the token before it (or nothing)."""

    vocab_size, horizon = 100, 1

    def score(self, batch: TokenBatch, *, context=None, rank=False) -> Scores:
        rows, given = np.split(batch.tokens, np.cumsum(batch.lengths)[:-1]), [] if context is None else list(context)
        before = np.concatenate(
            [[*given[-1:], *row][:-1] if given else [0, *row[:-1]] for row in rows if len(row)] or [[]]
        )
        log_prob = -(batch.tokens + 0.1 * before).astype(np.float32)
        return Scores(log_prob, rank=batch.tokens.astype(np.int64) + 1 if rank else None)


def open_with(tokenizer, *, unit: str = "line") -> OpenModel:
    return OpenModel("m", "lengths", unit, tokenizer, Lengths())


WORDS = open_with(words.train([TEXT])[0])
CHARACTERS = open_with(characters.train([TEXT])[0])
DOCUMENT = open_with(characters.train([TEXT], unit="document")[0], unit="document")
KINDS = [
    open_with(catalog.load("tokenizers", kind).train([TEXT], unit=unit)[0], unit=unit)
    for kind in ("words", "characters", "bytes", "sentencepiece")
    for unit in ("line", "document")
]
every_kind = pytest.mark.parametrize("opened", KINDS, ids=lambda opened: f"{opened.tokenizer.KIND}-{opened.unit}")
RECORDS = st.lists(st.text(st.sampled_from("abc the\u0301é한 \n\t\x85"), max_size=12), max_size=5)


def ids_of(opened: OpenModel, text: str, *, whole: bool) -> list[int]:
    """Tokens of a record: a line feed is a blank in a line, a line break in a document; whole: with what ends it."""
    if opened.unit == "line":
        return [piece.id for piece in opened.tokenizer.pieces(text.replace("\n", " "))] + [EOS_ID] * whole
    if whole and not text.endswith("\n"):
        text += "\n"
    if not opened.ends:
        return [piece.id for piece in opened.tokenizer.pieces(text)]
    *lines, last = text.split("\n")
    ids = [id for line in lines for id in [*(piece.id for piece in opened.tokenizer.pieces(line)), EOS_ID]]
    return [*ids, *(piece.id for piece in opened.tokenizer.pieces(last))]


def by_rule(ids: list[int]) -> list[float]:
    return [-(id + 0.1 * before) for before, id in zip([0, *ids], ids)]


def slowly(opened: OpenModel, text: str) -> list[float]:
    """The model's rule, token by token."""
    return by_rule(ids_of(opened, text, whole=opened.ends))


def after(opened: OpenModel, context: str, text: str) -> list[float]:
    """log p of the tokens of one string that come after those of the context, by the chain rule; after none, of the record."""
    if not context:
        return slowly(opened, text)
    if opened.unit == "line":
        context = context.replace("\n", " ")
    apart = context and text and context[-1] not in "\0\t\n\v\f\r " and text[0] not in "\0\t\n\v\f\r \n"
    whole = ids_of(opened, context + " " * bool(apart) + text, whole=True)
    given = ids_of(opened, context + " " * bool(apart), whole=False)
    if opened.tokenizer.KIND == "sentencepiece" and whole[: len(given)] != given:
        given = given[:-1]  # the space is in the first token of the text
    assert whole[: len(given)] == given
    return by_rule(whole)[len(given) :]


@every_kind
@settings(deadline=None, max_examples=40)
@given(texts=RECORDS, data=st.data())
def test_records_are_scored_on_their_own(opened, texts, data):
    sums = score_block(opened, block_of(texts))
    assert sums.log_prob == pytest.approx([sum(slowly(opened, text)) for text in texts], rel=1e-5)
    assert sums.tokens.tolist() == [len(slowly(opened, text)) for text in texts]
    assert sums.log_prob.dtype == np.float64
    contexts = [data.draw(st.text(st.sampled_from("abc \n\u0301"), max_size=4)) for _ in texts]
    given_ = score_block(opened, block_of(texts), contexts=contexts)
    slow = [after(opened, context, text) for text, context in zip(texts, contexts)]
    assert given_.log_prob == pytest.approx(list(map(sum, slow)), rel=1e-5)
    assert given_.tokens.tolist() == list(map(len, slow))
    for row, (text, context) in enumerate(zip(texts, contexts)):
        ended = opened.ends or bool(context)
        assert given_.bytes[row] == len(nfc(text).encode()) + (
            ended and not (opened.unit == "document" and text.endswith("\n"))
        )
        assert sums.bytes[row] == score_block(opened, block_of([text]), contexts=[""]).bytes[0]
    tokens = list(score_tokens(opened, block_of(texts), contexts=contexts))
    assert [row.log_prob for row in tokens] == pytest.approx([value for row in slow for value in row], rel=1e-5)
    by_word = list(score_words(opened, block_of(texts), contexts=contexts))
    for line, (text, row) in enumerate(zip(texts, slow), 1):
        found = [each for each in by_word if each.line == line]
        assert [each.word for each in found] == WORD.findall(text) + ["</s>"] * opened.ends
        assert not found or sum(each.log_prob for each in found) == pytest.approx(sum(row), rel=1e-5)
    total, parts = sums.totals, sum((score_block(opened, block_of([text])).totals for text in texts), Totals())
    for name in Totals.__slots__:
        assert getattr(total, name) == pytest.approx(getattr(parts, name), rel=1e-9), name
    assert total.log_prob == pytest.approx(sum(map(sum, (slowly(opened, text) for text in texts))), rel=1e-5)


@every_kind
@settings(deadline=None, max_examples=40)
@given(texts=RECORDS)
def test_tokens_and_words_add_up(opened, texts):
    block = block_of(texts, first=7)
    tokens, of_words = list(score_tokens(opened, block, rank=True)), list(score_words(opened, block))
    for line, text in enumerate(texts, 7):
        own = [row for row in tokens if row.line == line]
        assert [row.index for row in own] == list(range(len(own)))
        assert [row.log_prob for row in own] == pytest.approx(slowly(opened, text), rel=1e-5)
        assert [row.rank for row in own] == [id + 1 for id in ids_of(opened, text, whole=opened.ends)]
        assert all(row.order is None for row in own)
        own = [row for row in of_words if row.line == line]
        assert [row.word for row in own] == WORD.findall(text) + ["</s>"] * opened.ends
        if own:
            assert sum(row.log_prob for row in own) == pytest.approx(sum(slowly(opened, text)), rel=1e-5)


def test_a_blank_counts_with_the_word_after_it():
    (first, second, end) = [row.log_prob for row in score_words(CHARACTERS, block_of(["ab cd"]))]
    p = slowly(CHARACTERS, "ab cd")
    assert (first, second, end) == pytest.approx((sum(p[:2]), sum(p[2:5]), p[5]))


@pytest.mark.parametrize("kind", ["words", "characters", "bytes", "sentencepiece"])
def test_a_document_is_one_text_whatever_the_blocks(corpus, tmp_path, kind):
    text = corpus.read_text(encoding="utf-8") * 3
    (tmp_path / "text.txt").write_text(text, encoding="utf-8")
    corpus_ = Corpus((str(tmp_path / "text.txt"),), unit="document")
    choice = TokenizerChoice(kind, vocab_size=300 if kind == "sentencepiece" else None)
    with writing_model(tmp_path / "m") as writer:
        opened = train_counted(writer, corpus_, choice, ngram.Config(order=4), memory=1 << 30).opened
    batch = opened.tokenizer.encode(text.encode(), unit="document")
    whole = opened.model.score(batch).log_prob.sum(dtype=np.float64)
    for size in (1, 100, 999, 1 << 20):
        ((_, sums),) = score_documents(lambda block: [opened], read_blocks(corpus_.paths[0], size=size))
        sums = sums[opened.name]
        assert sums.log_prob == pytest.approx([whole], rel=1e-7)
        assert sums.tokens.tolist() == [len(batch.tokens)]
        assert sums.bytes.tolist() == [len(text.encode())] and sums.characters == len(text)
        assert sums.totals.sentences == 1


def test_nothing_is_a_document_of_no_tokens():
    ((_, sums),) = score_documents(lambda block: [DOCUMENT], [])
    sums = sums[DOCUMENT.name]
    assert sums.tokens.tolist() == [0] and sums.log_prob.tolist() == [0] and math.isnan(sums.perplexity[0])


@every_kind
@settings(deadline=None, max_examples=40)
@given(texts=RECORDS)
def test_a_record_that_stands_apart_is_a_document(opened, texts):
    """Whatever the model's unit; a model of lines reads line breaks as `</s>`."""
    as_documents = dataclasses.replace(opened, unit="document") if opened.ends else opened
    ends = opened.ends and not as_documents.ends  # characters and bytes of a model of lines
    ((block, sums),) = score_documents(lambda block: [opened], [block_of(texts, first=3)])
    sums = sums[opened.name]
    slow = [ids_of(as_documents, text, whole=True) for text in texts]
    if ends:
        line_break = opened.tokenizer.encode(b"\n", unit="document").tokens[0]
        slow = [[EOS_ID if id == line_break else id for id in ids] for ids in slow]
    assert block.first == 3 and sums.tokens.tolist() == list(map(len, slow))
    if not ends:
        assert sums.log_prob == pytest.approx([sum(by_rule(ids)) for ids in slow], rel=1e-5)
    assert sums.bytes.tolist() == [len(nfc(text).encode()) + (not text.endswith("\n")) for text in texts]


# --- comparisons ------------------------------------------------------------------------------------------------------


def test_shares_of_very_small_and_of_no_probabilities():
    assert shares(np.array([-5000.0, -5000.0 + math.log(3)])) == pytest.approx([0.25, 0.75])
    assert shares(np.array([-math.inf, -math.inf])) is None
    assert shares(np.array([-math.inf, -1.0])).tolist() == [0, 1]


LOG_PROBS = [-2.0, -1.0, -2.0 - 1e-8, -2.0, -1.0, -3.0]


def test_ties_share_the_better_rank(monkeypatch):
    for module in ("scramble", "choices"):
        monkeypatch.setattr(f"seqcli.scoring.{module}.score_texts", lambda *_: np.array(LOG_PROBS))
    answer = scramble(WORDS, "a b c", sample=10, seed=0)
    assert (answer.rank, answer.ties, answer.orderings, answer.sampled) == (3, 2, 6, False)
    assert [ordering.log_prob for ordering in answer.best] == [-1, -1, -2, -2, -2.0 - 1e-8]
    assert answer.mass == pytest.approx(math.exp(-2) / (2 * math.exp(-1) + 3 * math.exp(-2) + math.exp(-3)), rel=1e-6)
    chosen = choices(WORDS, "[a|b|c|d|e|f]")
    assert [choice.rank for choice in chosen] == [1, 1, 3, 3, 3, 6]
    assert [choice.text for choice in chosen][:2] == ["b", "e"] and sum(c.share for c in chosen) == pytest.approx(1)


def test_texts_are_scored_in_order():
    texts = ["the cat", "", "dog dog dog"]
    assert score_texts(WORDS, texts) == pytest.approx([sum(slowly(WORDS, text)) for text in texts])
    assert score_texts(WORDS, []).tolist() == []


pyarrow, csv, parquet = map(pytest.importorskip, ("pyarrow", "pyarrow.csv", "pyarrow.parquet"))
BLIMP = ("sentence_good", "sentence_bad", "UID")

# --- pairs ------------------------------------------------------------------------------------------------------------


def test_pairs_of_both_forms(tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text(
        'a b\tb a\torder\n\nc\td\n{"sentence_good": "e\\tf", "sentence_bad": "g", "UID": "x", "field": 1}\n'
    )
    assert [tuple(pair) for block in read_pairs(str(path)) for pair in block] == [
        ("a b", "b a", "order"), ("c", "d", ""), ("e\tf", "g", "x")
    ]  # fmt: skip


@pytest.mark.parametrize("names", [("sentence_good", "sentence_bad", "UID"), ("good", "bad", "tag"), ("good", "bad")])
def test_pairs_of_any_table(tmp_path, names):
    """The columns may stand in any order, between others; a line feed in a cell is a part of the sentence."""
    rows = [("a, b", "b a", "order"), ("c\nd", 'd "c"', ""), ("나는 간다", "나는", "order")]
    table = pyarrow.table(
        {"id": [1, 2, 3], **{name: [row[k] for row in rows] for k, name in reversed([*enumerate(names)])}}
    )
    parquet.write_table(table, tmp_path / "p.parquet")
    csv.write_csv(table, tmp_path / "p.csv")
    (tmp_path / "p.json").write_text(json.dumps(table.to_pylist()))
    (tmp_path / "p.jsonl").write_text(
        "".join(
            json.dumps(row) + "\n" for row in table.rename_columns(["id", *reversed(BLIMP[: len(names)])]).to_pylist()
        )
    )
    (tmp_path / "p.txt").write_bytes((tmp_path / "p.csv").read_bytes())
    expected = [row if len(names) == 3 else (*row[:2], "") for row in rows]
    for name, format in (("p.parquet", None), ("p.csv", None), ("p.json", None), ("p.jsonl", None), ("p.txt", "csv")):
        found = [tuple(pair) for block in read_pairs(str(tmp_path / name), format=format) for pair in block]
        assert found == expected, name


def test_a_table_without_pairs_is_refused(tmp_path):
    (tmp_path / "p.csv").write_text("text,label\na,b\n")
    with pytest.raises(UsageError, match=r"p.csv: no columns of good and bad sentences; call them good, bad"):
        list(read_pairs(str(tmp_path / "p.csv")))
    parquet.write_table(pyarrow.table({"good": [["a"]], "bad": ["b"]}), tmp_path / "p.parquet")
    with pytest.raises(InputError, match="'good' is a list"):
        list(read_pairs(str(tmp_path / "p.parquet")))


@pytest.mark.parametrize(
    "line",
    ["only good", "a\tb\tc\td", '{"sentence_good": "a"}', '{"sentence_good": "a", "sentence_bad": 1}', "{",
     '{"a": [' + "[" * 99_999],
)  # fmt: skip
def test_a_line_that_is_no_pair_is_named(tmp_path, line):
    (tmp_path / "p.tsv").write_text(f"a\tb\n{line}\n")
    with pytest.raises(InputError, match=r"p\.tsv, line 2"):
        list(read_pairs(str(tmp_path / "p.tsv")))


def test_pairs_are_scored_by_model_and_tag(tmp_path):
    rows = [("the", "cat", "t"), ("cat", "the", "t"), ("dog", "dog", "u"), ("the", "dog", "")]  # frequent ids are small
    (tmp_path / "p.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    results = judge_pairs([WORDS, CHARACTERS], read_pairs(str(tmp_path / "p.tsv")))
    assert list(results.tallies) == ["t", "u", OVERALL]
    gains = [[sum(slowly(m, good)) - sum(slowly(m, bad)) for good, bad, _ in rows] for m in (WORDS, CHARACTERS)]
    own = [[gain > 1e-5 for gain in row] for row in gains]
    ties = [[abs(gain) < 1e-5 for gain in row] for row in gains]
    for m in range(2):
        assert [(t[m].pairs, t[m].correct, t[m].ties) for t in results.tallies.values()] == [
            (len(tag), sum(own[m][k] for k in tag), sum(ties[m][k] for k in tag)) for tag in ((0, 1), (2,), (0, 1, 2, 3))
        ]  # fmt: skip
    assert results.only == [sum(a > b for a, b in zip(*own)), sum(b > a for a, b in zip(*own))]
    with pytest.raises(InputError, match="no pairs"):
        (tmp_path / "none.tsv").write_text("\n")
        judge_pairs([WORDS], read_pairs(str(tmp_path / "none.tsv")))


def test_orderings_of_equal_probability_tie_however_small_it_is(tmp_path):
    """p(a b) and p(b a) are made of the same numbers; log10 0 is -99 to SRILM, whose sums in float32 are a little apart."""
    (tmp_path / "m.arpa").write_text(
        "\\data\\\nngram 1=5\nngram 2=0\n\n\\1-grams:\n-99\t<unk>\n-99\t<s>\t-0.21\n-0.7\t</s>\n-99\ta\t-0.33\n-0.41\tb\t-0.17\n\n"
        "\\2-grams:\n\n\\end\\\n"
    )
    opened = open_model(str(tmp_path / "m.arpa"))
    for text in ("a b", "b a", "b zz a"):
        answer = scramble(opened, text, sample=10, seed=0)
        assert (answer.rank, answer.ties) == (1, answer.orderings - 1)
    assert [choice.rank for choice in choices(opened, "[a b|b a|b b]")] == [1, 2, 2]
