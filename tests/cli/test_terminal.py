"""What a terminal gets: tables, no colours where they are not wanted, and never an escape sequence out of the data."""

import os
import pty
import re
import shutil
import sys
import time
from typing import NamedTuple

import pytest

HOSTILE = "red\x1b[31m \x1b]0;title\x07 \x9b31m \u202eover\u2066 a\rb \x08"


class Shown(NamedTuple):
    code: int
    text: str
    seconds: float


@pytest.fixture
def terminal(environment, tmp_path):
    """`terminal("score", ...)`: what a command shows where all three streams are a terminal."""

    def run(*arguments: object, **env: str) -> Shown:
        begun = time.monotonic()
        pid, handle = pty.fork()
        if pid == 0:
            os.chdir(tmp_path)
            os.execve(sys.executable, [sys.executable, "-m", "seqcli", *map(str, arguments)], {**environment, **env})
        parts = []
        while True:
            try:
                parts.append(os.read(handle, 1 << 16))
            except OSError:  # the other side is gone
                break
            if not parts[-1]:
                break
        os.close(handle)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return Shown(code, b"".join(parts).decode().replace("\r\n", "\n"), time.monotonic() - begun)

    return run


def test_results_are_a_table_on_a_terminal(terminal, model):
    shown = terminal("score", "the cat", "the dog", "-m", model)
    assert shown.code == 0 and "\x1b[1m" in shown.text and "\t" not in shown.text
    plain = re.sub("\x1b\\[[0-9;]*m", "", shown.text)
    assert re.search(r"log_prob +perplexity +bits_per_byte +tokens +unknown +text", plain) and "the dog" in plain


@pytest.mark.parametrize("level", [[], ["--level", "corpus"]])
@pytest.mark.parametrize("asked, signed", [([], False), (["--signature"], True), (["-v"], True)])
def test_signatures_on_a_terminal_only_on_request(terminal, model, level, asked, signed):
    shown = terminal("score", "the cat", "-m", model, *level, *asked)
    assert shown.code == 0 and ("lm:ngram|tok:words" in shown.text) is signed


@pytest.mark.parametrize(
    "command", [["score"], ["score", "--level", "corpus"], ["score", "--level", "corpus", "--json"]]
)
def test_signatures_in_files_and_pipes_always(here, model, command):
    done = here(*command, "the cat", "-m", model)
    assert "lm:ngram|tok:words" in done.out + done.err


def test_next_tokens_of_several_models_fit_80_columns(terminal, model):
    """Side by side where they fit, else a table each; a name is never broken."""
    for count in (2, 6):
        names = [f"model-number-{k}" for k in range(count)]
        several = [word for name in names for word in ("-m", f"{name}={model}")]
        shown = terminal("generate", "the", "--next", "3", *several, COLUMNS="80", NO_COLOR="1")
        assert shown.code == 0 and all(name in shown.text for name in names), shown.text
        assert max(map(len, shown.text.splitlines())) <= 80
        assert shown.text.count("probability") == (0 if count == 2 else count)


