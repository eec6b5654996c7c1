"""transformers as judge of Marian translators: the same folder gives the same log-probabilities, attention and translations."""

import json

import numpy as np
import pytest
from small_huggingface import SAMPLES, assert_same_tensors, saved
from small_sentencepiece import trained

import seqcli
from seqcli.decoding.translate import _MORE
from seqcli.errors import ModelError
from seqcli.token_batch import TokenBatch

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
sentencepiece = pytest.importorskip("sentencepiece")

MOST = 1e-4  # nats a token
TEXTS = ["I study machine learning.", "My computer is very slow", ">>kor<< The weather is nice today.", "한국어 zebra"]
SMALL = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64, "activation_function": "swish", "scale_embedding": True, "static_position_embeddings": True}  # fmt: skip
CASES = {
    "as opus-mt": {},
    "two vocabularies": {"share_encoder_decoder_embeddings": False},
    "another decoder": {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 48},
    "relu, unscaled": {"activation_function": "relu", "scale_embedding": False},
    "gelu, more rows": {"activation_function": "gelu", "more": 5},
}


@pytest.fixture(scope="session")
def pieces(tmp_path_factory):
    """A SentencePiece file of each side."""
    folder = tmp_path_factory.mktemp("pieces")
    for side, language in (("source", "english"), ("target", "korean")):
        lines = (SAMPLES / f"{language}.txt").read_text(encoding="utf-8").splitlines()
        (folder / f"{side}.spm").write_bytes(trained(lines, vocab_size=700))
    return folder


