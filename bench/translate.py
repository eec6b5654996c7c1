"""Translating: JoeyNMT and seqcli on the same files, segmentation, model, batches and minutes, in one run.

    python bench/translate.py --joey PYTHON [--part speed] [--minutes 5] [--threads 2] [--data ../shared/data]

speed     Multi30k English-German (`tok/`), Transformer of 4 + 4 layers of 128, 10,000 joint subwords, trained for the same minutes:
          target tokens/s, and tokenised BLEU on the first `--sentences` of test2016; then both translate these by a beam of 5 with
          one model's weights, seqcli's: sentences/s
multi30k  the preset of each `--arch`, trained for `--minutes` from each `--seed`, on `tok/` and on raw text; no peer
tatoeba   English-Korean both ways, judged on `dev`: rnn, lstm, gru and transformer side by side; no peer

PYTHON is that of an environment with JoeyNMT 2.3 (`pip install joeynmt`); where it is not given, or has none, seqcli is measured alone.

In `speed` text is cut into subwords beforehand and both split it at spaces. A batch of 4,096 is sentences times the longest source or
translation among them, so padding counts. JoeyNMT takes sentences as they come, counts `</s>`, and ends a batch with the sentence that
reaches 4,096; seqcli takes sentences of like length, counts `<s>` and `</s>` of a translation, and stays below: `a batch` says how many
real target tokens (`</s>` too) each finds room for, and only these make tokens/s. seqcli is shown in float32 and in bfloat16, which it
takes by itself where the processor can; JoeyNMT refuses half precision on a processor. Minutes begin after start-up; the first fifth of
them is left out of tokens/s. Model and dropout are the same; JoeyNMT's learning rates are the published ones, seqcli's its preset's.
Decoding is a whole process; `started` leaves out what one sentence alone takes. JoeyNMT compares hypotheses by log p / ((5 + length) /
6), seqcli by log p / length, so that their BLEU differs a little.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from threading import Timer

from seqcli.metrics.translator import bleu as bleu_metric

SEQCLI = [sys.executable, "-m", "seqcli"]
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIDES, FILES, PIECES, BATCH, BEAM = ("en", "de"), ("train", "val", "test2016"), 10_000, 4096, 5
DIRECTIONS = ("en-ko", "ko-en")
ARCHS = ("rnn", "lstm", "gru", "transformer")
TEXTS = {"tok": ("tok", "none"), "raw": (".", "13a")}  # folder, and how sacreBLEU takes words
SHAPE = {
    "width": 128, "layers": 4, "heads": 4, "hidden": 256, "activation": "relu", "norm": "layer", "bias": "true", "positions": "sinusoidal",
    "scaled": "true", "dropout": 0.3, "label_smoothing": 0.1,
}  # fmt: skip

JOEY = """
name: bench
joeynmt_version: "2.3.0"
model_dir: {model}
use_cuda: False
data:
  train: {folder}/train
  dev: {folder}/val
  dataset_type: plain
  src: {{lang: en, level: word, lowercase: False, voc_file: {folder}/vocabulary, max_length: 200}}
  trg: {{lang: de, level: word, lowercase: False, voc_file: {folder}/vocabulary, max_length: 200}}
testing: {{beam_size: {beam}, beam_alpha: 1.0, batch_size: 64, batch_type: sentence, max_output_length: -1, eval_metrics: [bleu]}}
training:
  optimizer: adam
  adam_betas: [0.9, 0.98]
  scheduling: warmupinversesquareroot
  learning_rate: 0.005
  learning_rate_warmup: 2000
  label_smoothing: 0.1
  normalization: tokens
  batch_size: {batch}
  batch_type: token
  epochs: 1000
  logging_freq: 2
  validation_freq: 1000000
  overwrite: True
  shuffle: True
model:
  initializer: xavier_uniform
  embed_initializer: xavier_uniform
  tied_embeddings: True
  tied_softmax: True
  encoder: {{type: transformer, num_layers: 4, num_heads: 4, embeddings: {{embedding_dim: 128, scale: True, dropout: 0.}}, hidden_size: 128, ff_size: 256, dropout: 0.3, layer_norm: pre}}
  decoder: {{type: transformer, num_layers: 4, num_heads: 4, embeddings: {{embedding_dim: 128, scale: True, dropout: 0.}}, hidden_size: 128, ff_size: 256, dropout: 0.3, layer_norm: pre}}
