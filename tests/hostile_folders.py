"""Hugging Face folders that somebody made to do harm, each a change of a small GPT-2 that is sound."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.numpy
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

CONFIG, WEIGHTS, INDEX, TOKENIZER = "config.json", "model.safetensors", "model.safetensors.index.json", "tokenizer.json"
LAYERS, WIDTH, HEADS, WINDOW = 2, 8, 2, 16
_SIZES = ("n_layer", "n_embd", "n_head", "n_positions", "vocab_size")


def make(folder: Path) -> Path:
    """The sound one."""
    folder.mkdir(parents=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: id for id, token in enumerate(["<|endoftext|>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    (folder / TOKENIZER).write_text(tokenizer.to_str(), "utf-8")
    config = {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": LAYERS, "n_embd": WIDTH, "n_head": HEADS,
        "n_positions": WINDOW, "vocab_size": len(vocab), "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    (folder / CONFIG).write_text(json.dumps(config))
    safetensors.numpy.save_file(_tensors(len(vocab)), folder / WEIGHTS)
    return folder


def _tensors(vocab_size: int) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (vocab_size, WIDTH), "wpe.weight": (WINDOW, WIDTH)}
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("attn.c_attn", 1, 3),
            ("attn.c_proj", 1, 1),
            ("mlp.c_fc", 1, 4),
            ("mlp.c_proj", 4, 1),
        ):
            shapes[f"h.{layer}.{name}.weight"] = (rows * WIDTH, columns * WIDTH)
            shapes[f"h.{layer}.{name}.bias"] = (columns * WIDTH,)
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"h.{layer}.{norm}.{part}": (WIDTH,) for part in ("weight", "bias")}
    shapes |= {f"ln_f.{part}": (WIDTH,) for part in ("weight", "bias")}
    draw = np.random.default_rng(0)
    return {f"transformer.{name}": draw.standard_normal(shape, np.float32) / 8 for name, shape in shapes.items()}


# --- config.json ------------------------------------------------------------------------------------------------------


def _configured(**values) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | values))

    return change


def _written(name: str, data: str | bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)

    return change


def _every_value(value) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        _configured(**{name: value for name in config if name not in ("model_type", "architectures")})(folder)

    return change


# --- weights ----------------------------------------------------------------------------------------------------------


def _with_tensors(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        tensors = dict(safetensors.numpy.load_file(folder / WEIGHTS))
        change(tensors)
        safetensors.numpy.save_file(tensors, folder / WEIGHTS)

    return changed


def _with_header(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """The header says otherwise; the data stays."""

    def changed(folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        change(header)
        head = json.dumps(header).encode()
        (folder / WEIGHTS).write_bytes(len(head).to_bytes(8, "little") + head + data[8 + length :])

    return changed


def _sharded(places: Callable[[dict[str, str]], object]) -> Callable[[Path], None]:
    """In two shards, with an index that `places` changes."""

    def changed(folder: Path) -> None:
        tensors = safetensors.numpy.load_file(folder / WEIGHTS)
        (folder / WEIGHTS).unlink()
        names = {name: f"model-{1 + (number > 9)}-of-2.safetensors" for number, name in enumerate(sorted(tensors))}
        for shard in set(names.values()):
            safetensors.numpy.save_file({n: tensors[n] for n in names if names[n] == shard}, folder / shard)
        places(names)
        (folder / INDEX).write_text(json.dumps({"weight_map": names}))

    return changed


def _many_tensors(folder: Path) -> None:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    _with_header(lambda header: header.update({f"t{n}": empty for n in range(100_000)}))(folder)


def _first(header: dict) -> dict:
    return header["transformer.wte.weight"]


# --- links, pipes -----------------------------------------------------------------------------------------------------


def _linked(name: str, target: str | None = None) -> Callable[[Path], None]:
    """The file moved out of the folder, or another one there, and a link in its place."""

    def changed(folder: Path) -> None:
        if target is None:
            os.rename(folder / name, folder.parent / f"outside-{name}")
        else:
            (folder / name).unlink()
        (folder / name).symlink_to(target or f"../outside-{name}")

    return changed


def _pipe(name: str) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return changed


def _only(*names: str) -> Callable[[Path], None]:
    def changed(folder: Path) -> None:
        for path in folder.iterdir():
            if path.name not in (CONFIG, TOKENIZER):
                path.unlink()
        for name in names:
            (folder / name).write_bytes(b"cos\nsystem\n(S'touch /tmp/touched'\ntR.")

    return changed


ALL: dict[str, Callable[[Path], None]] = {
    "config: 10^9 layers": _configured(n_layer=10**9),
    "config: 10^9 of everything": _every_value(10**9),
    "config: 2^70 of everything": _every_value(2**70),
    "config: negative sizes": _every_value(-8),
    "config: no sizes": _every_value(0),
    "config: words for numbers": _every_value("many"),
    "config: numbers as words": _every_value("8"),
    "config: lists for numbers": _every_value([8]),
    "config: objects for numbers": _every_value({"a": 8}),
    "config: truth for numbers": _every_value(True),
    "config: fractions for numbers": _every_value(8.5),
    "config: 1e308": _every_value(1e308),
    "config: no values": _every_value(None),
    "config: a wide model": _configured(n_embd=1 << 20, n_head=1 << 10),
    "config: a long window": _configured(n_positions=1 << 30),
    "config: heads that do not divide the width": _configured(n_head=3),
    "config: a wide feed-forward network": _configured(n_inner=1 << 30),
    "config: NaN": _written(CONFIG, '{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": NaN}'),
    "config: infinity": _written(CONFIG, '{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_layer": 1e999}'),
    "config: nested deep": _written(CONFIG, '{"model_type": "gpt2", "a": ' + "[" * 100_000),
    "config: nested deep and closed": _written(CONFIG, '{"model_type": "gpt2", "a": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "config: many objects": _written(CONFIG, '{"model_type": "gpt2", "a": [' + "{}," * 1_000_000 + "{}]}"),
    "config: a long number": _written(CONFIG, '{"model_type": "gpt2", "n_layer": ' + "9" * 1_000_000 + "}"),
    "config: large": _written(CONFIG, '{"model_type": "gpt2", "a": "' + "x" * (1 << 25) + '"}'),
    "config: a list": _written(CONFIG, "[]"),
    "config: empty": _written(CONFIG, ""),
    "config: binary": _written(CONFIG, bytes(range(256))),
    "config: names for architectures": _configured(architectures="GPT2LMHeadModel"),
    "config: architectures of numbers": _configured(architectures=[1, 2]),
    "config: a model type that is a path": _configured(model_type="../../outside", architectures=["../../outside"]),
    "config: a model type that is a list": _configured(model_type=["gpt2"]),
    "config: an architecture of a million letters": _configured(architectures=["x" * 1_000_000]),
    "config: an architecture with a line feed": _configured(architectures=["GPT2\nLMHeadModel\x1b[2J"]),
    "weights: a matrix of another shape": _with_tensors(lambda t: t.update({"transformer.h.1.mlp.c_fc.weight": np.zeros((8, 8), np.float32)})),
    "weights: a matrix that is a vector": _with_tensors(lambda t: t.update({"transformer.wte.weight": np.zeros(8, np.float32)})),
    "weights: a number for a matrix": _with_tensors(lambda t: t.update({"transformer.wte.weight": np.zeros((), np.float32)})),
    "weights: an empty matrix": _with_tensors(lambda t: t.update({"transformer.wte.weight": np.zeros((0, 8), np.float32)})),
    "weights: fewer rows than tokens": _with_tensors(lambda t: t.update({"transformer.wte.weight": np.zeros((5, 8), np.float32)})),
    "weights: integers": _with_tensors(lambda t: t.update({"transformer.ln_f.bias": np.zeros(8, np.int32)})),
    "weights: NaN": _with_tensors(lambda t: t["transformer.ln_f.bias"].__setitem__(3, np.nan)),
    "weights: infinity": _with_tensors(lambda t: t["transformer.wte.weight"].__setitem__((3, 3), np.inf)),
    "weights: one is missing": _with_tensors(lambda t: t.pop("transformer.h.1.ln_2.bias")),
    "weights: all are missing": _with_tensors(dict.clear),
    "weights: one too many": _with_tensors(lambda t: t.update({"transformer.h.7.ln_2.bias": np.zeros(8, np.float32)})),
    "weights: 100,000 tensors": _many_tensors,
    "header: more rows than data": _with_header(lambda h: _first(h).update(shape=[10**9, 8])),
    "header: offsets beyond the file": _with_header(lambda h: _first(h).update(data_offsets=[0, 10**12])),
    "header: offsets that overlap": _with_header(lambda h: _first(h).update(data_offsets=[0, 8224])),
    "header: an unknown type": _with_header(lambda h: _first(h).update(dtype="F8_E4M3")),
    "header: sizes that overflow": _with_header(lambda h: _first(h).update(shape=[1 << 33, 1 << 31, 0], data_offsets=[0, 0])),
    "header: longer than the file": _written(WEIGHTS, (1 << 40).to_bytes(8, "little") + b"{}"),
    "header: empty": _written(WEIGHTS, b""),
    "header: of 50 MB": _written(WEIGHTS, (50_000_000).to_bytes(8, "little") + b"{" + b" " * 50_000_000 + b"}"),
    "header: many objects": _written(WEIGHTS, (7_500_009).to_bytes(8, "little") + b'{"a":[' + b"{}," * 2_500_000 + b"0]}"),
    "header: a Git LFS pointer": _written(WEIGHTS, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    "header: a web page": _written(WEIGHTS, "<!doctype html><html>404</html>"),
    "header: nested deep": _written(WEIGHTS, (500_005).to_bytes(8, "little") + b'{"a":' + b"[" * 500_000 + b"}"),
    "index: a missing shard": _sharded(lambda p: p.update({"transformer.wte.weight": "model-3-of-2.safetensors"})),
    "index: the other shard": _sharded(lambda p: p.update({"transformer.wte.weight": "model-1-of-2.safetensors"})),
    "index: a tensor that is nowhere": _sharded(lambda p: p.update({"more": "model-1-of-2.safetensors"})),
    "index: a path upwards": _sharded(lambda p: p.update({"transformer.wte.weight": "../outside.safetensors"})),
    "index: an absolute path": _sharded(lambda p: p.update({"transformer.wte.weight": "/etc/passwd"})),
    "index: a number": _sharded(lambda p: p.update({"transformer.wte.weight": 7})),
    "index: nothing": _sharded(dict.clear),
    "a link out: config.json": _linked(CONFIG),
    "a link out: model.safetensors": _linked(WEIGHTS),
    "a link out: tokenizer.json": _linked(TOKENIZER),
    "a link to /dev/zero": _linked(WEIGHTS, "/dev/zero"),
    "a link to itself": _linked(WEIGHTS, WEIGHTS),
    "a link to nothing": _linked(WEIGHTS, "nothing"),
    "a pipe: config.json": _pipe(CONFIG),
    "a pipe: model.safetensors": _pipe(WEIGHTS),
    "a pipe: tokenizer.json": _pipe(TOKENIZER),
    "a folder: model.safetensors": lambda folder: ((folder / WEIGHTS).unlink(), (folder / WEIGHTS).mkdir()),
    "a pickle alone": _only("pytorch_model.bin"),
    "no weights": _only(),
    "tokenizer: nested deep": _written(TOKENIZER, "[" * 1_000_000),
    "tokenizer: empty": _written(TOKENIZER, ""),
    "tokenizer: an object": _written(TOKENIZER, "{}"),
    "tokenizer: missing": lambda folder: (folder / TOKENIZER).unlink(),
}  # fmt: skip
