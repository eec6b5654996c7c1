"""Each view against an outside judge: transformers, PyTorch's cells, finite differences, the n-gram table, exhaustive sums."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from seqcli import catalog
from seqcli.data.lines import block_of
from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.errors import InputError, UsageError
from seqcli.explain import attention as attention_view
from seqcli.explain.attention import attention, steps
from seqcli.explain.gates import gates
from seqcli.explain.ngram import ngram_paths
from seqcli.explain.positions import positions
from seqcli.explain.reach import context_losses, gradients, reach
from seqcli.explain.search import search
from seqcli.explain.surprisal import surprisal
from seqcli.explain.views import KINDS, Explained, views
from seqcli.interfaces import OpenModel
from seqcli.models import recurrent_classifier, transformer, transformer_classifier
from seqcli.nn.attention import SELF, recorded
from seqcli.scoring.tokens import score_tokens
from seqcli.tasks.classification.load import OpenClassifier
from seqcli.text import BOS_ID

TEXT = "my computer is very slow"


def network(arch: str, opened: OpenModel, **settings) -> OpenModel:
    """A network of random weights that reads the tokens of the n-gram model."""
    name, presets = catalog.presets("language", arch)
    module = catalog.load("models", name)
    known = {field.name for field in dataclasses.fields(module.Config)}
    values = {**presets["tiny"], "width": 16, "layers": 2, **settings}
    torch.manual_seed(2)
    config = module.Config(**{key: value for key, value in values.items() if key in known})
    model = module.build(config, vocab_size=opened.tokenizer.vocab_size).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return dataclasses.replace(opened, name=arch, arch=arch, model=model)


@pytest.mark.parametrize("text", [TEXT, " ".join([TEXT] * 5)])
@pytest.mark.parametrize("arch", ["ngram", "feedforward", "lstm", "transformer", "masked", "hybrid"])
def test_surprisal_has_the_numbers_of_the_token_level(opened, monkeypatch, arch, text):
    """Also of a text beyond the window, in parts."""
    objective = {"objective": arch} if arch in ("masked", "hybrid") else {}
    model = opened if arch == "ngram" else network("transformer" if objective else arch, opened, window=8, **objective)
    for module in ("nn.inference", "models.ngram"):
        monkeypatch.setattr(f"seqcli.{module}._LOGITS", 4 * model.model.vocab_size)
    found = surprisal(model, text, k=model.model.vocab_size)
    scores = list(score_tokens(model, block_of([text])))
    assert [(row.token, row.log_prob) for row in found.tokens] == [(row.token, row.log_prob) for row in scores]
    for row in found.tokens:
        expected = {each.token: each.probability for each in row.expected}
        assert expected[row.token] == pytest.approx(np.exp(row.log_prob), rel=1e-4)
        assert sum(expected.values()) == pytest.approx(1, abs=1e-4)
        assert list(expected.values()) == sorted(expected.values(), reverse=True)


def test_attention_is_that_of_transformers():
    """The same weights in a GPT-2 of transformers, which shows its attention."""
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=40, n_positions=32, n_embd=16, n_layer=2, n_head=4, attn_implementation="eager", resid_pdrop=0.0
    )
    torch.manual_seed(0)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    shape = transformer.Config(
        width=16, layers=2, heads=4, window=32, positions="learned", activation="gelu", norm="layer", bias=True
    )
    ours = transformer.build(shape, vocab_size=40).eval()
    names = {
        "transformer.wte.": "body.embedding.", "transformer.wpe.": "body.positions.", "transformer.ln_f.": "body.norm.",
        "transformer.h.": "body.layers.", "ln_1.": "attention_norm.", "attn.c_attn.": "attention.qkv.", "attn.c_proj.": "attention.out.",
        "ln_2.": "feedforward_norm.", "mlp.c_fc.": "feedforward.up.", "mlp.c_proj.": "feedforward.out.", "lm_head.": "head.",
    }  # fmt: skip
    weights = {}
    for name, weight in theirs.state_dict().items():
        inside = ".h." in name and weight.ndim == 2  # Conv1D keeps [in, out]
        for old, new in names.items():
            name = name.replace(old, new)
        weights[name] = 3 * weight.T.contiguous() if inside else weight
    ours.load_state_dict(weights)
    theirs.load_state_dict({n: 3 * w if ".h." in n and w.ndim == 2 else w for n, w in theirs.state_dict().items()})
    tokens = torch.randint(3, 40, (1, 12))
    with torch.no_grad(), recorded(SELF) as maps:
        ours.features(tokens)
        expected = theirs(tokens, output_attentions=True).attentions
    assert len(maps) == len(expected) == 2
    for mine, other in zip(maps, expected):
        np.testing.assert_allclose(mine.weights().numpy(), other.numpy(), atol=1e-5)
        np.testing.assert_allclose(mine.weights(slice(5, 9)).numpy(), other[:, :, 5:9].numpy(), atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"groups": 1, "heads": 4}, {"objective": "masked"}, {"positions": "learned"}])
def test_recording_changes_nothing_and_sees_what_counts(opened, settings):
    """What is recorded, put together by hand, is the output of the attention layer."""
    model = network("transformer", opened, **settings)
    masked = settings.get("objective") == "masked"
    tokens = torch.tensor([[BOS_ID, 5, 6, 7, 8]])
    everything = torch.ones_like(tokens, dtype=torch.bool)

    def run():
        if masked:
            return model.model.seen(tokens, masked=~everything, real=everything)
        return model.model.features(tokens)[0]

    outputs = []
    for layer in model.model.body.layers:
        layer.attention.out.register_forward_hook(lambda _, inputs, __: outputs.append(inputs[0]))
    with torch.no_grad():
        plain = run()
        outputs.clear()
        with recorded(SELF) as looked:
            np.testing.assert_allclose(run().numpy(), plain.numpy(), atol=1e-6)
    for each, output in zip(looked, outputs, strict=True):
        weights, v = each.weights(), each.v
        v = v.repeat_interleave(weights.shape[1] // v.shape[1], dim=1)
        by_hand = (weights @ v).transpose(1, 2).flatten(2)
        np.testing.assert_allclose(by_hand.numpy(), output.numpy(), atol=1e-5)


def test_attention_heads_are_summed_up(opened):
    (view,) = attention(network("transformer", opened), TEXT)
    assert view.kind == "self" and view.queries == view.attended == ["<s>", *TEXT.split()]
    for layer in view.layers:
        for head in layer.heads:
            weights = np.array(head.weights)
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
            assert (np.triu(weights, 1) == 0).all(), "a decoder does not look ahead"
            assert head.previous == pytest.approx(np.mean([weights[t, t - 1] for t in range(1, 6)]), abs=1e-5)
            assert head.first == pytest.approx(weights[:, 0].mean(), abs=1e-5)
            assert head.own == pytest.approx(np.trace(weights) / 6, abs=1e-5)
    assert "keys" in view.to_dict() and "attended" not in view.to_dict()


@pytest.mark.parametrize("settings", [{"heads": 2}, {"heads": 2, "groups": 1}, {"heads": 2, "objective": "masked"}])
def test_the_steps_of_one_token(opened, settings):
    model = network("transformer", opened, **settings)
    (view,) = attention(model, TEXT)
    found = steps(view, layer=2, head=2, query=4).steps
    assert [step.token for step in found] == view.attended[: len(found)]
    assert len(found) == (len(view.attended) if "objective" in settings else 4)
    scaled = np.array([step.scaled for step in found])
    np.testing.assert_allclose(scaled, [step.dot / np.sqrt(8) for step in found], rtol=1e-5)
    softmax = np.exp(scaled - scaled.max()) / np.exp(scaled - scaled.max()).sum()
    np.testing.assert_allclose([step.weight for step in found], softmax, atol=1e-5)
    np.testing.assert_allclose(softmax, view.layers[1].heads[1].weights[3][: len(found)], atol=1e-5)
    np.testing.assert_allclose([s.weighted for s in found], [s.weight * s.value for s in found], rtol=1e-4)
    with pytest.raises(UsageError, match="no layer 3"):
        steps(view, layer=3, head=1, query=1)
    assert steps(view, layer=None, head=2, query=4) == steps(view, layer=2, head=2, query=4)


@pytest.mark.parametrize("objective", ["causal", "masked"])
def test_attention_of_a_long_text_is_that_of_groups_of_tokens(opened, monkeypatch, objective):
    """Against the whole weights, which are computed at once."""
    model = network("transformer", opened, heads=2, objective=objective)
    text = " ".join([TEXT] * 4)
    (whole,) = attention(model, text)
    size = len(whole.queries)
    monkeypatch.setattr(attention_view, "_MOST_STEPS", 0)
    monkeypatch.setattr(attention_view, "_AT_ONCE", 2 * size * 6)  # three passes or more
    for most, groups, group in ((4 * size**2, 5, 1), (4 * size**2 - 1, size - 1, 2), (0, 5, 5)):
        monkeypatch.setattr(attention_view, "_MOST", most)
        monkeypatch.setattr(attention_view, "_GROUPS", groups)
        (view,) = attention(model, text)
        assert view.grouped == group and len(view.queries) == -(-size // group)
        assert " ".join(view.queries) == " ".join(whole.queries)
        member = (np.arange(size) // group)[:, None] == np.arange(len(view.queries))
        for layer, expected in zip(view.layers, whole.layers, strict=True):
            for head, full in zip(layer.heads, expected.heads, strict=True):
                by_hand = (member / member.sum(axis=0)).T @ np.array(full.weights) @ member
                np.testing.assert_allclose(head.weights, by_hand, atol=1e-5)
                found = [head.previous, head.first, head.own, head.entropy]
                np.testing.assert_allclose(found, [full.previous, full.first, full.own, full.entropy], atol=1e-5)
                assert head.dots is None
        with pytest.raises(UsageError, match="step by step"):
            steps(view, layer=1, head=1, query=1)


@pytest.mark.parametrize("arch", ["rnn", "lstm", "gru"])
def test_gates_are_those_of_pytorch(opened, arch):
    """The hidden states are those of PyTorch's cells, and the gates fit them."""
    model = network(arch, opened)
    view = gates(model, TEXT)
    assert view.cell == arch and view.tokens == ["<s>", *TEXT.split()]
    ids = [BOS_ID, *(piece.id for piece in opened.tokenizer.pieces(TEXT))]
    x = model.model.body.embedding(torch.tensor(ids)).detach()
    for layer, shown in zip(model.model.body.layers, view.layers, strict=True):
        found = {gate.name: np.array(gate.values) for gate in shown.gates}
        cell = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}[arch](layer.input_size, layer.hidden_size)
        cell.load_state_dict({name.removesuffix("_l0"): weight for name, weight in layer.state_dict().items()})
        state, hidden, cells = None, [], []
        with torch.no_grad():
            for row in x:
                state = cell(row[None], state)
                hidden.append((state[0] if arch == "lstm" else state)[0])
                cells.append(state[1][0] if arch == "lstm" else None)
        x = torch.stack(hidden)
        np.testing.assert_allclose(found["hidden"], x.numpy(), atol=2e-6)
        before = np.vstack([np.zeros(layer.hidden_size), found["hidden"][:-1]])
        if arch == "lstm":
            np.testing.assert_allclose(found["cell"], torch.stack(cells).numpy(), atol=2e-6)
            kept = np.vstack([np.zeros(layer.hidden_size), found["cell"][:-1]])
            np.testing.assert_allclose(
                found["cell"], found["forget"] * kept + found["input"] * found["candidate"], atol=5e-6
            )
            np.testing.assert_allclose(found["hidden"], found["output"] * np.tanh(found["cell"]), atol=5e-6)
        if arch == "gru":
            mixed = (1 - found["update"]) * found["candidate"] + found["update"] * before
            np.testing.assert_allclose(found["hidden"], mixed, atol=5e-6)
        for gate in shown.gates:
            values = np.array(gate.values)
            np.testing.assert_allclose(gate.mean, values.mean(axis=1), atol=1e-5)
            change = np.abs(np.diff(values, axis=0)).sum(axis=0)
            assert change[gate.moving[0]] == pytest.approx(change.max(), abs=1e-4) and 0 <= gate.saturated <= 1


