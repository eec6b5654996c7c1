"""An option that has no effect in this call is named in a note, and one that has an effect is not."""

import pytest

WITHOUT = [
    (["generate", "a", "--next", 2, "--max-new-tokens", 5], "--max-new-tokens has no effect with --next"),
    (["generate", "a", "--next", 2, "--seed", 1], "--seed has no effect with --next"),
    (["generate", "a", "--beam-size", 2, "--seed", 0], "--seed has no effect with --beam-size"),
    (["generate", "a", "--temperature", 0, "--seed", 1], "--seed has no effect with --temperature 0"),
    (["generate", "a", "--temperature", 0, "--top-k", 3], "--top-k has no effect with --temperature 0"),
    (["generate", "a", "--temperature", 0, "--min-p", 0.1], "--min-p has no effect with --temperature 0"),
    (["generate", "a", "--top-k", 1, "--temperature", 2], "--temperature has no effect with --top-k 1"),
    (["generate", "a", "--top-p", 0, "--seed", 2], "--seed has no effect where no token is drawn at random"),
    (["generate", "a", "--json", "--no-prompt"], "--no-prompt has no effect in JSON"),
    (["generate", "a", "--json", "--header"], "--header has no effect with --json"),
    (["score", "a", "--seed", 1], "--seed has no effect where nothing is random"),
    (["score", "--pairs", "pairs.tsv", "--base", 2], "--base has no effect with --pairs"),
    (["score", "a b", "--scramble", "--threads", 2], "--threads has no effect: this mode"),
    (["score", "a b", "--device", "cpu"], "--device has no effect"),
    (["tokenize", "a", "--seed", 1], "--seed has no effect without --sample"),
    (["tokenize", "--vocab", "--text-column", "x"], "--text-column has no effect with --vocab, which reads no text"),
    (["tokenize", "--vocab", "--encoding", "cp949"], "--encoding has no effect with --vocab"),
    (
        ["generate", "a", "--top-p", 0, "--min-p", 1, "--seed", 2],
        "--seed has no effect where no token is drawn at random",
    ),
    (["tokenize", "a", "--offsets", "--header"], "--header has no effect with --offsets"),
]
WITH = [
    ["generate", "a", "--seed", 1], ["generate", "a", "--min-p", 1, "--seed", 1], ["generate", "a", "--temperature", 1, "--top-k", 3], ["generate", "a", "--max-new-tokens", 3],
    ["score", "a b", "--scramble", "--seed", 1], ["score", "a", "--base", 2], ["score", "a", "--threads", 1], ["generate", "a", "--header"],
    ["generate", "a", "--no-prompt"], ["tokenize", "a", "--header"], ["score", "a", "b", "-m", "MODEL", "--seed", 1],
]  # fmt: skip


def run(here, model, arguments):
    return here(*[model if word == "MODEL" else word for word in arguments], "-m", model)


@pytest.mark.parametrize("arguments, says", WITHOUT, ids=lambda value: value if isinstance(value, str) else "")
def test_an_option_without_effect_is_named(here, model, tmp_path, arguments, says):
    (tmp_path / "pairs.tsv").write_text("the cat sleeps\tsleeps cat the\n")
    done = run(here, model, arguments)
    assert done.code == 0 and says in done.err and done.err.count(" has no effect") == 1


@pytest.mark.parametrize("arguments", WITH, ids=lambda value: " ".join(map(str, value)))
def test_an_option_with_an_effect_gets_no_note(here, model, arguments):
    done = run(here, model, arguments)
    assert done.code == 0 and "no effect" not in done.err


def test_of_translators(here, translator):
    for options, says in (
        (["--seed", 1], "--seed has no effect without sampling"), (["--num-samples", 1, "--seed", 1], None),
        (["--temperature", 0, "--seed", 1], "--seed has no effect"), (["--temperature", 0, "--top-k", 2], "--top-k has no effect with"),
        (["--beam-size", 1, "--length-penalty", 0], "--length-penalty has no effect with --beam-size 1"),
        (["--json", "--with-scores"], "--with-scores has no effect in JSON"), (["--with-scores"], None),
    ):  # fmt: skip
        done = here("translate", "a", "-m", translator, *options)
        assert done.code == 0 and (says in done.err if says else "no effect" not in done.err), options


def test_a_seed_that_holds_nothing_out_of_counted_classifiers(here, tmp_path):
    (tmp_path / "train.txt").write_text("__label__good fine\n__label__bad awful\n" * 20)
    for more, noted in (
        (["--valid", "train.txt", "--seed", 1], True),
        (["--valid", "train.txt"], False),
        (["--seed", 1], False),
    ):
        done = here("train", "classifier", "train.txt", "-o", "m", "--arch", "ngram", "--force", *more)
        assert done.code == 0 and ("--seed has no effect" in done.err) == noted


def test_of_classifiers(here, tmp_path):
    (tmp_path / "train.txt").write_text("__label__good fine\n__label__bad awful\n" * 20)
    assert here("train", "classifier", "train.txt", "-o", "m", "--preset", "tiny", "-q").code == 0
    assert "--seed has no effect where nothing is random" in here("classify", "-m", "m", "fine", "--seed", 1).err
    assert "--top-k has no effect on TSV" in here("classify", "-m", "m", "fine", "--top-k", 2).err
    assert not here("classify", "-m", "m", "fine", "--top-k", 2, "--json").err
