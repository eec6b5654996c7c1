"""What `seqcli classify` refuses, in one line, and what it does not import."""

import json

import pytest
from small_classifiers import SETTINGS, one_line, table

# --- what is refused --------------------------------------------------------------------------------------------------

USAGE = {
    "top-k of an evaluation": (["--evaluate", "-i", "TEXTS", "--top-k", 2], "--top-k"),
    "texts of an evaluation": (["--evaluate", "a text"], "--input"),
    "columns kept by an evaluation": (["--evaluate", "-i", "TEXTS", "--keep", "a"], "--keep"),
    "two modes": (["--evaluate", "-i", "TEXTS", "--explain"], "--explain"),
    "errors of nothing": (["a", "--errors", 3], "--evaluate"),
    "errors of what is fitted to": (["a", "--errors", 3, "--calibrate", "TEXTS"], "--evaluate"),
    "labels of nothing": (["a", "--label-column", "x"], "--evaluate"),
    "labels of weights": (["a", "-m", "BAG", "--mix", "0.5,0.5", "--label-column", "x"], "--evaluate"),
    "several side by side": (["a", "-m", "BAG"], "--evaluate"),
    "two temperatures": (["a", "--temperature", 2, "--calibrate", "TEXTS"], "--calibrate"),
    "top-k of an explanation": (["a", "--explain", "--top-k", 2], "--top-k"),
    "no label": (["a", "--top-k", 0], "--top-k"),
    "threshold": (["a", "--threshold", 1.5], "--threshold"),
    "no number": (["a", "--threshold", "nan"], "--threshold"),
    "negative": (["a", "--temperature", -1], "--temperature"),
    "misspelt": (["a", "--tresholds", 1], "--threshold"),
    "columns of lines": (["-i", "plain.txt", "--text-column", "a"], ".tsv"),
    "unknown text column": (["-i", "TEXTS", "--text-column", "txet"], "text"),
    "unknown label column": (["--evaluate", "-i", "TEXTS", "--label-column", "lable"], "label"),
    "label column of lines": (["--evaluate", "-i", "plain.txt", "--label-column", "x"], ".tsv"),
}  # fmt: skip


@pytest.mark.parametrize("arguments, cure", USAGE.values(), ids=USAGE)
def test_2_invalid_command_lines(here, bag, texts, tmp_path, arguments, cure):
    (tmp_path / "plain.txt").write_text("a\n")
    done = here("classify", *({"TEXTS": texts, "BAG": bag}.get(each, each) for each in arguments), "-m", bag)
    assert done.code == 2 and cure in one_line(done)


UNHEARD = {
    "metric of one bag": ["--metric", "macro_f1"],
    "metric of one ngram": ["--arch", "ngram", "--metric", "accuracy"],
    "tokenizer of a bag": ["--tokenizer", "words"],
    "vocabulary of a bag": ["--vocab-size", 100],
    "rare words of a bag": ["--min-count", 2],
    "runs of an ngram": ["--arch", "ngram", "--runs", 3],
    "vocabulary of a body": ["--arch", "lstm", "--init", "there", "--vocab-size", 100],
}  # fmt: skip


@pytest.mark.parametrize("arguments", UNHEARD.values(), ids=UNHEARD)
def test_2_options_without_effect_on_a_training(here, texts, tmp_path, arguments):
    done = here("train", "classifier", texts, "-o", "new", *arguments)
    assert (
        done.code == 2 and arguments[-2] in one_line(done, command="train classifier") and not list(tmp_path.iterdir())
    )


INPUT = {
    "no label": ("a.tsv", "text\tlabel\na\tgood\nb\t\nc\tbad\n", "line 3"),
    "no label on a line": ("a.txt", "__label__good a\nb\n__label__bad c\n", "line 2"),
    "two labels on a line": ("a.txt", "__label__good __label__bad a\n__label__bad b\n", "several labels"),
    "a label with a tab": ("a.jsonl", '{"text": "a", "label": "go\\tod"}\n{"text": "b", "label": "bad"}\n', "control character"),
    "a label null": ("a.jsonl", '{"text": "a", "label": null}\n{"text": "b", "label": "bad"}\n', "no label"),
    "nothing": ("a.tsv", "text\tlabel\n", "no texts"),
    "nothing at all": ("a.txt", "", "no texts"),
}  # fmt: skip


@pytest.mark.parametrize("name, data, says", INPUT.values(), ids=INPUT)
def test_3_invalid_labels(here, bag, tmp_path, name, data, says):
    (tmp_path / name).write_text(data)
    done = here("classify", "--evaluate", "-i", name, "-m", bag)
    assert done.code == 3 and says in one_line(done) and name in done.err
    done = here("train", "classifier", name, "-o", "new")
    assert done.code == 3 and says in one_line(done, command="train classifier") and not (tmp_path / "new").exists()


