"""Commands under torchrun: several processes answer as one, to the last byte, and speak with one voice."""

import pytest

LINES = [
    "I study machine learning",
    "the dog saw the cat",
    "나는 매일 수학을 공부한다",
    "",
    "a\tb",
    "my computer is very old",
]
QUICK = [
    "--preset",
    "tiny",
    "--steps",
    "20",
    "--set",
    "width=8",
    "--set",
    "batch_tokens=256",
    "--device",
    "cpu",
    "--tokenizer",
    "words",
]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Two blocks, and records of every kind."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(f"{line} {i % 97}\n" for i in range(8_500) for line in LINES), encoding="utf-8")
    assert path.stat().st_size > 1 << 20
    return path


@pytest.mark.parametrize("asked", [["--json"], ["--level", "corpus"]])
def test_scores_are_those_of_one_process(here, ranks, model, models, text, asked):
    command = ["score", "-m", model, "-m", f"pieces={models('sentencepiece')}", "-i", text, *asked]
    one = here(*command)
    first, second = ranks(*command)
    assert (first.code, second.code) == (0, 0)
    assert first.out == one.out and first.out
    assert first.err == one.err
    assert (second.out, second.err) == ("", "")


def test_standard_input_is_read_once_and_a_file_is_written_once(here, ranks, model, text, tmp_path):
    one = here("tokenize", "--count", "-m", model, "-i", text)
    first, second = ranks("tokenize", "--count", "-m", model, "-o", "out.txt", stdin=text.read_bytes())
    assert (first, second) == ((0, "", ""), (0, "", ""))
    assert (tmp_path / "out.txt").read_text("utf-8") == one.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.txt", "stdin"]


def test_a_network_generates_the_texts_of_one_process(here, ranks, corpus, tmp_path):
    trained = here("train", "lm", corpus, "--arch", "gru", "-o", "net", *QUICK)
    assert trained.code == 0, trained.err
    (tmp_path / "prompts").write_text(f"{'the cat saw the dog ' * 20}\nI study\n" * 50)
    command = ["generate", "-m", "net", "-i", "prompts", "--max-new-tokens", "2", "--json", "--seed", "3"]
    one, (first, second) = here(*command), ranks(*command)
    assert (first.code, second.code, second.out) == (0, 0, "")
    assert first.out == one.out and first.out.count("\n") == 100


def test_a_translator_says_what_it_says_alone(here, ranks, translator, tmp_path):
    (tmp_path / "sources").write_text("I am here.\n\nNow.\n" * 1500)  # two blocks
    command = ["translate", "-m", translator, "-i", "sources", "--beam-size", 1, "--max-length-ratio", 0.1, "--threads", 1, "--alignment"]
    one, (first, second) = here(*command), ranks(*command)
    assert (first.code, second.code, second.out) == (0, 0, "")
    assert first.out == one.out and first.out.count("\n") == 4500


@pytest.mark.parametrize(
    "command",
    [
        ["info", "MODEL"],
        ["score", "-h"],
        ["--version"],
        ["score", "-m", "MODEL", "the dog", "--scramble"],
        ["score", "the dog"],
    ],
)
def test_what_one_process_can_do_is_said_once(ranks, model, command):
    first, second = ranks(*(str(model) if part == "MODEL" else part for part in command))
    assert first.code == 0 and first.out
    assert second == (0, "", "")


def test_an_error_in_another_process_is_that_of_the_command(here, ranks, model, tmp_path):
    records = "the dog\n" * 500_000
    (tmp_path / "text").write_text(records)
    (tmp_path / "contexts").write_text("a\n" * 499_999)  # too few for the last block, whoever has it
    command = ["score", "-m", model, "-i", "text", "--context-file", "contexts", "-o", "out"]
    one, (first, second) = here(*command), ranks(*command)
    assert (first.code, first.err) == (3, one.err) and first.err.count("\n") == 1
    assert (second.out, second.err) == ("", "")
    assert not (tmp_path / "out").exists()


def test_what_fails_everywhere_is_said_by_the_first(ranks):
    first, second = ranks("score", "-m", "nowhere", "the dog")
    assert first.code == 4 and "no such model" in first.err
    assert second.code != 0  # it says so too where nobody has ended it for three seconds: torchrun would have


def test_variables_of_other_software_are_not_believed(here, model, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = here("score", "-m", model, "the dog")
    assert done.code == 0 and done.out


def test_torch_is_not_imported_for_an_ngram_model(ranks, model, text, tmp_path):
    (tmp_path / "watched.py").write_text(
        "import sys\nfrom seqcli import cli\ncode = cli.run(sys.argv[1:])\nassert 'torch' not in sys.modules\nsys.exit(code)\n"
    )
    first, _ = ranks("score", "-m", model, "-i", text, "--level", "corpus", module="watched")
    assert first.code == 0, first.err
