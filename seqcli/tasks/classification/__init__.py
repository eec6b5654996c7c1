"""Classification: how labelled text is read, how classifiers are made, opened and judged.

`corpus` reads, `making` makes them (only its networks bring torch), `several` many alike, `opened` opens them, `mixed` makes one of
several, `answers` judges what they say.
"""

from seqcli.tasks.classification.answers import Answers
from seqcli.tasks.classification.corpus import LabelledFiles, Texts, label_weights, split
from seqcli.tasks.classification.judging import METRICS
from seqcli.tasks.classification.making import Given, Trained, settings_of_body, train
from seqcli.tasks.classification.mixed import fitted, mixed
from seqcli.tasks.classification.opened import TASK, OpenClassifier, figures, open_classifier, softmax

__all__ = [
    "METRICS",
    "TASK",
    "Answers",
    "Given",
    "LabelledFiles",
    "OpenClassifier",
    "Texts",
    "Trained",
    "figures",
    "fitted",
    "label_weights",
    "mixed",
    "open_classifier",
    "settings_of_body",
    "softmax",
    "split",
    "train",
]
