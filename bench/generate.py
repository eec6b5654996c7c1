"""Greedy generation of one row with a GPT-2 of random weights: transformers and seqcli, the same tokens, in one run.

From a prompt of 16 tokens 64 more, the whole way that `seqcli generate` goes (policy, drawing, decoding to text) but for a
tokenizer that joins numbers. The peer: its `generate`, and a bare loop over its cache. fp32 and bf16 against the peer's
best in the same; int8 weights against its bf16, the faster. Installing it: see `gpt2.py`.

    PYTHONPATH=PEER python bench/generate.py [--threads 2] [--runs 3]
"""

from __future__ import annotations

import gpt2
import numpy as np
import torch
from number_words import NumberWords

from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.policy import Policy
from seqcli.interfaces import OpenModel
from seqcli.text import BOS_ID, UNK_ID

PROMPT, NEW = 16, 64


@torch.inference_mode()
def bare_loop(model, prompt: torch.Tensor) -> list[int]:
    out = model(prompt, use_cache=True, logits_to_keep=1)
    tokens = []
    for _ in range(NEW):
        out.logits[..., [UNK_ID, BOS_ID]] = -torch.inf
        token = out.logits[:, -1:].argmax(-1)
        tokens.append(int(token))
        out = model(token, past_key_values=out.past_key_values, use_cache=True)
    return tokens


def drawn(model, text: str) -> list[int]:
    opened = OpenModel("gpt2", "transformer", "document", NumberWords(gpt2.VOCAB), model)
    return next(generate(opened, [text], GenerationSettings(policy=Policy(temperature=0), max_new_tokens=NEW))).ids


def compared(precision: str, prompt: np.ndarray, *, runs: int) -> None:
    """int8 weights against the peer's bfloat16, its fastest."""
    text, start = " ".join(map(str, prompt)), torch.from_numpy(np.concatenate([[BOS_ID], prompt]))[None]
    mine = gpt2.ours(precision, weights=gpt2.peer("fp32").state_dict())
    other = "fp32" if precision == "fp32" else "bf16"
    theirs = gpt2.peer(other)
    if precision == "fp32":
        assert drawn(mine, text) == bare_loop(theirs, start), "not the same tokens"
        print("fp32: the same tokens")

    def by_generate() -> int:
        return theirs.generate(start, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False).shape[1] - start.shape[1]

    peers = {
        f"transformers {other}, generate": by_generate,
        f"transformers {other}, a bare loop": lambda: len(bare_loop(theirs, start)),
    }
    speeds = gpt2.in_turn({**peers, f"seqcli {precision}": lambda: len(drawn(mine, text))}, runs=runs)
    gpt2.report(speeds, against=list(peers))


def main() -> None:
    given = gpt2.options(__doc__.splitlines()[0])
    prompt = np.random.default_rng(0).integers(3, gpt2.VOCAB, PROMPT)
    gpt2.headline(given, f"{PROMPT} tokens, then {NEW} more")
    for precision in ("fp32", "bf16", "int8"):
        compared(precision, prompt, runs=given.runs)


if __name__ == "__main__":
    main()
