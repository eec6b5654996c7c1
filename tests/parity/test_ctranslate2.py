"""ctranslate2 as judge of what `convert --to ctranslate2` writes: its scores are ours."""

import pytest
from conftest import LINES

pytest.importorskip("transformers", reason="transformers is not installed")
ctranslate2 = pytest.importorskip("ctranslate2", reason="ctranslate2 is not installed")

import transformers  # noqa: E402

import seqcli  # noqa: E402

MOST = 1e-3  # nats a token


@pytest.mark.parametrize("preset", ["gpt2", "llama", "tiny"])
def test_log_probabilities_of_a_language_model_are_the_same(preset, here, corpus, tmp_path):
    train = ("train", "lm", corpus, "--arch", "transformer", "--preset", preset, "--steps", 8, "--set", "width=64")
    assert here(*train, "--tokenizer", "characters", "-o", "ours", "-q").code == 0
    assert here("convert", "ours", "theirs", "--to", "ctranslate2").code == 0
    model, ours = ctranslate2.Generator(str(tmp_path / "theirs")), seqcli.load(tmp_path / "ours")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "theirs")
    rows = [tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids) for text in LINES]
    for text, scored in zip(LINES, model.score_batch(rows), strict=True):
        assert scored.log_probs == pytest.approx([token.log_prob for token in ours.tokens(text)], abs=MOST)


def test_a_folder_is_replaced_only_where_it_is_told(here, corpus, tmp_path):
    train = ("train", "lm", corpus, "--arch", "transformer", "--preset", "tiny", "--steps", 1, "--set", "width=32")
    assert here(*train, "-o", "ours", "-q").code == 0
    assert here("convert", "ours", "theirs", "--to", "ctranslate2").code == 0
    assert here("convert", "ours", "theirs", "--to", "ctranslate2").code == 2
    assert here("convert", "ours", "theirs", "--to", "ctranslate2", "--force").code == 0
    assert here("convert", "ours", "theirs", "--to", "hf", "--force").code == 2  # not one of these
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ours", "theirs"]
