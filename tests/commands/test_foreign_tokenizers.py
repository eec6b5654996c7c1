"""Tokenizers of Hugging Face folders on the command line: users see the ids of their files."""

import json
import shutil

import foreign_tokenizers as made
import pytest

from seqcli.text import tsv_field

TEXT = ["I study machine learning", "나는 기계 학습을 공부한다 ", "a <|endoftext|> b", ""]


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory):
    return made.byte_level(tmp_path_factory.mktemp("byte-level"), made.samples(300))


@pytest.fixture(scope="module")
def judge(byte_level):
    """The library, on the same files."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    files = str(byte_level / "vocab.json"), str(byte_level / "merges.txt")
    tokenizer = Tokenizer(models.BPE.from_file(*files))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def rows(done) -> list[str]:
    assert done.code == 0, done.err
    return done.out.removesuffix("\n").split("\n")


def test_all_modes_show_the_librarys_tokens_and_ids(here, byte_level, judge, tmp_path):
    model = ("-m", byte_level)
    found = [judge.encode(text) for text in TEXT]
    assert rows(here("tokenize", *TEXT, *model)) == [" ".join(each.tokens) for each in found]
    ids = [" ".join(map(str, each.ids)) for each in found]
    assert rows(here("tokenize", *TEXT, *model, "--ids")) == ids
    assert rows(here("tokenize", *TEXT, *model, "--count")) == [str(len(each.ids)) for each in found]
    assert rows(here("tokenize", *ids, *model, "--ids", "--decode")) == TEXT
    assert rows(here("tokenize", *(" ".join(each.tokens) for each in found), *model, "--decode")) == TEXT
    for line, text, each in zip(rows(here("tokenize", *TEXT, *model, "--offsets")), TEXT, found, strict=True):
        pieces = [(piece["piece"], piece["id"], piece["start"], piece["end"]) for piece in json.loads(line)["pieces"]]
        assert pieces == [(token, id, *span) for token, id, span in zip(each.tokens, each.ids, each.offsets)], text
    vocabulary = sorted(judge.get_vocab().items(), key=lambda entry: entry[1])
    assert rows(here("tokenize", *model, "--vocab")) == [f"{id}\t{tsv_field(token)}" for token, id in vocabulary]
    (stats,) = rows(here("tokenize", *TEXT, *model, "--stats"))
    assert stats.split("\t")[1:4] == [str(len(vocabulary)), str(len(TEXT)), str(sum(map(len, found)))]
    assert stats.split("\t")[-2:] == ["0.000000", "0"]


def test_many_lines_in_worker_processes_give_the_ids_of_the_library(here, byte_level, judge, tmp_path):
    """Workers are forked after the library was used, which it would not survive with threads of its own."""
    lines = made.samples(2000) * 3
    (tmp_path / "text").write_text("".join(line + "\n" for line in lines))
    done = here("tokenize", "-i", tmp_path / "text", "-m", byte_level, "--ids", "--threads", "2")
    assert done.err == "" and rows(done) == [" ".join(map(str, each.ids)) for each in judge.encode_batch(lines)]


def test_an_id_that_the_file_does_not_have_is_refused(here, byte_level):
    for id in ("600", "99999999999", "-1", "a"):
        done = here("tokenize", "-m", byte_level, "--ids", "--decode", stdin=id.encode())
        assert done.code == 3 and "record 1: not a token id" in done.err and "ids are 0 to 599" in done.err


def test_there_are_no_other_segmentations(here, byte_level):
    for option in (["--n-best", "2"], ["--sample", "0.5"]):
        done = here("tokenize", "a", "-m", byte_level, *option)
        assert done.code == 2 and "has no alternative segmentations; use a unigram sentencepiece model" in done.err


def test_a_file_alone_is_a_tokenizer(here, tmp_path, byte_level):
    (tmp_path / "vocab.txt").write_text("\n".join([*made.BERT, "study", "##ing", "i"]) + "\n")
    assert rows(here("tokenize", "I  STUDYING", "-m", tmp_path / "vocab.txt", "--ids")) == ["7 5 6"]
    assert rows(here("tokenize", "7 5 6", "-m", tmp_path / "vocab.txt", "--ids", "--decode")) == ["i studying"]
    from seqcli.tokenizers import huggingface

    huggingface.open_folder(byte_level)._library.save(str(tmp_path / "tokenizer.json"))
    by_file = rows(here("tokenize", *TEXT, "-m", tmp_path / "tokenizer.json", "--ids"))
    assert by_file == rows(here("tokenize", *TEXT, "-m", byte_level, "--ids"))
    done = here("info", tmp_path / "tokenizer.json", "--json")
    assert (
        done.code == 0 and json.loads(done.out)["vocab_size"] == 600 and json.loads(done.out)["kind"] == "huggingface"
    )


def test_marian_folders_read_the_language_and_have_other_segmentations(here, tmp_path):
    made.marian(tmp_path, made.samples(300), made.samples(300))
    vocabulary = json.loads((tmp_path / "vocab.json").read_text())
    (ids,) = rows(here("tokenize", ">>kor<< I study", "-m", tmp_path, "--ids"))
    assert ids.split(" ")[0] == str(vocabulary[">>kor<<"])
    best = rows(here("tokenize", ">>kor<< I study", "-m", tmp_path, "--ids", "--n-best", "2"))
    assert [row.split("\t")[3].split(" ")[0] for row in best] == [str(vocabulary[">>kor<<"])] * 2
    assert best[0].split("\t")[3] == ids


@pytest.mark.parametrize("kind", ["byte-level", "word piece", "marian"])
def test_a_model_is_trained_with_it_and_opens_without_it(here, kind, tmp_path):
    source = tmp_path / "theirs"
    lines = made.samples(150)
    if kind == "marian":
        made.marian(source, lines, lines)
    else:
        (made.byte_level if kind == "byte-level" else made.word_piece)(source, lines, size=400)
    text = tmp_path / "text"
    text.write_text("".join(f"{line}\n" for line in lines))
    done = here("train", "lm", text, "-o", tmp_path / "m", "--tokenizer", source)
    assert done.code == 0, done.err
    ids = rows(here("tokenize", *TEXT, "-m", source, "--ids"))
    shutil.rmtree(source)
    assert rows(here("tokenize", *TEXT, "-m", tmp_path / "m", "--ids")) == ids
    scores = rows(here("score", *TEXT, "<s> [CLS] </s>", "-m", tmp_path / "m"))
    assert all(float(row.split("\t")[0]) < 0 for row in scores)
    done = here("generate", "I stu", "-m", tmp_path / "m", "--max-new-tokens", "5", "--seed", "1")
    assert done.code == 0 and "stu" in done.out
    assert here("info", tmp_path / "m", "--verify").code == 0


def test_documents_are_tokenized_across_line_breaks(here, byte_level, judge, tmp_path):
    text = tmp_path / "text"
    text.write_text("".join(f"{line}\n\n" for line in made.samples(100)))
    done = here("train", "lm", text, "-o", tmp_path / "m", "--unit", "document", "--tokenizer", byte_level)
    assert done.code == 0, done.err
    (tmp_path / "r.jsonl").write_text(json.dumps({"text": "a\n\n b"}) + "\n")
    done = here("tokenize", "-i", tmp_path / "r.jsonl", "-m", tmp_path / "m", "--ids")
    assert rows(done) == [" ".join(map(str, judge.encode("a\n\n b").ids))]
    assert rows(here("tokenize", "-i", tmp_path / "r.jsonl", "-m", byte_level, "--ids")) == rows(done)
    assert here("tokenize", done.out.strip(), "-m", tmp_path / "m", "--ids", "--decode").out == "a\\n\\n b\n"
