"""`seqcli translate`: N records in, N rows out; n-best, JSON, attention, references, and what is refused.

The translator is a toy that says its source again in capitals; a network that has learnt next to nothing takes its place in
the end.
"""

import dataclasses
import importlib.util
import json
import os
import re

import numpy as np
import pytest
from toy_translator import toy

import seqcli
from seqcli.decoding.translate import TranslationSettings, translate
from seqcli.errors import UsageError
from seqcli.tasks.translation import load
from seqcli.tasks.translation.load import open_translator
from seqcli.text import tsv_field
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import words

TEXTS = {
    "blank and space-only lines": (b"\n \n\t\n\na cat\n\n", ["", "", "", "", "A CAT", ""]),
    "nothing": (b"", []),
    "no final newline": (b"a cat\nb", ["A CAT", "B"]),
    "CRLF": (b"a\r\n\r\nb\r\n", ["A", "", "B"]),
    "control characters": (b"a\0b\n\x1b[31m\na\x0bb\rc\n", ["A\0B", "\x1b[31M", "A\vB\rC"]),
    "malformed UTF-8": (b"a\xff\n\xc0\xaf\nb\n", ["A\ufffd", "\ufffd\ufffd", "B"]),
    "Hangul and emoji": ("한글 👩‍👩‍👧\n".encode(), ["한글 👩‍👩‍👧"]),
    "tabs and backslashes": (b"a\tb\\c\n", ["A\tB\\C"]),
}


@pytest.fixture(autouse=True)
def capitals(monkeypatch):
    """The folder "toy" is the toy."""
    opened, others = toy(), open_translator
    monkeypatch.setattr(
        "seqcli.tasks.translation.load.open_translator",
        lambda source, **more: opened if source == "toy" else others(source, **more),
    )
    return opened


@pytest.mark.parametrize("data, expected", TEXTS.values(), ids=list(TEXTS))
def test_a_translation_for_every_record(here, data, expected):
    done = here("translate", "-m", "toy", stdin=data)
    assert done.code == 0 and [row for (row,) in done.rows] == [tsv_field(text) for text in expected]
    rows = [json.loads(line) for line in here("translate", "-m", "toy", "--json", stdin=data).out.split("\n")[:-1]]
    assert [row["line"] for row in rows] == list(range(1, len(expected) + 1))
    assert [row["translation"] for row in rows] == expected


def test_a_line_of_5000_words(here):
    words = [f"w{n % 10}" for n in range(5000)]
    done = here("translate", "-m", "toy", "--beam-size", 1, stdin=(" ".join(words) + "\n\na\n").encode())
    assert [row for (row,) in done.rows] == [" ".join(words).upper(), "", "A"]
    assert done.err == "seqcli translate: 1 of 3 records had more than 64 tokens and were translated in windows\n"


def test_columns_beside_a_translation(here, tmp_path):
    done = here("translate", "a cat", "", "-m", "toy", "--with-scores", "--alignment", "--header")
    header, first, blank = done.rows
    assert header == ["translation", "log_prob", "alignment"] and blank == ["", "0.000000", ""]
    assert first[0] == "A CAT" and -0.1 < float(first[1]) < 0 and first[2] == "0-0 1-1"
    (tmp_path / "t.tsv").write_text("text\tid\na cat\t7\n")
    assert here("translate", "-i", "t.tsv", "--keep", "id", "-m", "toy").rows == [["A CAT", "7"]]


def test_n_best_in_the_format_of_moses(here):
    done = here("translate", "a|||b", "", "-m", "toy", "--n-best", 3)
    rows = [line.split(" ||| ") for line in done.out.splitlines()]
    assert (
        [row[0] for row in rows] == ["0", "0", "0", "1"] and rows[0][1] == "A&#124;&#124;&#124;B" and rows[3][1] == ""
    )
    scores = [float(row[2]) for row in rows]
    assert scores[:3] == sorted(scores[:3], reverse=True)
    (first, _) = [
        json.loads(line)
        for line in here("translate", "a|||b", "", "-m", "toy", "--n-best", 3, "--json").out.splitlines()
    ]
    assert first["translation"] == "A|||B" == first["n_best"][0]["translation"] and first["source"] == "a|||b"
    assert [round(each["log_prob"], 6) for each in first["n_best"]] == scores[:3]


