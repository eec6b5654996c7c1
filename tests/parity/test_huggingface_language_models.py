"""transformers as judge of language models: the same folder gives the same log-probabilities and the same texts."""

import json

import numpy as np
import pytest
from small_huggingface import CASES, SMALL, TEXTS, USUAL, byte_level, language_model, saved

import seqcli
from seqcli.errors import ModelError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

MOST = 1e-4  # nats a token


@pytest.fixture(scope="module", params=CASES)
def both(request, tmp_path_factory):
    """A folder, the tokenizer and the model of transformers, and ours."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer, model = language_model(request.param, folder)
    return folder, tokenizer, model, seqcli.load(folder)


def ids_of(tokenizer, text):
    """After what stands before a text."""
    start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return torch.tensor([[start, *tokenizer(text, add_special_tokens=False)["input_ids"]]])


def test_log_probabilities_are_those_of_transformers(both):
    _, tokenizer, model, ours = both
    for text in TEXTS:
        ids = ids_of(tokenizer, text)
        with torch.inference_mode():
            theirs = model(ids).logits.log_softmax(-1)[0, :-1].gather(-1, ids[0, 1:, None])[:, 0].numpy()
        found = [token.log_prob for token in ours.tokens(text)]
        np.testing.assert_allclose(found, theirs, atol=MOST)


def test_next_tokens_are_those_of_transformers(both):
    _, tokenizer, model, ours = both
    with torch.inference_mode():
        wanted = model(ids_of(tokenizer, TEXTS[0])).logits[0, -1].softmax(-1).topk(5).values.numpy()
    found = [token.probability for token in ours.next(TEXTS[0], k=5)]
    np.testing.assert_allclose(found, wanted, atol=MOST)


@pytest.mark.parametrize("beams", [1, 3])
def test_greedy_and_beam_search_give_the_texts_of_transformers(both, beams):
    _, tokenizer, model, ours = both
    for text in TEXTS[:2]:
        ids = ids_of(tokenizer, text)
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, num_beams=beams, do_sample=False, pad_token_id=0, length_penalty=0.0,
            early_stopping=False,
        )  # fmt: skip
        before = tokenizer.decode(ids[0, 1:])
        wanted = tokenizer.decode(made[0, 1:], skip_special_tokens=True).removeprefix(before)
        found = ours.generate(text, max_new_tokens=12, temperature=0.0) if beams == 1 else ours.generate(
            text, max_new_tokens=12, beam_size=beams
        )  # fmt: skip
        assert found[0].text.rstrip("\ufffd") == wanted.rstrip("\ufffd")  # of a character that the limit cuts


def test_a_prompt_batch_of_several_lengths_gives_what_each_gives_alone(both):
    ours = both[3]
    together = [
        sample.text for samples in ours.generate(TEXTS, max_new_tokens=6, temperature=0.0) for sample in samples
    ]
    assert together == [
        sample.text for text in TEXTS for sample in ours.generate(text, max_new_tokens=6, temperature=0.0)
    ]


def test_an_unknown_architecture_is_refused_with_the_nearest(tmp_path):
    byte_level(tmp_path, **USUAL)
    (tmp_path / "config.json").write_text('{"model_type": "llamo", "architectures": ["LlamoForCausalLM"]}')
    with pytest.raises(ModelError, match="LlamoForCausalLM' is not supported") as error:
        seqcli.load(tmp_path)
    assert "LlamaForCausalLM" in str(error.value)


@pytest.mark.parametrize("change, found", [
    ({"hidden_act": "gelu"}, "hidden_act 'gelu' is not supported"),
    ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "rope_type 'yarn' is not supported; supported: default, linear, llama3"),
    ({"num_hidden_layers": 10**9}, "no tensor layers.3"),
    ({"hidden_size": "wide"}, "hidden_size is 'wide', a int expected"),
    ({"num_attention_heads": 5}, "heads 5 must be a multiple of groups 4"),
])  # fmt: skip
def test_what_the_engine_cannot_compute_is_named(tmp_path, change, found):

    tokenizer = byte_level(tmp_path, **USUAL)
    saved(transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=len(tokenizer), **SMALL)), tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError) as error:
        seqcli.load(tmp_path)
    assert found in str(error.value)


@pytest.mark.parametrize("architecture, nearest", [
    *((f"{name}ForConditionalGeneration", "MarianMTModel") for name in ("M2M100", "MBart", "T5", "Whisper")),
    *((f"{name}ForCausalLM", "GPT2LMHeadModel, LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM") for name in ("GPTNeoX", "Gemma", "Phi")),
    ("GPT2Model", "GPT2LMHeadModel"), ("BertForTokenClassification", "BertForMaskedLM, BertForPreTraining, BertForSequenceClassification, BertModel"),
    ("FooBar", ""), ("", ""), ("T5\nFor", ""),
])  # fmt: skip
def test_an_architecture_that_is_not_supported_is_told_what_is(architecture, nearest, tmp_path, here):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture], "model_type": "t5"}))
    done = here("score", "-m", tmp_path, "a text")
    assert done.code == 4 and done.err.count("\n") == 1 and "supported: Bert, Camembert," in done.err
    assert (f"nearest: {nearest}; supported" if nearest else "is not supported; supported") in done.err


def test_explain_shows_the_numbers_of_score(both, here):
    folder, _, _, ours = both
    done = here("explain", "-m", str(folder), "--surprisal", "--json", TEXTS[0])
    found = [token["log_prob"] for token in json.loads(done.out)["tokens"]]
    assert found == pytest.approx([token.log_prob for token in ours.tokens(TEXTS[0])], abs=1e-6)
    long = " ".join([TEXTS[0]] * 60)
    assert [
        json.loads(line)["view"] for line in here("explain", "-m", str(folder), "--json", long).out.splitlines()
    ] == ["surprisal"]
