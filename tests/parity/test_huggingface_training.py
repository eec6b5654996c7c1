"""Trainings that begin with Hugging Face models: the gradients of PyTorch, and weights that are those of the folder."""

import json
import re

import numpy as np
import pytest
from small_huggingface import TEXTS, USUAL, byte_level, saved, word_pieces

import seqcli
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.classification.load import open_classifier
from seqcli.tasks.open_folder import folder_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
REVIEWS = [("good film", "+"), ("bad film", "-"), ("a good day", "+"), ("a bad day", "-")] * 6
STILL = {"steps": 1, "learning_rate": 1e-12, "threads": 1, "settings": {"weight_decay": 0.0}}


def bert(folder, head="ForMaskedLM", **more):
    tokenizer = word_pieces(folder)
    config = transformers.BertConfig(vocab_size=len(tokenizer), **SMALL, **more)
    return tokenizer, saved(getattr(transformers, f"Bert{head}")(config), folder)


def causal(folder, kind):
    tokenizer = byte_level(folder, **USUAL)
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    if kind == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, n_positions=64, **ids
        )
        return saved(transformers.GPT2LMHeadModel(config), folder)
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), **SMALL, num_key_value_heads=2, **ids)
    return saved(transformers.LlamaForCausalLM(config), folder)


@pytest.fixture
def reviews(tmp_path):
    (tmp_path / "reviews.tsv").write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in REVIEWS))
    return str(tmp_path / "reviews.tsv")


