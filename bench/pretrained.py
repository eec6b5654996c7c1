"""Hugging Face folders of random weights, text to results: transformers and seqcli on the same folder, in one run.

`classify`: 1,000 sentences by a BERT-base with a head of two labels; `score`: the sentences' log-probabilities by GPT-2 (124 M);
`generate`: 64 tokens after one prompt, and after each of 8, by the same, greedy. Tokenizers are trained here on made-up words. The
peer gets its sentences sorted by length, in batches of 16 and of 64, tokenizing included; the faster counts.

    python bench/pretrained.py [--threads 2] [--runs 2] [--sentences 1000] [--part classify,score,generate]
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gpt2
import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import seqcli

WORDS, BATCHES, NEW, PROMPTS = 30_000, (16, 64), 64, 8


def sentences(count: int) -> list[str]:
    """Of 4 to 60 words, which are as frequent as in text (Zipf's law)."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 8))) for _ in range(WORDS)]
    weights = [1 / (rank + 10) for rank in range(WORDS)]
    return [" ".join(rng.choices(words, weights, k=rng.randint(4, 60))) for _ in range(count)]


def bert_in(folder: Path, text: list[str]) -> None:
    library = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.normalizer, library.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    library.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    library.train_from_iterator(text, trainers.WordPieceTrainer(vocab_size=30_522, special_tokens=special, show_progress=False))  # fmt: skip
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    transformers.BertTokenizerFast(tokenizer_object=library, **dict(zip(names, special))).save_pretrained(folder)
    torch.manual_seed(0)
    transformers.BertForSequenceClassification(transformers.BertConfig(num_labels=2)).eval().save_pretrained(folder)


def gpt2_in(folder: Path, text: list[str]) -> None:
    library = Tokenizer(models.BPE())
    library.pre_tokenizer, library.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    library.train_from_iterator(text, trainers.BpeTrainer(vocab_size=gpt2.VOCAB, special_tokens=["<|endoftext|>"], show_progress=False))  # fmt: skip
    end = "<|endoftext|>"
    transformers.PreTrainedTokenizerFast(tokenizer_object=library, bos_token=end, eos_token=end, unk_token=end).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=gpt2.VOCAB, **ends)).eval().save_pretrained(folder)


def batches(tokenizer, text: list[str], size: int) -> Iterator[tuple[list[int], dict[str, torch.Tensor]]]:
    """Rows of similar length, with their indices."""
    ids = tokenizer(text)["input_ids"]
    order = sorted(range(len(text)), key=lambda row: len(ids[row]))
    for begin in range(0, len(order), size):
        rows = order[begin : begin + size]
        yield rows, tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")


def compared(name: str, peers: dict[str, Callable], own: Callable, *, count: int, runs: int, unit: str) -> None:
    """Both in turn; `count` things are done by each call."""

    def counting(job: Callable) -> Callable[[], int]:
        return lambda: (job(), count)[1]

    jobs = {f"transformers, {of}": counting(job) for of, job in peers.items()} | {"seqcli": counting(own)}
    speeds = gpt2.in_turn(jobs, runs=runs)
    best = max(speed for job, speed in speeds.items() if job != "seqcli")
    for job, speed in speeds.items():
        ratio = f"{speed / best:8.2f} x the best peer" if job == "seqcli" else ""
        print(f"{name}: {job:36}{speed:10.1f} {unit}{ratio}", flush=True)


def classify(folder: Path, text: list[str], *, threads: int, runs: int) -> None:
    bert_in(folder, text)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    classifier = seqcli.load(folder, threads=threads)

    @torch.inference_mode()
    def theirs(size: int) -> list[list[float]]:
        found: list[list[float]] = [[]] * len(text)
        for rows, batch in batches(tokenizer, text, size):
            for row, p in zip(rows, model(**batch).logits.softmax(-1).tolist()):
                found[row] = p
        return found

    def ours() -> list[list[float]]:
        labels = (each.labels for each in classifier.classify(text))
        return [[p.probability for p in sorted(each, key=lambda p: p.label)] for each in labels]

    worst = np.abs(np.array(theirs(16)) - np.array(ours())).max()
    print(f"classify: largest difference of a probability {worst:.1e}")
    assert worst < 1e-4, "not the same model"
    peers = {f"batches of {size}": lambda size=size: theirs(size) for size in BATCHES}
    compared("classify", peers, ours, count=len(text), runs=runs, unit="sentences/s")


