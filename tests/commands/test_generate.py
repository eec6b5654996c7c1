"""`seqcli generate` as a script sees it: rows and their order, JSON's names, options that do not go together."""

import json
import math
import sys

import pytest

import seqcli as package
from seqcli.report.output import Output


@pytest.fixture
def ask(here, model):
    """`ask("the cat", "--json")`: generate with the small model of words."""
    return lambda *arguments, stdin=b"": here("generate", "-m", model, *arguments, stdin=stdin)


def test_every_record_and_sample_is_a_row_in_order(ask):
    stdin = b"the cat\n\n  I \r\nzzz"
    done = ask("--num-samples", "3", stdin=stdin)
    rows = done.out.split("\n")[:-1]
    assert done.code == 0 and len(rows) == 12 and all(row.startswith("the cat") for row in rows[:3])
    assert rows[3:6] != ["", "", ""] and all(row.startswith("  I ") for row in rows[6:9])
    objects = [json.loads(line) for line in ask("--num-samples", "3", "--json", stdin=stdin).out.splitlines()]
    assert [o["line"] for o in objects] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert [o["prompt"] + o["text"] for o in objects] == rows
    assert ask("--num-samples", "3", "--no-prompt", stdin=stdin).out.split("\n")[:-1] == [o["text"] for o in objects]
    assert ask("the cat", "", "  I ", "zzz", "--num-samples", "3").out == done.out
    assert ask("--num-samples", "3", "--line-buffered", "--threads", "1", stdin=stdin).out == done.out


def test_json_has_the_names_of_the_interface(ask, here, model):
    (row,) = map(json.loads, ask("my computer", "--json", "--temperature", "0").out.splitlines())
    assert list(row) == ["line", "prompt", "text", "log_prob", "tokens", "finish_reason"]
    assert row["prompt"] == "my computer" and row["text"].startswith(" ") and row["finish_reason"] == "end"
    given = here("score", "-m", model, "--json", "--context", "my computer", row["text"].strip())
    scored = json.loads(given.out)["scores"][0]
    assert row["tokens"] == scored["tokens"] and row["log_prob"] == pytest.approx(scored["log_prob"], abs=1e-4)


def test_samples_depend_on_seed_and_settings(ask):
    texts = {seed: ask("--num-samples", "5", "--seed", seed, "").out for seed in (0, 1)}
    assert texts[0] != texts[1] and ask("--num-samples", "5", "").out == texts[0]
    assert ask("the", "--temperature", "0").out == ask("the", "--top-k", "1", "--seed", "5").out
    assert ask("the", "--temperature", "0").out == ask("the", "--top-p", "0").out == ask("the", "--min-p", "1").out
    assert ask("the", "--beam-size", "1").out == ask("the", "--temperature", "0").out
    objects = [
        json.loads(line) for line in ask("the", "--beam-size", "4", "--num-samples", "4", "--json").out.splitlines()
    ]
    assert [o["log_prob"] for o in objects] == sorted((o["log_prob"] for o in objects), reverse=True)
    assert json.loads(ask("the", "--max-new-tokens", "1", "--json", "--seed", "2").out)["tokens"] == 1
    stopped = json.loads(ask("my", "--temperature", "0", "--stop", " very", "--stop", "zzz", "--json").out)
    assert stopped["text"] == " computer is" and stopped["finish_reason"] == "stop"


def test_line_feeds_and_tabs_are_escaped(here, models, tmp_path):
    (tmp_path / "rows.tsv").write_text("text\tid\nthe cat\t7\n\ta\\b\n")
    done = here(
        "generate", "-m", models("document"), "-i", "rows.tsv", "--keep", "id", "--header", "--max-new-tokens", "60"
    )
    assert done.rows[0] == ["id", "text"] and [row[0] for row in done.rows[1:]] == ["7", "a\\\\b"]
    assert len(done.rows) == 3 and "\\n" in done.rows[1][1] and "\r" not in done.out
    kept = [
        json.loads(line)
        for line in here(
            "generate", "-m", models("document"), "-i", "rows.tsv", "--keep", "id", "--json"
        ).out.splitlines()
    ]
    assert [row["id"] for row in kept] == ["7", "a\\b"]


