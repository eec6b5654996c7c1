"""`seqcli classify` with a model of fastText in every mode, and what other commands say of it and of KenLM's binary files."""

import json

import numpy as np
import pytest
from small_classifiers import in_json, one_line
from small_fasttext import LABELS, WORDS, written

import seqcli

TEXTS = ["good film", "", "bad film", "nothing known", "영화"]


@pytest.fixture
def model(tmp_path):
    """good is positive, bad is negative, other words are neutral."""
    rows = np.eye(len(WORDS))[:, :4] * 4
    rows[3:] = [0, 0, 0, 4]
    output = np.array([[0, 3, -3, -1], [0, -3, 3, -1], [0, 0, 0, 1]])
    return written(tmp_path / "model.ftz", input=rows, output=output)


def test_the_modes_of_classify_agree(here, model):
    stdin = "".join(text + "\n" for text in TEXTS).encode()
    plain = here("classify", "-m", model, stdin=stdin)
    assert [row[0] for row in plain.rows] == ["positive", "positive", "negative", "positive", "neutral"]
    assert [row[2] for row in plain.rows] == TEXTS
    objects = in_json(here("classify", "-m", model, "--json", "--top-k", 2, *TEXTS))
    assert [row["label"] for row in objects] == [row[0] for row in plain.rows]
    assert [f"{row['probability']:.6f}" for row in objects] == [row[1] for row in plain.rows]
    assert all(len(row["labels"]) == 2 for row in objects)
    results = seqcli.load(model).classify(TEXTS, top_k=1)
    assert [row.label for row in results] == [row["label"] for row in objects]
    unsure = here("classify", "-m", model, "--threshold", 0.9, "--label-prefix", "__label__", stdin=stdin)
    assert {row[0] for row in unsure.rows} == {"?", "__label__positive", "__label__negative", "__label__neutral"} - {
        f"__label__{row.label}" for row in results if row.probability < 0.9
    } | {"?"}


def test_evaluate_reads_the_lines_of_fasttext(here, model, tmp_path):
    (tmp_path / "judged.txt").write_text("__label__positive good film\n__label__negative bad\n__label__neutral good\n")
    (found,) = in_json(
        here("classify", "-m", model, "--evaluate", "--json", "-i", tmp_path / "judged.txt", "--errors", 3)
    )
    assert found["accuracy"] == pytest.approx(2 / 3) and len(found["errors"]) == 1
    assert found["signature"].startswith("clf:fasttext|tok:words-5|norm:none|labels:3|temp:1|prec:fp32|n:3")


def test_explain_names_the_word_that_decides(here, model):
    (found,) = in_json(here("classify", "-m", model, "--explain", "--json", "good film"))
    changes = {word["word"]: word["change"] for word in found["words"]}
    assert found["label"] == "positive" and changes["good"] > 1 > changes["film"]


def test_a_temperature_makes_probabilities_of_exactly_one_label(here, tmp_path):
    model = written(tmp_path / "model.bin", loss="ova")
    for options, total in (([], None), (["--temperature", 1], 1), (["--temperature", 3], 1)):
        (row,) = in_json(here("classify", "-m", model, "--json", *options, "good film"))
        assert (sum(each["probability"] for each in row["labels"]) == pytest.approx(1)) == (total == 1)


def test_info_describes_a_fasttext_model(here, model):
    (found,) = in_json(here("info", model, "--json"))
    assert found["task"] == "classification" and found["arch"] == "fasttext"
    assert found["labels"] == [label.removeprefix("__label__") for label in LABELS]
    assert found["parameters"] == (len(WORDS) + len(LABELS)) * 4
    assert found["settings"]["loss"] == "softmax" and found["settings"]["dim"] == 4
    assert seqcli.load(model).record["settings"] == found["settings"]


VERBS = {
    "score": ["score", "-m", "MODEL", "a"],
    "generate": ["generate", "-m", "MODEL", "a"],
    "translate": ["translate", "-m", "MODEL", "a"],
    "tokenize": ["tokenize", "-m", "MODEL", "a"],
    "explain": ["explain", "-m", "MODEL", "a"],
}
DOORS = {
    **VERBS,
    "classify": ["classify", "-m", "MODEL", "a"],
    "embed": ["embed", "-m", "MODEL", "a"],
    "info": ["info", "MODEL"],
    "convert to ARPA": ["convert", "MODEL", "out.arpa"],
    "convert to a folder": ["convert", "MODEL", "out"],
}


@pytest.mark.parametrize("arguments", VERBS.values(), ids=VERBS)
def test_4_other_commands_name_classify(here, model, arguments):
    done = here(*(model if each == "MODEL" else each for each in arguments))
    assert done.code == 4 and "a fastText classifier; use it with seqcli classify" in one_line(
        done, command=arguments[0]
    )


def test_4_word_vectors_have_no_labels(here, tmp_path):
    path = written(tmp_path / "vectors.bin", model=2, loss="ns")
    done = here("classify", "-m", path, "a")
    assert done.code == 4 and "word vectors" in done.err and "use it with seqcli embed" in one_line(done)
    assert isinstance(seqcli.load(path), seqcli.api.models.Embeddings)


def test_4_a_network_cannot_be_initialized_from_it(here, model, tmp_path):
    (tmp_path / "texts.tsv").write_text("text\tlabel\n" + "a b\tx\nc d\ty\n" * 9)
    done = here("train", "classifier", "texts.tsv", "-o", "out", "--arch", "lstm", "--init", model)
    assert done.code == 4 and "--init" in one_line(done, command="train classifier")
    assert "fastText classifier" in done.err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["kenlm.bin", "kenlm.lm", "kenlm.arpa", "kenlm.mmap", "kenlm"])
@pytest.mark.parametrize("arguments", DOORS.values(), ids=DOORS)
def test_4_kenlms_binary_files_are_named_with_the_cure(here, tmp_path, name, arguments):
    path = tmp_path / name
    with open(path, "wb") as file:
        file.write(b"mmap lm http://kheafield.com/code format version 5\n\0")
        file.truncate(1 << 40)  # reading it would take an hour
    done = here(*(path if each == "MODEL" else each for each in arguments))
    assert done.code == 4 and "a KenLM binary file" in one_line(done, command=arguments[0])
    assert "give the ARPA file" in done.err and "seqcli convert" in done.err
    with pytest.raises(seqcli.SeqcliError, match="KenLM"):
        seqcli.load(path)
    assert json.dumps(sorted(each.name for each in tmp_path.iterdir())) == json.dumps([name])
