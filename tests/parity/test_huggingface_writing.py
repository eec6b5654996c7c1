"""transformers as judge of what `convert --to hf` writes: it opens every folder, with the same ids and log-probabilities."""

import json

import numpy as np
import pytest
from conftest import LINES
from small_huggingface import CASES, SAMPLES, TEXTS, assert_same_tensors, language_model

import seqcli
from seqcli.catalog import presets
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import writing_model
from seqcli.tokenizers import bytes as byte_tokens
from seqcli.tokenizers import characters, sentencepiece, words

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from seqcli.models import transformer  # noqa: E402
from seqcli.nn.weights import arrays  # noqa: E402

MOST = 1e-4  # nats a token
SMALL = {"width": 48, "layers": 2, "heads": 4, "window": 64}
GPT2 = {"positions": "learned", "activation": "gelu", "norm": "layer", "bias": True}
ALL, USUAL = {"impossible": ()}, {"impossible": (1,)}
MODELS = {  # name: settings, tokenizer, unit
    "llama": ({"groups": 2, **ALL}, "sentencepiece", "line"),
    "llama, <s> never predicted": (USUAL, "words", "line"),
    "llama, biases": ({"bias": True, "tied": False, "rotary_base": 5e4, **ALL}, "bytes", "line"),
    "llama, attention biases": ({"attention_bias": "all", "head_width": 16, **USUAL}, "characters", "document"),
    "gpt2": ({**GPT2, **ALL}, "characters", "line"),
    "gpt2, <s> never predicted": ({**GPT2, "activation": "gelu_exact", "hidden": 64, **USUAL}, "bpe", "line"),
    "gpt2, untied": ({**GPT2, "tied": False, "activation": "relu", **USUAL}, "bytes", "document"),
}


@pytest.fixture(scope="module")
def tokenizers():
    """Ours, trained on the sample data."""
    texts = [
        (SAMPLES / f"{name}.txt").read_bytes()[:40_000].rpartition(b"\n")[0] + b"\n" for name in ("english", "korean")
    ]
    return {
        "characters": characters.train(texts, vocab_size=400, unit="document")[0],
        "bytes": byte_tokens.Bytes(),
        "words": words.train(texts, min_count=2)[0],
        "sentencepiece": sentencepiece.train(texts, vocab_size=700)[0],
        "bpe": sentencepiece.train(texts, vocab_size=700, algorithm="bpe")[0],
    }


def save(folder, tokenizer, *, unit="line", **changed):
    """A model of ours with large random weights, so that predictions are not all alike."""
    config = transformer.Config(**(SMALL | changed))
    torch.manual_seed(1)
    model = transformer.build(config, vocab_size=tokenizer.vocab_size)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    record = {"arch": "transformer", "settings": {**SMALL, **changed}, "unit": unit, "tokenizer": tokenizer.KIND}
    tensors = {name: seqcli.files.tensor_file.tensor(array) for name, array in arrays(model).items()}
    with writing_model(folder) as writer:
        writer.save(task="language", arch="transformer", config=record, tensors=tensors, tokenizer=tokenizer, card="")


@pytest.fixture(params=MODELS)
def written(request, here, tmp_path, tokenizers):
    """A model of ours, and the Hugging Face folder that it was written as."""
    changed, name, unit = MODELS[request.param]
    save(tmp_path / "ours", tokenizers[name], unit=unit, **changed)
    assert here("convert", "ours", "theirs", "--to", "hf").code == 0
    return tmp_path / "ours", tmp_path / "theirs"


