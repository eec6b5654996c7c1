"""chrF (Popovic 2015), from 0 to 100, as sacreBLEU computes it (Post 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from seqcli.metrics.translator import Score

TITLE = "chrF"
LOWER_IS_BETTER = False


def score(
    translations: Sequence[str], references: Sequence[Sequence[str]], *, tokenize: str | None = None, lowercase: bool = False
) -> Score:  # fmt: skip
    """tokenize has no effect: chrF compares characters."""
    from sacrebleu.metrics import CHRF

    chrf = CHRF(lowercase=lowercase)
    value = chrf.corpus_score(list(translations), list(map(list, references))).score
    return Score(value, str(chrf.get_signature()))


def sentence_scores(
    translations: Sequence[str], references: Sequence[Sequence[str]], *, lowercase: bool = False
) -> list[float]:
    """chrF of each sentence on its own, against its references."""
    from sacrebleu.metrics import CHRF

    metric = CHRF(lowercase=lowercase)
    return [metric.sentence_score(text, own).score for text, *own in zip(translations, *references, strict=True)]