@pytest.mark.parametrize("arch", ["rnn", "lstm", "gru", "transformer", "feedforward"])
def test_gradients_are_those_of_finite_differences(opened, arch, monkeypatch):
    """In float64: (loss(x + e) - loss(x - e)) / 2e for every number of an input."""
    monkeypatch.setattr("seqcli.nn.attention.attended_in", lambda products, *, device: torch.float64)
    model = network(arch, opened).model.double()
    ids = [piece.id for piece in opened.tokenizer.pieces(TEXT)][:3]
    found = {each.distance: each.norm for each in gradients(model, ids)}
    tokens, embedding = torch.tensor([[BOS_ID, *ids]]), model.body.embedding
    length = tokens.shape[1] - 1

    def losses(changed: int, direction: torch.Tensor) -> torch.Tensor:
        """Of all places, where one embedded input is moved."""

        def move(_, inputs, output):
            moved = output.clone()
            moved[0, changed - length] += direction
            return moved

        with torch.no_grad():
            if hasattr(model.body, "embedded"):
                features = model.body.run(move(None, None, model.body.embedded(tokens[:, :-1])))[0]
            else:
                hook = embedding.register_forward_hook(move)
                features = model.features(tokens[:, :-1])[0]
                hook.remove()
            return nn.functional.cross_entropy(model.head(features)[0], tokens[0, 1:], reduction="none")

    norms = np.zeros((length, length))  # of the input, of the place
    for changed in range(length):
        slopes = []
        for unit in torch.eye(embedding.embedding_dim, dtype=torch.float64) * 1e-5:
            slopes.append((losses(changed, unit) - losses(changed, -unit)) / 2e-5)
        norms[changed] = torch.stack(slopes).norm(dim=0).numpy()
    for distance, norm in found.items():
        expected = np.mean([norms[place - distance, place] for place in range(distance, length)])
        assert norm == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_an_ngram_model_gains_nothing_beyond_its_order(opened):
    ids = [piece.id for piece in opened.tokenizer.pieces(TEXT)]
    found = {each.tokens: each.nats for each in context_losses(opened, ids)}
    assert found[2] == found[4] == found[5] != found[1]  # of order 3
    view = reach(opened, TEXT)
    assert view.gradients == [] and view.costs[0].steps == 1
    assert view.contexts[-1].nats == pytest.approx(
        -np.mean([row.log_prob for row in surprisal(opened, TEXT).tokens]), rel=1e-5
    )


