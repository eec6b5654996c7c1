"""Model files of fastText, written byte by byte as its source does, with random matrices."""

import struct
from pathlib import Path

import numpy as np

MAGIC = 793712314
LOSSES = {"hs": 1, "ns": 2, "softmax": 3, "ova": 4}
WORDS = ["</s>", "good", "bad", "film", "영화"]
LABELS = ["__label__positive", "__label__negative", "__label__neutral"]


def written(
    path: Path, *, words=WORDS, labels=LABELS, counts=(5, 3, 1), dim=4, loss="softmax", model=3, bucket=0, minn=0, maxn=0,
    word_ngrams=1, quantised=False, pruned=None, input=None, output=None, **header,
) -> Path:  # fmt: skip
    """input, output: float32 matrices, random without; pruned: rows by bucket; header: what it claims, where that is a lie."""
    rng = np.random.default_rng(3)
    rows = len(words) + (bucket if pruned is None else len(pruned))
    claims = {
        "version": 12,
        "dim": dim,
        "entries": len(words) + len(labels),
        "claimed_words": len(words),
        "labels": len(labels),
    }
    claims |= {"rows": rows, "columns": dim, "pruned": -1 if pruned is None else len(pruned), **header}
    data = struct.pack("<2i", MAGIC, claims["version"])
    data += struct.pack(
        "<12id", claims["dim"], 5, 5, 1, 5, word_ngrams, LOSSES.get(loss, loss), model, bucket, minn, maxn, 100, 1e-4
    )
    data += struct.pack("<3i2q", claims["entries"], claims["claimed_words"], claims["labels"], 100, claims["pruned"])
    for kind, names in enumerate((words, labels)):
        for k, name in enumerate(names):
            data += name.encode() + b"\0" + struct.pack("<qb", counts[k] if kind else 10, kind)
    for pair in (pruned or {}).items():
        data += struct.pack("<2i", *pair)
    if quantised:
        codes = rng.integers(0, 256, rows * dim // 2).astype(np.uint8)
        data += struct.pack("<??2qi", True, False, claims["rows"], claims["columns"], claims.get("codes", len(codes)))
        data += codes.tobytes() + struct.pack("<4i", dim, dim // 2, claims.get("width", 2), 2)
        data += rng.normal(size=dim * 256).astype("<f4").tobytes()
    else:
        table = rng.normal(size=(rows, dim)) if input is None else input
        data += struct.pack("<?2q", False, claims["rows"], claims["columns"]) + table.astype("<f4").tobytes()
    table = rng.normal(size=(len(labels), dim)) if output is None else output
    data += struct.pack("<?2q", False, claims.get("outputs", len(labels)), dim) + table.astype("<f4").tobytes()
    path.write_bytes(data)
    return path
