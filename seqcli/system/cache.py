"""The cache folder, for files that can be created again: sample models, and word vectors read from foreign files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/seqcli`, created if necessary; a temporary folder if it is not writable."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        place = (Path(base) if base else Path.home() / ".cache") / "seqcli"
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except (OSError, RuntimeError):  # not writable, or the home folder is unknown
        place = Path(tempfile.gettempdir()) / f"seqcli-{os.getuid()}"
        place.mkdir(mode=0o700, exist_ok=True)
        if place.lstat().st_uid != os.getuid():
            return Path(tempfile.mkdtemp(prefix="seqcli-"))
        return place
