"""Every translator of the catalogue keeps the promises of `interfaces.Translator`; a new one is tried here at once."""

import dataclasses
import json

import numpy as np
import pytest

from seqcli import catalog
from seqcli.text import BOS_ID, EOS_ID, PAD
from seqcli.token_batch import TokenBatch

V, S = 17, 13
SMALL = {"width": 16, "embedding": 8, "layers": 2, "heads": 4, "window": 64, "hidden": 24}
CASES = [(arch, {}) for arch in catalog.architectures("translation")] + [
    ("transformer", {"norm_place": "post", "norm": "layer", "activation": "relu", "positions": "sinusoidal", "scaled": True, "bias": True}),
    ("transformer", {"decoder_layers": 1, "groups": 2, "tied": False}),
    ("gru", {"attention": "multiplicative", "input_feeding": False, "tied": False}),
]  # fmt: skip
GENERATOR = np.random.default_rng(3)


def rows(sizes, most: int) -> TokenBatch:
    parts = [np.append(GENERATOR.choice([0, *range(3, most)], size=n), EOS_ID).astype(np.int32) for n in sizes]
    return TokenBatch(np.concatenate(parts), np.array([len(part) for part in parts], np.int64))


SOURCES, TARGETS = rows((4, 1, 7, 0, 3), S), rows((3, 6, 1, 2, 5), V)


def only(batch: TokenBatch, row: int) -> TokenBatch:
    start = int(batch.starts[row])
    return TokenBatch(batch.tokens[start : start + int(batch.lengths[row])], batch.lengths[row : row + 1])


def made(arch: str, settings: dict, *, joint: bool = False):
    """Large weights, so that all that is read matters; as it comes back from a folder."""
    import torch

    from seqcli.nn import weights

    module = catalog.load("models", catalog.presets("translation", arch)[0])
    values = {**catalog.presets("translation", arch)[1]["tiny"], **SMALL, **settings}
    config = module.Config(**{f.name: values[f.name] for f in dataclasses.fields(module.Config) if f.name in values})
    sizes = {"source_size": V if joint else S, "vocab_size": V, "joint": joint}
    torch.manual_seed(1)
    model = module.build(config, **sizes)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return module.load(json.loads(json.dumps(dataclasses.asdict(config))), weights.arrays(model), **sizes)


@pytest.fixture(
    scope="module", params=CASES, ids=lambda case: f"{case[0]} {' '.join(map(str, case[1].values()))}".strip()
)
def model(request):
    return made(*request.param)


def test_scores_do_not_depend_on_the_other_rows(model):
    together = model.conditioned_on(model.encode(SOURCES)).score(TARGETS, rank=True)
    alone = [model.conditioned_on(model.encode(only(SOURCES, b))).score(only(TARGETS, b), rank=True) for b in range(5)]
    np.testing.assert_allclose(together.log_prob, np.concatenate([each.log_prob for each in alone]), atol=1e-5)
    assert np.array_equal(together.rank, np.concatenate([each.rank for each in alone]))


def test_scores_are_the_sums_of_single_steps_and_the_cache_changes_nothing(model):
    conditioned = model.conditioned_on(model.encode(SOURCES))
    scores = conditioned.score(TARGETS).log_prob
    for b in range(5):
        tokens = only(TARGETS, b).tokens
        logits, state = model.conditioned_on(model.encode(only(SOURCES, b))).extend(
            np.zeros((1, 0), np.int32), np.zeros(1, np.int64)
        )
        for t, token in enumerate(tokens):
            log_p = logits[0] - np.logaddexp.reduce(logits[0].astype(np.float64))
            assert log_p[token] == pytest.approx(scores[TARGETS.starts[b] + t], abs=1e-5)
            logits, state = model.conditioned_on(None).extend(
                np.array([[token]], np.int32), np.ones(1, np.int64), state
            )


def test_rows_that_are_reordered_keep_their_source(model):
    conditioned = model.conditioned_on(model.encode(SOURCES))
    prefix = np.array([[4, 5], [6, 7], [3, 4], [5, 5], [8, 3]], np.int32)
    _, state = conditioned.extend(prefix, np.full(5, 2))
    for order in ([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4], [1, 1, 3, 3], [4, 2, 0], [0, 3, 3, 1]):
        order = np.array(order)
        step = np.full((len(order), 1), 9, np.int32)
        logits, after = conditioned.extend(step, np.ones(len(order), np.int64), state.reorder(order))
        fresh = np.concatenate([prefix[order], step], axis=1)
        for row, source in enumerate(order):
            alone = model.conditioned_on(model.encode(only(SOURCES, source))).extend(
                fresh[row : row + 1], np.full(1, 3)
            )[0]
            np.testing.assert_allclose(logits[row], alone[0], atol=1e-4)
        twice = after.reorder(np.arange(len(order))[::-1].copy())
        logits, _ = conditioned.extend(step, np.ones(len(order), np.int64), twice)
        for row, source in enumerate(order[::-1]):
            whole = np.concatenate([fresh[::-1][row : row + 1], step[:1]], axis=1)
            alone = model.conditioned_on(model.encode(only(SOURCES, source))).extend(whole, np.full(1, 4))[0]
            np.testing.assert_allclose(logits[row], alone[0], atol=1e-4)


