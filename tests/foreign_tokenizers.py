"""Small tokenizers of Hugging Face folders, trained by the libraries themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import sentencepiece
from small_sentencepiece import trained
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SAMPLES = Path(__file__).parents[1] / "sample_data"
BERT = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def samples(count: int = 1500) -> list[str]:
    """Lines of English, then of Korean."""
    files = ("english.txt", "korean.txt")
    return [line for file in files for line in (SAMPLES / file).read_text("utf-8").split("\n")[:count]]


def byte_level(folder: Path, texts: Sequence[str], *, specials=("<|endoftext|>",), size: int = 600, **config) -> Path:
    """vocab.json, merges.txt and tokenizer_config.json: GPT-2's, or with `ROBERTA` that one's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), initial_alphabet=alphabet, show_progress=False
    )
    return _trained(tokenizer, trainer, texts, folder, config)


def word_piece(folder: Path, texts: Sequence[str], *, size: int = 600, **config) -> Path:
    """vocab.txt and tokenizer_config.json: BERT's. config: such as do_lower_case."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=config.get("do_lower_case", True), strip_accents=config.get("strip_accents")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=list(BERT), show_progress=False)
    return _trained(tokenizer, trainer, texts, folder, config)


def _trained(tokenizer: Tokenizer, trainer, texts: Sequence[str], folder: Path, config: dict) -> Path:
    tokenizer.train_from_iterator(texts, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.model.save(str(folder))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def metaspace(folder: Path, texts: Sequence[str], *, size: int = 600, legacy: bool = True) -> Path:
    """tokenizer.json as Llama's: BPE without words, spaces as U+2581, unknown characters in bytes.

    legacy: a normalizer puts the space in front of a text, otherwise the pre-tokenizer does.
    """
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(
        "▁", "merged_with_next"
    )  # of the training: no piece has a space inside
    trainer = trainers.BpeTrainer(vocab_size=size + len(specials), special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    made = json.loads(tokenizer.to_str())
    made["added_tokens"] = made["added_tokens"][:3]
    made["pre_tokenizer"] = None
    if not legacy:
        made["normalizer"] = None
        made["pre_tokenizer"] = {
            "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False,
        }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(made))
    return folder


def pieces(texts: Sequence[str], *, size: int = 500, **settings) -> bytes:
    """The contents of a SentencePiece file."""
    return trained([text for text in texts if text], vocab_size=size, **settings)


def marian(folder: Path, source: Sequence[str], target: Sequence[str], *, separate: bool = False) -> Path:
    """source.spm, target.spm and their vocabulary, in which a piece in 17 is missing; `<pad>` is last, as in opus-mt."""
    folder.mkdir(parents=True, exist_ok=True)
    sides = [pieces(texts, size=900) for texts in (source, target)]
    names = []
    for model, name in zip(sides, ("source.spm", "target.spm")):
        (folder / name).write_bytes(model)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        names.append({processor.id_to_piece(id) for id in range(processor.vocab_size())} - {"<s>", "</s>", "<unk>"})
    if not separate:
        names = [names[0] | names[1]]
    for found, name in zip(names, ("vocab.json", "target_vocab.json")):
        kept = [piece for place, piece in enumerate(sorted(found, reverse=True)) if place % 17 != 5]
        tokens = ["</s>", "<unk>", *kept, ">>kor<<", ">>deu<<", "<pad>"]
        (folder / name).write_text(json.dumps({token: id for id, token in enumerate(tokens)}))
    start = len(tokens) - 1
    config = {"model_type": "marian", "decoder_start_token_id": start, "pad_token_id": start}
    (folder / "config.json").write_text(json.dumps(config))
    about = {
        "tokenizer_class": "MarianTokenizer",
        "separate_vocabs": separate,
        "source_lang": "en",
        "target_lang": "ko",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return folder