def test_samples_depend_on_the_seed(here):
    ask = ["translate", "a cat", "b", "-m", "toy", "--num-samples", 2, "--temperature", 4]
    first = here(*ask).out
    assert first == here(*ask).out != here(*ask, "--seed", 1).out
    assert [line.split(" ||| ")[0] for line in first.splitlines()] == ["0", "0", "1", "1"]
    assert here("translate", "a cat", "-m", "toy", "--temperature", 0).out == "A CAT\n"


def test_attention_in_a_pipe_is_on_standard_error(here):
    done = here("translate", "a cat", "", "-m", "toy", "--attention")
    assert done.out == "A CAT\n\n" and "\x1b" not in done.err
    assert re.search(r"^A +██· · · · · ", done.err, re.M) and re.search(r"^</s> +· · · · · ██", done.err, re.M)
    assert here("translate", "a cat", "-m", "toy", "--attention", "-q").err == ""
    (row,) = [
        json.loads(line) for line in here("translate", "a cat", "-m", "toy", "--attention", "--json").out.splitlines()
    ]
    shown = row["attention"]
    assert shown["source"] == ["a", "<0x20>", "c", "a", "t", "</s>"] and shown["target"][0] == "A"
    assert [round(sum(weights), 2) for weights in shown["weights"]] == [1.0] * 6


def test_attention_in_a_file(here, tmp_path):
    done = here("translate", "a cat", "", "-m", "toy", "--attention-output", "map.json")
    rows = [json.loads(line) for line in (tmp_path / "map.json").read_text().splitlines()]
    assert done.code == 0 and [row["line"] for row in rows] == [1, 2] and rows[1]["weights"] == []
    pytest.importorskip("matplotlib")
    done = here("translate", "한", *["b"] * 14, "-m", "toy", "--attention-output", "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG") and "leaves out 3" in done.err
    assert (
        here("translate", "", "-m", "toy", "--attention-output", "none.png").code == 0
        and not (tmp_path / "none.png").exists()
    )


def test_references(here, tmp_path):
    (tmp_path / "right.txt").write_text("A CAT SAW A DOG\nWRONG\n\n")
    said = ["translate", "a cat saw a dog", "b", "", "-m", "toy", "--reference", "right.txt"]
    done = here(*said, "--metrics", "m.json", "--worst", 1)
    assert done.code == 0 and done.out == "A CAT SAW A DOG\nB\n\n"
    assert re.search(r"BLEU \d+\.\d\d  nrefs:1\|case:mixed\|eff:no\|tok:13a\|smooth:exp\|version:", done.err)
    assert re.search(r"chrF \d+\.\d\d  nrefs:1\|case:mixed\|eff:yes\|nc:6\|nw:0\|space:no\|version:", done.err)
    assert "line 2, chrF 0.0: b -> B (reference: WRONG)" in done.err or "line 3, chrF 0.0" in done.err
    figures = json.loads((tmp_path / "m.json").read_text())
    assert (
        figures["records"] == 3
        and figures["signature"].startswith("mt:toy|tok:bytes-259#")
        and len(figures["worst"]) == 1
    )
    (tmp_path / "right.txt").write_text("한국어 문장\n" * 3)
    assert "|tok:char|" in here(*said).err and "|tok:none|" in here(*said, "--bleu-tokenize", "none").err
    assert "|case:lc|" in here(*said, "--lowercase").err


def test_a_table_of_pairs(here, tmp_path):
    """Its columns are those that a training takes."""
    (tmp_path / "pairs.tsv").write_text("source\ttarget\tde\na cat\tA CAT\tKATZE\n\tB\tb\nc\t\tC\n")
    done = here("translate", "-m", "toy", "-i", "pairs.tsv", "--reference", "pairs.tsv", "--worst", 3)
    assert done.code == 0 and done.out == "A CAT\n\nC\n" and "3 records" in done.err and "(reference: B)" in done.err
    done = here(
        "translate",
        "-m",
        "toy",
        "-i",
        "pairs.tsv",
        "--reference",
        "pairs.tsv",
        "--reference-column",
        "de",
        "--worst",
        3,
    )
    assert "a cat -> A CAT (reference: KATZE)" in done.err
    (tmp_path / "x.tsv").write_text("a\tb\n1\t2\n")
    assert "no reference column chosen" in here("translate", "a", "-m", "toy", "--reference", "x.tsv").err


