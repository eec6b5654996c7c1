"""BLEU (Papineni et al. 2002) and chrF (Popovic 2015) as sacreBLEU computes them (Post 2018), with its signatures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """Of translations, both from 0 to 100."""

    bleu: float
    chrf: float
    bleu_signature: str
    chrf_signature: str


def report(
    translations: Sequence[str], *references: Sequence[str], tokenize: str | None = None, lowercase: bool = False
) -> Report:
    """Of a corpus against one reference for each translation, or several sets of them. tokenize: of BLEU; None is `usual` for
    the references. Text that looks tokenised is judged as it stands, without sacreBLEU's warning."""
    from sacrebleu.metrics import BLEU, CHRF

    said, wanted = list(translations), list(map(list, references))
    bleu, chrf = BLEU(tokenize=tokenize or usual(wanted[0]), lowercase=lowercase, force=True), CHRF(lowercase=lowercase)
    scores = bleu.corpus_score(said, wanted).score, chrf.corpus_score(said, wanted).score
    return Report(*scores, str(bleu.get_signature()), str(chrf.get_signature()))


def sentence_chrf(translations: Sequence[str], *references: Sequence[str], lowercase: bool = False) -> list[float]:
    """chrF of each sentence on its own, against its references."""
    from sacrebleu.metrics import CHRF

    metric = CHRF(lowercase=lowercase)
    return [metric.sentence_score(said, own).score for said, *own in zip(translations, *references, strict=True)]


def usual(references: Sequence[str]) -> str:
    """`char` for mostly Korean references, whose words take many endings, else `13a`."""
    text = "".join(references[:1000])
    hangul = sum("가" <= char <= "힣" for char in text)
    return "char" if 2 * hangul > sum(char.isalpha() for char in text) else "13a"
