"""`seqcli score`: the names and order of its columns, its JSON, and its numbers against sums made by hand.

The judge is `next_distribution`, which walks the model one token at a time and shares no code with batch scoring.
"""

import json
import math
from dataclasses import replace
from itertools import permutations

import pytest
from toy_translator import toy

from seqcli.interfaces import OpenModel
from seqcli.metrics.signature import of_language_model
from seqcli.metrics.significance import wilson
from seqcli.tasks.language.load import open_model

TEXTS = ["the cat saw the dog", "", "a zebra saw the cat", "나는 기계 학습을 공부한다"]
SUMS = ["log_prob", "perplexity", "bits_per_byte", "tokens", "unknown"]


def ids_of(opened: OpenModel, text: str) -> list[int]:
    return opened.tokenizer.encode((text + "\n").encode()).tokens.tolist()


def log_probs(opened: OpenModel, text: str, context: str = "") -> list[float]:
    """log p of every token of a text, one by one, after a context."""
    given, ids = ids_of(opened, context)[:-1] if context else [], ids_of(opened, text)
    return [math.log(opened.model.next_distribution([*given, *ids[:place]])[id]) for place, id in enumerate(ids)]


def log_p(opened: OpenModel, text: str, context: str = "") -> float:
    return sum(log_probs(opened, text, context))


def expected(opened: OpenModel, text: str) -> dict[str, float]:
    ids, total = ids_of(opened, text), log_p(opened, text)
    size = len(text.encode()) + 1
    sums = (total, math.exp(-total / len(ids)), -total / math.log(2) / size, len(ids), ids.count(0))
    return dict(zip(SUMS, sums))


def in_json(done) -> list[dict]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def close(value: float):
    return pytest.approx(value, rel=1e-5, abs=2e-6)


@pytest.fixture(scope="session")
def second(models) -> OpenModel:
    return open_model(str(models("characters")))


# --- sentences --------------------------------------------------------------------------------------------------------


def test_a_sentence_in_tsv(here, model, opened):
    done = here("score", *TEXTS, "-m", model, "--header")
    assert done.code == 0 and done.rows[0] == [*SUMS, "text"]
    for row, text in zip(done.rows[1:], TEXTS, strict=True):
        want = expected(opened, text)
        assert row[5] == text
        assert [float(cell) for cell in row[:5]] == pytest.approx(list(want.values()), rel=1e-5, abs=6e-5)
        assert row[3:5] == [str(want["tokens"]), str(want["unknown"])]
        assert [len(cell.partition(".")[2]) for cell in row[:5]] == [6, 4, 4, 0, 0]
    assert here("score", *TEXTS, "-m", model).rows == done.rows[1:]


def test_a_sentence_in_json(here, model, opened):
    values = in_json(here("score", *TEXTS, "-m", model, "--json"))
    for line, (value, text) in enumerate(zip(values, TEXTS, strict=True), 1):
        assert list(value) == ["line", "text", "scores"] and value["line"] == line and value["text"] == text
        (score,) = value["scores"]
        assert list(score) == ["model", *SUMS] and score["model"] == "words"
        assert {name: score[name] for name in SUMS} == {name: close(x) for name, x in expected(opened, text).items()}


def test_a_summary_has_its_signature(here, model, opened):
    error = here("score", *TEXTS, "-m", model).err
    want = [expected(opened, text) for text in TEXTS]
    total, tokens = sum(w["log_prob"] for w in want), sum(w["tokens"] for w in want)
    assert f"words: 4 records, {tokens} tokens, 2 unknown (unknown words: compare with care)" in error
    assert f"perplexity {math.exp(-total / tokens):.4g}, " in error
    assert error.rstrip("\n").endswith(of_language_model(opened)) and "|tok:words-" in error and "|base:e|" in error
    assert here("score", *TEXTS, "-m", model, "-q").err == ""