def test_rows_of_different_lengths_begin_together(model):
    conditioned = model.conditioned_on(model.encode(SOURCES))
    lengths = np.array([2, 0, 3, 2, 0])
    tokens = np.array([[4, 5, 1], [1, 1, 1], [3, 4, 6], [5, 5, 1], [1, 1, 1]], np.int32)
    logits, state = conditioned.extend(tokens, lengths)
    further, _ = conditioned.extend(np.full((5, 1), 7, np.int32), np.ones(5, np.int64), state)
    for b in range(5):
        own = model.conditioned_on(model.encode(only(SOURCES, b)))
        alone, _ = own.extend(tokens[b : b + 1, : lengths[b]], lengths[b : b + 1])
        np.testing.assert_allclose(logits[b], alone[0], atol=1e-4)
        alone, _ = own.extend(np.append(tokens[b, : lengths[b]], 7)[None].astype(np.int32), lengths[b : b + 1] + 1)
        np.testing.assert_allclose(further[b], alone[0], atol=1e-4)


def test_attention_is_a_distribution_over_the_own_source(model):
    looked = model.conditioned_on(model.encode(SOURCES)).attention(TARGETS)
    for b, weights in enumerate(looked):
        assert weights.shape == (TARGETS.lengths[b], SOURCES.lengths[b])
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
        alone = model.conditioned_on(model.encode(only(SOURCES, b))).attention(only(TARGETS, b))[0]
        np.testing.assert_allclose(weights, alone, atol=1e-5)


@pytest.mark.parametrize("precision, atol", [("fp32", 1e-5), ("bf16", 0.05), ("int8", 0.15)])
@pytest.mark.parametrize("arch", catalog.architectures("translation"))
def test_placed_it_says_nearly_the_same(arch, precision, atol):
    from seqcli.training.device import place

    model = made(arch, {"width": 32, "embedding": 32, "hidden": 32})
    before = model.conditioned_on(model.encode(SOURCES)).score(TARGETS).log_prob
    model.place(place("cpu", precision, threads=1))
    conditioned = model.conditioned_on(model.encode(SOURCES))
    after = conditioned.score(TARGETS).log_prob
    assert after.dtype == np.float32
    np.testing.assert_allclose(after, before, atol=max(atol * np.ptp(before), 1e-5))
    for weights in conditioned.attention(TARGETS):
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    logits, state = conditioned.extend(np.full((5, 1), 4, np.int32), np.ones(5, np.int64))
    again, after = conditioned.extend(np.full((5, 1), 5, np.int32), np.ones(5, np.int64), state)
    assert logits.dtype == again.dtype == np.float32
    for layer in () if arch == "transformer" else after.own.cells:
        assert all(str(part.dtype) == "torch.float32" for part in layer)  # what is carried on is not rounded


@pytest.mark.parametrize(
    "settings, what",
    [
        ({"positions": "learned"}, "learned positions are limited"),
        ({"positions": "sinusoidal", "width": 15, "heads": 5}, "even width"),
    ],
)
def test_positions_that_end_or_do_not_fit_are_refused(settings, what):
    with pytest.raises(ValueError, match=what):
        made("transformer", settings)


def test_no_rows_have_no_scores():
    from toy_translator import toy

    from seqcli.data.lines import block_of
    from seqcli.scoring.conditioned import given_sources
    from seqcli.scoring.sentences import score_block

    assert len(score_block(given_sources(toy(), b""), block_of([])).log_prob) == 0


def test_a_later_token_changes_no_earlier_score_and_the_source_changes_all(model):
    changed = TARGETS.tokens.copy()
    changed[TARGETS.starts[4] + 3] = 5 if changed[TARGETS.starts[4] + 3] != 5 else 6
    memory = model.encode(SOURCES)
    before, after = (
        model.conditioned_on(memory).score(TokenBatch(tokens, TARGETS.lengths)).log_prob
        for tokens in (TARGETS.tokens, changed)
    )
    place = slice(int(TARGETS.starts[4]), int(TARGETS.starts[4]) + 3)
    np.testing.assert_allclose(before[place], after[place], atol=1e-6)
    other = SOURCES.tokens.copy()
    other[SOURCES.starts[4]] = 4 if other[SOURCES.starts[4]] != 4 else 5
    elsewhere = model.conditioned_on(model.encode(TokenBatch(other, SOURCES.lengths))).score(TARGETS).log_prob
    assert abs(elsewhere[place] - before[place]).max() > 1e-4


def test_the_loss_is_the_sum_of_the_scores(model):
    import torch

    def padded(batch, first):
        table = np.full((5, int(batch.lengths.max()) + len(first)), PAD, np.int64)
        for line, start, length in zip(table, batch.starts, batch.lengths):
            line[: len(first) + length] = [*first, *batch.tokens[start : start + length]]
        return torch.from_numpy(table)

    source, target = padded(SOURCES, []), padded(TARGETS, [BOS_ID])
    total, count, _ = model.loss(source, target)
    assert count == len(TARGETS.tokens)
    with torch.no_grad():  # training may say `<s>`, which asking does not
        features, _ = model.features(target[:, :-1].clamp(min=0), model.remember(source.clamp(min=0), source != PAD))
        log_p = model.head(features).log_softmax(-1)
    said = target[:, 1:]
    expected = -log_p.gather(-1, said.clamp(min=0)[..., None])[..., 0][said != PAD].sum()
    assert total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert total.item() >= -model.conditioned_on(model.encode(SOURCES)).score(TARGETS).log_prob.sum() - 1e-3
    total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("arch", catalog.architectures("translation"))
def test_a_joint_vocabulary_has_one_embedding(arch):
    model = made(arch, {}, joint=True)
    names = [name for name, _ in model.named_parameters() if "embedding" in name]
    assert len(names) == 1
