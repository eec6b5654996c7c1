"""A Hugging Face folder with the interface of `ModelFolder`, so that every command opens it.

config.json is converted to seqcli's settings, the tensors to its weights by the rules of the model's family (`families/`), and token
ids are renumbered by the tokenizer (`file_ids`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType

import numpy as np

from seqcli import finite
from seqcli.errors import ModelError, listed
from seqcli.files import tensor_file
from seqcli.interfaces import Renumbered, Tokenizer
from seqcli.interop.huggingface import families, files
from seqcli.interop.huggingface.families import Config, Rule
from seqcli.runs.model_folder import BEGINNING, ModelFolder
from seqcli.text import BOS_ID, EOS_ID, UNK_ID
from seqcli.tokenizers import huggingface

FORMAT = "huggingface"
_BODY = "body."  # weights that every model of a family has
_TIED = "lm_head.weight"  # equal to the embedding if the settings say that they are tied


@dataclass(frozen=True)
class HuggingFaceFolder(ModelFolder):
    """config.json is read and checked when the folder is opened; weights and tokenizers are read on demand. architecture: one of
    `architectures`."""

    family: ModuleType = field(repr=False, kw_only=True)
    architecture: str = field(kw_only=True)

    @classmethod
    def open(cls, path: Path | str) -> HuggingFaceFolder:
        """Opens a folder. Raises ModelError if it is not a complete model of a supported family."""
        path = Path(path)
        config = Config(files.read_config(path), where=str(path / files.CONFIG))
        architecture = config.architecture
        family = families.of_architecture(architecture, where=config.where)
        arch = config("model_type", kind=str)
        task = family.ARCHITECTURES[architecture]
        module = family.MODULE if isinstance(family.MODULE, str) else family.MODULE[task]
        manifest = {"task": task, "arch": arch, "format": FORMAT}
        record = {"arch": arch, "module": module, "settings": family.settings(config)}
        folder = cls(path, manifest, record, path, family=family, architecture=architecture)
        record |= {"architecture": architecture, **getattr(family, "record", families.language_record)(config, folder)}
        return folder

    def tokenizer(self) -> Tokenizer:
        return self.tokenizers()[0]

    def tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        return self._tokenizers

    @cached_property
    def _tokenizers(self) -> tuple[Tokenizer, Tokenizer]:
        """The tokenizers, with an id for every row of the embedding."""
        if hasattr(self.family, "tokenizers"):
            of_target = self.rows if self.config["settings"].get("joint", True) else self._rows(of_target=True)
            return self.family.tokenizers(self.path, rows=(self.rows, of_target))
        both = huggingface.open_folder(self.path, rows=self.rows)
        return both, both

    @property
    def file_ids(self) -> np.ndarray:
        """int64 [V], the row of each of our token ids in the matrices of the file; -1 if there is none."""
        return self._file_ids(0)

    def _file_ids(self, side: int) -> np.ndarray:
        """side: 0 for the source, 1 for the target."""
        tokenizer = self._tokenizers[side]
        assert isinstance(tokenizer, Renumbered)
        return tokenizer.file_ids

    @property
    def _mask(self) -> int:
        """The row of the mask token. Raises ModelError if there is none."""
        tokenizer = self._tokenizers[0]
        assert isinstance(tokenizer, Renumbered)
        if tokenizer.mask_id is None or not 0 <= tokenizer.mask_id < self.rows:
            raise ModelError(
                "the tokenizer has no mask token", where=str(self.path), cure="name it in tokenizer_config.json"
            )
        return tokenizer.mask_id

    @property
    def impossible(self) -> tuple[int, ...]:
        return never_predicted(self.file_ids, self.rows)

    @cached_property
    def rows(self) -> int:
        """The number of rows of the token embeddings. Raises ModelError if they are not a matrix."""
        return self._rows(of_target=False)

    def _rows(self, *, of_target: bool) -> int:
        """of_target: of the target's embeddings, if they are separate. Only the rules up to the embeddings are read, since the number of
        layers in config.json is not trusted before their tensors have been found."""
        (name,) = self._found(next(rule for rule in self._rules() if rule.tokens and rule.of_target == of_target))
        shape = self._weights.shape(name)
        if len(shape) != 2 or not shape[0]:
            raise ModelError(f"{name} is not a matrix with a row for each token", where=str(self.path), cure=files.CURE)
        return shape[0]

    @cached_property
    def _weights(self) -> files.Weights:
        return files.Weights(self.path)

    @cached_property
    def _names(self) -> dict[str, str]:
        """The names of all tensors in the file, by their current names without the prefix of the family."""
        found = {self._bare(name): name for name in self._weights.names}
        renamed = getattr(self.family, "renamed", str)
        return {(name if (new := renamed(name)) in found else new): full for name, full in found.items()}

    def _bare(self, name: str) -> str:
        """The name of a tensor without the family's prefix."""
        prefixes = (self.family.PREFIX,) if isinstance(self.family.PREFIX, str) else self.family.PREFIX
        return name.removeprefix(next(filter(name.startswith, prefixes), ""))

    def _rules(self) -> Iterator[Rule]:
        return self.family.rules(self.config["settings"], self.architecture)

    def _found(self, rule: Rule) -> list[str]:
        """The names in the file of the tensors of a rule. Raises ModelError if one is missing."""
        names = [next(filter(self._has, (name, *rule.tied)), name) for name in rule.theirs]
        for name in names:
            if not self._has(name):
                raise ModelError(f"no tensor {name}", where=str(self.path), cure=files.CURE)
        return [self._names[self._bare(name)] for name in names]

    def _has(self, name: str) -> bool:
        return self._bare(name) in self._names

    def tensors(self, *, whole: bool = False) -> dict[str, np.ndarray]:
        """The weights by seqcli's names. Raises ModelError if a tensor is missing, or if the file has one that no rule reads."""
        made, read = {}, set()
        for rule in self._rules():
            read |= set(map(self._bare, (*rule.theirs, *rule.tied)))
            made[rule.ours] = self._made(rule)
        unread = [name for name in self._names if name not in read and not self.family.IGNORED.fullmatch(name)]
        if self.config["settings"].get("tied"):
            unread = [name for name in unread if name != _TIED]
        if unread:
            what = f"tensors that {self.architecture} does not have: {listed(unread[:3])}"
            raise ModelError(what, where=str(self.path), cure="check `architectures` in config.json")
        if whole:
            finite.check_weights(made)
        return made

    def beginning(self) -> dict[str, np.ndarray]:
        rules = getattr(self.family, "beginning", self.family.rules)(self.config["settings"], self.architecture)
        made = {
            rule.ours: self._made(rule)
            for rule in rules
            if rule.ours.startswith(_BODY) or (rule.ours.startswith(BEGINNING) and all(map(self._has, rule.theirs)))
        }
        finite.check_weights(made)
        return made

    def _made(self, rule: Rule) -> np.ndarray:
        if rule.optional and not self._has(rule.theirs[0]):
            return np.zeros(len(self._file_ids(rule.of_target)), np.float32)
        parts = [self._weights.array(name) for name in self._found(rule)]
        if rule.transposed:
            parts = [part.T for part in parts]
        array = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if rule.of_mask:
            return array[self._mask]
        if rule.flat:
            array = array.reshape(-1)
        return self._of_our_ids(array, side=rule.of_target) if rule.tokens else array

    def _of_our_ids(self, array: np.ndarray, *, side: int) -> np.ndarray:
        """Rows in the order of our ids. If there is no `<s>`, its row is that of `</s>`, which separates texts."""
        ids = self._file_ids(side).copy()
        if ids[BOS_ID] < 0:
            ids[BOS_ID] = ids[EOS_ID]
        if np.array_equal(ids, np.arange(len(array))):
            return array
        known = (ids >= 0) & (ids < len(array))
        rows = array[np.where(known, ids, 0)]
        rows[~known] = 0
        return rows

    @property
    def weights_checksum(self) -> str:
        sums = "".join(tensor_file.sha256_of(self.path / file) for file in self._weights.files)
        return sums if len(self._weights.files) == 1 else hashlib.sha256(sums.encode()).hexdigest()

    def verify(self) -> None:
        """Reads every tensor. Raises ModelError if a number is not finite."""
        self.tensors(whole=True)

    def bytes(self) -> int:
        return sum(os.stat(self.path / file).st_size for file in self._weights.files)


def never_predicted(file_ids: np.ndarray, rows: int) -> tuple[int, ...]:
    """Our special tokens that the file does not have, or that share their row with `</s>`. rows: of the embedding in the file."""
    twice = {n for n in (UNK_ID, BOS_ID) if file_ids[n] in file_ids[n + 1 : EOS_ID + 1]}
    return tuple(sorted(twice | {n for n in (UNK_ID, BOS_ID, EOS_ID) if not 0 <= file_ids[n] < rows}))