@pytest.mark.parametrize("base, unit", [("2", math.log(2)), ("10", math.log(10)), ("e", 1.0)])
def test_base_changes_the_unit_of_logarithms_only(here, model, opened, base, unit):
    done = here("score", "the cat", "-m", model, "--base", base)
    want = expected(opened, "the cat")
    assert float(done.rows[0][0]) == close(want["log_prob"] / unit) and f"|base:{base}|" in done.err
    assert float(done.rows[0][1]) == pytest.approx(want["perplexity"], rel=1e-4)
    for arguments in (["--level", "token"], ["--level", "word"], ["--level", "corpus"], ["--scramble"]):
        value = in_json(here("score", "the cat", "-m", model, "--base", base, "--json", *arguments))[0]["log_prob"]
        natural = in_json(here("score", "the cat", "-m", model, "--json", *arguments))[0]["log_prob"]
        assert value == pytest.approx(natural / unit)


def test_several_models_side_by_side(here, model, models, opened, second):
    wanted = ["-m", model, "-m", models("characters"), "-m", model, "-m", f"mine={model}", "-m", f"words#2={model}"]
    names = ["words", "characters", "words#2", "mine", "words#2#2"]
    done = here("score", *TEXTS, *wanted, "--header")
    assert done.rows[0] == [f"{name}.{column}" for name in names for column in SUMS] + ["text"]
    for row, text in zip(done.rows[1:], TEXTS, strict=True):
        assert float(row[0]) == close(log_p(opened, text)) and float(row[5]) == close(log_p(second, text))
        assert row[0:5] == row[10:15] == row[15:20] == row[20:25] and row[25] == text
    values = in_json(here("score", *TEXTS, *wanted, "--json"))
    assert [score["model"] for score in values[0]["scores"]] == names
    assert "words - characters: " in done.err and "paired bootstrap" in done.err
    assert "words - words#2: +0.0000 bits per byte, 95 % interval +0.0000 to +0.0000" in done.err


def test_an_infinite_number_is_null_in_json(here, tmp_path):
    (tmp_path / "zero.arpa").write_text(
        "\\data\\\nngram 1=4\n\n\\1-grams:\n-99\t<s>\n-inf\t<unk>\n-0.3\t</s>\n-0.3\ta\n\n\\end\\\n"
    )
    value = in_json(here("score", "a b", "-m", "zero.arpa", "--json"))[0]["scores"][0]
    assert value["log_prob"] is None and value["perplexity"] is None and value["bits_per_byte"] is None
    assert here("score", "a b", "a", "-m", "zero.arpa").rows[0][:3] == ["-inf", "inf", "inf"]


def test_an_arpa_file_serves_as_a_model(here, model, tmp_path):
    assert here("convert", model, "m.arpa.gz").code == 0
    own, foreign = (here("score", *TEXTS, "-m", name).rows for name in (model, "m.arpa.gz"))
    for a, b in zip(own, foreign, strict=True):
        assert float(a[0]) == pytest.approx(float(b[0]), abs=1e-4) and a[3:] == b[3:]
    assert in_json(here("score", "x", "-m", "m.arpa.gz", "--json"))[0]["scores"][0]["model"] == "m"


# --- tokens, words, corpora -------------------------------------------------------------------------------------------


def test_tokens(here, model, opened):
    done = here("score", *TEXTS, "-m", model, "--level", "token", "--header")
    assert done.rows[0] == ["line", "index", "token", "log_prob"]
    want = [
        [str(line), str(index), word, value]
        for line, text in enumerate(TEXTS, 1)
        for index, (word, value) in enumerate(zip([*text.split(), "</s>"], log_probs(opened, text), strict=True))
    ]
    assert [row[:3] for row in done.rows[1:]] == [row[:3] for row in want]
    assert [float(row[3]) for row in done.rows[1:]] == close([row[3] for row in want])


