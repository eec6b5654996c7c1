"""Translation: how pairs are read, how translators are made and opened. `making` brings torch, and only when it is asked."""

from seqcli.tasks.translation.corpus import PairFiles, split
from seqcli.tasks.translation.making import Given, Trained, train
from seqcli.tasks.translation.opened import TASK, open_translator

__all__ = ["TASK", "Given", "PairFiles", "Trained", "open_translator", "split", "train"]
