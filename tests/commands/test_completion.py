"""What a shell completes, asked of typer's own completion class for bash."""

import os
import shutil

import pytest
from typer._completion_classes import BashComplete

from seqcli import cli


@pytest.fixture
def completed(monkeypatch, tmp_path):
    """`completed("train lm --arch", "l")`: the values that begin with `l`, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    command = cli.program()

    def complete(line: str, begun: str = "") -> list[str]:
        return [
            item.value for item in BashComplete(command, {}, "seqcli", "_TEST").get_completions(line.split(), begun)
        ]

    return complete


@pytest.mark.parametrize(
    "line, begun, values",
    [
        ("train lm --arch", "l", ["lstm"]),
        ("train classifier --arch", "b", ["bag"]),
        ("train translator --arch", "", ["gru", "lstm", "rnn", "transformer"]),
        ("train lm --arch lstm --preset", "", ["tiny", "small", "char"]),
        ("train classifier --arch ngram --preset", "", ["tiny", "small"]),
        ("train lm --tokenizer", "w", ["words"]),
        ("train lm --unit", "", ["line", "document"]),
        ("score --level", "s", ["sentence"]),
        ("score --format", "js", ["jsonl", "json"]),
        ("score -m", "sample-english-l", ["sample-english-lstm"]),
        ("score -m", "a=sample-english-l", ["a=sample-english-lstm"]),
        ("info", "sample-sent", ["sample-sentiment-english", "sample-sentiment-korean"]),
        ("score -m", "m", ["models/"]),
        ("score -m", "models/", ["models/one"]),
        ("train lm t.tsv --text-column", "", ["id", "문장"]),
        ("classify -i t.csv --keep", "", ["text", "label"]),
        ("classify -i t.jsonl --text-column", "", ["translation.en", "translation.ko"]),
        ("train classifier t.csv --label-column", "la", ["label"]),
        ("train lm lines.txt --text-column", "", []),
        ("train lm absent.csv --text-column", "", []),
    ],
)
def test_values_of_options(completed, model, tmp_path, line, begun, values):
    shutil.copytree(model, tmp_path / "models" / "one")
    (tmp_path / "t.tsv").write_text("id\t문장\n1\t가\n")
    (tmp_path / "t.csv").write_text("text,label\na,b\n")
    (tmp_path / "t.jsonl").write_text('{"translation": {"en": "a", "ko": "가"}}\n')
    (tmp_path / "lines.txt").write_text("a\n")
    assert os.getcwd() == str(tmp_path)
    assert completed(line, begun) == values