def test_tokens_have_an_order_and_a_rank(here, model, opened):
    values = in_json(here("score", "the cat zzz", "-m", model, "--level", "token", "--rank", "--json"))
    assert [list(value) for value in values] == [["line", "index", "token", "log_prob", "order", "rank"]] * 4
    ids = ids_of(opened, "the cat zzz")
    for place, (value, id) in enumerate(zip(values, ids, strict=True)):
        p = opened.model.next_distribution(ids[:place])
        assert value["rank"] == 1 + int((p > p[id]).sum())
    assert [value["order"] for value in values][:3] == [2, 3, 1]  # `<s> the`, `<s> the cat`, an unknown word
    assert here("score", "the", "-m", model, "--level", "token", "--rank", "--header").rows[0][-1] == "rank"
    assert "rank" not in in_json(here("score", "the", "-m", model, "--level", "token", "--json"))[0]


@pytest.mark.parametrize("kind", ["words", "characters", "sentencepiece", "bytes"])
def test_words_add_up_to_the_sentence_for_every_tokenizer(here, models, kind):
    texts = [*TEXTS, "  two  blanks ", "한글 e\u0301t\u00e9\tand more", "line\nfeed here"]
    sums = [float(row[0]) for row in here("score", *texts, "-m", models(kind)).rows]
    done = here("score", *texts, "-m", models(kind), "--level", "word", "--header")
    assert done.rows[0] == ["line", "index", "word", "log_prob"]
    tokens = here("score", *texts, "-m", models(kind), "--level", "token").rows
    for line, (text, total) in enumerate(zip(texts, sums), 1):
        rows = [row for row in done.rows[1:] if row[0] == str(line)]
        assert [row[1] for row in rows] == [str(index) for index in range(len(rows))]
        assert [row[2] for row in rows] == [*text.split(), "</s>"]
        assert sum(float(row[3]) for row in rows) == pytest.approx(total, abs=1e-4)
        assert sum(float(row[3]) for row in tokens if row[0] == str(line)) == pytest.approx(total, abs=1e-4)


def test_rows_of_several_models_are_grouped_by_record(here, model, models):
    done = here("score", "the cat", "a", "-m", model, "-m", models("characters"), "--level", "word", "--header")
    assert done.rows[0] == ["model", "line", "index", "word", "log_prob"]
    assert [(row[0], row[1]) for row in done.rows[1:]] == [
        *[("words", "1")] * 3, *[("characters", "1")] * 3, *[("words", "2")] * 2, *[("characters", "2")] * 2
    ]  # fmt: skip


CORPUS = [
    "model", "sentences", "tokens", "unknown", "log_prob", "perplexity", "perplexity_known", "bits_per_byte",
    "bits_per_character", "signature",
]  # fmt: skip


def test_a_corpus(here, model, models, opened):
    stdin = "".join(text + "\n" for text in TEXTS).encode()
    done = here("score", "--level", "corpus", "-m", model, "-m", models("characters"), "--header", stdin=stdin)
    assert done.rows[0] == CORPUS and [row[0] for row in done.rows[1:]] == ["words", "characters"]
    (value, _) = in_json(
        here("score", "--level", "corpus", "-m", model, "-m", models("characters"), "--json", stdin=stdin)
    )
    pairs = [pair for text in TEXTS for pair in zip(ids_of(opened, text), log_probs(opened, text))]
    total, known = sum(p for _, p in pairs), [p for id, p in pairs if id != 0]
    assert value == {
        "model": "words", "sentences": 4, "tokens": len(pairs), "unknown": len(pairs) - len(known),
        "log_prob": close(total), "perplexity": close(math.exp(-total / len(pairs))),
        "perplexity_known": close(math.exp(-sum(known) / len(known))),
        "bits_per_byte": close(-total / math.log(2) / len(stdin)),
        "bits_per_character": close(-total / math.log(2) / len(stdin.decode())),
        "signature": of_language_model(opened),
    }  # fmt: skip
    assert list(value) == CORPUS and "words - characters: " in done.err


def test_an_empty_corpus_has_no_perplexity(here, model):
    value = in_json(here("score", "--level", "corpus", "-m", model, "--json"))[0]
    assert value["sentences"] == 0 and value["perplexity"] is None and value["log_prob"] == 0


# --- context and documents --------------------------------------------------------------------------------------------