def score_and_generate(folder: Path, text: list[str], parts: set[str], *, threads: int, runs: int) -> None:
    gpt2_in(folder, text)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="right", pad_token="<|endoftext|>")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    lm = seqcli.load(folder, threads=threads)
    end = tokenizer.eos_token_id
    few = text[:128]

    @torch.inference_mode()
    def scored(size: int) -> list[float]:
        found = [0.0] * len(few)
        for rows, batch in batches(tokenizer, few, size):
            ids, mask = batch["input_ids"], batch["attention_mask"]
            edge = torch.full((len(ids), 1), end)
            given = torch.cat([edge, ids], 1)  # `<|endoftext|>` begins and ends a line
            wanted = torch.cat([ids, edge], 1).scatter(1, mask.sum(1, keepdim=True), end)
            counted = torch.cat([torch.ones_like(edge), mask], 1)
            log_p = model(given, use_cache=False).logits.log_softmax(-1).gather(2, wanted[..., None])[..., 0]
            for row, total in zip(rows, (log_p * counted).sum(1).tolist()):
                found[row] = total
        return found

    def ours() -> list[float]:
        return [each.log_prob for each in lm.score(few)]

    if "score" in parts:
        theirs, own = np.array(scored(16)), np.array(ours())
        lengths = np.array([len(ids) + 1 for ids in tokenizer(few)["input_ids"]])
        worst = (np.abs(theirs - own) / lengths).max()
        print(f"score: largest difference of a mean log p per token {worst:.1e}")
        assert worst < 1e-4, "not the same model"
        peers = {f"batches of {size}": lambda size=size: scored(size) for size in BATCHES}
        compared("score", peers, ours, count=int(lengths.sum()), runs=runs, unit="tokens/s")
    if "generate" in parts:
        tokenizer.padding_side, model.generation_config.pad_token_id = "left", end
        for prompts in (text[:1], text[:PROMPTS]):

            @torch.inference_mode()
            def continued(prompts=prompts) -> list[str]:
                begun = [f"{tokenizer.bos_token}{prompt}" for prompt in prompts]
                batch = tokenizer(begun, return_tensors="pt", padding=True)
                most = {"max_new_tokens": NEW, "min_new_tokens": NEW, "do_sample": False}
                rows = model.generate(**batch, **most)
                return tokenizer.batch_decode(rows[:, batch["input_ids"].shape[1] :])

            def generated(prompts=prompts) -> list[str]:
                return [each.text for (each,) in lm.generate(prompts, temperature=0, max_new_tokens=NEW)]

            same = sum(a == b for a, b in zip(continued(), generated()))
            print(f"generate: {same} of {len(prompts)} continuations alike")
            count = NEW * len(prompts)
            compared(f"generate {len(prompts)}", {"greedy": continued}, generated, count=count, runs=runs, unit="tokens/s")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--part", default="classify,score,generate")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    transformers.utils.logging.set_verbosity_error()
    gpt2.headline(given, f"{given.sentences} sentences")
    parts, text = set(given.part.split(",")), sentences(given.sentences)
    with tempfile.TemporaryDirectory() as bert, tempfile.TemporaryDirectory() as gpt:
        if "classify" in parts:
            classify(Path(bert), text, threads=given.threads, runs=given.runs)
        if parts & {"score", "generate"}:
            score_and_generate(Path(gpt), text, parts, threads=given.threads, runs=given.runs)


if __name__ == "__main__":
    main()
