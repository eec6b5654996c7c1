"""BLEU (Papineni et al. 2002), from 0 to 100, as sacreBLEU computes it (Post 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from seqcli.metrics.translator import Score

TITLE = "BLEU"
LOWER_IS_BETTER = False


def score(
    translations: Sequence[str], references: Sequence[Sequence[str]], *, tokenize: str | None = None, lowercase: bool = False
) -> Score:  # fmt: skip
    """Text that looks tokenized is scored as it is, without sacreBLEU's warning."""
    from sacrebleu.metrics import BLEU

    bleu = BLEU(tokenize=tokenize or usual_tokenization(references[0]), lowercase=lowercase, force=True)
    value = bleu.corpus_score(list(translations), list(map(list, references))).score
    return Score(value, str(bleu.get_signature()))


def usual_tokenization(references: Sequence[str]) -> str:
    """`char` for mostly Korean references, whose words take many endings, otherwise `13a`."""
    text = "".join(references[:1000])
    hangul = sum("가" <= char <= "힣" for char in text)
    return "char" if 2 * hangul > sum(char.isalpha() for char in text) else "13a"