def test_a_context_is_conditioned_on_and_not_scored(here, model, opened, tmp_path):
    texts = ["saw the dog", "sleeps", "zzz"]
    for context in ("the cat", "나는 기계", "x" * 5000):  # the last would be too long a file name
        done = here("score", *texts, "-m", model, "--context", context)
        assert [float(row[0]) for row in done.rows] == close([log_p(opened, text, context) for text in texts])
        assert [row[3] for row in done.rows] == ["4", "2", "2"]
    (tmp_path / "each.txt").write_text("the cat\n\nthe dog\n")
    done = here("score", *texts, "-m", model, "--context-file", "each.txt")
    want = [log_p(opened, text, context) for text, context in zip(texts, ("the cat", "", "the dog"))]
    assert [float(row[0]) for row in done.rows] == close(want)
    words = here("score", *texts, "-m", model, "--context-file", "each.txt", "--level", "word").rows
    assert float(words[0][3]) == close(log_probs(opened, texts[0], "the cat")[0])


def test_a_document_is_one_row(here, models, tmp_path, corpus):
    opened = open_model(str(models("document")))
    lines = corpus.read_text().splitlines()[:8]
    (tmp_path / "text.txt").write_text("\n".join(lines))  # the last line end is missing, and is counted all the same
    done = here("score", "-i", "text.txt", "-m", models("document"), "--unit", "document", "--header")
    ids = [id for line in lines for id in ids_of(opened, line)]
    total = sum(math.log(opened.model.next_distribution(ids[:place])[id]) for place, id in enumerate(ids))
    assert done.rows[0] == [*SUMS, "text"] and len(done.rows) == 2 and done.rows[1][5] == "text.txt"
    assert float(done.rows[1][0]) == close(total) and int(done.rows[1][3]) == len(ids)
    size = len("\n".join(lines).encode()) + 1
    assert float(done.rows[1][2]) == pytest.approx(-total / math.log(2) / size, abs=1e-4)
    (value,) = in_json(here("score", "-i", "text.txt", "-m", models("document"), "--unit", "document", "--json"))
    assert value["line"] == 1 and value["scores"][0]["log_prob"] == close(total)
    corpus_level = here("score", "-i", "text.txt", "-m", models("document"), "--unit", "document", "--level", "corpus")
    assert float(corpus_level.rows[0][4]) == close(total) and corpus_level.rows[0][1] == "1"
    assert "unit:document" in done.err


# --- orderings, choices, pairs ----------------------------------------------------------------------------------------


def test_scramble(here, model, opened):
    text = "the cat saw the"
    own = {ordering: log_p(opened, " ".join(ordering)) for ordering in set(permutations(text.split()))}
    mine = own[tuple(text.split())]
    done = here("score", text, "-m", model, "--scramble", "--header")
    assert done.rows[0] == ["line", "rank", "orderings", "mass", "ties", "log_prob", "text"]
    (value,) = in_json(here("score", text, "-m", model, "--scramble", "--json"))
    assert list(value) == [
        "line", "model", "rank", "orderings", "sampled", "mass", "ties", "log_prob", "text", "best"
    ]  # fmt: skip
    assert value["rank"] == 1 + sum(p > mine + 1e-5 for p in own.values())
    assert value["ties"] == sum(abs(p - mine) < 1e-5 for p in own.values()) - 1
    assert (value["orderings"], value["sampled"], value["model"]) == (12, False, "words")
    assert value["log_prob"] == close(mine)
    assert value["mass"] == close(math.exp(mine) / sum(map(math.exp, own.values())))
    assert [best["log_prob"] for best in value["best"]] == close(sorted(own.values(), reverse=True)[:5])
    assert value["best"][0]["log_prob"] == close(own[tuple(value["best"][0]["text"].split())])
    shown = done.rows[1]
    assert shown == [
        "1",
        str(value["rank"]),
        "12",
        f"{value['mass']:.6f}",
        str(value["ties"]),
        f"{value['log_prob']:.6f}",
        text,
    ]


