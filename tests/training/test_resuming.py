"""`--resume` compares all that was set: whatever changes the result is refused by its name, and what may change is declared."""

import dataclasses
import inspect

import pytest

from seqcli import catalog
from seqcli.commands.train import classifier, lm, translator
from seqcli.errors import UsageError
from seqcli.runs.model_folder import ModelFolder
from seqcli.training import resuming
from seqcli.training.config import kinds_of

KINDS = {
    kind
    for task in ("language", "classification", "translation")
    for arch in catalog.architectures(task)
    for kind in kinds_of(task, arch)
}


class Notes:
    def __init__(self):
        self.lines = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def other(value):
    """Another value of the same type."""
    return {bool: lambda v: not v, str: lambda v: v + "x", tuple: lambda v: (*v, 1)}.get(type(value), lambda v: v + 1)(
        value
    )


def begun(kind) -> dict:
    fields = {field.name: field.default for field in dataclasses.fields(kind)}
    return {"settings": fields, "data": {"fingerprint": "a", "held_out_fingerprint": "b"}}


def check(then, now, **more):
    notes = Notes()
    resuming.check(resuming.settings_of(then), resuming.settings_of(now), reporter=notes, **more)
    return notes.lines


@pytest.mark.parametrize("kind", sorted(KINDS, key=str), ids=lambda kind: kind.__module__.rpartition(".")[2])
def test_every_setting_is_refused_or_declared(kind):
    then = begun(kind)
    assert check(then, then) == []
    for name, value in then["settings"].items():
        now = {**then, "settings": {**then["settings"], name: other(value)}}
        if name in resuming.MAY_CHANGE:
            assert name in resuming.BUDGET | resuming.LOOKING | {"shard"}
            check(then, now)
        else:
            with pytest.raises(UsageError, match=f"^--resume: {name} was .*, now "):
                check(then, now)


def test_a_budget_may_change_only_where_training_goes_on():
    then = {"settings": {"epochs": 2}}
    check(then, {"settings": {"epochs": 3}})
    with pytest.raises(UsageError, match="epochs was 2, now 3"):
        check(then, {"settings": {"epochs": 3}}, done=True)


def test_how_often_is_looked_changes_what_plateau_learns():
    then, now = ({"training": {"schedule": "plateau", "evaluate_every": n}} for n in (1, 2))
    with pytest.raises(UsageError, match="evaluate_every was 1, now 2"):
        check(then, now)


def test_all_that_differs_is_named_and_the_text_where_nothing_else_does():
    then = {"settings": {"width": 8, "layers": 1}, "data": {"fingerprint": "a"}}
    with pytest.raises(UsageError, match=r"^--resume: width was 8, now 9, layers was 1, now 2"):
        check(then, {"settings": {"width": 9, "layers": 2}, "data": {"fingerprint": "b"}})
    with pytest.raises(UsageError, match=r"^--resume: training text was 'a', now 'b'"):
        check(then, {**then, "data": {"fingerprint": "b"}})
    assert "precision was 'fp32'" not in str(check({"precision": "fp32"}, {"precision": "bf16"}))
    assert check({"precision": "fp32"}, {"precision": "bf16"})[0].startswith("precision was fp32, now bf16")


# --- the options of the command line ----------------------------------------------------------------------------------

NETWORK = {
    "--preset": "tiny",
    "--set": "width=8",
    "--steps": 2,
    "--precision": "fp32",
    "--threads": 1,
    "--tokenizer": "words",
}
TRAININGS = {
    "lm": (lm, "text.txt", {"--arch": "gru", "--valid": "valid.txt"}),
    "classifier": (classifier, "labels.tsv", {"--arch": "gru"}),
    "translator": (translator, "pairs.tsv", {"--arch": "gru", "--metric": "loss"}),
}


def words(task: str, data: str, options: dict) -> list:
    """A command's words. None: not given; a list: given again and again; True: a flag."""
    made = ["train", task, data, "-q"]
    for name, value in options.items():
        for each in value if isinstance(value, list) else [] if value is None else [value]:
            made += [name] if each is True else [name, each]
    return made