def test_references_are_decoded_as_the_input_is(here, tmp_path):
    for name in ("in.txt", "right.txt"):
        (tmp_path / name).write_bytes("한국어 문장이다\n".encode("cp949"))
    said = ["translate", "-m", "toy", "-i", "in.txt", "--reference", "right.txt"]
    assert "BLEU" in here(*said, "--encoding", "cp949").err and here(*said).code == 3
    (tmp_path / "bad.txt").write_bytes(b"a\xff\n")
    done = here("translate", "a", "-m", "toy", "--reference", "bad.txt")
    assert done.code == 0 and "1 malformed UTF-8 sequence replaced by U+FFFD: bad.txt" in done.err
    assert here("translate", "a", "-m", "toy", "--reference", "bad.txt", "--strict").code == 3


def test_kept_columns_beside_fields_of_their_name(here, tmp_path):
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": "a", "source": "web", "id": "7"}) + "\n")
    done = here(
        "translate",
        "-m",
        "toy",
        "-i",
        "in.jsonl",
        "--text-column",
        "text",
        "--keep",
        "source",
        "--keep",
        "id",
        "--json",
    )
    row = json.loads(done.out)
    assert (row["source"], row["kept_source"], row["id"], row["translation"]) == ("a", "web", "7", "A")


def test_the_beam_is_as_wide_as_n_best(here):
    assert len(json.loads(here("translate", "a", "-m", "toy", "--n-best", 9, "--json").out)["n_best"]) == 9


@pytest.mark.parametrize("option", ["--metrics", "--attention-output", "-o"])
def test_5_files_that_cannot_be_written(here, tmp_path, option):
    (tmp_path / "right.txt").write_text("A\n")
    drawn = option == "--attention-output" and importlib.util.find_spec("matplotlib")
    for name in ("absent/m.json", *(["absent/m.png"] if drawn else [])):
        done = here("translate", "a", "-m", "toy", "--reference", "right.txt", "-q", option, name)
        assert (
            done.code == 5 and name in done.err and done.err.count("\n") == 1 and os.listdir(tmp_path) == ["right.txt"]
        )


def test_metrics_can_be_written_to_a_fifo(here, tmp_path):
    """What is no regular file is not replaced."""
    (tmp_path / "right.txt").write_text("A\n")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    assert here("translate", "a", "-m", "toy", "--reference", "right.txt", "-q", "--metrics", "pipe").code == 0
    assert (tmp_path / "pipe").is_fifo() and json.loads(os.read(reader, 1 << 16))["records"] == 1
    os.close(reader)


@pytest.mark.parametrize("lines, what", [(2, "2 references for more records"), (4, "4 references for fewer records")])
def test_3_numbers_of_references_and_records_that_differ(here, tmp_path, lines, what):
    (tmp_path / "right.txt").write_text("x\n" * lines)
    done = here("translate", "a", "b", "c", "-m", "toy", "--reference", "right.txt", "-o", "out", "--metrics", "m.json")
    assert done.code == 3 and what in done.err and os.listdir(tmp_path) == ["right.txt"]