"""


@dataclass
class Trained:
    """tokens: real ones of the target."""

    tokens_a_second: float
    tokens_a_batch: float
    bleu: float


@dataclass
class Decoded:
    """sentences a second, and without start-up."""

    sentences: float
    started: float
    bleu: float


def environment(threads: int) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def run(command: list[str], *, threads: int, stdin: str | Path = os.devnull, stdout: str | Path = os.devnull) -> float:
    """Wall seconds."""
    begun = time.perf_counter()
    with open(stdin, "rb") as given, open(stdout, "wb") as said:
        done = subprocess.run(
            command, stdin=given, stdout=said, stderr=subprocess.PIPE, text=True, env=environment(threads)
        )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - begun


def unpacked(data: Path, folder: Path) -> None:
    """All parts of one folder of Multi30k."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (f"{part}.{side}" for part in FILES for side in SIDES):
        (folder / name).write_bytes(gzip.decompress((data / f"{name}.gz").read_bytes()))


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


# --- speed


def speed(given: argparse.Namespace, folder: Path) -> None:
    segmented(given.data, folder)
    missing, trained, found = why_no_joey(given.joey), {}, {}
    decoding = {"threads": given.threads, "sentences": given.sentences}
    if missing:
        print(f"{missing}: seqcli alone")
    else:
        trained["JoeyNMT"] = joey(given.joey, folder, minutes=given.minutes, **decoding)
    for precision in ("fp32", "bf16"):
        trained[f"seqcli {precision}"] = ours(folder, minutes=given.minutes, precision=precision, **decoding)
    told(trained, ["target tokens/s", "a batch", f"BLEU after {given.minutes:g} min"])
    if not missing:
        same = for_joey(folder / "seqcli-bf16", folder)
        found["JoeyNMT"] = decoded([given.joey, "-m", "joeynmt", "translate", str(same)], folder, **decoding)
    for precision in ("fp32", "bf16"):
        command = [*asked(folder / "seqcli-bf16", given.threads), "--precision", precision]
        found[f"seqcli {precision}"] = decoded(command, folder, **decoding)
    told(found, [f"{given.sentences:,} sentences, a second", "started", "BLEU"])


def told(rows: dict[str, Trained] | dict[str, Decoded], heads: list[str]) -> None:
    """Figures, and in brackets how many times the peer's."""
    peer = rows.get("JoeyNMT")
    print("".join(f"{head:>{26 if place else 40}}" for place, head in enumerate(heads)))
    for name, row in rows.items():
        cells = []
        for field, of in vars(row).items():
            share = of / getattr(peer, field) if peer and getattr(peer, field) and field != "bleu" else 0
            shown = f"{of:.2f}" if field == "bleu" else f"{of:,.1f}" if of < 1000 else f"{of:,.0f}"
            cells.append(f"{shown} ({share:.2f})" if share and row is not peer else shown)
        print(f"{name:14}" + "".join(f"{cell:>26}" for cell in cells), flush=True)


def segmented(data: Path, folder: Path) -> None:
    """Subwords of all parts, and their vocabulary as JoeyNMT reads it."""
    unpacked(data / "multi30k" / "tok", folder / "tok")
    pieces, texts = folder / "pieces", [str(folder / "tok" / f"train.{side}") for side in SIDES]
    run(
        [
            *SEQCLI,
            "train",
            "tokenizer",
            *texts,
            "-o",
            str(pieces),
            "--tokenizer",
            "sentencepiece",
            "--vocab-size",
            str(PIECES),
            "--force",
            "-q",
        ],
        threads=2,
    )
    for name in (f"{part}.{side}" for part in FILES for side in SIDES):
        run(
            [*SEQCLI, "tokenize", "-q", "-m", str(pieces)], threads=2, stdin=folder / "tok" / name, stdout=folder / name
        )
    seen = dict.fromkeys(piece for side in SIDES for line in lines(folder / f"train.{side}") for piece in line.split())
    (folder / "vocabulary").write_text(
        "".join(f"{piece}\n" for piece in ["<unk>", "<pad>", "<s>", "</s>", *seen]), encoding="utf-8"
    )