def test_gradients_of_fine_tuning_are_those_of_pytorch(tmp_path):
    tokenizer, model = bert(
        tmp_path, "ForSequenceClassification", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    model.train()
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True, truncation=True, max_length=64)
    targets = torch.tensor([0, 1, 0, 1, 1])
    model(**batch, labels=targets).loss.backward()
    network, ids = open_classifier(str(tmp_path)).model.train(), folder_of(str(tmp_path)).file_ids
    rank = torch.full((len(tokenizer),), -1)
    rank[torch.from_numpy(ids)] = torch.arange(len(ids))
    tokens = torch.where(batch["attention_mask"].bool(), rank[batch["input_ids"]], -1)
    total, count, _ = network.loss(tokens, targets)
    (total / count).backward()
    own, theirs = dict(network.named_parameters()), dict(model.named_parameters())
    layer = "bert.encoder.layer.1"
    for name, wanted in {
        "body.embedding.weight": theirs["bert.embeddings.word_embeddings.weight"].grad[torch.from_numpy(ids)],
        "body.positions.weight": theirs["bert.embeddings.position_embeddings.weight"].grad,
        "body.layers.1.attention.qkv.weight": torch.cat(
            [theirs[f"{layer}.attention.self.{part}.weight"].grad for part in ("query", "key", "value")]
        ),
        "body.layers.1.feedforward.up.bias": theirs[f"{layer}.intermediate.dense.bias"].grad,
        "transform.linear.weight": theirs["bert.pooler.dense.weight"].grad,
        "head.weight": theirs["classifier.weight"].grad,
    }.items():
        torch.testing.assert_close(own[name].grad, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("head", ["ForMaskedLM", "Model", "ForSequenceClassification", "ForPreTraining"])
def test_a_classifier_begins_with_the_body_and_the_pooler(head, tmp_path, reviews):
    _, model = bert(tmp_path, head)
    made = seqcli.train_classifier(reviews, tmp_path / "out", init=tmp_path, **STILL)
    begun, own = folder_of(str(tmp_path)).beginning(), ModelFolder.open(tmp_path / "out").tensors()
    assert ("transform.linear.weight" in begun) == (head != "ForMaskedLM")
    for name, array in begun.items():
        np.testing.assert_allclose(own[name], array, atol=1e-7)
    assert made.record["arch"] == "transformer" and made.record["settings"]["pooling"] == ["first"]
    assert made.record["settings"]["dropout"] == model.config.hidden_dropout_prob
    assert {label.label for label in made.classify("a good film").labels} == {"+", "-"}


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_causal_body_is_pooled_at_its_last_token(kind, tmp_path, reviews):
    causal(tmp_path, kind)
    made = seqcli.train_classifier(reviews, tmp_path / "out", init=tmp_path, **STILL)
    settings = made.record["settings"]
    assert settings["causal"] and settings["pooling"] == ["last"] and settings["window"] == 64
    own = ModelFolder.open(tmp_path / "out").tensors()
    for name, array in folder_of(str(tmp_path)).beginning().items():
        np.testing.assert_allclose(own[name], array, atol=1e-7)


def test_sentence_vectors_begin_a_classifier_with_their_pooling(tmp_path, reviews):
    bert(tmp_path, "Model")
    modules = [{"type": f"sentence_transformers.models.{name}"} for name in ("Transformer", "Pooling", "Normalize")]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    made = seqcli.train_classifier(reviews, tmp_path / "out", init=tmp_path, **STILL)
    assert made.record["settings"]["pooling"] == ["mean"] and made.record["settings"]["transform"] == "none"


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_a_language_model_goes_on_from_the_folder(kind, tmp_path):
    (tmp_path / "text.txt").write_text("I study machine learning.\nMy computer is slow.\n" * 40)
    (tmp_path / "model").mkdir()
    if kind == "gpt2":
        causal(tmp_path / "model", kind)
    else:
        bert(tmp_path / "model", hidden_dropout_prob=0.0)
    before = seqcli.load(tmp_path / "model")
    made = seqcli.train_lm(tmp_path / "text.txt", tmp_path / "out", init=tmp_path / "model", **STILL)
    assert made.record["unit"] == before.record["unit"] and made.record["arch"] == "transformer"
    assert re.sub("lm:[a-z0-9]*", "", made.signature) == re.sub("lm:[a-z0-9]*", "", before.signature)
    for text in TEXTS:
        assert made.score(text).log_prob == pytest.approx(before.score(text).log_prob, abs=1e-3)
    again = seqcli.load(tmp_path / "out")
    assert again.score(TEXTS[0]) == made.score(TEXTS[0])
    known = {"valid": tmp_path / "text.txt", "init": tmp_path / "model", "threads": 1, "learning_rate": 5e-3}
    losses = [
        seqcli.train_lm(tmp_path / "text.txt", tmp_path / f"{steps}", steps=steps, **known).record["valid"]["loss"]
        for steps in (1, 30)
    ]
    assert losses[1] < losses[0] - 1


def test_ends_that_are_not_predicted_are_no_part_of_the_held_out_figures(tmp_path):
    bert(tmp_path)
    (tmp_path / "text.txt").write_text(
        "".join(f"{word} slow computer\n" for word in ["my", "a", "the", "one", "this", "that"])
    )
    (tmp_path / "held.txt").write_text("My computer is slow.\nI study.\n")
    made = seqcli.train_lm(tmp_path / "text.txt", tmp_path / "out", init=tmp_path, valid=tmp_path / "held.txt", **STILL)
    lines = (tmp_path / "held.txt").read_text().splitlines()
    valid, own = made.record["valid"], made.corpus(lines)
    assert (
        (valid["tokens"], valid["sentences"]) == (own.tokens, 2) == (sum(len(made.tokens(line)) for line in lines), 2)
    )
    assert valid["bits_per_byte"] * own.log_prob == pytest.approx(own.bits_per_byte * valid["log_prob"], rel=1e-6)


def test_fine_tuning_learns_and_says_how(tmp_path, here, reviews):
    bert(tmp_path, hidden_dropout_prob=0.0)
    how = ("--valid", reviews, "--init", tmp_path, "--threads", 1)
    losses = []
    for steps in (1, 100):
        done = here(
            "train", "classifier", reviews, "-o", tmp_path / f"{steps}", "--steps", steps, "--learning-rate", "3e-3", *how
        )  # fmt: skip
        assert done.code == 0
        losses.append(json.loads(here("info", tmp_path / f"{steps}", "--json").out)["valid"]["loss"])
    assert losses[1] < losses[0] - 0.3
    done = here("train", "classifier", reviews, "-o", tmp_path / "epochs", *how)
    assert done.code == 0 and "settings: fine-tuning with learning rate 0.0003" in done.err
    record = json.loads(here("info", tmp_path / "epochs", "--json").out)
    training = record["training"]
    assert (training["epochs"], training["learning_rate"], training["optimizer"]) == (3, 3e-4, "adamw")
    done = here(
        "train",
        "classifier",
        reviews,
        "-o",
        tmp_path / "again",
        "--valid",
        reviews,
        "--init",
        tmp_path / "100",
        "--steps",
        1,
    )
    assert done.code == 0 and "fine-tuning" not in done.err  # it is one of ours now
    again = json.loads(here("info", tmp_path / "again", "--json").out)
    assert again["init"] == "100" and again["init_weights"] != record["init_weights"]


def test_what_init_cannot_take_is_named(tmp_path, here, reviews):
    bert(tmp_path)
    done = here("train", "classifier", reviews, "--init", tmp_path, "--arch", "lstm", "-o", tmp_path / "c")
    assert done.code == 2 and "use --arch transformer" in done.err
    done = here("train", "lm", reviews, "--init", tmp_path, "--tokenizer", "bytes", "-o", tmp_path / "c")
    assert done.code == 2 and "uses the tokenizer of its model" in done.err
    (tmp_path / "body").mkdir()
    bert(tmp_path / "body", "Model")
    done = here("train", "lm", reviews, "--init", tmp_path / "body", "-o", tmp_path / "c")
    assert done.code == 4 and "language model is needed" in done.err


@pytest.mark.parametrize("command", ["classifier", "lm"])
def test_layers_that_a_folder_does_not_have_are_not_counted(tmp_path, here, reviews, command):
    bert(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_hidden_layers": 10**9}))
    done = here("train", command, reviews, "-o", tmp_path / "out", "--init", tmp_path, "--steps", 1)
    assert done.code == 4 and done.err.splitlines()[-1].count("; ") == 1, done.err