def test_costs_name_what_must_follow_one_another(opened):
    recurrent, parallel = reach(network("gru", opened), TEXT), reach(network("transformer", opened), TEXT)
    assert [cost.steps for cost in recurrent.costs] == [cost.tokens for cost in recurrent.costs]
    assert {cost.steps for cost in parallel.costs} == {1}
    assert all(cost.seconds > 0 and cost.operations > 0 for cost in recurrent.costs + parallel.costs)


@pytest.mark.parametrize("kind", ["rotary", "learned", "sinusoidal"])
def test_positions_are_as_alike_as_the_vectors_they_make(opened, kind):
    model = network("transformer", opened, positions=kind, heads=2, window=16)
    view = positions(model)
    body, found = model.model.body, np.array(view.similarity)
    assert view.kind == kind and found.shape == (16, 16)
    with torch.no_grad():
        if kind == "rotary":
            from seqcli.nn.positions import rotate, turns

            x = torch.ones(16, body.head_width) / body.head_width**0.5  # every pair of numbers weighs the same
            vectors = rotate(x, *turns(torch.arange(16), body.head_width)).double()
        else:
            vectors = body.positions(torch.arange(16)).double()
    vectors = nn.functional.normalize(vectors, dim=-1)
    np.testing.assert_allclose(found, (vectors @ vectors.T).numpy(), atol=1e-4)