def test_scramble_of_every_record(here, model, models):
    done = here(
        "score", "", "cat", "the cat the cat", "-m", model, "-m", models("characters"), "--scramble", "--header"
    )
    assert done.rows[0][0] == "model" and len(done.rows) == 1 + 3 * 2
    assert [row[1:4] for row in done.rows[1:5]] == [["1", "1", "1"], ["1", "1", "1"], ["2", "1", "1"], ["2", "1", "1"]]
    assert done.rows[5][3] == "6" and [row[4] for row in done.rows[1:5]] == ["1.000000"] * 4


def test_long_sentences_are_sampled_by_the_seed(here, model):
    text = "my computer is very slow and the dog saw the cat"

    def asked(*arguments):
        return in_json(here("score", text, "-m", model, "--scramble", "--json", *arguments))[0]

    few = asked("--orderings", 50)
    assert few["orderings"] == 50 and few["sampled"] and 0 < few["mass"] <= 1
    assert asked("--orderings", 50) == few and asked("--orderings", 50, "--seed", 1) != few
    assert asked()["orderings"] == 1000


def test_choices(here, model, opened):
    done = here("score", "the [cat|dog|shirt] saw [the|a] dog", "my [cat]", "-m", model, "--choices", "--header")
    texts = [f"the {a} saw {b} dog" for a in ("cat", "dog", "shirt") for b in ("the", "a")]
    own = {text: log_p(opened, text) for text in texts}
    assert done.rows[0] == ["line", "rank", "log_prob", "share", "text"]
    rows = done.rows[1:7]
    assert sorted(row[4] for row in rows) == sorted(texts) and {row[0] for row in rows} == {"1"}
    for _, rank, value, share, text in rows:
        assert int(rank) == 1 + sum(p > own[text] + 1e-5 for p in own.values())
        assert float(value) == close(own[text])
        assert float(share) == close(math.exp(own[text]) / sum(map(math.exp, own.values())))
    assert [float(row[2]) for row in rows] == sorted((float(row[2]) for row in rows), reverse=True)
    assert done.rows[7][:2] == ["2", "1"] and done.rows[7][3:] == ["1.000000", "my cat"]
    value = in_json(here("score", "the [cat|dog]", "-m", model, "--choices", "--json"))[0]
    assert list(value) == ["model", "line", "rank", "log_prob", "share", "text"]


PAIRS = [
    ("the cat saw the dog", "saw the the dog cat", "order"), ("my computer is very old", "my cat is very old", "choice"),
    ("saw the the dog cat", "the cat saw the dog", "order"), ("the cat", "the cat", "order"), ("I study", "study I", ""),
]  # fmt: skip


def test_pairs(here, model, opened, tmp_path):
    (tmp_path / "p.tsv").write_text("".join("\t".join(pair).rstrip("\t") + "\n" for pair in PAIRS))
    (tmp_path / "p.jsonl").write_text(
        "".join(json.dumps({"sentence_good": g, "sentence_bad": b, "UID": t}) + "\n" for g, b, t in PAIRS)
    )
    done = here("score", "--pairs", "p.tsv", "-m", model, "--header")
    assert done.rows[0] == ["tag", "pairs", "correct", "ties", "accuracy", "ci_low", "ci_high"]
    assert [row[0] for row in done.rows[1:]] == ["order", "choice", "overall"]
    right = [log_p(opened, good) > log_p(opened, bad) + 1e-5 for good, bad, _ in PAIRS]
    for row, tags in zip(done.rows[1:], ({"order"}, {"choice"}, {"order", "choice", ""})):
        own = [correct for correct, (_, _, tag) in zip(right, PAIRS) if tag in tags]
        low, high = wilson(sum(own), len(own))
        ties = "1" if "order" in tags else "0"
        assert row[1:] == [
            str(len(own)), str(sum(own)), ties, *(f"{x:.4f}" for x in (sum(own) / len(own), low, high))
        ]  # fmt: skip
    assert here("score", "--pairs", "p.jsonl", "-m", model, "--header").rows == done.rows
    (tmp_path / "p.cp949").write_bytes((tmp_path / "p.tsv").read_text().encode("cp949"))
    assert here("score", "--pairs", "p.cp949", "--encoding", "cp949", "-m", model, "--header").rows == done.rows
    assert of_language_model(opened) in done.err
    values = in_json(here("score", "--pairs", "p.tsv", "-m", model, "--json"))
    assert list(values[0]) == ["model", "tag", "pairs", "correct", "ties", "accuracy", "ci_low", "ci_high"]


