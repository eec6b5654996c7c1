"""Models of the Hugging Face hub, `hf:NAME[@REVISION]`, downloaded into the cache that it shares with other tools.

This is the only file that knows `huggingface_hub`, whose settings apply: HF_HOME (where the cache is), HF_HUB_OFFLINE,
HF_TOKEN or `hf auth login` (private and gated models), HF_ENDPOINT. Only settings, tokenizers and safetensors are downloaded,
by name: no Python code and no pickle. config.json is downloaded last, so a snapshot that has it is complete, even if an earlier
download was interrupted.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from seqcli import __version__
from seqcli.errors import ModelError, OutputError, SeqcliError
from seqcli.interfaces import Reporter
from seqcli.interop.huggingface import files
from seqcli.interop.huggingface.files import CONFIG, INDEX, WEIGHTS

SCHEME = "hf:"
_ADDRESS = re.compile(r"hf:(?P<name>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TOKENIZER = re.compile(r"tokenizer\.json|vocab\.(json|txt)|(source|target)_vocab\.json|[\w.-]+\.(model|spm)", re.ASCII)
_SMALL = re.compile(
    rf"{_TOKENIZER.pattern}|merges\.txt|added_tokens\.json|(generation|tokenizer|sentence_bert)_config\.json|special_tokens_map\.json|modules\.json"
    r"|1_Pooling/config\.json",
    re.ASCII,
)
_LONGEST = 300  # maximum length of a message of the library


class Snapshot(NamedTuple):
    """A revision of a model. commit: its hash, 40 hexadecimal digits."""

    name: str
    commit: str


def snapshot_of(folder: Path | str) -> Snapshot | None:
    """The revision of a folder in the cache of `huggingface_hub`, models--ORG--NAME/snapshots/COMMIT; None for other folders."""
    *_, repository, snapshots, commit = ("", "", "", *Path(os.path.abspath(folder)).parts)
    kind, _, name = repository.partition("--")
    if kind != "models" or snapshots != "snapshots" or not _COMMIT.fullmatch(commit):
        return None
    return Snapshot(name.replace("--", "/"), commit)


def revision(folder: Path | str) -> str:
    """NAME@COMMIT of such a folder for a signature, with the first digits of the commit; "" for any other folder."""
    found = snapshot_of(folder)
    return f"{found.name}@{found.commit[:12]}" if found else ""


def folder_of(source: str, *, weights: bool = True, reporter: Reporter) -> str:
    """The folder of `hf:NAME[@REVISION]` in the cache, downloaded if necessary. weights: False if only the tokenizer is needed.

    Raises ModelError if there is no such model or it is not supported, OutputError if the disk is full.
    """
    return _HubModel(source, weights, reporter).folder()


class _HubModel:
    """A model on the hub, at a revision."""

    def __init__(self, source: str, weights: bool, reporter: Reporter):
        address = _ADDRESS.fullmatch(source)
        if not address or ".." in source:
            raise ModelError("not the name of a model on the hub", where=source, cure="use hf:ORG/NAME[@REVISION]")
        self.source, self.weights, self.reporter = source, weights, reporter
        self.name, self.revision = address["name"], address["revision"]
        import huggingface_hub  # 0.3 s
        from huggingface_hub import constants, errors
        from huggingface_hub.utils import logging

        logging.set_verbosity_error()
        self.hub, self.constants, self.errors = huggingface_hub, constants, errors
        self.api = huggingface_hub.HfApi(library_name="seqcli", library_version=__version__)

    def folder(self) -> str:
        if _COMMIT.fullmatch(self.revision or "") and (found := self._cached(self.revision, with_tokenizer=True)):
            return found
        with self._as_ours():
            try:
                timeout = self.constants.HF_HUB_ETAG_TIMEOUT
                info = self.api.model_info(self.name, revision=self.revision, files_metadata=True, timeout=timeout)
            except Exception as error:  # of several packages
                if self._was_answered(error) or not (found := self._cached_revision()):
                    raise
                if not self.constants.HF_HUB_OFFLINE:
                    self.reporter.note(f"{self.source}: cannot reach the hub; using {Path(found).name} from the cache")
                return found
            sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
            return self._fetched(str(info.sha), sizes)

    def _fetched(self, commit: str, sizes: dict[str, int]) -> str:
        """The snapshot of a commit. sizes: of all files of the repository, in bytes."""
        if CONFIG not in sizes or not _COMMIT.fullmatch(commit):
            what = f"has no {CONFIG}: not a model for transformers"
            raise ModelError(what, where=self.source, cure="give a model whose files `transformers` opens")
        names = [name for name in sorted(sizes) if _SMALL.fullmatch(name)]
        if self.weights:
            names += self._weights(commit, sizes)
        names.append(CONFIG)
        missing = [name for name in names if not self._path(name, commit)]
        if missing:
            self._fetch(missing, commit, sizes)
        self._remember(commit)
        return str(Path(self._path(CONFIG, commit) or "").parent)

    def _weights(self, commit: str, sizes: dict[str, int]) -> list[str]:
        """The files with the weights. A repository may also have weights in other formats and precisions."""
        if WEIGHTS in sizes:
            return [WEIGHTS]
        if INDEX in sizes:
            path = self._path(INDEX, commit) or self._download(INDEX, commit)
            shards = sorted(files.shards_of(Path(path).parent))
            if missing := [shard for shard in shards if shard not in sizes]:
                what = f"has no {missing[0]}, which {INDEX} names"
                raise ModelError(what, where=self.source, cure="use another revision")
            return [INDEX, *shards]
        raise files.without_weights(self.source, list(sizes))

    def _fetch(self, missing: list[str], commit: str, sizes: dict[str, int]) -> None:
        cache = self.constants.HF_HUB_CACHE
        total = sum(sizes[name] for name in missing)
        place = next(folder for folder in (Path(cache), *Path(cache).absolute().parents) if folder.exists())
        if total > (free := shutil.disk_usage(place).free):
            raise OutputError(
                f"not enough disk: {_size(total)} to fetch, but {_size(free)} is free in {cache}",
                where=self.source, cure="free some space or set HF_HOME to another disk",
            )  # fmt: skip
        self.reporter.note(f"fetching {self.source} ({commit[:12]}, {_size(total)}) into {cache}")
        done = 0
        for name in missing:
            before = done

            def advance(by: float) -> None:
                nonlocal done
                done += int(by)
                self.reporter.progress("fetching", done, total or None)

            self._download(name, commit, advance)
            done = before + sizes[name]
        self.reporter.clear()

    def _download(self, name: str, commit: str, advance: Callable[[float], None] = lambda by: None) -> str:
        bar = type("Bar", (_Bar,), {"advance": staticmethod(advance)})
        return self.hub.hf_hub_download(
            self.name, name, revision=commit, tqdm_class=bar, library_name="seqcli", library_version=__version__
        )

    def _path(self, name: str, commit: str) -> str | None:
        """The path of a file in the cache, None if it is not there."""
        found = self.hub.try_to_load_from_cache(self.name, name, revision=commit)
        return found if isinstance(found, str) else None

    def _cached(self, commit: str, *, with_tokenizer: bool = False) -> str | None:
        """The snapshot of a commit, if it is complete in the cache."""
        config = self._path(CONFIG, commit)
        if config is None:
            return None
        folder = Path(config).parent
        if with_tokenizer and not any(map(_TOKENIZER.fullmatch, os.listdir(folder))):
            return None
        if self.weights and not (folder / WEIGHTS).exists():
            if not (folder / INDEX).exists():
                return None
            if not all((folder / shard).exists() for shard in files.shards_of(folder)):
                return None
        return str(folder)

    def _cached_revision(self) -> str | None:
        try:
            known = self.api.resolve_revision(self.name, revision=self.revision, local_files_only=True)
        except self.errors.RevisionResolutionError:
            return None
        return self._cached(known.resolved)

    def _remember(self, commit: str) -> None:
        """Records the commit of a branch in the cache, for use without a network."""
        try:
            known = self.api.resolve_revision(self.name, revision=self.revision, local_files_only=True).resolved
        except self.errors.RevisionResolutionError:
            known = None
        if known != commit:
            self.api.resolve_revision(self.name, revision=self.revision)

    def _was_answered(self, error: BaseException) -> bool:
        """Whether the hub answered with an error, as opposed to not answering."""
        return isinstance(error, self.errors.HfHubHTTPError) and error.response.status_code < 500

    @contextmanager
    def _as_ours(self) -> Iterator[None]:
        """A context that turns exceptions and warnings of the library into seqcli's, in one line."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (SeqcliError, MemoryError):
            raise
        except Exception as error:  # of several packages
            raise self._error(error) from None
        finally:
            self.reporter.clear()

    def _error(self, error: BaseException) -> SeqcliError:
        if isinstance(error, self.errors.LocalEntryNotFoundError) and error.__cause__:
            return self._error(error.__cause__)
        errors, where, login = self.errors, self.source, "log in with `hf auth login` or set HF_TOKEN"
        page = f"{self.constants.ENDPOINT}/{self.name}"
        if isinstance(error, errors.GatedRepoError):
            return ModelError("is gated", where=where, cure=f"accept its terms at {page}, then {login}")
        if isinstance(error, errors.RevisionNotFoundError):
            return ModelError(f"has no revision {self.revision}", where=where, cure=f"{page}/tree/main lists them")
        if isinstance(error, errors.RepositoryNotFoundError):
            what = "no such model on the hub, or it is private"
            return ModelError(what, where=where, cure=f"check the name, or {login}")
        if isinstance(error, errors.HFValidationError):
            return ModelError("not the name of a model on the hub", where=where, cure="use hf:ORG/NAME[@REVISION]")
        if isinstance(error, errors.OfflineModeIsEnabled):
            what = "not in the cache, and HF_HUB_OFFLINE is set"
            return ModelError(what, where=where, cure="fetch it once without HF_HUB_OFFLINE")
        if isinstance(error, errors.HfHubHTTPError):
            answer = error.response
            cure = login if answer.status_code in (401, 403) else "try again later"
            return ModelError(f"the hub answers {answer.status_code} {answer.reason_phrase}", where=where, cure=cure)
        message = " ".join(str(error).split())
        message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ..."
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
            cure = "free some space or set HF_HOME to another disk"
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                cure = "set HF_HOME to a folder that can be written"
            return OutputError(f"cannot write to the cache ({error.strerror})", where=where, cure=cure)
        cure = "check the connection, or give a folder"
        return ModelError(f"cannot be fetched ({message or type(error).__name__})", where=where, cure=cure)


class _Bar:
    """A progress bar with the interface of tqdm, for `huggingface_hub`. advance: called with the number of bytes received."""

    advance: Callable[[float], None]

    def __init__(self, *_: Any, **__: Any):
        pass

    def __enter__(self) -> _Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, by: float | None = 1) -> None:
        self.advance(by or 0)

    def update_transfer(self, *_: Any) -> None:
        """Bytes transferred, which differ from those of the file if it is compressed."""

    def close(self, *_: Any) -> None:
        pass

    refresh = set_postfix_str = set_transfer_postfix_str = set_description_str = set_description = close


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number > 1e9 else f"{number / 1e6:.1f} MB"