def marian(folder, pieces, *, more=0, **settings):
    """A translator of random weights, in a folder. more: rows of its embedding that no token has."""
    own = []
    for side in ("source", "target"):
        (folder / f"{side}.spm").write_bytes((pieces / f"{side}.spm").read_bytes())
        model = sentencepiece.SentencePieceProcessor(model_file=str(pieces / f"{side}.spm"))
        own.append([model.id_to_piece(id) for id in range(3, model.vocab_size())])
    joint = settings.get("share_encoder_decoder_embeddings", True)
    sides = [[*own[0], *own[1]]] * 2 if joint else own
    ids = [
        {name: id for id, name in enumerate(dict.fromkeys(["</s>", "<unk>", *names, ">>kor<<", "<pad>"]))}
        for names in sides
    ]
    (folder / "vocab.json").write_text(json.dumps(ids[0]))
    if not joint:
        (folder / "target_vocab.json").write_text(json.dumps(ids[1]))
    about = {
        "separate_vocabs": not joint,
        "source_lang": "eng",
        "target_lang": "kor",
        "tokenizer_class": "MarianTokenizer",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    start = ids[1]["<pad>"]
    config = transformers.MarianConfig(
        vocab_size=len(ids[0]) + more, decoder_vocab_size=len(ids[1]) + more, pad_token_id=start, decoder_start_token_id=start,
        eos_token_id=0, forced_eos_token_id=None, **(SMALL | settings),
    )  # fmt: skip
    model = transformers.MarianMTModel(config)
    model.final_logits_bias[0] = torch.randn(
        model.final_logits_bias.shape[1], generator=torch.Generator().manual_seed(1)
    )
    model.final_logits_bias[0, 0] = 4.0  # so that translations end
    return saved(model, folder, deviation=0.2)


@pytest.fixture(scope="module", params=CASES)
def both(request, pieces, tmp_path_factory):
    """A folder, the tokenizer and the model of transformers, and ours."""
    folder = tmp_path_factory.mktemp("model")
    model = marian(folder, pieces, **CASES[request.param])
    return folder, transformers.MarianTokenizer.from_pretrained(folder), model, seqcli.load(folder)


def test_log_probabilities_and_attention_are_those_of_transformers(both):
    _, tokenizer, model, ours = both
    opened, start = ours.opened, model.config.decoder_start_token_id
    ours_of = {int(id): number for number, id in enumerate(opened.target.file_ids)}
    for text in TEXTS:
        batch = tokenizer([text], return_tensors="pt")
        source = opened.source.encode(f"{text}\n".encode())
        assert opened.source.file_ids[source.tokens].tolist() == batch["input_ids"][0].tolist()
        labels = torch.tensor([[7, 3, 90, 4, 0]])
        read = torch.cat([torch.tensor([[start]]), labels[:, :-1]], 1)
        with torch.inference_mode():
            out = model(**batch, decoder_input_ids=read, output_attentions=True)
            model.set_attn_implementation("eager")
            maps = model(**batch, decoder_input_ids=read, output_attentions=True).cross_attentions
            model.set_attn_implementation("sdpa")
        wanted = out.logits.log_softmax(-1)[0].gather(-1, labels[0, :, None])[:, 0].numpy()
        conditioned, row = (
            opened.model.conditioned_on(opened.model.encode(source)),
            TokenBatch.of([np.array([ours_of[id] for id in labels[0].tolist()], np.int32)]),
        )
        np.testing.assert_allclose(conditioned.score(row).log_prob, wanted, atol=MOST)
        mean = torch.stack([each[0].mean(0) for each in maps]).mean(0).numpy()
        np.testing.assert_allclose(conditioned.attention(row)[0], mean, atol=1e-5)


@pytest.mark.parametrize("beams, penalty", [(1, 1.0), (4, 1.0), (6, 1.0), (6, 0.0), (4, 0.6)])
def test_greedy_and_beam_search_give_the_translations_of_transformers(both, beams, penalty):
    """In the n-best list theirs has a text once for each of its segmentations."""
    _, tokenizer, model, ours = both
    for text in TEXTS[:3]:
        batch = tokenizer([text], return_tensors="pt")
        most = batch["input_ids"].shape[1] + _MORE
        made = model.generate(
            **batch, max_new_tokens=most, num_beams=beams, num_return_sequences=beams, do_sample=False, length_penalty=penalty,
            early_stopping=False, output_scores=True, return_dict_in_generate=True,
        )  # fmt: skip
        wanted: dict[str, float] = {}
        scores = made.sequences_scores.tolist() if beams > 1 else [None]
        for ids, score in zip(made.sequences, scores):
            wanted.setdefault(" ".join(tokenizer.decode(ids, skip_special_tokens=True).split()), score)
        found = ours.translate(text, beam_size=beams, n_best=beams, length_penalty=penalty, max_length_ratio=1.0)
        texts = [" ".join(hypothesis.translation.split()) for hypothesis in found.n_best]
        assert texts[: len(wanted)] == list(wanted)
        if beams > 1 and penalty == 0:
            np.testing.assert_allclose(
                [h.log_prob for h in found.n_best][: len(wanted)], list(wanted.values()), atol=1e-3
            )


def test_a_converted_folder_gives_the_same_translations(both, here, tmp_path):
    folder, _, _, ours = both
    assert here("convert", folder, tmp_path / "copy").code == 0
    again = seqcli.load(tmp_path / "copy")
    for text in TEXTS:
        assert again.translate(text, beam_size=3).log_prob == ours.translate(text, beam_size=3).log_prob


def test_theirs_become_ours_and_theirs_again_with_the_same_tensors(both, here, tmp_path):
    folder, tokenizer, model, ours = both
    assert here("convert", folder, "ours").code == 0
    done = here("convert", "ours", "again", "--to", "hf")
    assert done.code == 0, done.err
    assert_same_tensors(folder, tmp_path / "again")
    kind, loading = transformers.MarianMTModel.from_pretrained(tmp_path / "again", output_loading_info=True)
    assert not any(loading[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")), loading
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path / "again")
    same = seqcli.load(tmp_path / "again")
    for text in TEXTS:
        ids = tokenizer([text], return_tensors="pt")
        assert tokens([text]).input_ids == ids["input_ids"].tolist()
        made = [
            each.generate(**ids, max_new_tokens=12, num_beams=2, do_sample=False).tolist() for each in (model, kind)
        ]
        assert made[0] == made[1]
        assert same.translate(text, beam_size=2).log_prob == ours.translate(text, beam_size=2).log_prob


def test_the_command(both, here):
    folder, *_ = both
    done = here("translate", "-m", folder, *TEXTS, "--n-best", "2", "--beam-size", "3")
    assert done.code == 0 and len(done.rows) == 2 * len(TEXTS)
    assert here("translate", "-m", folder, TEXTS[0], "--alignment").code == 0
    assert here("score", "-m", folder, TEXTS[0]).code == 4


def test_target_languages_that_the_vocabulary_does_not_have_are_noted(both, here):
    folder, *_ = both
    done = here("translate", "-m", folder, ">>kor<< a day", ">>xyz<< a day", ">>xyz<< a night", "a >>xyz<< b")
    assert "2 of 4 records begin with a target language that the translator does not know (>>xyz<<)" in done.err
    assert "known: >>kor<<" in done.err
    assert "target language" not in here("translate", "-m", folder, ">>kor<< a day").err


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("name", ["encoder_layers", "decoder_layers"])
def test_layers_that_the_file_does_not_have_are_not_counted(tmp_path, pieces, name, separate):
    marian(tmp_path, pieces, share_encoder_decoder_embeddings=not separate)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: 10**9}))
    with pytest.raises(ModelError, match=rf"no tensor {name.partition('_')[0]}\.layers\.2\."):
        seqcli.load(tmp_path)


