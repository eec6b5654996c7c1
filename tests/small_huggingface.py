"""Small Hugging Face folders with random weights, built by `transformers`. Weights are large, so that predictions are not all alike."""

import logging
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

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


BERT = {"unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]"}
ROBERTA = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>", "cls_token": "<s>", "sep_token": "</s>"}  # fmt: skip


def word_pieces(folder, *, size=500, lowercase=True):
    """A WordPiece tokenizer in the folder, as BERT has it."""
    library = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False
    )
    library.train([str(SAMPLES / "english.txt"), str(SAMPLES / "korean.txt")], trainer)
    tokenizer = transformers.BertTokenizerFast(tokenizer_object=library, do_lower_case=lowercase, **BERT)
    tokenizer.save_pretrained(folder)
    return tokenizer


def saved(model, folder, *, deviation=0.15, seed=0, **named):
    """Draws the weights of a model anew and saves it."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in ((name, tensor) for name, tensor in model.named_parameters() if tensor.requires_grad):
            centre = 1.0 if tensor.ndim == 1 and name.endswith("weight") else 0.0
            torch.nn.init.normal_(tensor, mean=centre, std=deviation)
    model.eval().save_pretrained(folder, **named)
    return model


SMALL = {
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 80,
    "max_position_embeddings": 128,
}
SCALED = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}  # fmt: skip
GPT2 = {"n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 128}
CASES = {  # name: special tokens, rows of the embedding beyond the vocabulary, the model's kind, its settings, how it is saved
    "gpt2": (dict.fromkeys(USUAL, END), 0, "GPT2", GPT2, {}),
    "gpt2, untied": (dict.fromkeys(USUAL, END), 0, "GPT2", {**GPT2, "tie_word_embeddings": False}, {}),
    "gpt2, exact gelu": (dict.fromkeys(USUAL, END), 5, "GPT2", {**GPT2, "activation_function": "gelu", "n_inner": 64}, {}),
    "llama": (USUAL, 0, "Llama", {**SMALL, "num_key_value_heads": 2}, {"max_shard_size": "60KB"}),
    "llama 3": (USUAL, 7, "Llama", {**SMALL, "num_key_value_heads": 1, "head_dim": 16, "rope_parameters": SCALED}, {}),
    "llama, linear": (USUAL, 0, "Llama", {**SMALL, "rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}}, {}),
    "llama, biases": (USUAL, 0, "Llama", {**SMALL, "attention_bias": True, "rms_norm_eps": 1e-3}, {}),
    "llama, all biases": (USUAL, 0, "Llama", {**SMALL, "attention_bias": True, "mlp_bias": True}, {}),
    "mistral": (USUAL, 0, "Mistral", {**SMALL, "num_key_value_heads": 2, "sliding_window": None}, {}),
    "qwen2": ({"eos_token": END}, 8, "Qwen2", {**SMALL, "num_key_value_heads": 2, "tie_word_embeddings": True}, {}),
    "smollm2": ({"bos_token": END, "eos_token": "</s>"}, 0, "Llama", {**SMALL, "num_key_value_heads": 2, "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1e5}}, {}),
}  # fmt: skip


def language_model(case, folder):
    """The tokenizer and the model of one of CASES, in the folder."""
    specials, more, kind, settings, how = CASES[case]
    tokenizer = byte_level(folder, **specials)
    settings = settings | {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    if kind == "GPT2":
        model = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=len(tokenizer) + more, **settings))
    else:
        config = getattr(transformers, f"{kind}Config")(vocab_size=len(tokenizer) + more, **settings)
        model = getattr(transformers, f"{kind}ForCausalLM")(config)
    return tokenizer, saved(model, folder, **how)


def tensors(folder):
    """All tensors of a Hugging Face folder by name."""
    return {name: array for file in sorted(folder.glob("*.safetensors")) for name, array in load_file(file).items()}


def assert_same_tensors(folder, other, *, but=()):
    """but: names of tensors that may differ."""
    before, after = tensors(folder), tensors(other)
    assert sorted(before) == sorted(after)
    assert [name for name in before if name not in but and not np.array_equal(before[name], after[name])] == []
