"""What `word_lm.py` and `blimp.py` share: the 5-gram that KenLM makes of a text, opened in its Python module."""

from __future__ import annotations

import subprocess
from pathlib import Path


def estimated(train: Path, *, programs: Path, folder: Path):
    """A `kenlm.Model` of `lmplz -o 5 --skip_symbols`. programs: where lmplz is; folder: for the ARPA file."""
    import kenlm

    arpa = folder / "k.arpa"
    with open(train, "rb") as source, open(arpa, "wb") as target:
        command = [str(programs / "lmplz"), "-o", "5", "--skip_symbols", "-S", "2G"]
        subprocess.run(command, stdin=source, stdout=target, stderr=subprocess.DEVNULL, check=True)
    return kenlm.Model(str(arpa))
