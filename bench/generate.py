"""Greedy generation with a GPT-2 of random weights: another tool and seqcli generate the same tokens in one run.

From a prompt of 16 tokens 64 more, the whole way that `seqcli generate` goes (policy, drawing, decoding to text) but for a
tokenizer that joins numbers. The peer: its `generate`, and a bare loop over its cache. fp32 and bf16 against the peer's
best in the same; int8 weights against its bf16, the faster. Installing it: see `gpt2.py`.

`--peer ctranslate2`: 1, 8 and 32 rows, in fp32 and int8 against its best in the same, and int4 against our int8. Beside each the share of
the roofline, which is the memory bandwidth of this run over the bytes of the matrices that a step reads.

    PYTHONPATH=PEER python bench/generate.py [--threads 2] [--runs 3] [--peer ctranslate2] [--rows 1 8 32]
"""

from __future__ import annotations

import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import ctranslate2_peer
import gpt2
import numpy as np
import torch
from number_words import NumberWords

from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.sampling import Policy
from seqcli.interfaces import OpenModel
from seqcli.text import BOS_ID, UNK_ID

PROMPT, NEW = 16, 64
BYTES = {
    "fp32": 4,
    "int8": 1,
    "w8a8": 1,
    "int4": 0.5 + 4 / 32,
}  # of a weight; int4 has two bfloat16 numbers for each 32


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


def continued(model, texts: list[str]) -> list[list[int]]:
    opened = OpenModel("gpt2", "transformer", "document", NumberWords(gpt2.VOCAB), model)
    settings = GenerationSettings(policy=Policy(temperature=0), max_new_tokens=NEW)
    return [row.ids for row in generate(opened, texts, settings)]


def bandwidth() -> float:
    """Bytes per second at which all threads read memory."""
    numbers, best = torch.ones(1 << 26), 0.0  # 256 MB, beyond any cache
    for _ in range(5):
        begun = time.perf_counter()
        numbers.sum()
        best = max(best, 4 * len(numbers) / (time.perf_counter() - begun))
    return best


def against_ctranslate2(all_rows: list[int], *, runs: int, threads: int) -> None:
    weights = gpt2.peer("fp32")
    matrices = sum(w.numel() for name, w in weights.named_parameters() if w.ndim == 2 and "wpe" not in name)
    read = bandwidth()
    print(f"memory: {read / 1e9:.1f} GB/s; matrices: {matrices / 1e6:.1f} M weights")
    mine = {precision: gpt2.ours(precision, weights=weights.state_dict()) for precision in BYTES}
    with tempfile.TemporaryDirectory() as folder:
        theirs = ctranslate2_peer.converted(weights, Path(folder))
        for rows in all_rows:
            prompts = np.random.default_rng(0).integers(3, gpt2.VOCAB, (rows, PROMPT))
            texts = [" ".join(map(str, prompt)) for prompt in prompts]
            jobs = {}
            for precision in ("fp32", "int8"):
                call = ctranslate2_peer.greedy(theirs, precision, prompts, new=NEW, threads=threads)
                if precision == "fp32":
                    same = sum(a == b for a, b in zip(call(), continued(mine["fp32"], texts), strict=True))
                    print(f"{rows} rows, fp32: {same} with the same tokens")
                jobs[f"ctranslate2 {precision}"] = lambda call=call: sum(map(len, call()))
            for precision in BYTES:
                jobs[f"seqcli {precision}"] = lambda model=mine[precision], texts=texts: sum(
                    map(len, continued(model, texts))
                )
            speeds = gpt2.in_turn(jobs, runs=runs)
            for name, speed in speeds.items():
                precision = name.split()[1]
                roof = rows * read / (matrices * BYTES[precision])
                other = "seqcli int8" if precision == "int4" else f"ctranslate2 {precision.replace('w8a8', 'int8')}"
                ratio = "" if other == name else f"{speed / speeds[other]:>8.2f} x {other}"
                print(f"{rows:>3} rows  {name:20}{speed:>10.1f} tokens/s{speed / roof:>8.0%} of the roofline{ratio}")


def main() -> None:
    given = gpt2.options(
        __doc__.splitlines()[0],
        lambda parser: (
            parser.add_argument("--peer", choices=("transformers", "ctranslate2"), default="transformers"),
            parser.add_argument("--rows", type=int, nargs="+", default=[1, 8, 32]),
        ),
    )
    if given.peer == "ctranslate2":
        gpt2.headline(given, f"{PROMPT} tokens, then {NEW} more; ctranslate2 {version('ctranslate2')}")
        against_ctranslate2(given.rows, runs=given.runs, threads=given.threads)
        return
    prompt = np.random.default_rng(0).integers(3, gpt2.VOCAB, PROMPT)
    gpt2.headline(given, f"{PROMPT} tokens, then {NEW} more")
    for precision in ("fp32", "bf16", "int8"):
        compared(precision, prompt, runs=given.runs)


if __name__ == "__main__":
    main()
