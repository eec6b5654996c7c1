"""What `score.py` and `generate.py` share: a GPT-2 of 124 million random weights, in transformers and in seqcli.

Left out: real weights. Speed does not depend on them, and that both compute the same is seen from any.

The peer is installed beside the project, not in it:

    pip install --target PEER --no-deps transformers tokenizers huggingface-hub safetensors regex packaging filelock pyyaml \
        requests tqdm httpx hf-xet typer-slim
    PYTHONPATH=PEER python bench/score.py
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import time
from collections.abc import Callable
from datetime import date

import torch

from seqcli import catalog
from seqcli.models import transformer
from seqcli.training.device import place

VOCAB = 50257
NAMES = {
    "transformer.wte": "body.embedding", "transformer.wpe": "body.positions", "transformer.ln_f": "body.norm",
    "transformer.h": "body.layers", "ln_1": "attention_norm", "attn.c_attn": "attention.qkv", "attn.c_proj": "attention.out",
    "ln_2": "feedforward_norm", "mlp.c_fc": "feedforward.up", "mlp.c_proj": "feedforward.out",
}  # fmt: skip


def options(
    description: str, more: Callable[[argparse.ArgumentParser], object] = lambda parser: None
) -> argparse.Namespace:
    """more: adds options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--runs", type=int, default=3)
    more(parser)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    return given


def peer(precision: str, *, seed: int = 0):
    """transformers' GPT-2 in its best clothes: fused attention, weights in the precision asked for."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    model = GPT2LMHeadModel(GPT2Config(attn_implementation="sdpa")).eval()
    model.generation_config.pad_token_id, model.generation_config.eos_token_id = 0, None
    return model.to(torch.bfloat16) if precision == "bf16" else model


def ours(precision: str, *, weights: dict[str, torch.Tensor] | None = None) -> transformer.Transformer:
    """The `gpt2-small` preset, with the peer's weights where they are given."""
    preset = catalog.presets("language", "transformer")[1]["gpt2-small"]
    names = {field.name for field in dataclasses.fields(transformer.Config)}
    config = transformer.Config(**{name: value for name, value in preset.items() if name in names})
    model = transformer.build(config, vocab_size=VOCAB).eval()
    if weights is not None:
        model.load_state_dict({_renamed(name): _turned(name, w) for name, w in weights.items()})
    model.place(place("cpu", precision))
    return model


def _renamed(name: str) -> str:
    name = "head.weight" if name == "lm_head.weight" else name
    for theirs, mine in NAMES.items():
        name = name.replace(f"{theirs}.", f"{mine}.")
    return name


def _turned(name: str, weight: torch.Tensor) -> torch.Tensor:
    """Their matrices are [in, out] within the layers."""
    return weight.T.contiguous() if weight.ndim == 2 and ".h." in name else weight


def in_turn(jobs: dict[str, Callable[[], int]], *, runs: int) -> dict[str, float]:
    """Tokens per second of each job, the best of `runs` after one to warm up; in turn, so that a noisy minute hits all."""
    best = dict.fromkeys(jobs, 0.0)
    for run in range(runs + 1):
        for name, job in jobs.items():
            begun = time.perf_counter()
            tokens = job()
            if run:
                best[name] = max(best[name], tokens / (time.perf_counter() - begun))
    return best


def headline(given: argparse.Namespace, what: str) -> None:
    import transformers

    print(f"{what}; {platform.machine()}, {given.threads} threads, torch {torch.__version__}, "
          f"transformers {transformers.__version__}; {date.today()}")  # fmt: skip


def report(speeds: dict[str, float], *, against: list[str]) -> None:
    """against: the peer's; ratios are to the best of them."""
    best = max(speeds[name] for name in against)
    for name, speed in speeds.items():
        print(
            f"{name:44}{speed:>10.1f} tokens/s" + ("" if name in against else f"{speed / best:>8.2f} x the best peer")
        )