def why_no_joey(python: str | None) -> str | None:
    if python is None:
        return "no JoeyNMT (--joey PYTHON)"
    try:
        found = subprocess.run([python, "-c", "import joeynmt.training"], capture_output=True, text=True)
    except OSError as error:
        return f"no JoeyNMT: {error}"
    return f"no JoeyNMT: {found.stderr.splitlines()[-1]}" if found.returncode else None


def config_of(model: Path, folder: Path) -> Path:
    config = folder / f"{model.name}.yaml"
    config.write_text(JOEY.format(folder=folder, model=model, beam=BEAM, batch=BATCH), encoding="utf-8")
    return config


def joey(python: str, folder: Path, *, minutes: float, threads: int, sentences: int) -> Trained:
    """It has no option for minutes: interrupted after them it saves what it has."""
    config = config_of(folder / "joey", folder)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a bench in the background ignores it, and so would its child
    command, log = [python, "-m", "joeynmt", "train", "--skip-test", str(config)], folder / "joey.log"
    with (
        open(log, "w", encoding="utf-8") as said,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(threads),
        ) as process,
    ):
        for line in process.stderr:
            said.write(line)
            if re.search(r"EPOCH 1$", line):
                Timer(60 * minutes, process.send_signal, [signal.SIGINT]).start()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed: see {log}")
    progress = re.findall(
        r"^(\S+ \S+?),(\d+) .* Step: +(\d+),.*Tokens per Sec: +(\d+)", log.read_text(encoding="utf-8"), re.MULTILINE
    )
    tokens, clock, at = 0.0, None, []
    for day, thousandths, step, rate in progress:
        now = datetime.fromisoformat(day).timestamp() + int(thousandths) / 1000
        tokens += int(rate) * (now - clock) if clock else 0.0
        clock = now
        at.append((now, tokens, int(step)))
    command = [python, "-m", "joeynmt", "translate", str(config)]
    return Trained(*steady(at), decoded(command, folder, threads=threads, sentences=sentences).bleu)


def ours(folder: Path, *, minutes: float, threads: int, precision: str, sentences: int) -> Trained:
    model = folder / f"seqcli-{precision}"
    run([
        *SEQCLI, "train", "translator", "--source", str(folder / "train.en"), "--target", str(folder / "train.de"),
        "--valid-source", str(folder / "val.en"), "--valid-target", str(folder / "val.de"), "-o", str(model), "--tokenizer", "words",
        "--batch-tokens", str(BATCH), "--minutes", str(minutes), "--threads", str(threads), "--precision", precision,
        *(part for name, value in SHAPE.items() for part in ("--set", f"{name}={value}")), "--set", "evaluations=1", "--force", "-q",
    ], threads=threads)  # fmt: skip
    events = map(json.loads, lines(model / "metrics.jsonl"))
    at = [(event["seconds"], event["tokens"], event["step"]) for event in events if event["event"] == "progress"]
    return Trained(*steady(at), decoded(asked(model, threads), folder, threads=threads, sentences=sentences).bleu)


def asked(model: Path, threads: int) -> list[str]:
    return [*SEQCLI, "translate", "-q", "-m", str(model), "--beam-size", str(BEAM), "--threads", str(threads)]