@pytest.mark.parametrize(
    "arguments, code, what",
    [
        (["--n-best", "9", "--beam-size", "5"], 2, "use beam size 9"),
        (["--length-penalty", "2", "--top-k", "3"], 2, "--top-k cannot be combined with --length-penalty"),
        (["--n-best", "2", "--header"], 2, "--header cannot be combined with several"),
        (["-m", "other"], 2, "only one translator"),
        (["--reference-column", "de"], 2, "--reference-column needs --reference"),
        (["--reference", "absent", "--reference-column", "de"], 2, "--reference-column needs a .tsv"),
        (["--n-best", "2", "--top-k", "3"], 2, "--top-k cannot be combined with --n-best"),
        (["--temperature", "2", "--beam-size", "3"], 2, "--temperature cannot be combined with --beam-size"),
        (["--n-best", "2", "--alignment"], 2, "use --json"),
        (["--worst", "2"], 2, "--worst needs --reference"),
        (["--attention-output", "map.txt"], 2, ".json or .png"),
        (["--max-length-ratio", "nan"], 2, "0.01 to 100"),
        (["--reference", "absent"], 3, "absent: no such file"),
        (["-i", "x", "-i", "absent"], 2, "both texts and --input"),
    ],
    ids=str,
)
def test_what_is_refused(here, tmp_path, arguments, code, what):
    done = here("translate", "a", "-m", "toy", *arguments)
    assert (
        done.code == code
        and what in done.err
        and done.err.count("\n") == 1
        and done.out == ""
        and not os.listdir(tmp_path)
    )


def test_a_prefix_of_one_line_in_known_words(here, tmp_path):
    said = ["translate", "a cat", "-m", "toy", "--prefix"]
    assert here(*said, "A\nC").out == "A CAT\n" and here(*said, "\udcff").out.startswith("\ufffd")
    known = dataclasses.replace(load.open_translator("toy"), target=words.train([b"A CAT\n"])[0])
    with pytest.raises(UsageError, match="'A DOG' contains a word unknown to toy"):
        list(translate(known, ["a"], TranslationSettings(prefix="A DOG")))


def test_the_signature_has_the_search_settings(here, tmp_path):
    (tmp_path / "right.txt").write_text("A\n")
    said = ["translate", "a", "-m", "toy", "--reference", "right.txt"]
    assert "|beam:5|penalty:1|prec" in here(*said).err
    assert (
        "|beam:5|penalty:1|norepeat:3|ratio:1.5|prefix:y|prec"
        in here(*said, "--no-repeat-ngram", 3, "--max-length-ratio", 1.5, "--prefix", "A").err
    )
    assert "|temperature:1|seed:0|topk:1|topp:0.5|prec" in here(*said, "--top-k", 1, "--top-p", 0.5).err


# --- a network --------------------------------------------------------------------------------------------------------

SOURCES = ["I am taking pictures now.", "", "I gave my sister a box.", "한글 \U0001f642", "Now.", "sister " * 20]


def test_translations_do_not_depend_on_the_batch(here, translator, tmp_path):
    stdin = "".join(line + "\n" for line in SOURCES).encode()
    for how in ([], ["--n-best", 3, "--no-repeat-ngram", 2], ["--num-samples", 2, "--top-k", 9], ["--prefix", "저는"]):
        ask = ["translate", "-m", translator, "--json", "--threads", 1, "--max-length-ratio", 1, *how]
        (rows, alone) = (
            [json.loads(line) for line in here(*ask, *more, stdin=stdin).out.splitlines()]
            for more in ([], ["--batch-tokens", 1])
        )
        assert [row["source"] for row in rows] == SOURCES and rows[1]["translation"] == ""
        for row, other in zip(rows, alone, strict=True):
            assert [each["translation"] for each in row["n_best"]] == [each["translation"] for each in other["n_best"]]
            assert row["log_prob"] == pytest.approx(other["log_prob"], abs=1e-4)
        assert "--prefix" not in how or all(row["translation"].startswith("저는") for row in rows if row["source"])


def test_the_score_of_a_search_is_that_of_forced_decoding(translator):
    opened = open_translator(str(translator))
    for found in translate(opened, SOURCES, TranslationSettings(n_best=2, prefix="저는")):
        for hypothesis in found.hypotheses[: len(found.parts)]:
            (source,), (ids,) = found.parts, hypothesis.parts
            conditioned = opened.model.conditioned_on(opened.model.encode(TokenBatch(source, np.array([len(source)]))))
            forced = conditioned.score(TokenBatch(np.array(ids, np.int32), np.array([len(ids)]))).log_prob
            assert hypothesis.log_prob == pytest.approx(forced.sum(dtype=np.float64), abs=1e-5 * len(ids))