def test_paths_of_an_ngram_model_sum_up_to_its_scores(opened):
    view = ngram_paths(opened, TEXT + " zebra", record={"discounts": [[0.5, 1.0, 1.5]]})
    scores = list(score_tokens(opened, block_of([TEXT + " zebra"])))
    assert view.order == 3 and view.discounts == [[0.5, 1.0, 1.5]]
    for path, score in zip(view.tokens, scores, strict=True):
        assert path.token == score.token and path.log_prob == pytest.approx(score.log_prob, abs=1e-5)
        *before, last = path.steps
        assert last.found and last.order == score.order and not any(step.found for step in before)
        assert [step.order for step in path.steps] == list(range(len(path.steps[0].context) + 1, last.order - 1, -1))
    assert sum(row.probability for row in ngram_paths(opened, TEXT, k=10**6).next) == pytest.approx(1, abs=1e-5)
    context = opened.model.table.distribution(np.array([p.id for p in opened.tokenizer.pieces("is very")]))
    best = ngram_paths(opened, "my computer is very", k=3).next
    np.testing.assert_allclose([row.probability for row in best], np.sort(context)[::-1][:3], rtol=1e-5)
    assert best[0].order == 3


def test_a_search_tree_holds_its_results(opened):
    view = search(opened, "my computer", beam_size=3, max_new_tokens=4)
    settings = GenerationSettings(max_new_tokens=4, beam_size=3, num_samples=3)
    results = [row.result for row in generate(opened, ["my computer"], settings, first=1)]
    ranked = sorted((node for node in view.nodes if node.rank), key=lambda node: node.rank)
    assert ranked[0].log_prob == pytest.approx(results[0].log_prob, abs=1e-4)
    for node in view.nodes:
        assert node.parent is None or view.nodes[node.parent].log_prob >= node.log_prob
        if node.parent is not None:
            assert view.nodes[node.parent].kept and not view.nodes[node.parent].ended
    plain = list(generate(opened, ["my computer"], settings, first=1))
    assert [row.result for row in plain] == results


