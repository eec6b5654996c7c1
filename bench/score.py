"""Scoring sentences with a GPT-2 of random weights: transformers and seqcli, the same numbers, in one run.

256 sentences of about 22 tokens, fp32 and bf16, tokens per second of log-probabilities, the padding not counted. The peer
sorts by length too, in batches of 16 and 32, and as it comes in batches of 16. Installing it: see `gpt2.py`.

    PYTHONPATH=PEER python bench/score.py [--threads 2] [--runs 3]
"""

from __future__ import annotations

import gpt2
import numpy as np
import torch

from seqcli.text import BOS_ID
from seqcli.token_batch import TokenBatch

SENTENCES, MEAN, SPREAD = 256, 22, 8


def sentences() -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    lengths = np.clip(rng.normal(MEAN, SPREAD, SENTENCES).round().astype(int), 4, 64)
    return [rng.integers(3, gpt2.VOCAB, length).astype(np.int32) for length in lengths]


@torch.inference_mode()
def by_peer(model, rows: list[np.ndarray], *, batch: int, ordered: bool) -> np.ndarray:
    """Log-probability of every token, rows one after another; padding stands right, so that no mask is needed."""
    scores: list[np.ndarray] = [np.zeros(0)] * len(rows)
    order = sorted(range(len(rows)), key=lambda row: len(rows[row])) if ordered else list(range(len(rows)))
    for begin in range(0, len(rows), batch):
        chosen = order[begin : begin + batch]
        tokens = np.zeros((len(chosen), 1 + max(len(rows[row]) for row in chosen)), np.int64)
        tokens[:, 0] = BOS_ID
        for line, row in zip(tokens, chosen):
            line[1 : 1 + len(rows[row])] = rows[row]
        padded = torch.from_numpy(tokens)
        logits = model(padded[:, :-1], use_cache=False).logits
        logits[..., BOS_ID] = -torch.inf
        log_p = logits.float().log_softmax(-1).gather(-1, padded[:, 1:, None])[..., 0].numpy()
        for line, row in zip(log_p, chosen):
            scores[row] = line[: len(rows[row])]
    return np.concatenate(scores)


def compared(precision: str, rows: list[np.ndarray], *, runs: int) -> None:
    batch = TokenBatch(np.concatenate(rows), np.array([len(row) for row in rows], np.int64))
    weights = gpt2.peer("fp32").state_dict()
    theirs, mine = gpt2.peer(precision), gpt2.ours(precision, weights=weights)
    worst = np.abs(mine.score(batch).log_prob - by_peer(theirs, rows, batch=16, ordered=True)).max()
    print(f"{precision}: largest difference of a token's log p {worst:.1e}")
    assert worst < (1e-3 if precision == "fp32" else 0.2), "not the same model"
    peers = {
        f"transformers {precision}, batches of 16": lambda: len(by_peer(theirs, rows, batch=16, ordered=False)),
        f"transformers {precision}, sorted, of 16": lambda: len(by_peer(theirs, rows, batch=16, ordered=True)),
        f"transformers {precision}, sorted, of 32": lambda: len(by_peer(theirs, rows, batch=32, ordered=True)),
    }
    speeds = gpt2.in_turn({**peers, f"seqcli {precision}": lambda: len(mine.score(batch).log_prob)}, runs=runs)
    gpt2.report(speeds, against=list(peers))


def main() -> None:
    given = gpt2.options(__doc__.splitlines()[0])
    rows = sentences()
    gpt2.headline(given, f"{SENTENCES} sentences, {sum(map(len, rows))} tokens")
    for precision in ("fp32", "bf16"):
        compared(precision, rows, runs=given.runs)


if __name__ == "__main__":
    main()