def test_the_next_token(ask, here, model, opened):
    done = ask("the cat", "", "--next", "4", "--header")
    assert done.rows[0] == ["line", "rank", "token", "probability"]
    assert [row[:2] for row in done.rows[1:]] == [[line, rank] for line in "12" for rank in "1234"]
    ids = opened.tokenizer.encode(b"the cat\n").tokens[:-1]
    p = opened.model.next_distribution(ids)
    names = opened.tokenizer.vocabulary()
    assert [row[3] for row in done.rows[1:5]] == [f"{value:.6f}" for value in sorted(p, reverse=True)[:4]]
    assert all(p[names.index(row[2])] == pytest.approx(float(row[3]), abs=1e-5) for row in done.rows[1:5])
    rows = [json.loads(line) for line in ask("the cat", "--next", "3", "--json").out.splitlines()]
    assert list(rows[0]) == ["line", "prompt", "model", "next"] and len(rows[0]["next"]) == 3
    assert list(rows[0]["next"][0]) == ["token", "probability"] and rows[0]["model"] == model.name
    everything = json.loads(ask("the cat", "--next", "1e6", "--json").out)["next"]
    assert math.fsum(token["probability"] for token in everything) == pytest.approx(1, abs=1e-5)


def test_models_are_shown_side_by_side(here, model, models):
    done = here("generate", "-m", f"a={model}", "-m", f"b={models('bytes')}", "the ca", "--next", "300", "--header")
    assert done.rows[0] == ["line", "rank", "a.token", "a.probability", "b.token", "b.probability"]
    assert done.rows[1][4] == "t" and len(done.rows) == 1 + 259
    assert done.rows[-1][2:4] == ["", ""]  # the smaller vocabulary has no more
    rows = here(
        "generate", "-m", f"a={model}", "-m", f"b={models('bytes')}", "x", "y", "--next", "2", "--json"
    ).out.splitlines()
    assert [(row["line"], row["model"]) for row in map(json.loads, rows)] == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


def test_on_a_terminal_tokens_are_shown_as_they_come(here, models, monkeypatch):
    arguments = (
        "generate",
        "-m",
        models("document"),
        "the cat",
        "\x1b[31m",
        "--num-samples",
        "2",
        "--max-new-tokens",
        "30",
    )
    piped = here(*arguments).out
    parts = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(Output, "write", lambda self, text: parts.append(text))
    assert here(*arguments).code == 0
    assert len(parts) > 60 and parts[0] == "the cat" and "\x1b" not in "".join(parts)
    assert "".join(parts) == piped.replace("\\n", "\n")


def test_without_a_prompt_on_a_terminal_text_starts_from_the_beginning(ask, monkeypatch):
    monkeypatch.setattr("seqcli.data.lines.is_interactive", lambda: True)
    assert ask("--seed", "4").out == ask("", "--seed", "4").out != "\n"


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["--beam-size", "2", "--num-samples", "3"], "beam size 2 is too small for 3 texts; use beam size 3"),
        (["--beam-size", "2", "--temperature", "1"], "--temperature cannot be combined with --beam-size"),
        (["--next", "2", "--stop", "x"], "--stop cannot be combined with --next"),
        (["--next", "2", "--top-k", "3"], "--top-k cannot be combined with --next"),
        (["--next", "2", "--num-samples", "3"], "--num-samples cannot be combined with --next"),
        (["--next", "2", "--keep", "id"], "--keep cannot be combined with --next"),
        (["--stop", ""], "an empty stop string"),
        (["-m", "again"], "several -m need --next"),
    ],
)
def test_2_incompatible_options(ask, arguments, says):
    done = ask("the", *arguments)
    assert done.code == 2 and done.out == "" and done.err.count("\n") == 1 and says in done.err


@pytest.mark.parametrize(
    "option, allowed",
    [
        ("--max-new-tokens", "1 to 1,000,000"), ("--temperature", "0 to 1,000,000"), ("--top-k", "1 to 2,147,483,647"),
        ("--top-p", "0 to 1"), ("--min-p", "0 to 1"), ("--repetition-penalty", "0.01 to 100"),
        ("--num-samples", "1 to 1,000,000"), ("--beam-size", "1 to 1,000"), ("--next", "1 to 2,147,483,647"),
    ],
)  # fmt: skip
def test_2_numbers_out_of_range(ask, option, allowed):
    for value in ("nan", "inf", "-1", "1e10"):
        done = ask("the", option, value)
        assert done.code == 2 and done.err.count("\n") == 1 and repr(value) in done.err and allowed in done.err


def test_python_gives_the_same(ask, model):
    lm = package.load(str(model))
    rows = [
        json.loads(line) for line in ask("the cat", "--num-samples", "3", "--top-k", "9", "--json").out.splitlines()
    ]
    same = lm.generate("the cat", num_samples=3, top_k=9)
    assert [row.to_dict() for row in same] == [{key: row[key] for key in row if key != "line"} for row in rows]
    assert lm.generate("my", temperature=0, stop=" very")[0].text == " computer is"
    assert [row.to_dict() for row in lm.next("the cat", k=3)] == json.loads(
        ask("the cat", "--next", "3", "--json").out
    )["next"]