# --- fine-tuning --------------------------------------------------------------------------------------------------------

PAIRS = [("My computer is slow", "제 컴퓨터는 느려요"), ("I study", "나는 공부한다"), ("a good day", "좋은 날")]


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("source\ttarget\n" + "".join(f"{source}\t{target}\n" for source, target in PAIRS * 20))
    return path


@pytest.mark.parametrize("case", ["as opus-mt", "two vocabularies", "another decoder"])
def test_a_translator_goes_on_from_the_folder_and_needs_it_no_more(case, tmp_path, pieces, pairs):
    (tmp_path / "model").mkdir()
    marian(tmp_path / "model", pieces, **CASES[case])
    before = seqcli.load(tmp_path / "model")
    still = {"steps": 1, "learning_rate": 1e-12, "threads": 1, "settings": {"weight_decay": 0.0}}
    made = seqcli.train_translator(pairs, tmp_path / "out", init=tmp_path / "model", **still)
    assert made.record["arch"] == "transformer" and made.record["settings"]["dropout"] == 0.1  # as the folder says
    assert made.record["training"]["optimizer"] == "adamw"
    (tmp_path / "model").rename(tmp_path / "gone")
    again = seqcli.load(tmp_path / "out")
    for source, target in PAIRS:
        wanted = before.score(source, target).log_prob
        assert made.score(source, target).log_prob == pytest.approx(wanted, abs=1e-3)
        assert again.score(source, target).log_prob == made.score(source, target).log_prob
        assert again.translate(source).translation == before.translate(source).translation


def test_fine_tuning_a_translator_learns_and_goes_on(tmp_path, pieces, pairs, here):
    (tmp_path / "model").mkdir()
    marian(tmp_path / "model", pieces)
    how = (
        "--init",
        tmp_path / "model",
        "--valid",
        pairs,
        "--threads",
        1,
        "--metric",
        "loss",
        "--learning-rate",
        "3e-3",
    )
    losses = []
    for place, *budget in (("1", "--steps", 1), ("20", "--steps", 20), ("20", "--steps", 30, "--resume")):
        done = here("train", "translator", pairs, "-o", tmp_path / place, *how, *budget)
        assert done.code == 0, done.err
        losses.append(json.loads(here("info", tmp_path / place, "--json").out)["valid"]["loss"])
    assert losses[0] - 0.5 > losses[1] > losses[2]
    done = here("train", "translator", pairs, "-o", tmp_path / "short", "--init", tmp_path / "model", "--minutes", 0.01)
    assert done.code == 0 and "fine-tuning with learning rate 0.0003" in done.err


def test_what_init_of_a_translator_cannot_take_is_named(tmp_path, pieces, pairs, here):
    (tmp_path / "model").mkdir()
    marian(tmp_path / "model", pieces)
    train = ("train", "translator", pairs, "-o", tmp_path / "out", "--init", tmp_path / "model")
    done = here(*train, "--arch", "gru")
    assert done.code == 2 and "use --arch transformer" in done.err
    done = here(*train, "--set", "width=64")
    assert done.code == 4 and "has another shape" in done.err
    done = here("train", "lm", pairs, "--text-column", "source", "-o", tmp_path / "out", "--init", tmp_path / "model")
    assert done.code == 4 and "language model is needed" in done.err
