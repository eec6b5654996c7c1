r"""Compares the alternatives of a sentence with choices: `My computer is very [slow|shirt]` stands for one sentence per choice.

Several brackets give every combination. `\[`, `\|`, `\]` and `\\` stand for themselves.
"""

from __future__ import annotations

import re
from itertools import product
from math import prod

import numpy as np

from seqcli.errors import InputError
from seqcli.interfaces import OpenScorer
from seqcli.results.language import Choice
from seqcli.scoring.sentences import margin, score_texts, shares

LARGEST = 100_000
_PART = re.compile(r"\\[\[\]|\\]|[\[\]|]|[^\\\[\]|]+|\\")


def choices(opened: OpenScorer, template: str) -> list[Choice]:
    """The alternatives of `My computer is very [slow|shirt]`, best first; ties share the better rank."""
    texts = fillings(template)
    log_prob = score_texts(opened, texts)
    share = shares(log_prob)
    ranks = 1 + np.searchsorted(np.sort(-log_prob), -log_prob - margin(log_prob))
    return [
        Choice(int(ranks[i]), float(log_prob[i]), None if share is None else float(share[i]), texts[i])
        for i in np.argsort(-log_prob, kind="stable")
    ]


def fillings(template: str) -> list[str]:
    """Every sentence that `template` stands for, in the order of its choices.

    Raises InputError where a bracket is not closed, none is there, or there are more than 100,000.
    """
    parts: list[list[str]] = [[""]]  # fixed text and choices, alternating
    inside = False
    for match in _PART.finditer(template):
        token = match[0]
        if token == "[" and not inside:
            parts.append([""])
            inside = True
        elif token == "]" and inside:
            parts.append([""])
            inside = False
        elif token == "|" and inside:
            parts[-1].append("")
        elif token in ("[", "]"):
            raise InputError(
                f"unexpected {token!r} at character {match.start() + 1}", cure=f"write \\{token} for a literal one"
            )
        else:
            parts[-1][-1] += token[1:] if len(token) == 2 and token[0] == "\\" else token
    if inside:
        raise InputError("unclosed choice", cure="write [slow|fast]")
    if len(parts) == 1:
        raise InputError("no choice in brackets", cure="write, for example, My computer is very [slow|shirt]")
    if prod(len(part) for part in parts) > LARGEST:
        raise InputError(f"more than {LARGEST} combinations of choices", cure="use fewer choices")
    return ["".join(chosen) for chosen in product(*parts)]