def for_joey(model: Path, folder: Path) -> Path:
    """JoeyNMT's configuration for the weights of `model`. Its sines and cosines alternate where ours stand one after the other, and
    so all that is added to them is put in another order."""
    import torch

    from seqcli.tasks.translation.load import open_translator

    opened = open_translator(str(model))
    given, width, state = opened.model.state_dict(), SHAPE["width"], {}
    order = torch.arange(width).view(2, -1).T.flatten()

    def put(name: str, weight: torch.Tensor, bias: torch.Tensor, *, reads: bool = False, writes: bool = False) -> None:
        state[f"{name}.weight"] = weight[:, order] if reads else weight[order]
        state[f"{name}.bias"] = bias[order] if writes else bias

    def norm(name: str, ours: str) -> None:
        put(name, given[f"{ours}.weight"], given[f"{ours}.bias"], writes=True)

    def attention(
        name: str, q: tuple[torch.Tensor, torch.Tensor], kv: tuple[torch.Tensor, torch.Tensor], out: str
    ) -> None:
        (k, v), (k_bias, v_bias) = (part.chunk(2) for part in kv)
        for letter, part in {"q": q, "k": (k, k_bias), "v": (v, v_bias)}.items():
            put(f"{name}.{letter}_layer", *part, reads=True)
        put(f"{name}.output_layer", given[f"{out}.weight"], given[f"{out}.bias"], writes=True)

    for side, own, names in (("encoder", "src_src_att", "layer_norm"), ("decoder", "trg_trg_att", "x_layer_norm")):
        for layer in range(SHAPE["layers"]):
            theirs, ours = f"{side}.layers.{layer}", f"body.{side}.layers.{layer}"
            norm(f"{theirs}.{names}", f"{ours}.attention_norm")
            qkv = [given[f"{ours}.attention.qkv.{kind}"] for kind in ("weight", "bias")]
            attention(
                f"{theirs}.{own}",
                tuple(part[:width] for part in qkv),
                tuple(part[width:] for part in qkv),
                f"{ours}.attention.out",
            )
            if side == "decoder":
                norm(f"{theirs}.dec_layer_norm", f"{ours}.cross_norm")
                q, kv = (
                    tuple(given[f"{ours}.cross.{name}.{kind}"] for kind in ("weight", "bias")) for name in ("q", "kv")
                )
                attention(f"{theirs}.src_trg_att", q, kv, f"{ours}.cross.out")
            norm(f"{theirs}.feed_forward.layer_norm", f"{ours}.feedforward_norm")
            for number, name in ((0, "up"), (3, "out")):
                weight, bias = (given[f"{ours}.feedforward.{name}.{kind}"] for kind in ("weight", "bias"))
                put(
                    f"{theirs}.feed_forward.pwff_layer.{number}", weight, bias, reads=name == "up", writes=name == "out"
                )
        norm(f"{side}.layer_norm", f"body.{side}.norm")
    ids = {token: number for number, token in enumerate(opened.target.vocabulary())}
    embedding = given["body.decoder.embedding.weight"][:, order]
    rows = [embedding[ids[token]] if token in ids else torch.zeros(width) for token in lines(folder / "vocabulary")]
    for name in ("src_embed.lut", "trg_embed.lut", "decoder.output_layer"):
        state[f"{name}.weight"] = torch.stack(rows)
    positions = opened.model.body.decoder.positions(torch.arange(5000)[None])[..., order]
    state |= {"encoder.pe.pe": positions, "decoder.pe.pe": positions}
    (folder / "same").mkdir(exist_ok=True)
    torch.save({"model_state": state}, folder / "same" / "best.ckpt")
    return config_of(folder / "same", folder)