MAY = "may change"  # budgets, logging, the machine
NONE = "is for other architectures, or refused with what is given"
CHANGED = {  # option: what is given instead, and what the refusal names
    "data": ({}, "training text was"),
    "arch": ({"--arch": "lstm"}, "arch was 'gru', now 'lstm'"),
    "preset": ({"--preset": "small"}, "dropout was"),
    "label_column": ({"--label-column": "other"}, "the list of labels was ['x', 'y'], now ['w', 'z']"),
    "text_column": ({"--text-column": "more"}, "training text was"),
    "source_column": ({"--source-column": "more"}, "tokenizer was"),
    "target_column": ({"--target-column": "more"}, "tokenizer was"),
    "learning_rate": ({"--learning-rate": 0.5}, "learning_rate was"),
    "seed": ({"--seed": 1}, "seed was 0, now 1"),
    "config": ({"--config": "c.toml"}, "clip was 1.0, now 2.0"),
    "set_": ({"--set": ["width=8", "layers=2"]}, "layers was 1, now 2"),
    "label_map": ({"--label-map": "x=w"}, "the list of labels was ['x', 'y'], now ['w', 'y']"),
    "label_weights": ({"--label-weights": "x=1000"}, "--label-weights was None, now ["),
    "metric": ({"--metric": "macro_f1"}, "metric was"),
    "tokenizer": ({"--tokenizer": "characters"}, "tokenizer was"),
    "separate": ({"--separate": True}, "tokenizer was"),
    "vocab_size": ({"--vocab-size": 6}, "tokenizer was"),
    "min_count": ({"--min-count": 9}, "tokenizer was"),
    "limit_vocab": ({"--limit-vocab": "words.txt"}, "tokenizer was"),
    "unit": ({"--unit": "document"}, "unit was 'line', now 'document'"),
    "valid": ({"--valid": "other.valid.txt"}, "held-out text was"),
    "batch_tokens": ({"--batch-tokens": 300}, "batch_tokens was 256, now 300"),
    "embeddings": ({"--embeddings": "vectors.txt", "--set": ["embedding=8", "width=8"]}, "--embeddings was None, now {"),
    "encoding": ({"--encoding": "latin-1"}, "tokenizer was"),
    "init": ({"--init": "body", "--tokenizer": None, "--set": ["width=8", "embedding=8"]}, "the model of --init was None"),
    "distill": ({"--distill": "body", "--tokenizer": None}, "--distill was None, now ["),
    **dict.fromkeys(("epochs", "steps", "minutes", "tensorboard", "plot", "plot_output", "quiet", "device", "precision", "threads", "verbose", "debug"), MAY),
    **dict.fromkeys(("output", "force", "resume", "order", "prune", "quantize", "memory", "counts_only", "merge", "objective", "freeze_embeddings", "runs", "strict", "format", "source", "target", "valid_source", "valid_target"), NONE),
}  # fmt: skip
OF_TASK = {  # where another change says it
    ("lm", "text_column"): {"data": "labels.tsv"}, ("classifier", "valid"): {"--valid": "other.labels.tsv"},
    ("classifier", "distill"): {"--distill": "m", "--tokenizer": "words"},
    ("translator", "valid"): {"--valid": "other.pairs.tsv"}, ("translator", "metric"): {"--metric": "bleu"}, ("translator", "min_count"): {"--min-count": 20},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    lines = [f"{a} {b} {c}é" for a in "abcd" for b in "efgh" for c in "ij"]
    files = {
        "valid.txt": "a e\n",
        "other.valid.txt": "b e\n",
        "words.txt": "a\nb\n",
        "vectors.txt": "1 8\na 1 2 3 4 5 6 7 8\n",
        "c.toml": "clip = 2.0\n",
    }
    for name, changed in (("", lines), ("other.", [line.replace("a", "b") for line in lines])):
        files[f"{name}text.txt"] = "".join(f"{line}\n" for line in changed)
        rows = [f"{line}\t{line[::-1]}\t{'xy'[n % 2]}\t{'zw'[n % 2]}\n" for n, line in enumerate(changed)]
        files[f"{name}labels.tsv"] = "text\tmore\tlabel\tother\n" + "".join(rows)
        rows = [f"{line}\t{line[::-1]}\t{line} more\n" for line in changed]
        files[f"{name}pairs.tsv"] = "source\ttarget\tmore\n" + "".join(rows)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("task", TRAININGS)
def test_every_option_of_a_training_is_refused_or_may_change(here, folder, task):
    """A new option must be put into the table above."""
    command, data, own = TRAININGS[task]
    base = {**NETWORK, **own, "-o": "m"}
    assert here(*words(task, data, base)).code == 0
    if task:  # what it could have begun with
        made, text, by = ("lm", "text.txt", {}) if task == "classifier" else (task, data, own)
        assert (
            here(
                *words(
                    made, text, {**NETWORK, "--arch": "gru", **by, "--set": ["width=8", "embedding=8"], "-o": "body"}
                )
            ).code
            == 0
        )
    faults = {}
    for option in inspect.signature(command).parameters:
        if CHANGED[option] in (MAY, NONE):
            continue
        more, says = CHANGED[option]
        more = {"--steps": 4, "--resume": True, **more, **OF_TASK.get((task, option), {})}
        text = more.pop("data", f"other.{data}" if option == "data" else data)
        done = here(*words(task, text, {**base, **more}))
        if not (done.code == 2 and says in done.err and "--resume" in done.err):
            faults[option] = done
    assert not faults
    rate = ModelFolder.open(folder / "m").config["training"]["learning_rate"]
    done = here(*words(task, data, {**base, "--steps": 3, "--resume": True, "--learning-rate": rate}))
    assert done.code == 0 and "resumed" in (folder / "m/metrics.jsonl").read_text(), done.err


def test_what_is_counted_is_compared_too(here, folder):
    """It is not begun again, so its options must be those it was made with."""
    lms = ("lm", "text.txt", {**NETWORK, "--arch": ["ngram", "gru"], "-o": "l"})
    made = {"--set": ["width=8", "buckets=512"], "--arch": ["bag", "gru"], "-o": "c"}
    bags = ("classifier", "labels.tsv", {**NETWORK, **made})
    assert here(*words(*lms)).code == 0 and here(*words(*bags)).code == 0
    for (task, data, options), more, says in (
        (lms, {"--order": 2}, "order was"), (lms, {"--seed": 1}, "held-out text was"), (lms, {"--valid": "valid.txt"}, "text was"),
        (lms, {"--min-count": 9}, "tokenizer was"), (lms, {"--unit": "document"}, "unit was"),
        (bags, {"--set": ["width=8", "buckets=1024"]}, "buckets was 512, now 1024"), (bags, {"--seed": 2}, "seed was 0, now 2"),
        (bags, {"--label-weights": "x=2"}, "--label-weights was"), (bags, {"--epochs": 7}, "epochs was"),
    ):  # fmt: skip
        done = here(*words(task, data, {**options, **more, "--resume": True}))
        assert done.code == 2 and says in done.err, (more, done)
    for task, data, options in (lms, bags):
        done = here(*words(task, data, {**options, "--steps": 3, "--resume": True}))
        assert done.code == 0, done.err
