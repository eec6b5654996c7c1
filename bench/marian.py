"""Translating with a Marian model of random weights: transformers and seqcli, the same folder, in one run.

The shape is opus-mt's: 6 + 6 layers of width 512, 8 heads, feed-forward networks of 2048, about 32,000 tokens. Sources have 6 to 40
tokens, and a translation has ten more than its source: random weights do not know where to end, so both sides are told. The peer gets
its sources sorted by length in batches of 16 and of 64, of which the faster counts.

    python bench/marian.py [--threads 2] [--sentences 64] [--beam 4] [--runs 2]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import sentencepiece
import torch
import transformers

import seqcli
from seqcli.decoding.translate import _MORE

SIZES = {
    "d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 8, "decoder_attention_heads": 8,
    "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048, "max_position_embeddings": 512, "activation_function": "swish",
    "scale_embedding": True, "static_position_embeddings": True,
}  # fmt: skip
VOCAB = 32_000


def model_in(folder: Path) -> list[str]:
    """A folder with a model, and sentences of the words that its tokenizer knows."""
    rng = random.Random(0)
    words = ["".join(rng.choice("abcdefghij") for _ in range(rng.randint(2, 7))) for _ in range(3000)]
    text = [" ".join(rng.choices(words, k=rng.randint(2, 18))) for _ in range(5000)]
    (folder / "text").write_text("\n".join(text))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(folder / "source"), vocab_size=3000, minloglevel=2, hard_vocab_limit=False
    )  # fmt: skip
    (folder / "source.model").rename(folder / "source.spm")
    (folder / "target.spm").write_bytes((folder / "source.spm").read_bytes())
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    names = ["</s>", "<unk>", *(pieces.id_to_piece(id) for id in range(3, pieces.vocab_size()))]
    names += [f"\u2581unused{n}" for n in range(VOCAB - 1 - len(names))] + ["<pad>"]
    (folder / "vocab.json").write_text(json.dumps({name: id for id, name in enumerate(names)}))
    about = {"source_lang": "en", "target_lang": "xx", "tokenizer_class": "MarianTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    config = transformers.MarianConfig(
        vocab_size=VOCAB, decoder_vocab_size=VOCAB, pad_token_id=VOCAB - 1, decoder_start_token_id=VOCAB - 1, eos_token_id=0,
        forced_eos_token_id=None, **SIZES,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.MarianMTModel(config)
    model.final_logits_bias[0, 0] = -100.0  # no translation ends early
    model.save_pretrained(folder)
    return text


class Ends(transformers.LogitsProcessor):
    """Ends a translation at its length. longest: of each row of the beam."""

    def __init__(self, longest: torch.Tensor):
        self.longest = longest

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        ended = ids.shape[1] - 1 >= self.longest
        scores[ended] = -torch.inf
        scores[ended, 0] = 0.0
        return scores


def best(work, runs: int) -> tuple[float, list[str]]:
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        found = work()
        times.append(time.perf_counter() - begun)
    return min(times), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=64)
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.utils.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        tokenizer, lines = None, model_in(folder)
        tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
        counts = {line: len(tokenizer(line)["input_ids"]) for line in lines[:2000]}
        lines = [line for line, count in counts.items() if 6 <= count <= 40][: args.sentences]
        model = transformers.MarianMTModel.from_pretrained(folder).eval()

        @torch.inference_mode()
        def theirs(size: int) -> list[str]:
            ordered, said = sorted(lines, key=counts.get), {}
            for begin in range(0, len(lines), size):
                part = ordered[begin : begin + size]
                longest = torch.tensor([counts[line] + _MORE for line in part for _ in range(args.beam)])
                rows = model.generate(
                    **tokenizer(part, return_tensors="pt", padding=True), num_beams=args.beam, do_sample=False, length_penalty=0.0,
                    max_new_tokens=int(longest.max()) + 1, logits_processor=[Ends(longest)],
                )  # fmt: skip
                said |= dict(zip(part, tokenizer.batch_decode(rows, skip_special_tokens=True)))
            return [said[line] for line in lines]

        peer, said = min(
            (best(lambda size=size: theirs(size), args.runs) for size in (16, 64)), key=lambda found: found[0]
        )
        print(f"{len(lines)} sentences, beam {args.beam}, {args.threads} threads")
        print(f"transformers {transformers.__version__}, fp32: {len(lines) / peer:.2f} sentences/s")
        for precision in ("fp32", "bf16"):
            translator = seqcli.load(folder, threads=args.threads, precision=precision)

            def ours(translator=translator) -> list[str]:
                found = translator.translate(lines, beam_size=args.beam, length_penalty=0.0, max_length_ratio=1.0)
                return [each.translation for each in found]

            own, found = best(ours, args.runs)
            same = sum(a == b for a, b in zip(said, found))
            print(
                f"seqcli {seqcli.__version__}, {precision}: {len(lines) / own:.2f} sentences/s, {peer / own:.2f} x; {same} alike"
            )


if __name__ == "__main__":
    main()
