"""CTranslate2 as a peer of `generate.py`: a GPT-2 of transformers through its own converter, greedy, with the same tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gpt2
import numpy as np
from number_words import NumberWords

from seqcli.text import BOS_ID, UNK_ID


class _Vocabulary:
    """What the converter asks of a tokenizer."""

    bos_token, eos_token, unk_token = map(str, NumberWords.specials[1:] + NumberWords.specials[:1])

    def get_vocab(self) -> dict[str, int]:
        return {str(number): number for number in range(gpt2.VOCAB)}


def converted(model, folder: Path) -> str:
    """A folder that CTranslate2 opens, in float32. model: of transformers."""
    from ctranslate2.converters import TransformersConverter

    class Converter(TransformersConverter):
        def load_tokenizer(self, *_, **__) -> _Vocabulary:
            return _Vocabulary()

    model.save_pretrained(folder / "theirs")
    return Converter(str(folder / "theirs")).convert(str(folder / "converted"))


def greedy(
    folder: str, precision: str, prompts: np.ndarray, *, new: int, threads: int
) -> Callable[[], list[list[int]]]:
    """A call that continues all prompts (int [B, T]) by `new` tokens, its fastest way. precision: fp32 or int8."""
    import ctranslate2

    kind = {"fp32": "float32", "int8": "int8"}[precision]
    generator = ctranslate2.Generator(folder, compute_type=kind, intra_threads=threads, inter_threads=1)
    starts = [[str(BOS_ID), *map(str, prompt)] for prompt in prompts.tolist()]

    def call() -> list[list[int]]:
        found = generator.generate_batch(
            starts, max_length=new, min_length=new, sampling_topk=1, include_prompt_in_result=False,
            max_batch_size=0, suppress_sequences=[[str(UNK_ID)], [str(BOS_ID)]],
        )  # fmt: skip
        return [result.sequences_ids[0] for result in found]

    return call
