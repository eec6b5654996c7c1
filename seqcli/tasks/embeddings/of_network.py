"""Text embeddings from a network of any task: the mean of its states."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from seqcli.interfaces import Tokenizer
from seqcli.runs.model_folder import ModelFolder
from seqcli.tasks.model_names import opened as open_named
from seqcli.text import UNK_ID
from seqcli.token_batch import row_sums

EMBEDDINGS = "embeddings"
_Texts = Callable[[bytes], tuple[np.ndarray, np.ndarray]]


def opened(run: ModelFolder) -> tuple[Any, _Texts]:
    """The network of a folder, and a function that computes the vectors of lines and counts their unknown tokens.

    The states are those before the head: the mean over tokens for a language model, the pooled features for a classifier, the mean
    over the encoder states for a translator; an encoder without a head uses its own pooling.
    """
    from seqcli.tasks.classification.load import CLASSIFICATION, open_classifier
    from seqcli.tasks.language.load import LANGUAGE, open_model
    from seqcli.tasks.translation.load import open_translator

    if run.task == LANGUAGE:
        language = open_model(str(run.path))
        model: Any = language.model
        tokenizer = language.tokenizer
    elif run.task == EMBEDDINGS:
        tokenizer = run.tokenizer()
        model = open_named(str(run.path), EMBEDDINGS, lambda run, module: _encoder(run, module, tokenizer))
    elif run.task == CLASSIFICATION:
        model = open_classifier(str(run.path)).model
        tokenizer = run.tokenizer()
    else:
        translator = open_translator(str(run.path))
        model, tokenizer = translator.model, translator.source
    return model, partial(_vectors, model, tokenizer)


def _encoder(run: ModelFolder, module: ModuleType, tokenizer: Tokenizer) -> Any:
    return module.load(run.config["settings"], run.tensors(whole=True), vocab_size=tokenizer.vocab_size)


def _vectors(model: Any, tokenizer: Tokenizer, lines: bytes) -> tuple[np.ndarray, np.ndarray]:
    from seqcli.nn.encoder import text_vectors

    batch = tokenizer.encode(lines)
    unknown = row_sums((batch.tokens == UNK_ID).astype(np.float32), batch.lengths).astype(np.int64)
    return text_vectors(model, batch), unknown