def test_views_of_a_translator(translator):
    from seqcli.tasks.translation.load import open_translator

    opened = open_translator(str(translator))
    views = {view.kind: view for view in attention(opened, "I study mathematics")}
    assert set(views) == {"encoder", "decoder", "cross"}
    assert views["encoder"].queries == views["encoder"].attended == views["cross"].attended
    assert views["decoder"].queries[0] == "<s>" and len(views["decoder"].queries) == len(views["cross"].queries)
    for view in views.values():
        for layer in view.layers:
            for head in layer.heads:
                np.testing.assert_allclose(np.sum(head.weights, axis=1), 1, atol=1e-4)
    assert any(node.rank for node in search(opened, "I study").nodes)
    for view in (attention, search):
        with pytest.raises(InputError, match="blank"):
            view(opened, " ")
        with pytest.raises(
            InputError, match=f"tokens, but .* reads at most {opened.model.window} at once; give a shorter text"
        ):
            view(opened, "I study mathematics " * opened.model.window)


@pytest.mark.parametrize(
    "view, arch, named",
    [(attention, "lstm", "--gates"), (gates, "transformer", "lstm"), (positions, "gru", "transformer")],
)
def test_views_that_a_network_does_not_have(opened, view, arch, named):
    with pytest.raises(UsageError, match=named):
        view(network(arch, opened), *([TEXT] if view is not positions else []))


def test_views_of_a_counted_model(opened):
    for view in (attention, gates):
        with pytest.raises(UsageError, match=r"has no (attention|gates); use"):
            view(opened, TEXT)
    with pytest.raises(UsageError, match="not an n-gram model"):
        ngram_paths(network("lstm", opened), TEXT)


def test_a_text_that_is_too_long_for_a_view_is_refused_before_any_is_made(opened, monkeypatch):
    made = []
    for kind in ("surprisal", "attention"):
        monkeypatch.setitem(KINDS, kind, lambda *_, kind=kind: made.append(kind) or [])
    long = "my computer " * 5
    for objective, kinds in (
        ("causal", ("attention",)),
        ("masked", ("attention",)),
        ("hybrid", ("surprisal", "attention")),
    ):
        with pytest.raises(InputError, match="reads at most 8 at once"):
            list(views(Explained(network("transformer", opened, window=8, objective=objective)), long, kinds=kinds))
    assert made == []
    # What was not asked for is left out.
    assert list(views(Explained(network("transformer", opened, window=8)), long)) == []
    assert made == ["surprisal"]
    # Ten words after `<s>` and before `</s>`: one that reads on sees 11 tokens, one that fills in 12.
    for objective, window in (("causal", 11), ("masked", 12)):
        model = network("transformer", opened, window=window, objective=objective)
        assert list(views(Explained(model), long)) == []
        with pytest.raises(InputError, match=f"{window} tokens.* reads at most {window - 1} at once"):
            list(
                views(
                    Explained(network("transformer", opened, window=window - 1, objective=objective)),
                    long,
                    kinds=("attention",),
                )
            )


def test_texts_beyond_the_window(opened):
    model = network("transformer", opened, window=8)
    with pytest.raises(InputError, match="reads at most 8 at once"):
        attention(model, "my computer " * 5)
    assert len(surprisal(model, "my computer " * 20).tokens) == 41


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_classifiers_have_the_attention_and_the_gates_of_what_they_read(opened, pooling):
    """Of all tokens, also where the last layer is computed for the first alone."""
    made = []
    for module, view in ((transformer_classifier, attention), (recurrent_classifier, gates)):
        config = module.Config(
            width=16, layers=1, **({"heads": 2, "pooling": (pooling,)} if view is attention else {"cell": "gru"})
        )
        model = module.build(config, vocab_size=opened.tokenizer.vocab_size, labels=2).eval()
        tokenizer = opened.tokenizer
        made.append(view(OpenClassifier("m", "m", ["a", "b"], tokenizer.encode, model, tokenizer=tokenizer), TEXT))
    ((of_transformer,), of_gru) = made
    names = ["<s>", *TEXT.split(), "</s>"]
    assert of_transformer.queries == of_transformer.attended == of_gru.tokens == names
    for head in of_transformer.layers[0].heads:
        np.testing.assert_allclose(np.sum(head.weights, axis=1), np.ones(len(names)), atol=1e-5)
