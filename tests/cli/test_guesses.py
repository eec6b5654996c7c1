"""What users of other tools type is answered with the command that does it."""

import shlex

import pytest

from seqcli import cli
from seqcli.commands import guesses

COMMANDS = {  # guess: what the error proposes
    'sentiment "a fine film"': "seqcli classify 'a fine film'",
    "predict -i reviews.csv": "seqcli classify -i reviews.csv",
    "perplexity text.txt": "seqcli score --level corpus -i text.txt",
    "lm text.txt": "seqcli score -i text.txt",
    "eval -m model reviews.csv": "seqcli classify --evaluate -m model -i reviews.csv",
    "complete hello": "seqcli generate hello",
    "mt hello": "seqcli translate hello",
    "tokenise hello": "seqcli tokenize hello",
    "decode -i text.txt": "seqcli tokenize --decode -i text.txt",
    "fit lm text.txt": "seqcli train lm text.txt",
    "ls": "seqcli info",
    "export model out.arpa": "seqcli convert model out.arpa",
    "version": "seqcli --version",
    "lstm text.txt -o new": "seqcli train lm --arch lstm text.txt -o new",
    "text.txt": "seqcli score -i text.txt",
    '"I study every day"': "seqcli score 'I study every day'",
    "trian lm text.txt": "seqcli train lm text.txt",
    "train lstm": "seqcli train lm --arch lstm DATA -o DIR",
    "train cnn reviews.csv -o new": "seqcli train classifier --arch cnn reviews.csv -o new",
    "train text.txt": "seqcli train lm text.txt -o DIR",
    "train sentiment reviews.csv -o new": "seqcli train classifier reviews.csv -o new",
    "train bpe text.txt -o new": "seqcli train tokenizer text.txt -o new",
    "help scroe": "seqcli score",
}
OPTIONS = {
    "train lm text.txt -o new --lr 0.1": "--learning-rate 0.1",
    "train lm text.txt -o new -lr=0.1": "--learning-rate 0.1",
    "train lm text.txt -o new --epoch 3": "--epochs 3",
    "train lm text.txt -o new --gpu 0": "--device cuda",
    "score --cpu hello": "--device cpu",
    "train lm text.txt -o new --batch-size 32": "--batch-tokens N",
    "train lm text.txt -o new --model-type lstm": "--arch lstm",
    "train lm text.txt -o new --lstm": "--arch lstm",
    "train lm text.txt -o new --hidden-size 64": "--set width=64",
    "train lm text.txt -o new --weight-decay 0.1": "--set weight_decay=0.1",
    "train lm text.txt -o new --dev held.txt": "--valid held.txt",
    "train lm -i text.txt -o new": "give the files without an option",
    "train --arch lstm text.txt": "`seqcli train lm`, `seqcli train classifier`, `seqcli train translator` and `seqcli train embeddings`",
    "generate hello --max_length 5": "--max-new-tokens 5",
    "generate hello --top_k 5": "--top-k 5",
    "translate hello --num-beams 4": "--beam-size 4",
    "classify --model-path model hello": "--model model",
    "score --ppl hello": "--level corpus",
    "score --workers 2 hello": "--threads 2",
    "classify --lr 0.1 hello": "--learning-rate is an option of `seqcli score`, `seqcli train lm`",
    "info -m model": "give the folder of the model without an option",
    "--model model score hello": "it is an option of `seqcli tokenize`",
}


@pytest.mark.parametrize("guess, cure", [*COMMANDS.items(), *OPTIONS.items()])
def test_2_guesses(here, tmp_path, guess, cure):
    for name in ("text.txt", "reviews.csv"):
        (tmp_path / name).write_text("text\na b\n")
    done = here(*shlex.split(guess))
    assert (done.code, done.out) == (2, "")
    assert cure in done.err and done.err.count("\n") == 1


def test_guesses_are_unambiguous_and_name_existing_options(here):
    """No guess stands in a table twice, and each command line that is proposed begins with a command."""
    here("help")
    for table in (guesses.COMMANDS, guesses.TRAINING, guesses.OPTIONS):
        words = " ".join(table).split()
        assert len(words) == len(set(words)) or table is guesses.OPTIONS
    for meant in [*guesses.COMMANDS.values(), *guesses.TRAINING.values()]:
        assert meant.split()[0] in (*cli.COMMANDS, "--version")


@pytest.mark.parametrize(
    "source, cure",
    [
        ("https://huggingface.co/org/gpt2", "https://huggingface.co/org/gpt2: an address, not a path; use hf:org/gpt2"),
        ("https://example.com/m", "https://example.com/m: an address, not a path; download it and give its folder"),
        ("hf:/gpt2", "hf:/gpt2: not the name of a model on the hub; use hf:ORG/NAME[@REVISION]"),
        ("lstm", "`seqcli train lm DATA -o DIR --arch lstm`"),
        ("bag", "`seqcli train classifier DATA -o DIR --arch bag`"),
        ("text.txt", "`seqcli train lm text.txt -o DIR`"),
        ("model.pt", "a checkpoint of another tool"),
        ("spm.model", "--tokenizer spm.model"),
        ("many", "give one of them: many/one, many/two"),
        ("many/ono", "did you mean 'many/one'?"),
        ("many/one/manifest.json", "give many/one"),
        ("many/one/state-00000001", "give many/one"),
        ("many/one/state-00000001/model.safetensors", "give many/one"),
        ("tokenizer", "a tokenizer, not a model"),
        ("foreign", "a Hugging Face model"),
        ("empty", "no manifest.json"),
    ],
)
def test_4_paths_that_are_not_models(here, model, tmp_path, source, cure):
    import shutil

    for name in ("one", "two"):
        shutil.copytree(model, tmp_path / "many" / name)
    (tmp_path / "text.txt").write_text("가나다\n" * 300)
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04")
    (tmp_path / "spm.model").write_bytes(b"\x0a\x0e")
    for name in ("empty", "foreign", "tokenizer"):
        (tmp_path / name).mkdir()
    (tmp_path / "foreign" / "config.json").write_text("{}")
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{}")
    for command in ("score", "classify", "translate", "tokenize") if source == "many" else ("score",):
        done = here(command, "-m", source, "hello")
        assert (done.code, done.out) == (4, "")
        assert cure in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("name, cure", [("reviews.csv", "-i reviews.csv"), ("folder", "-m folder")])
def test_texts_that_name_a_file_are_noted(here, model, tmp_path, name, cure):
    (tmp_path / "reviews.csv").write_text("text\na\n")
    (tmp_path / "folder").mkdir()
    done = here("score", "-m", model, name)
    assert done.code == 0 and cure in done.err


@pytest.mark.parametrize("words", [(), ("score",), ("train",), ("train", "lm"), ("help",)])
def test_help_is_that_of_the_option(here, words):
    assert here("help", *words).out == here(*words, "--help").out
