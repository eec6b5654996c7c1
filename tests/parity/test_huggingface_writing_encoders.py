"""transformers as judge of encoders and translators that `convert --to hf` writes: the same logits, ids and translations."""

import dataclasses
import json

import numpy as np
import pytest
from small_huggingface import SAMPLES

import seqcli
from seqcli import catalog
from seqcli.decoding.translate import _MORE
from seqcli.files import tensor_file
from seqcli.runs.model_writer import writing_model
from seqcli.token_batch import TokenBatch
from seqcli.tokenizers import sentencepiece, words

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from seqcli.nn.weights import arrays  # noqa: E402

MOST = 1e-4  # nats a token, and logits
TEXTS = ["I study machine learning.", "My computer is very slow", "나는 zebra <s> 공부한다", "a"]
LABELS = ["angry", "calm", "sad"]
SMALL = {"width": 32, "layers": 2, "heads": 4, "hidden": 48, "window": 64}


@pytest.fixture(scope="module")
def tokenizers():
    """Ours, trained on the sample data."""
    english, korean = ((SAMPLES / f"{name}.txt").read_bytes()[:30_000].rpartition(b"\n")[0] + b"\n" for name in ("english", "korean"))  # fmt: skip
    return {
        "words": words.train([english, korean], min_count=2)[0],
        "both": sentencepiece.train([english, korean], vocab_size=700)[0],
        "english": sentencepiece.train([english], vocab_size=450)[0],
        "korean": sentencepiece.train([korean], vocab_size=600)[0],
    }


def save(folder, task, preset, tokenizer, record, *, sizes, **changed):
    """A model of ours with the settings of a preset and large random weights, so that predictions are not all alike."""
    module_name, presets = catalog.presets(task, "transformer")
    module = catalog.load("models", module_name)
    known = {field.name for field in dataclasses.fields(module.Config)}
    settings = {name: value for name, value in presets[preset].items() if name in known} | SMALL | changed
    torch.manual_seed(1)
    model = module.build(module.Config(**settings), **sizes)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(torch.randn_like(parameter) * (0.5 if name.endswith("bias") else 0.15))
    tensors = {name: tensor_file.tensor(array) for name, array in arrays(model).items()}
    record = {"arch": "transformer", "module": module_name, "settings": settings, "tokenizer": "", **record}
    with writing_model(folder) as writer:
        writer.save(task=task, arch="transformer", config=record, tensors=tensors, tokenizer=tokenizer, card="")


