"""Every language model of the catalogue keeps the promises of `interfaces.LanguageModel`; a new one is tried here at once."""

import dataclasses

import numpy as np
import pytest

from seqcli import catalog
from seqcli.decoding.logits import log_softmax
from seqcli.interfaces import SILENT
from seqcli.models import ngram
from seqcli.ngram.arena import Arena
from seqcli.tasks.language.mixture import Mixture
from seqcli.text import BOS_ID, EOS_ID
from seqcli.token_batch import TokenBatch, padded_to_extend

V = 12
GENERATOR = np.random.default_rng(5)
ROWS = [GENERATOR.choice([0, 2, *range(3, V)], size=n).astype(np.int32) for n in (5, 1, 9, 3, 3, 14)]
TEXT = [np.array(row) for row in ([3, 4, 5, 2], [3, 4, 6, 2], [7, 8, 3, 4, 5, 2], [9, 10, 11, 2], [0, 3, 2])]


def counted(config) -> ngram.NgramModel:
    stream, _ = batch(TEXT).with_starts()
    arena = Arena(memory=1 << 30, tokens=len(stream))
    made = ngram.estimate(stream, config, vocab_size=V, arena=arena, reporter=SILENT)
    return ngram.load(dataclasses.asdict(config), made.tensors, vocab_size=V)


def network(module, config):
    """Of random weights: large ones, so that what stands before a token matters."""
    import torch

    torch.manual_seed(1)
    model = module.build(config, vocab_size=V).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return model


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", params=[*catalog.architectures("language"), "hybrid", "mix"])
def model(request):
    if request.param == "mix":
        return Mixture([made("ngram"), made("lstm"), made("transformer")], [0.5, 0.2, 0.3])
    return made(request.param)


def made(arch: str):
    objective = {"objective": arch} if arch == "hybrid" else {}
    name, presets = catalog.presets("language", "transformer" if objective else arch)
    module = catalog.load("models", name)
    fields = {field.name for field in dataclasses.fields(module.Config)}
    config = module.Config(
        **{key: value for key, value in {**presets["tiny"], "width": 32, **objective}.items() if key in fields}
    )
    return network(module, config) if hasattr(module, "build") else counted(config)


def batch(rows) -> TokenBatch:
    return TokenBatch(np.concatenate(rows).astype(np.int32), np.array([len(row) for row in rows], np.int64))


def split(values: np.ndarray, rows) -> list[np.ndarray]:
    return np.split(values, np.cumsum([len(row) for row in rows])[:-1])


def close(a, b) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)


def step(model, tokens, state):
    """One token of each row."""
    return model.extend(np.array(tokens, np.int32)[:, None], np.ones(len(tokens), np.int64), state)


def test_extending_token_by_token_gives_the_scores(model):
    scores = split(model.score(batch(ROWS)).log_prob, ROWS)
    alive = np.arange(len(ROWS))
    logits, state = model.extend(np.zeros((len(ROWS), 0), np.int32), np.zeros(len(ROWS), np.int64))
    for place in range(max(map(len, ROWS))):
        assert logits.dtype == np.float32 and logits.shape == (len(alive), V)
        on = np.flatnonzero([place < len(ROWS[row]) for row in alive])
        alive, logits, state = alive[on], logits[on], state.reorder(on)
        tokens = [int(ROWS[row][place]) for row in alive]
        close(log_softmax(logits)[np.arange(len(alive)), tokens], [scores[row][place] for row in alive])
        logits, state = step(model, tokens, state)


def test_prefixes_of_any_length_are_read_at_once(model):
    """Ragged rows, then ragged rows after them, give what one reading gives."""
    cuts = [len(row) // 2 for row in ROWS]
    first, lengths = padded_to_extend([row[:cut] for row, cut in zip(ROWS, cuts)])
    _, state = model.extend(first, lengths)
    second, lengths = padded_to_extend([row[cut:] for row, cut in zip(ROWS, cuts)])
    logits, _ = model.extend(second, lengths, state)
    close(logits, model.extend(*padded_to_extend(ROWS))[0])


def test_reordered_states_are_those_of_reordered_rows(model):
    _, state = model.extend(*padded_to_extend(ROWS))
    order = np.array([4, 0, 0, 5, 2])
    tokens = [3, 4, EOS_ID, 5, 0]
    moved, _ = step(model, tokens, state.reorder(order))
    again, _ = model.extend(*padded_to_extend([np.append(ROWS[row], token) for row, token in zip(order, tokens)]))
    close(moved, again)
    once_more, _ = step(model, tokens, state.reorder(order))  # a state is not used up
    close(once_more, moved)


def test_a_row_does_not_depend_on_its_batch(model):
    together = split(model.score(batch(ROWS)).log_prob, ROWS)
    logits, _ = model.extend(*padded_to_extend(ROWS))
    for number in (2, 0, 5):
        close(model.score(batch([ROWS[number]])).log_prob, together[number])
        close(model.extend(*padded_to_extend([ROWS[number]]))[0][0], logits[number])
    backwards = split(model.score(batch(ROWS[::-1])).log_prob, ROWS[::-1])
    close(np.concatenate(backwards[::-1]), np.concatenate(together))


def test_logits_make_a_distribution_without_the_start(model):
    logits, _ = model.extend(*padded_to_extend([np.zeros(0, np.int32), *ROWS]))
    log_p = log_softmax(logits)
    assert (logits[:, BOS_ID] == -np.inf).all() and np.isfinite(np.delete(logits, BOS_ID, axis=1)).all()
    close(np.exp(log_p).sum(axis=1), 1)
    assert model.vocab_size == V and np.ptp(log_p[:, 3]) > 1e-3  # what stands before matters
    first = model.score(batch([np.array([token]) for token in range(2, V)])).log_prob
    close(log_p[0, 2:], first)  # nothing read: the first token's


def test_a_context_is_read_and_not_scored(model):
    given, row = ROWS[0], ROWS[3]
    scored = model.score(batch([row]), context=given).log_prob
    close(scored, model.score(batch([np.concatenate([given, row])])).log_prob[len(given) :])


def test_what_comes_later_changes_nothing(model):
    changed = ROWS[2].copy()
    changed[5:] = (changed[5:] + 1 - 3) % (V - 3) + 3
    close(model.score(batch([changed])).log_prob[:5], model.score(batch([ROWS[2]])).log_prob[:5])


def test_ranks_are_places_in_the_distribution(model):
    scores = model.score(batch(ROWS[:2]), rank=True)
    logits, _ = model.extend(np.zeros((1, 0), np.int32), np.zeros(1, np.int64))
    assert scores.rank[0] == 1 + (logits[0] > logits[0, ROWS[0][0]]).sum()


@pytest.mark.parametrize("arch", [a for a in catalog.architectures("language") if a != "ngram"])
def test_settings_of_a_model_and_of_its_training_have_names_of_their_own(arch):
    """Users set both in one place, by name."""
    from seqcli.training.config import Plan

    config = catalog.load("models", catalog.presets("language", arch)[0]).Config
    assert not {f.name for f in dataclasses.fields(config)} & {f.name for f in dataclasses.fields(Plan)}


@pytest.mark.parametrize("arch", [a for a in catalog.architectures("language") if a != "ngram"])
def test_every_preset_can_be_meant(arch):
    """What a preset says is known to its model or to training."""
    from seqcli.training.config import Request, settings_of

    for preset in catalog.presets("language", arch)[1]:
        module, settings, plan = settings_of(Request("language", arch, preset, ()))
        assert plan.epochs and isinstance(settings, module.Config)
