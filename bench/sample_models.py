"""How often the sample models rank a sentence above its scrambled orderings, on text that they were not trained on.

500 lines of 4 to 8 words of Tatoeba in each language, one seeded scramble each; a tie is wrong. Beside it the sample
minimal pairs and the 24 orderings of the first example.

    python bench/sample_models.py ../shared/data/tatoeba-ko-en/train.tsv.gz
"""

from __future__ import annotations

import random
import sys
import time

from seqcli import samples
from seqcli.data.records import read_rows
from seqcli.interfaces import SILENT
from seqcli.scoring.pairs import Tally, judge_pairs, read_pairs
from seqcli.scoring.scramble import scramble
from seqcli.scoring.sentences import score_texts

FIRST = {"english": "I study machine learning", "korean": "나는 기계 학습을 공부한다"}
LINES, SEED = 500, 1


def held_out(path: str, column: int) -> list[tuple[str, str]]:
    """(sentence, one scramble of it), without final punctuation where asked."""
    texts = [row[0] for rows in read_rows(path, [f"#{column}"]) for row in rows.cells]
    texts = sorted({text for text in texts if 4 <= len(text.split()) <= 8 and len(set(text.split())) > 1})
    rng = random.Random(SEED)
    pairs = []
    for text in rng.sample(texts, LINES):
        words = text.split()
        while words == text.split():
            rng.shuffle(words)
        pairs.append((text, " ".join(words)))
    return pairs


def preferred(model, pairs: list[tuple[str, str]]) -> Tally:
    tally = Tally()
    log_prob = score_texts(model, [text for pair in pairs for text in pair]).reshape(-1, 2)
    for good, bad in log_prob.tolist():
        tally.add(good, bad)
    return tally


def without_marks(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The harder test: no capital and no full stop to give the first and the last word away."""
    plain = [text.lower().rstrip(".?!。…") for text, _ in pairs]
    rng = random.Random(SEED)
    scrambled = []
    for text in plain:
        words = text.split()
        for _ in range(100):
            rng.shuffle(words)
            if words != text.split():
                break
        scrambled.append(" ".join(words))
    return list(zip(plain, scrambled, strict=True))


def main(path: str) -> None:
    for column, (language, first) in enumerate(FIRST.items(), 1):
        begun = time.perf_counter()
        model = samples.language_model(first, reporter=SILENT)
        answer = scramble(model, first, sample=1000, seed=0)
        print(f"{language}: {model.name}, ready in {time.perf_counter() - begun:.2f} s")
        print(f"  {first!r}: rank {answer.rank} of {answer.orderings}, {answer.mass:.1%} of the mass")
        for tag, tallies in judge_pairs(
            [model], read_pairs(str(samples.folder() / f"{language}.pairs.tsv"))
        ).tallies.items():
            print(f"  sample pairs, {tag}: {tallies[0].correct} of {tallies[0].pairs}, {tallies[0].accuracy:.1%}")
        pairs = held_out(path, column)
        for what, chosen in (("as they stand", pairs), ("without capitals and final marks", without_marks(pairs))):
            tally = preferred(model, chosen)
            low, high = tally.interval()
            print(f"  Tatoeba {what}: {tally.correct} of {tally.pairs}, {tally.accuracy:.1%} ({low:.1%} to {high:.1%})")


if __name__ == "__main__":
    main(*sys.argv[1:])
