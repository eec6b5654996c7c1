"""Language modelling: how its text is read and tokenized, how its models are made, opened and judged.

`corpus` reads, `counted` and `neural` make models (only the latter brings torch), `compared` several alike; `opened` opens
and evaluates them, `mixed` makes one of several.
"""

from seqcli.tasks.language.corpus import (
    Corpus,
    Reading,
    TokenizerChoice,
    check_readable,
    learn_tokenizer,
    open_reader,
    open_tokenizer,
    read,
    train_tokenizer,
)
from seqcli.tasks.language.counted import foreign_record, save_counted, train_counted
from seqcli.tasks.language.mixed import fitted, mixed
from seqcli.tasks.language.opened import TASK, evaluate, named, open_model, open_models, summary
from seqcli.tasks.language.told import Trained, told

__all__ = [
    "TASK",
    "Corpus",
    "Reading",
    "TokenizerChoice",
    "Trained",
    "check_readable",
    "evaluate",
    "fitted",
    "foreign_record",
    "learn_tokenizer",
    "mixed",
    "named",
    "open_model",
    "open_models",
    "open_reader",
    "open_tokenizer",
    "read",
    "save_counted",
    "summary",
    "told",
    "train_counted",
    "train_tokenizer",
]
