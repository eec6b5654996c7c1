"""`seqcli info`: what a folder holds, as rows and as JSON, and whether it is whole."""

import json
import re
import shutil

import pytest

from seqcli.commands.info import overview
from seqcli.runs import model_folder
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.language.load import open_model


def test_info_describes_a_model(here, model):
    (value,) = map(json.loads, here("info", model, "--json", "--verify").out.splitlines())
    run, opened = ModelFolder.open(model), open_model(str(model))
    assert (value["task"], value["arch"], value["unit"], value["format"]) == ("language", "ngram", "line", 1)
    assert value["vocab_size"] == opened.tokenizer.vocab_size and value["verified"] is True
    assert value["bytes"] == run.bytes() == sum(f.stat().st_size for f in run.state.rglob("*.*"))
    assert value["settings"] == {"order": 3, "prune": [], "quantize": 0} and value["ngrams"] == opened.model.table.sizes
    assert value["data"] == {**run.config["data"], "files": ["corpus.txt"], "rows": 36, "tokens": 201}
    rows = dict(here("info", model).rows)
    assert rows["arch"] == "ngram" and rows["settings.order"] == "3" and rows["verified"] == "false"
    assert rows["data.files"] == '["corpus.txt"]' and rows["data.tokens"] == "201"


@pytest.mark.parametrize("value, text", [
    ({"accuracy": 0.78333, "macro_f1": 0.78264, "texts": 1}, "accuracy 78.33 %, macro F1 0.7826 (1 held-out text)"),
    ({"bleu": 80.408, "chrf": 76.513, "pairs": 1000}, "BLEU 80.41, chrF 76.51 (1,000 held-out pairs)"),
    ({"perplexity": 31.19, "bits_per_byte": None, "tokens": 2}, "perplexity 31.19 (2 held-out tokens)"),
    ({"perplexity": None}, "unknown: no text was held out"),
])  # fmt: skip
def test_the_score_of_each_task(value, text):
    assert overview.score(value) == text


def test_the_summary_comes_first_and_everything_is_shown(here, model):
    """On a terminal: name to score, then the rest under headings, with every value of the JSON but the path."""
    (values,) = map(json.loads, here("info", model, "--json").out.splitlines())
    shown = overview.drawn(values, name=str(model), color=False)
    first = [line.split()[0] for line in shown.split("\n\n")[0].splitlines()]
    assert first == ["name", "task", "architecture", "parameters", "tokenizer", "data", "score"]
    words = re.sub(r"[,()]", "", shown).split()
    for name, value in overview.flat(values):
        if name not in ("model", "task", "bytes", "verified") and value is not None:
            for number in re.findall(r"[\w.-]+", str(value)) if isinstance(value, list) else str(value).split():
                assert any(number.startswith(word[:5]) for word in words), name


def test_values_in_a_pipe_are_machine_readable(here, model):
    """Every row is the value of the JSON: numbers without separators, nothing for null."""
    (values,) = map(json.loads, here("info", model, "--json").out.splitlines())
    rows = dict(here("info", model).rows)
    found = dict(overview.flat(values))
    assert [*rows] == [*found] and "verified" in rows
    for name, value in found.items():
        assert rows[name] == value if isinstance(value, str) else json.loads(rows[name] or "null") == value


def test_4_verify_finds_damage_that_opening_does_not_read(here, model, tmp_path, monkeypatch):
    monkeypatch.setattr(model_folder, "_QUICKLY_READ", 0)
    shutil.copytree(model, tmp_path / "m")
    weights = next((tmp_path / "m").glob("state-*/model.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert here("info", "m").code == 0
    done = here("info", "m", "--verify")
    assert done.code == 4 and done.out == "" and "m/state-00000001/model.safetensors: checksum differs" in done.err
    assert here("convert", "m", "m.arpa").code == 4 and not (tmp_path / "m.arpa").exists()


def test_4_a_small_model_is_verified_when_it_is_opened(here, model, tmp_path):
    shutil.copytree(model, tmp_path / "m")
    weights = next((tmp_path / "m").glob("state-*/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    done = here("score", "the cat", "-m", "m")
    assert done.code == 4 and done.out == "" and "checksum differs" in done.err


def test_parameters_are_probabilities_and_back_offs(here, model):
    (value,) = map(json.loads, here("info", model, "--json").out.splitlines())
    assert value["parameters"] == sum(value["ngrams"]) + sum(value["ngrams"][:-1])


def test_info_of_an_arpa_file_and_of_a_tokenizer(here, models, corpus, tmp_path):
    assert here("convert", models("characters"), "m.arpa.gz").code == 0
    (folder,) = map(json.loads, here("info", models("characters"), "--json").out.splitlines())
    (file,) = map(json.loads, here("info", "m.arpa.gz", "--json").out.splitlines())
    same = ["task", "arch", "unit", "vocab_size", "tokenizer", "ngrams", "parameters"]
    assert {name: file[name] for name in same} == {name: folder[name] for name in same}
    assert file["format"] == "arpa" and file["bytes"] == (tmp_path / "m.arpa.gz").stat().st_size
    assert here("train", "tokenizer", corpus, "--tokenizer", "characters", "-o", "t").code == 0
    rows = dict(here("info", "t", "--verify").rows)
    assert rows["kind"] == "characters" and rows["verified"] == "true" and rows["vocab_size"] == str(file["vocab_size"])
    assert here("info", "absent.arpa").code == here("info", "absent.model").code == here("info", "absent").code == 4


def test_info_goes_where_other_results_go(here, model, models, tmp_path):
    rows = here("info", model).out
    done = here("info", model, "--header", "--no-color", "-o", "out.tsv")
    assert (done.code, done.out, done.err) == (0, "", "") and (
        tmp_path / "out.tsv"
    ).read_text() == f"what\tvalue\n{rows}"
    assert here("info", model, "--header", "--json").out == here("info", model, "--json").out
    assert here("convert", models("sentencepiece"), "m.arpa").code == 0
    assert here("info", "m.arpa").err.startswith("seqcli info: m.arpa: ") and here("info", "m.arpa", "-q").err == ""
