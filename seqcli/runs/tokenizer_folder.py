"""A folder that contains only a tokenizer: written atomically, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seqcli import catalog, tokenizers
from seqcli.errors import ModelError, UsageError
from seqcli.files import regular
from seqcli.interfaces import Tokenizer
from seqcli.runs.whole_folder import drafting_folder


@contextmanager
def drafting_tokenizer(path: Path | str, *, force: bool = False) -> Iterator[Callable[[Tokenizer], None]]:
    """Locks a tokenizer folder, and yields the function that writes it; see `drafting_folder`."""
    with drafting_folder(path, what="a seqcli tokenizer", is_one=_is_tokenizer, force=force) as write:
        yield lambda tokenizer: write(lambda folder: tokenizers.save(tokenizer, folder))


def _is_tokenizer(path: Path) -> bool:
    """Whether a folder contains a tokenizer of seqcli and nothing else."""
    try:
        kind = regular.read_json(path / tokenizers.FILE)["kind"]
        return set(os.listdir(path)) <= {tokenizers.FILE, getattr(catalog.load("tokenizers", kind), "FILE", None)}
    except (OSError, ValueError, KeyError, TypeError, UsageError, ModelError):
        return False