def test_pairs_under_two_models_are_compared(here, model, models, opened, second, tmp_path):
    (tmp_path / "p.tsv").write_text("".join("\t".join(pair).rstrip("\t") + "\n" for pair in PAIRS))
    done = here("score", "--pairs", "p.tsv", "-m", model, "-m", models("characters"), "--header")
    assert [row[:2] for row in done.rows[1:3]] == [["words", "order"], ["characters", "order"]]
    own = [[log_p(m, good) > log_p(m, bad) + 1e-5 for good, bad, _ in PAIRS] for m in (opened, second)]
    only = [sum(a and not b for a, b in zip(*own)), sum(b and not a for a, b in zip(*own))]
    assert f"correct only by words: {only[0]}, only by characters: {only[1]}; exact McNemar test p = " in done.err


# --- a translator given sources ---------------------------------------------------------------------------------------


@pytest.fixture
def capitals(monkeypatch):
    """Every folder is the toy, which says its source again in capitals."""
    opened = toy()
    monkeypatch.setattr("seqcli.tasks.translation.load.open_translator", lambda path, name: replace(opened, name=name))
    return opened


def test_translations_given_their_sources(here, capitals, tmp_path):
    (tmp_path / "sources.txt").write_text("a cat\nb\n\n" + "c" * 100 + "\n")
    ask = ["score", "A CAT", "A CAT", "", "C", "-m", "toy", "--source", "sources.txt"]
    done = here(*ask)
    right, wrong, blank, cut = [float(row[0]) for row in done.rows]
    assert right > -0.1 > -20 > wrong and blank > -0.1 > cut and [row[3] for row in done.rows] == ["6", "6", "1", "2"]
    assert (
        "|unit:line|base:e|prec:fp32|" in done.err
        and "toy: 4 records" in done.err
        and "mt:toy|tok:bytes-259#" in done.err
    )
    assert "were truncated: 1" in done.err
    tokens = here(*ask, "--level", "token", "--rank").rows
    assert [row[2] for row in tokens[:6]] == ["A", "<0x20>", "C", "A", "T", "</s>"] and tokens[0][4] == "1"
    assert sum(float(row[3]) for row in tokens[:6]) == pytest.approx(right, abs=1e-5)
    assert [row[2] for row in here(*ask, "--level", "word").rows[:3]] == ["A", "CAT", "</s>"]
    (corpus,) = in_json(here(*ask, "--level", "corpus", "--json"))
    assert corpus["log_prob"] == pytest.approx(right + wrong + blank + cut, abs=1e-4)


@pytest.mark.parametrize("level", ["sentence", "token", "word", "corpus"])
@pytest.mark.parametrize("lines, what", [(1, "1 sources for more records"), (3, "3 sources for fewer records")])
def test_3_numbers_of_sources_and_records_that_differ(here, capitals, tmp_path, level, lines, what):
    (tmp_path / "sources.txt").write_text("a\n" * lines)
    done = here("score", "A", "B", "-m", "toy", "--source", "sources.txt", "--level", level, "-o", "out")
    assert done.code == 3 and what in done.err and not (tmp_path / "out").exists()


def test_options_that_cannot_be_combined_with_sources(here, capitals, tmp_path):
    for more in (["--context", "x"], ["--scramble"], ["--unit", "document"]):
        done = here("score", "A", "-m", "toy", "--source", "s.txt", *more)
        assert done.code == 2 and f"--source cannot be combined with {more[0]}" in done.err