def test_3_labels_of_another_model_and_no_texts(here, bag, tmp_path):
    (tmp_path / "a.tsv").write_text(table([("a", "goood"), ("b", "goood")]))
    for fit in (["--calibrate"], ["-m", bag, "--mix"]):
        done = here("classify", *fit, "a.tsv", "-m", bag, "x")
        assert "did you mean 'good'" in one_line(done) and done.code == 3
    (tmp_path / "b.tsv").write_text(table([("a", "good"), ("b", "good")]))
    done = here("train", "classifier", "b.tsv", "-o", "new")
    assert done.code == 3 and "only one label, 'good'" in one_line(done, command="train classifier")
    (tmp_path / "c.tsv").write_text(table([("a", "good"), ("b", "bad"), ("c", "bad")]))
    done = here("train", "classifier", "c.tsv", "-o", "new", "--valid", "a.tsv")
    assert (
        done.code == 3
        and "did you mean 'good'" in one_line(done, command="train classifier")
        and not (tmp_path / "new").exists()
    )
    assert here("classify", "-i", "absent.tsv", "-m", bag).code == 3
    assert here("classify", "--calibrate", "absent.tsv", "a", "-m", bag).code == 3


def test_4_models_of_another_task(here, bag, model, texts, tmp_path):
    for arguments in (["a"], ["--evaluate", "-i", texts], ["a", "--explain"]):
        done = here("classify", *arguments, "-m", model)
        assert done.code == 4 and "language" in one_line(done)
    assert (done := here("score", "a", "-m", bag)).code == 4 and "classifier" in one_line(done, command="score")
    assert (done := here("generate", "a", "-m", bag)).code == 4 and one_line(done, command="generate")
    assert here("classify", "a", "-m", tmp_path / "absent").code == 4
    (tmp_path / "empty").mkdir()
    assert here("classify", "a", "-m", tmp_path / "empty").code == 4


def test_4_settings_that_contradict_the_weights(here, places, tmp_path):
    import shutil

    for arch in SETTINGS:
        for name, value in (("seconds", 1), ("labels", ["good"]), ("labels", ["good", "good"]), ("labels", ["a", "b", "c"]), ("labels", 3),
                            ("settings", {}), ("module", "../../x"), ("valid", {"temperature": 0})):  # fmt: skip
            shutil.rmtree(tmp_path / "m", ignore_errors=True)
            shutil.copytree(places(arch), tmp_path / "m")
            (state,) = (tmp_path / "m").glob("state-*/config.json")
            text = json.dumps({**json.loads(state.read_text()), name: value})
            manifest = json.loads((tmp_path / "m/manifest.json").read_text())
            state.write_text(text)
            (tmp_path / "m/manifest.json").write_text(json.dumps(_sized(manifest, "config.json", text.encode())))
            if arch == "bag" and name == "settings":
                continue  # its defaults may be meant
            done = here("classify", "a", "-m", "m")
            if name == "seconds":  # nobody asks for it
                assert done.code == 0
                continue
            assert done.code == 4 and one_line(done), (arch, name, done)


def _sized(manifest, name: str, data: bytes):
    """The manifest as if the file had always been this one."""
    import hashlib

    if isinstance(manifest, dict):
        return {
            key: ({**value, "size": len(data), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} if key == name and isinstance(value, dict) else _sized(value, name, data))
            for key, value in manifest.items()
        }  # fmt: skip
    return manifest


# --- what is imported -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arch", ["bag", "ngram"])
def test_counted_classifiers_need_no_torch(environment, places, texts, tmp_path, arch):
    import subprocess
    import sys

    code = (
        "import sys; from seqcli import cli\n"
        f"runs = [['classify', 'a', '-m', {str(places(arch))!r}], ['classify', 'a', '-m', {str(places(arch))!r}, '--explain', '--json'],\n"
        f"    ['classify', '--evaluate', '-i', {str(texts)!r}, '-m', {str(places(arch))!r}],\n"
        f"    ['train', 'classifier', {str(texts)!r}, '-o', 'new', '--arch', {arch!r}, '--preset', 'tiny', '-q', '--threads', '1']]\n"
        "codes = [cli.run(run) for run in runs]\n"
        "print('codes', codes, *sorted(set(sys.modules) & {'torch', 'rich', 'sentencepiece', 'pyarrow', 'datasets', 'matplotlib'}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("codes [0, 0, 0, 0]"), done.stderr
    assert not set(said.split("]")[1].split()) & (
        {"torch", "rich", "pyarrow", "datasets", "matplotlib"} | ({"sentencepiece"} if arch == "bag" else set())
    )