def test_transformers_opens_it_with_the_same_log_probabilities(written):
    ours, theirs = written
    model, loading = transformers.AutoModelForCausalLM.from_pretrained(theirs, output_loading_info=True)
    assert not any(loading[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
    tokenizer, opened = transformers.AutoTokenizer.from_pretrained(theirs), seqcli.load(ours)
    for text in (*TEXTS[:3], "a"):
        ids = tokenizer(text, return_tensors="pt").input_ids
        with torch.inference_mode():
            wanted = model(ids).logits.log_softmax(-1)[0, :-1].gather(-1, ids[0, 1:, None])[:, 0].numpy()
        found = [token.log_prob for token in opened.tokens(text)]
        np.testing.assert_allclose(found, wanted, atol=MOST)


def test_there_and_back_scores_are_the_same_bitwise(written, here, tmp_path):
    ours, theirs = written
    assert here("convert", theirs, "back").code == 0
    models = [seqcli.load(path) for path in (ours, theirs, tmp_path / "back")]
    for text in TEXTS:
        first, *others = ([token.log_prob for token in model.tokens(text)] for model in models)
        assert others == [first, first]
    before, after = (ModelFolder.open(path).tensors() for path in (ours, tmp_path / "back"))
    if not ModelFolder.open(ours).config["settings"]["impossible"]:  # otherwise `<s>` and `</s>` have become one
        assert before.keys() == after.keys() and all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("case", CASES)
def test_theirs_become_ours_and_theirs_again_with_the_same_tensors(case, here, tmp_path):
    tokenizer, _ = language_model(case, tmp_path / "theirs")
    assert here("convert", "theirs", "ours").code == 0
    assert here("convert", "ours", "again", "--to", "hf").code == 0
    assert_same_tensors(tmp_path / "theirs", tmp_path / "again")
    again = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    assert [again(text).input_ids for text in TEXTS] == [tokenizer(text).input_ids for text in TEXTS]
    with (tmp_path / "theirs").joinpath("config.json").open() as file:
        assert (
            json.load(file)["architectures"]
            == json.loads((tmp_path / "again" / "config.json").read_text())["architectures"]
        )
    (tmp_path / "theirs").rename(tmp_path / "gone")  # ours needs nothing of it
    own, theirs = seqcli.load(tmp_path / "ours"), seqcli.load(tmp_path / "gone")
    assert [own.score(text).log_prob for text in TEXTS] == [theirs.score(text).log_prob for text in TEXTS]


# --- tokenizers ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["characters", "bytes", "words", "sentencepiece", "bpe"])
def pair(request, tokenizers, tmp_path_factory):
    """A tokenizer of ours, and what transformers makes of it."""
    from seqcli.interop.huggingface import tokenizer_json

    folder, tokenizer = tmp_path_factory.mktemp("tokenizer"), tokenizers[request.param]
    made = tokenizer_json.written(tokenizer, unit="line", impossible=(), where="ours")
    made.library.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(made.config(window=10**9)))
    return tokenizer, transformers.AutoTokenizer.from_pretrained(folder)


def assert_same_ids(pair, text):
    ours, theirs = pair
    assert theirs(text).input_ids == [1, *(piece.id for piece in ours.pieces(text)), 2]


def test_ids_of_the_sample_data_are_the_same(pair):
    for name in ("english", "korean"):
        for line in (SAMPLES / f"{name}.txt").read_text("utf-8").split("\n")[:1500]:
            assert_same_ids(pair, line)


ODD = "\u1112\u1161\u11ab\u0301\u00e9\U0001f600\u2581\x1a\u3000\u200d<s></s><unk><0x41>\x00\x0b\r\u2028"
CHARACTERS = st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\n")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from([*LINES, *ODD, *" aaab..<0x", "<s>", " </s> ", "<0xE3>"]), CHARACTERS)).map(
        "".join
    )
)
def test_ids_of_any_text_are_the_same(pair, text):
    assert_same_ids(pair, text)


@pytest.mark.parametrize("text", ["I study  machine learning.", "나는 \u1112\u1161\u11ab국 naïve", "\u2581 <s> \x1a1"])
def test_decoding_gives_the_text_of_ours(pair, text):
    ours, theirs = pair
    ids = [piece.id for piece in ours.pieces(text)]
    assert theirs.decode(ids) == ours.decode(ids)


# --- refused ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changed, told", [
    ({"norm_place": "post"}, "norm_place=post is not in llama; train with --set norm_place=pre"),
    ({"activation": "relu2"}, "activation=relu2 is not in llama; train with --set activation=swiglu"),
    ({**GPT2, "scaled": True}, "scaled=true is not in gpt2; train with --set scaled=false"),
    ({"attention_bias": "qkv"}, "attention_bias=qkv is in Qwen2 alone, whose tokenizer is always a byte-level BPE; train with --set attention_bias=all"),
    ({"objective": "hybrid"}, "objective=hybrid is not in llama; train with --set objective=causal"),
    ({"impossible": (0, 1)}, "impossible=[0, 1] is not in llama, whose models may predict any token; train with --set impossible=[]"),
])  # fmt: skip
def test_what_no_family_holds_is_refused_with_the_setting_to_change(changed, told, here, tmp_path, tokenizers):
    save(tmp_path / "ours", tokenizers["bytes"], **changed)
    done = here("convert", "ours", "theirs", "--to", "hf")
    assert done.code == 4 and told in done.err and [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_a_folder_is_replaced_only_where_it_is_told_and_nothing_else_is(here, tmp_path, tokenizers):
    save(tmp_path / "ours", tokenizers["bytes"], **ALL)
    assert here("convert", "ours", "theirs", "--to", "hf").code == 0
    before = (tmp_path / "theirs" / "config.json").stat().st_ino
    assert here("convert", "ours", "theirs", "--to", "hf").code == 2
    assert (tmp_path / "theirs" / "config.json").stat().st_ino == before
    assert here("convert", "ours", "theirs", "--to", "hf", "--force").code == 0
    assert (tmp_path / "theirs" / "config.json").stat().st_ino != before
    (tmp_path / "theirs" / "notes.txt").write_text("mine")
    assert here("convert", "ours", "theirs", "--to", "hf", "--force").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "theirs"]


@pytest.mark.parametrize("preset", ["gpt2", "llama"])
def test_the_presets_train_models_that_can_be_written(preset, here, tmp_path):
    values = presets("language", "transformer")[1][preset]
    assert values["impossible"] == []
    (tmp_path / "text.txt").write_text("".join(f"{line}\n" for line in LINES * 3))
    done = here(
        "train", "lm", "text.txt", "-o", "ours", "--arch", "transformer", "--preset", preset, "--steps", 1, "-q",
        "--set", "width=32", "--set", "layers=1",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert here("convert", "ours", "theirs", "--to", "hf").code == 0
    assert json.loads((tmp_path / "theirs" / "config.json").read_text())["model_type"] == preset
