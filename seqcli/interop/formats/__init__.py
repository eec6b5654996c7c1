"""Model folders of other tools, one module for each format, whose name is that of `seqcli convert --to`.

A module offers

    TOOL = "Hugging Face"                  the tool, for help and errors

    recognises(path: str) -> bool          whether a path has this format; asked about every path that is not a model folder
    open(path: str) -> ModelFolder         the same as a model folder, which every command opens

    write(model: ModelFolder, folder)      writes a model into an empty folder; raises ModelError if the format cannot hold it
    is_written(folder: Path) -> bool       whether a folder was written by `write` and contains nothing else

or only the first or the last two. Files of n-gram models and of word vectors are in `interop/arpa` and `interop/vectors`.
"""

from __future__ import annotations

import os
from types import ModuleType

from seqcli import catalog
from seqcli.runs.model_folder import MANIFEST

FOLDER = "interop/formats"


def reader(path: str) -> ModuleType | None:
    """The format of a path, to open it; None for a model folder and for anything else."""
    if not os.path.exists(path) or os.path.lexists(os.path.join(path, MANIFEST)):
        return None
    modules = (catalog.load(FOLDER, name) for name in catalog.names(FOLDER))
    return next((module for module in modules if hasattr(module, "recognises") and module.recognises(path)), None)
