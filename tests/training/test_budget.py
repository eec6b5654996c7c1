"""A budget in minutes holds from the start of the command to its end, whatever steps, evaluations and saves cost."""

import math
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli import config
from seqcli.data.batches import Example, Lines, OfLikeLength
from seqcli.interfaces import SILENT
from seqcli.metrics.perplexity import Totals
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import ModelFolder, history
from seqcli.runs.model_writer import writing_model
from seqcli.system.clock import Deadline
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.evaluate import HeldOut, of_corpus
from seqcli.tasks.language.train import train_network
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.training import budget as budgets
from seqcli.training import loop
from seqcli.training.budget import Budget
from seqcli.training.config import Plan, Progress, Request
from seqcli.training.device import Placement
from seqcli.training.distributed import Ranks

SECONDS = 60.0


class Simulated:
    """A clock that costs move on, and a training whose costs are known: what each kind of work took."""

    def __init__(self, *, step: float, part: float, parts: int, save: float):
        self.now, self.costs, self.parts = 1000.0, {"step": step, "part": part, "save": save}, parts
        self.took = dict.fromkeys(self.costs, 0.0)
        self.bytes_per_token, self.counted, self.resumable = None, "tokens", True

    def monotonic(self) -> float:
        return self.now

    def work(self, kind: str) -> None:
        self.now += self.costs[kind]
        self.took[kind] += self.costs[kind]

    def evaluate(self, go_on) -> loop.Evaluation:
        judged = 0
        while judged < self.parts:
            self.work("part")
            judged += 1
            if not go_on():
                break
        return loop.Evaluation(1.0 - 0.001 * self.now, None, judged, self.parts)

    def checkpoint(self, progress, tensors) -> None:
        self.work("save")

    def log(self, event) -> None:
        pass

    def best(self, progress) -> None:
        pass

    def train(self, *, begun: float, minutes: float = SECONDS / 60, ranks: Ranks | None = None) -> Progress:
        model = torch.nn.Linear(1, 1)
        model.device, model.carried = torch.device("cpu"), None

        def loss(inputs, targets, **_):
            self.work("step")
            return model.weight.sum() * 0.0, 1, None

        model.loss = loss
        batches = SimpleNamespace(
            length=lambda epoch: 10**9, get=lambda *_: Example(np.zeros((1, 1)), np.zeros((1, 1)))
        )
        plan = Plan(minutes=minutes, batch_tokens=1)
        with pytest.MonkeyPatch.context() as patch:
            for module in (loop, budgets):
                patch.setattr(module, "time", self)
            budget = Budget(plan, begun=begun, used=0.0, size=self.costs["save"] * 100e6)
            return loop.train(
                model, batches, plan, self, budget=budget, placement=Placement(torch.device("cpu"), torch.float32),
                ranks=ranks or Ranks(0, 1), reporter=SILENT,
            )  # fmt: skip


@given(
    reading=st.floats(0, 20),
    step=st.floats(0.5, 2),
    part=st.floats(0.01, 1),
    parts=st.integers(1, 300),
    save=st.floats(0, 1),
)
@settings(max_examples=25, deadline=None)
def test_the_promise_holds_whatever_things_cost(reading, step, part, parts, save):
    run = Simulated(step=step, part=part, parts=parts, save=save)
    begun, run.now = run.now, run.now + reading
    progress = run.train(begun=begun)
    used, trained = run.now - begun, SECONDS - reading
    assert used <= SECONDS + max(0.1 * SECONDS, 5), "later than promised"
    assert run.took["part"] <= 0.1 * trained + 5 * part, "too much judging"
    whole = parts * part <= 0.05 * trained
    assert run.took["step"] >= 0.8 * trained - (5 * save + 2 * step + 2 * part + 1), (whole, run.took)
    assert progress.judged == progress.step > 0


def test_ranks_ask_for_the_clock_once_a_step():
    """A step exchanges its number of tokens, rank 0's clock and whether a signal came; an evaluation some more."""

    class Counted(Ranks):
        exchanges = 0

        def sums(self, *numbers):
            self.exchanges += 1
            return super().sums(*numbers)

    run, ranks = Simulated(step=0.1, part=0.1, parts=2, save=0.1), Counted(0, 1)
    progress = run.train(begun=run.now, ranks=ranks)
    assert progress.step > 300 and 3 * progress.step < ranks.exchanges < 3 * progress.step + 100


def test_text_that_took_all_of_the_budget_leaves_a_model_that_is_judged():
    run = Simulated(step=1.0, part=0.5, parts=9, save=0.1)
    begun, run.now = run.now, run.now + SECONDS
    progress = run.train(begun=begun)
    assert progress.step == 0 and progress.judged == 0 and run.took["part"] == 0.5


def test_a_deadline_lets_the_first_item_pass_and_counts():
    late, never = Deadline(at=-math.inf), Deadline()
    assert list(late.within("abc")) == ["a"] and late.passed and late.read == 1
    assert list(late.within("xyz")) == []
    assert list(never.within("abc")) == ["a", "b", "c"] and not never.passed
    again = Deadline(items=2)
    assert [*again.within("a"), *again.within("bcd")] == ["a", "b"] and again.passed


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 100))
def test_groups_of_like_length_are_those_of_adding_row_after_row(lengths, most):
    batches = OfLikeLength(np.array(lengths), batch_tokens=most, seed=0)
    rows = np.argsort(lengths, kind="stable")
    groups, begin = [], 0
    for end in range(1, len(rows) + 1):
        if end == len(rows) or (end - begin + 1) * batches._rounded(lengths[rows[end]]) > most:
            groups.append(rows[begin:end].tolist())
            begin = end
    assert [group.tolist() for group in batches._cut(rows)] == groups


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(1, 4))
def test_rows_that_are_too_long_are_cut(lengths, longest):
    stream = np.array([token for length in lengths for token in (1, *[5] * length)], np.int32)
    begins = np.flatnonzero(stream == 1)
    cuts = [(b + o, min(longest, n - o)) for b, n in zip(begins, lengths) for o in range(0, n, longest)]
    made = Lines(stream, batch_tokens=8, seed=0, longest=longest)
    assert list(zip(made._begins, made._lengths)) == cuts


