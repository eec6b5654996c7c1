"""The transition table of an n-gram model, against the counts of its text."""

from collections import Counter, defaultdict

import numpy as np
import pytest

import seqcli as api
from seqcli.explain.ngram import counted, ngram_paths
from seqcli.tasks.language.load import open_model
from seqcli.tasks.open_folder import folder_of


def lines() -> list[str]:
    """Of words as frequent as in a language, so that the discounts can be estimated."""
    rng = np.random.default_rng(0)
    frequency = 1 / np.arange(1, 301)
    return [" ".join(f"w{rank}" for rank in rng.choice(300, size=8, p=frequency / frequency.sum())) for _ in range(600)]


@pytest.fixture(scope="module")
def text():
    return lines()


@pytest.fixture(scope="module")
def path(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("transitions")
    (folder / "text.txt").write_text("".join(line + "\n" for line in text))
    api.train_lm(folder / "text.txt", folder / "m", order=3)
    api.train_lm(folder / "text.txt", folder / "pruned", order=3, prune=(0, 0, 1))
    return folder


def adjusted(text: list[str], order: int) -> dict[tuple[str, ...], Counter]:
    """By context: at order 3 and after `<s>` how often each word follows, below in how many contexts."""
    seen = defaultdict(set)
    for number, line in enumerate(text):
        words = ["<s>", *line.split(), "</s>"]
        for end in range(order, len(words) + 1):
            gram = tuple(words[end - order : end])
            whole = order == 3 or gram[0] == "<s>"
            seen[gram].add((number, end) if whole else words[end - order - 1])
    counts = defaultdict(Counter)
    for gram, places in seen.items():
        counts[gram[:-1]][gram[-1]] = len(places)
    return counts


def test_counts_are_those_of_the_text(path, text):
    opened, record = open_model(str(path / "m"), name="m"), folder_of(str(path / "m")).config
    orders = set()
    for prompt in ("w0", "w5 w0", "w3 w1", "w7 unheard w3", "unheard"):
        view = ngram_paths(opened, prompt, k=10**6, record=record)
        context = tuple(view.context.tokens)
        order = len(context) + 1
        orders.add(order)
        expected = {word: count for word, count in adjusted(text, order)[context].items() if word != "<s>"}
        assert view.context.total == sum(expected.values())
        assert {row.token: row.count for row in view.next if row.count} == expected
        discounts = record["discounts"][order - 1]
        for row in view.next:
            assert row.probability == pytest.approx(row.own + row.lower, rel=1e-5)
            if row.count:
                assert row.discount == discounts[min(row.count, 3) - 1]
                assert row.own == pytest.approx((row.count - row.discount) / view.context.total, rel=1e-3)
    assert orders == {1, 2, 3}


def test_a_pruned_model_tells_no_counts(path):
    opened, record = open_model(str(path / "pruned"), name="m"), folder_of(str(path / "pruned")).config
    view = ngram_paths(opened, "w5 w0", record=record)
    assert view.context.total is None and {row.count for row in view.next} == {None}
    assert all(row.probability == pytest.approx(row.own + row.lower, rel=1e-5) for row in view.next)


@pytest.mark.parametrize("counts", [[1], [2, 2], [7], [1, 1, 900], [3, 4, 50, 2], [2, 2, 100_000]])
def test_counts_follow_from_what_is_left_of_them(counts):
    discounts = (0.6, 1.1, 1.4)
    taken = [discounts[min(count, 3) - 1] for count in counts]
    own = np.float32((np.array(counts) - taken) / sum(counts)).astype(float)
    gamma = float(np.float32(sum(taken) / sum(counts)))
    assert counted(own, gamma, discounts).tolist() == counts
    assert counted(own, gamma * 1.2, discounts) is None