def opened_by_transformers(kind, folder):
    model, loading = getattr(transformers, kind).from_pretrained(folder, output_loading_info=True)
    assert not any(loading[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
    return model.eval()


@pytest.mark.parametrize("name", ["words", "both"])
def test_a_masked_model_is_written_as_bert(name, here, tmp_path, tokenizers):
    size = tokenizers[name].vocab_size
    save(tmp_path / "ours", "language", "bert", tokenizers[name], {"unit": "line"}, sizes={"vocab_size": size})
    assert here("convert", "ours", "theirs", "--to", "hf").code == 0 and here("convert", "theirs", "back").code == 0
    model, tokenizer = (
        opened_by_transformers("AutoModelForMaskedLM", "theirs"),
        transformers.AutoTokenizer.from_pretrained("theirs"),
    )
    ours, theirs, back = (seqcli.load(tmp_path / folder) for folder in ("ours", "theirs", "back"))
    assert "<mask> written in it" in (tmp_path / "theirs" / "README.md").read_text()
    for text in (text for text in TEXTS if "<s>" not in text):
        ids = tokenizer(text, return_tensors="pt").input_ids
        places = torch.arange(1, ids.shape[1] - 1)
        rows = ids.repeat(len(places), 1)
        rows[torch.arange(len(places)), places] = tokenizer.mask_token_id
        with torch.inference_mode():
            shares = model(rows).logits[torch.arange(len(places)), places].log_softmax(-1)
        wanted = shares[torch.arange(len(places)), ids[0, places]].numpy()
        np.testing.assert_allclose([token.log_prob for token in ours.tokens(text)], wanted, atol=MOST)
        assert (
            theirs.score(text).log_prob
            == back.score(text).log_prob
            == pytest.approx(ours.score(text).log_prob, abs=MOST)
        )
    ids = tokenizer("My <mask> is", return_tensors="pt").input_ids
    assert (ids == tokenizer.mask_token_id).sum() == 1
    if name == "words":  # elsewhere the space before a mask is a token of ours
        with torch.inference_mode():
            best = model(ids).logits[ids == tokenizer.mask_token_id].softmax(-1).max().item()
        assert ours.fill("My [MASK] is").masks[0][0].probability == pytest.approx(best, abs=MOST)


def test_a_classifier_is_written_as_bert(here, tmp_path, tokenizers):
    tokenizer = tokenizers["both"]
    sizes = {"vocab_size": tokenizer.vocab_size, "labels": len(LABELS)}
    save(tmp_path / "ours", "classification", "bert", tokenizer, {"labels": LABELS}, sizes=sizes)
    assert here("convert", "ours", "theirs", "--to", "hf").code == 0 and here("convert", "theirs", "back").code == 0
    model = opened_by_transformers("AutoModelForSequenceClassification", "theirs")
    tokenizer = transformers.AutoTokenizer.from_pretrained("theirs")
    assert [model.config.id2label[n] for n in range(len(LABELS))] == LABELS
    ours, theirs, back = (seqcli.load(tmp_path / folder) for folder in ("ours", "theirs", "back"))
    for text in TEXTS:
        with torch.inference_mode():
            wanted = model(**tokenizer(text, return_tensors="pt")).logits[0].numpy()
        found = ours.opened.logits(f"{text}\n".encode())[0]
        np.testing.assert_allclose(found, wanted, atol=MOST)
        for other in (theirs, back):
            assert np.array_equal(other.opened.logits(f"{text}\n".encode())[0], found)


@pytest.fixture(scope="module", params=["joint", "separate"])
def translator(request, tmp_path_factory, tokenizers):
    """A folder with a translator of ours, and `theirs`, which it was written as."""
    from seqcli import cli

    folder, joint = tmp_path_factory.mktemp("translator"), request.param == "joint"
    sides = [tokenizers["both"]] * 2 if joint else [tokenizers["english"], tokenizers["korean"]]
    sizes = {"source_size": sides[0].vocab_size, "vocab_size": sides[1].vocab_size, "joint": joint}
    save(folder / "ours", "translation", "marian", sides[0] if joint else tuple(sides), {}, sizes=sizes)
    assert cli.run(["convert", str(folder / "ours"), str(folder / "theirs"), "--to", "hf"]) == 0
    return folder


@pytest.mark.filterwarnings("ignore:Recommended")
def test_a_translator_is_written_as_marian(translator):
    model, ours = (
        opened_by_transformers("AutoModelForSeq2SeqLM", translator / "theirs"),
        seqcli.load(translator / "ours"),
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(translator / "theirs")
    start = model.config.decoder_start_token_id
    for text, other in zip(TEXTS, ["나는 공부한다", "a", "제 컴퓨터는 아주 느려요", TEXTS[2]]):
        batch = tokenizer(text, return_tensors="pt")
        labels = tokenizer(text_target=other, return_tensors="pt").input_ids
        read = torch.cat([torch.tensor([[start]]), labels[:, :-1]], 1)
        with torch.inference_mode():
            out = model(**batch, decoder_input_ids=read).logits.log_softmax(-1)
        wanted = out[0].gather(-1, labels[0, :, None])[:, 0].numpy()
        source, target = (side.encode(f"{each}\n".encode()) for side, each in ((ours.opened.source, text), (ours.opened.target, other)))  # fmt: skip
        conditioned = ours.opened.model.conditioned_on(ours.opened.model.encode(source))
        np.testing.assert_allclose(conditioned.score(TokenBatch.of([target.tokens])).log_prob, wanted, atol=MOST)


@pytest.mark.filterwarnings("ignore:Recommended")
def test_its_translations_are_those_of_transformers_and_the_same_when_it_is_read_again(translator, here):
    model, ours = (
        opened_by_transformers("AutoModelForSeq2SeqLM", translator / "theirs"),
        seqcli.load(translator / "ours"),
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(translator / "theirs")
    again = seqcli.load(translator / "theirs")
    for text in TEXTS[:2]:
        batch = tokenizer(text, return_tensors="pt")
        most = batch.input_ids.shape[1] + _MORE
        made = model.generate(
            **batch, max_new_tokens=most, num_beams=3, do_sample=False, length_penalty=0.0, output_scores=True,
            return_dict_in_generate=True,
        )  # fmt: skip
        found, same = (
            each.translate(text, beam_size=3, length_penalty=0.0, max_length_ratio=1.0) for each in (ours, again)
        )
        assert found.translation == same.translation and found.log_prob == same.log_prob
        assert found.log_prob == pytest.approx(made.sequences_scores.item(), abs=1e-3)
        wanted = tokenizer.decode(made.sequences[0], skip_special_tokens=True)
        assert (
            found.translation.split() == wanted.replace("\ufffd", "").split()
        )  # ours drops bytes that are no character


@pytest.mark.parametrize("joint", [True, False])
def test_ctranslate2_gives_the_scores_of_a_translator(joint, here, tmp_path, tokenizers):
    ctranslate2 = pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    sides = [tokenizers["both"]] * 2 if joint else [tokenizers["english"], tokenizers["korean"]]
    sizes = {"source_size": sides[0].vocab_size, "vocab_size": sides[1].vocab_size, "joint": joint}
    save(tmp_path / "ours", "translation", "marian", sides[0] if joint else tuple(sides), {}, sizes=sizes)
    done = here("convert", "ours", "theirs", "--to", "ctranslate2")
    if not joint:
        assert done.code == 4 and "one tokenizer" in done.err and not (tmp_path / "theirs").exists()
        return
    assert done.code == 0, done.err
    model, ours = ctranslate2.Translator(str(tmp_path / "theirs")), seqcli.load(tmp_path / "ours")
    for text, other in zip(TEXTS, reversed(TEXTS)):
        source, target = ([piece.text for piece in sides[0].pieces(each)] for each in (text, other))
        (scored,) = model.score_batch([[*source, "</s>"]], [target])
        ids, row = (sides[0].encode(f"{each}\n".encode()) for each in (text, other))
        conditioned = ours.opened.model.conditioned_on(ours.opened.model.encode(ids))
        assert scored.log_probs == pytest.approx(
            conditioned.score(TokenBatch.of([row.tokens])).log_prob.tolist(), abs=1e-3
        )


def sizes_of(task, tokenizer):
    """The arguments of `build` beside the settings."""
    sizes = {
        "language": {}, "classification": {"labels": 3},
        "translation": {"source_size": tokenizer.vocab_size, "joint": True},
    }  # fmt: skip
    return sizes[task] | {"vocab_size": tokenizer.vocab_size}


@pytest.mark.parametrize("task, preset, changed, told", [
    ("language", "bert", {"norm_place": "pre"}, "norm_place=pre is not in bert; train with --set norm_place=post"),
    ("classification", "bert", {"pooling": ("mean",)}, "pooling=[\"mean\"] is not in bert; train with --set pooling=[\"first\"]"),
    ("translation", "marian", {"tied": False}, "tied=false is not in marian; train with --set tied=true"),
    ("translation", "marian", {}, "a translator with a words tokenizer cannot be written: Marian's are SentencePiece models; train with --tokenizer sentencepiece"),
])  # fmt: skip
def test_what_no_family_holds_is_refused_with_what_to_change(task, preset, changed, told, here, tmp_path, tokenizers):
    tokenizer = tokenizers["words"]
    sizes = sizes_of(task, tokenizer)
    save(tmp_path / "ours", task, preset, tokenizer, {"unit": "line", "labels": LABELS}, sizes=sizes, **changed)
    done = here("convert", "ours", "theirs", "--to", "hf")
    assert done.code == 4 and told in done.err and [path.name for path in tmp_path.iterdir()] == ["ours"]


@pytest.mark.parametrize("task, preset, family", [
    ("language", "tiny", "bert"), ("classification", "tiny", "bert"), ("translation", "tiny", "marian"),
])  # fmt: skip
def test_where_many_settings_differ_the_preset_is_named(task, preset, family, here, tmp_path, tokenizers):
    tokenizer, more = tokenizers["both"], {"objective": "masked"} if task == "language" else {}
    sizes = sizes_of(task, tokenizer)
    save(tmp_path / "ours", task, preset, tokenizer, {"unit": "line", "labels": LABELS}, sizes=sizes, **more)
    done = here("convert", "ours", "theirs", "--to", "hf")
    assert done.code == 4 and done.err.endswith(f"are not in {family}; train with --preset {family}\n")


@pytest.mark.parametrize("task", ["language", "classification"])
def test_ctranslate2_has_no_models_that_fill_in_or_classify(task, here, tmp_path, tokenizers):
    pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")
    tokenizer = tokenizers["both"]
    sizes = {"vocab_size": tokenizer.vocab_size} | ({"labels": 3} if task == "classification" else {})
    save(tmp_path / "ours", task, "bert", tokenizer, {"unit": "line", "labels": LABELS}, sizes=sizes)
    done = here("convert", "ours", "theirs", "--to", "ctranslate2")
    assert done.code == 4 and done.err.endswith("use --to hf\n") and not (tmp_path / "theirs").exists()


def test_the_card_says_how_it_is_opened(translator):
    card = (translator / "theirs" / "README.md").read_text()
    assert "AutoModelForSeq2SeqLM" in card and "NFC" in card
    assert json.loads((translator / "theirs" / "config.json").read_text())["architectures"] == ["MarianMTModel"]


PAIRS = [("a good day", "좋은 날"), ("a bad day", "나쁜 날"), ("My computer is slow", "제 컴퓨터는 느려요")] * 20


@pytest.mark.parametrize("verb, preset, kind", [
    ("lm", "bert", "BertForMaskedLM"), ("classifier", "bert", "BertForSequenceClassification"), ("translator", "marian", "MarianMTModel"),
])  # fmt: skip
def test_the_presets_train_models_that_can_be_written(verb, preset, kind, here, tmp_path):
    rows = {
        "lm": ["text", *(text for text, _ in PAIRS)],
        "classifier": ["text\tlabel", *(f"{text}\t{'bad' in text}" for text, _ in PAIRS)],
        "translator": ["source\ttarget", *(f"{text}\t{other}" for text, other in PAIRS)],
    }[verb]
    (tmp_path / "data.tsv").write_text("".join(f"{row}\n" for row in rows))
    done = here(
        "train", verb, "data.tsv", "-o", "ours", "--arch", "transformer", "--preset", preset, "--steps", 1, "-q",
        "--set", "width=32", "--set", "layers=1", *(["--vocab-size", 300] if verb == "translator" else ()),
    )  # fmt: skip
    assert done.code == 0, done.err
    done = here("convert", "ours", "theirs", "--to", "hf")
    assert done.code == 0, done.err
    assert json.loads((tmp_path / "theirs" / "config.json").read_text())["architectures"] == [kind]