class _Uniform:
    """p = 1/8 for every token, and a record of what it was asked."""

    def __init__(self):
        self.asked = []

    def quickly(self, *, window, products):
        from contextlib import nullcontext

        return nullcontext(4)

    def score(self, batch, *, context=None):
        self.asked.append((context, batch.tokens.tolist()))
        return SimpleNamespace(log_prob=np.full(len(batch.tokens), -math.log(8)))


@pytest.mark.parametrize("unit", ["line", "document"])
def test_all_parts_of_held_out_text_are_all_of_it(tmp_path, monkeypatch, unit):
    from seqcli.tokenizers import words

    text = "".join(f"the cat {n % 7} éé\n" for n in range(50))
    (tmp_path / "t.txt").write_text(text, encoding="utf-8")
    monkeypatch.setattr("seqcli.tasks.language.evaluate._PART", 16)
    tokenizer, _ = words.train([text.encode()])
    held_out: HeldOut = of_corpus(Corpus((str(tmp_path / "t.txt"),), unit=unit), tokenizer, products=None, seed=3)
    model = _Uniform()
    answers = [held_out.answer(model, part) for part in range(len(held_out))]
    loss, figures = held_out.figures(answers)
    totals = sum(answers, Totals())
    assert len(held_out) > 9 and loss == pytest.approx(math.log(8))
    assert totals.tokens == 5 * 50 == figures["held_out_tokens"] and totals.sentences == (50 if unit == "line" else 1)
    assert totals.bytes == len(text.encode()) and totals.characters == len(text)
    if unit == "document":  # each stretch is read after the half window before it
        whole = tokenizer.encode(text.encode(), unit="document").tokens.tolist()
        for context, tokens in model.asked:
            given = [*context, *tokens]
            assert any(whole[at : at + len(given)] == given for at in range(len(whole)))
    _, some = held_out.figures(answers[:3])
    assert some["tokens"] < some["held_out_tokens"]


TEXT = "".join(
    f"the {a} {v} the {b} .\n" for a in ("cat", "dog", "bird") for v in ("sees", "likes") for b in ("man", "fish")
)


def trained(folder, text, *, resume=False, **more):
    values = config.parse_assignments([
        "width=8", "batch_tokens=64", "evaluate_every=3", "warmup=2", "schedule=constant", "dropout=0.1", "patience=9",
        *(f"{name}={value}" for name, value in more.items()),
    ])  # fmt: skip
    with writing_model(folder, resume=resume) as writer:
        return train_network(
            writer, Corpus((str(text),)), TokenizerChoice("characters"),
            Request("language", "gru", "tiny", (("test", values),), device="cpu", precision="fp32", threads=1),
            valid=None, resume=resume, reporter=SILENT,
        )  # fmt: skip


def test_a_signal_during_an_evaluation_ends_it_and_the_resumed_run_makes_up_for_it(tmp_path, monkeypatch):
    (tmp_path / "t.txt").write_text(TEXT * 3)
    trained(tmp_path / "whole", tmp_path / "t.txt", steps=8)
    answer, asked = HeldOut.answer, []

    def interrupted(self, model, part):
        asked.append(part)
        if len(asked) == 2:
            signal.raise_signal(signal.SIGTERM)
        return answer(self, model, part)

    handler = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stopped:
        patch.setattr(HeldOut, "answer", interrupted)
        trained(tmp_path / "m", tmp_path / "t.txt", steps=8)
    assert signal.getsignal(signal.SIGTERM) == handler
    assert stopped.value.code == 143
    _, saved = checkpoint.newest(tmp_path / "m", reporter=SILENT)
    assert saved["progress"]["step"] == 6 and saved["progress"]["due"] and saved["progress"]["judged"] == 3
    trained(tmp_path / "m", tmp_path / "t.txt", steps=8, resume=True)
    (whole, one), (parts, other) = (checkpoint.newest(tmp_path / name, reporter=SILENT) for name in ("whole", "m"))
    assert all(np.array_equal(array, parts[name]) for name, array in whole.items())
    assert {**one["progress"], "seconds": 0} == {**other["progress"], "seconds": 0}
    assert [e["step"] for e in history(tmp_path / "m") if e["event"] == "evaluated"] == [3, 6, 8]


def test_a_resumed_run_reads_as_much_as_its_beginning_did(tmp_path, monkeypatch):
    from seqcli.data import lines

    (tmp_path / "t.txt").write_text(TEXT * 30)
    read_blocks = lines.read_blocks
    monkeypatch.setattr(lines, "read_blocks", lambda *paths, **named: read_blocks(*paths, **{**named, "size": 5000}))
    monkeypatch.setattr(budgets, "_READING", 0.0)
    first = trained(tmp_path / "m", tmp_path / "t.txt", minutes=1, steps=3)
    assert first.record["data"]["blocks"] == 1 and first.record["data"]["rows"] < 12 * 30
    monkeypatch.setattr(budgets, "_READING", 1.0)
    again = trained(tmp_path / "m", tmp_path / "t.txt", minutes=1, steps=5, resume=True)
    assert again.record["data"]["rows"] == first.record["data"]["rows"] and again.record["progress"]["step"] == 5
    assert ModelFolder.open(tmp_path / "m").config["valid"]["held_out_tokens"]