@pytest.mark.parametrize(
    "arguments, env", [([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"}), (["--no-color"], {})], ids=str
)
def test_no_colors_on_request(terminal, model, arguments, env):
    shown = terminal("score", "the cat", "-m", model, "--scramble", *arguments, **env)
    assert shown.code == 0 and "most probable" in shown.text and "\x1b" not in shown.text


def test_a_long_table_comes_in_parts(terminal, model, tmp_path):
    """So that its first rows are there soon; no record is lost between them."""
    (tmp_path / "long.txt").write_text("".join(f"the cat {n}\n" for n in range(5000)))
    shown = terminal("tokenize", "-i", "long.txt", "-m", model, "--count", "--no-color")
    assert shown.code == 0 and shown.text.count("count") > 1
    assert sum(line.strip() == "3" for line in shown.text.splitlines()) == 5000


def test_translations_with_their_attention(terminal, translator):
    shown = terminal(
        "translate",
        "I am taking\x1b pictures now.",
        "",
        "-m",
        translator,
        "--max-length-ratio",
        0.2,
        "--attention",
        "--with-scores",
        "-q",
        NO_COLOR="1",
    )
    assert shown.code == 0 and "\x1b" not in shown.text and "\t" not in shown.text
    assert re.search(r"source +translation +log_prob", shown.text) and "taking\\x1b" in shown.text
    assert re.search(r"(██|▓▓|▒▒|░░|· ){12}$", shown.text, re.M)
    assert all(len(line) <= 80 for line in shown.text.split("\n"))


@pytest.mark.parametrize("command", ["score", "tokenize"])
def test_2_without_text_on_a_terminal_the_error_shows_an_example(terminal, model, command):
    shown = terminal(command, "-m", model)
    assert shown.code == 2 and shown.seconds < 5
    first, *example = shown.text.splitlines()
    assert first == f"seqcli {command}: error: nothing to read; for example"
    assert example == [f'  seqcli {command} "I study machine learning"', f"  cat FILE | seqcli {command}"]


def hostile_arguments(model, tmp_path) -> dict[str, list]:
    (tmp_path / "pairs.tsv").write_text(f"the cat\tcat the\t{HOSTILE}\n")
    (tmp_path / "table.tsv").write_bytes(f"text\t{HOSTILE}\nthe cat\t{HOSTILE}\n".replace("\r", "").encode())
    shutil.copytree(model, tmp_path / "copy\x1b[31m", dirs_exist_ok=True)
    kept = HOSTILE.replace("\r", "")
    return {
        "text": ["score", HOSTILE, "-m", model],
        "text, JSON": ["score", HOSTILE, "-m", model, "--json"],
        "tokens": ["score", HOSTILE, "-m", model, "--level", "token"],
        "words, JSON": ["score", HOSTILE, "-m", model, "--level", "word", "--json"],
        "orderings": ["score", HOSTILE, "-m", f"{HOSTILE}={model}", "--scramble"],
        "choices": [
            "score",
            f"the {HOSTILE.translate(dict.fromkeys(map(ord, '[]')))} [dog|cat]",
            "-m",
            model,
            "--choices",
        ],
        "a label": ["score", "--pairs", "pairs.tsv", "-m", model],
        "a label, JSON": ["score", "--pairs", "pairs.tsv", "-m", model, "--json"],
        "a column": ["score", "-i", "table.tsv", "--keep", kept, "-m", model],
        "a column, JSON": ["score", "-i", "table.tsv", "--keep", kept, "-m", model, "--json"],
        "names of models": ["score", "the cat", "-m", f"{HOSTILE}={model}", "-m", model],
        "names in a summary": ["score", "the cat", "-m", "copy\x1b[31m", "--level", "corpus"],
        "a folder's name": ["info", "copy\x1b[31m"],
        "a folder's name, JSON": ["info", "copy\x1b[31m", "--json"],
        "pieces": ["tokenize", HOSTILE, "-m", model],
        "pieces, JSON": ["tokenize", HOSTILE, "-m", model, "--offsets"],
        "the name of a missing file": ["score", "-i", HOSTILE, "-m", model],
        "the name of a missing model": ["score", "x", "-m", HOSTILE],
        "a name of two lines": ["score", "x", "-m", "absent\x1b\nseqcli: all is well"],
        "an option": ["score", f"--{HOSTILE}"],
        "a command": [HOSTILE],
        "a value": ["score", "x", "--level", HOSTILE],
    }


@pytest.mark.parametrize("group", range(3))
def test_control_characters_in_data_are_escaped(terminal, model, tmp_path, group):
    for name, arguments in list(hostile_arguments(model, tmp_path).items())[group::3]:
        shown = terminal(*arguments, NO_COLOR="1")
        assert shown.code in (0, 2, 3, 4), (name, shown)
        found = re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown.text)
        assert found is None, (name, found, shown.text)
        assert re.search(r"\\x1b|\\u001b", shown.text), (name, shown.text)  # it was there


def test_fields_of_a_pipe_are_escaped_and_json_is_json(here, model):
    done = here("score", HOSTILE, "-m", model)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.out) and done.out.count("\n") == 1
    assert "\u202e" in done.out  # only a terminal obeys it