def test_a_text_is_scored_as_in_python(here, translator, tmp_path):
    (tmp_path / "s.txt").write_text("".join(line + "\n" for line in SOURCES), encoding="utf-8")
    texts = ["저는 지금 사진을 찍고 있어요.", "", "b", "c", "", "한글"]
    scored = here("score", *texts, "--source", "s.txt", "-m", translator).rows
    door = seqcli.load(str(translator))
    assert [row["log_prob"] for row in door.score(texts, SOURCES)] == pytest.approx(
        [float(row[0]) for row in scored], abs=1e-4
    )


def test_python_gives_the_same_translations(here, translator):
    door = seqcli.load(str(translator))
    shown = [
        json.loads(line)
        for line in here("translate", *SOURCES, "-m", translator, "--json", "--n-best", 2).out.splitlines()
    ]
    for mine, theirs in zip(door.translate(SOURCES, n_best=2), shown, strict=True):
        assert {**mine.to_dict(), "log_prob": 0, "n_best": []} == {
            **{name: theirs[name] for name in mine.to_dict()},
            "log_prob": 0,
            "n_best": [],
        }
        assert mine.log_prob == pytest.approx(theirs["log_prob"], abs=1e-4)
    looked = door.attention(SOURCES[0])
    assert len(looked.weights) == len(looked.target) and looked.source[-1] == "</s>"
    assert [sum(row) for row in looked.weights] == pytest.approx([1] * len(looked.target), abs=1e-5)
    assert "transformer" in repr(door)
    (alone,) = door.translate(SOURCES[:1])
    assert door.translate(SOURCES[0]).translation == alone.translation and door.translate([]) == []
    with pytest.raises(UsageError, match="temperature cannot be combined with n_best"):
        door.translate("a", temperature=1.0, n_best=2)


def test_4_a_model_of_another_task(here, model, translator):
    for command in (
        ["translate", "a", "-m", model],
        ["score", "a", "-m", translator],
        ["translate", "a", "-m", "absent"],
    ):
        done = here(*command)
        assert done.code == 4 and done.err.count("\n") == 1


def test_several_references_score_as_in_sacrebleu(here, translator, tmp_path):
    sacrebleu = pytest.importorskip("sacrebleu")
    sources = ["I study.", "The bank closes at four.", "There is a shirt in the room."]
    references = [
        ["나는 공부한다.", "은행은 네 시에 닫는다.", "방에 셔츠가 있다."],
        ["저는 공부해요.", "은행은 4시에 닫아요.", "셔츠가 방에 있어요."],
    ]
    (tmp_path / "e.txt").write_text("".join(f"{line}\n" for line in sources))
    for name, lines in zip(("a.ko", "b.ko"), references):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    done = here(
        "translate",
        "-m",
        translator,
        "-i",
        "e.txt",
        "--reference",
        "a.ko",
        "--reference",
        "b.ko",
        "--metrics",
        "m.json",
        "--worst",
        1,
    )
    assert done.code == 0 and done.err.count("nrefs:2") == 2, done.err
    figures, said = json.loads((tmp_path / "m.json").read_text()), [row[0] for row in done.rows]
    assert figures["bleu"]["score"] == sacrebleu.corpus_bleu(said, references, tokenize="char").score
    assert figures["chrf"]["score"] == sacrebleu.corpus_chrf(said, references).score
    (tmp_path / "b.ko").write_text("하나\n")
    assert here("translate", "-m", translator, "-i", "e.txt", "--reference", "a.ko", "--reference", "b.ko").code == 3


def test_each_record_is_translated_from_its_own_script(here, translator, monkeypatch):
    from seqcli import samples

    asked = []

    def opened(language: str, *, reporter):
        asked.append(language)
        return open_translator(str(translator), name=language)

    monkeypatch.setattr(samples, "translator_of", opened)
    done = here("translate", "I study", "", "나는", "", "the dog", "--json", "--beam-size", 1)
    assert done.code == 0 and asked == ["english", "korean"]  # blank lines ask for none
    assert [json.loads(row)["line"] for row in done.out.splitlines()] == [1, 2, 3, 4, 5]