def steady(at: list[tuple[float, float, int]]) -> tuple[float, float]:
    """Tokens a second and a batch. at: seconds, tokens and steps so far, now and then."""
    if len(at) < 5:
        sys.exit("too few steps to tell a speed: give more --minutes")
    (begun, before, first), (ended, after, last) = at[len(at) // 5], at[-1]
    return (after - before) / (ended - begun), (after - before) / (last - first)


def decoded(command: list[str], folder: Path, *, threads: int, sentences: int) -> Decoded:
    """Of the first sentences of test2016. BLEU is of words that spaces part, as they are."""
    sources, said = lines(folder / "test2016.en")[:sentences], folder / "said"
    for name, some in (("one", sources[:1]), ("all", sources)):
        (folder / name).write_text("".join(line + "\n" for line in some), encoding="utf-8")
    alone = run(command, threads=threads, stdin=folder / "one", stdout=said)
    seconds = run(command, threads=threads, stdin=folder / "all", stdout=said)
    texts = ["".join(line.split()).replace("▁", " ").strip() for line in lines(said)]
    bleu = bleu_metric.score(texts, [lines(folder / "tok" / "test2016.de")[:sentences]], tokenize="none").value
    return Decoded(len(sources) / seconds, (len(sources) - 1) / (seconds - alone), bleu)


# --- multi30k


def multi30k(given: argparse.Namespace, folder: Path) -> None:
    """tok: the figure of multi-bleu.perl, as published; raw: sacreBLEU's own."""
    for kind in given.text or TEXTS:
        place, tokenize = TEXTS[kind]
        unpacked(given.data / "multi30k" / place, texts := folder / kind)
        for arch, seed in ((arch, seed) for arch in given.arch or ("transformer",) for seed in given.seed or (0,)):
            model = folder / f"{kind}-{arch}-{seed}"
            files = [part for option, name in (("", "train"), ("valid-", "val")) for side, language in zip(("source", "target"), SIDES)
                     for part in (f"--{option}{side}", str(texts / f"{name}.{language}"))]  # fmt: skip
            run([
                *SEQCLI, "train", "translator", *files, "-o", str(model), "--arch", arch, "--vocab-size", str(PIECES), "--seed", str(seed),
                "--minutes", str(given.minutes), "--threads", str(given.threads), "--force", "-q",
            ], threads=given.threads)  # fmt: skip
            run([
                *SEQCLI, "translate", "-q", "-m", str(model), "-i", str(texts / "test2016.en"), "--beam-size", str(BEAM), "--reference",
                str(texts / "test2016.de"), "--bleu-tokenize", tokenize, "--metrics", str(folder / "figures.json"),
                "--threads", str(given.threads),
            ], threads=given.threads)  # fmt: skip
            figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
            shown = (
                f"{name} {figures[key]['score']:.2f} ({figures[key]['signature']})"
                for key, name in (("bleu", "BLEU"), ("chrf", "chrF"))
            )
            print(f"{kind}, {arch}, {given.minutes:g} minutes, seed {seed}: {', '.join(shown)}", flush=True)


# --- tatoeba


def tatoeba(given: argparse.Namespace, folder: Path) -> None:
    for part in ("train", "dev"):
        (folder / f"{part}.tsv").write_bytes(
            gzip.decompress((given.data / "tatoeba-ko-en" / f"{part}.tsv.gz").read_bytes())
        )
    for source, target in (direction.split("-") for direction in given.direction or DIRECTIONS):
        archs, models = given.arch or ARCHS, folder / f"{source}-{target}"
        run([
            *SEQCLI, "train", "translator", str(folder / "train.tsv"), "--valid", str(folder / "dev.tsv"), "--source-column", source,
            "--target-column", target, "-o", str(models), *(part for arch in archs for part in ("--arch", arch)), "--vocab-size", "4000",
            "--preset", "tiny", "--epochs", str(given.epochs), "--threads", str(given.threads), "--force", "-q",
        ], threads=given.threads)  # fmt: skip
        places = {arch: models / arch if len(archs) > 1 else models for arch in archs}
        records = {
            arch: json.loads(next(place.glob("state-*/config.json")).read_text(encoding="utf-8"))
            for arch, place in places.items()
        }
        valid = next(iter(records.values()))["valid"]
        print(
            f"\n{source}-{target}, {valid['pairs']} of dev, {given.epochs:g} epochs: {valid['bleu_signature']}; {valid['chrf_signature']}"
        )
        for arch, record in records.items():
            figures = "".join(
                f"{name} {record['valid'][key]:6.2f}  "
                for key, name in (("chrf", "chrF"), ("bleu", "BLEU"), ("perplexity", "perplexity"))
            )
            print(f"{arch:12}{figures}{record['parameters']:,} parameters, {record['seconds']:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--joey", metavar="PYTHON", help="of an environment with JoeyNMT")
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--minutes", type=float, default=5, help="of each training of speed and multi30k")
    parser.add_argument("--sentences", type=int, default=1000, help="of test2016, to be decoded in speed")
    parser.add_argument("--epochs", type=float, default=40, help="of tatoeba")
    parser.add_argument(
        "--arch", choices=ARCHS, action="append", help="of multi30k (else transformer) and tatoeba (else all)"
    )
    parser.add_argument("--seed", type=int, action="append", help="of multi30k")
    parser.add_argument("--direction", choices=DIRECTIONS, action="append", help="of tatoeba (else both)")
    parser.add_argument("--text", choices=TEXTS, action="append", help="of multi30k (else both)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=Path, help="a folder for files and models")
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    if not given.data.is_dir():
        sys.exit(f"{given.data} is missing (--data FOLDER with multi30k and tatoeba-ko-en): nothing to measure")
    load = " ".join(f"{of:.1f}" for of in os.getloadavg())
    print(f"{date.today()}, {platform.machine()}, {given.threads} threads, load before {load}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for part in given.part or PARTS:
            PARTS[part](given, folder)
    print(f"load after {' '.join(f'{of:.1f}' for of in os.getloadavg())}")


PARTS = {function.__name__: function for function in (speed, multi30k, tatoeba)}

if __name__ == "__main__":
    main()
