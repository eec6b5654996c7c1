"""Small Hugging Face folders with random weights, built by `transformers`. Weights are large, so that predictions are not all alike."""

import logging
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

logging.getLogger("transformers").setLevel(logging.ERROR)
transformers.utils.logging.disable_progress_bar()

SAMPLES = Path(__file__).parents[1] / "sample_data"
TEXTS = [
    "I study machine learning.",
    "My computer is very slow",
    "나는 기계 학습을 공부한다.",
    "naïve  text,\ttwo  blanks",
    "a",
]
END = "<|endoftext|>"
USUAL = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}


def byte_level(folder, *, size=500, **specials):
    """A byte-level BPE tokenizer in the folder. specials: by their names in transformers; their ids come first, in this order."""
    library = Tokenizer(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(dict.fromkeys(specials.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    library.train([str(SAMPLES / "english.txt"), str(SAMPLES / "korean.txt")], trainer)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=library, **specials)
    tokenizer.save_pretrained(folder)
    return tokenizer


def saved(model, folder, *, deviation=0.15, seed=0, **named):
    """Draws the weights of a model anew and saves it."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            centre = 1.0 if tensor.ndim == 1 and name.endswith("weight") else 0.0
            torch.nn.init.normal_(tensor, mean=centre, std=deviation)
    model.eval().save_pretrained(folder, **named)
    return model
