"""Write the labelled sample sentences: `python sample_data/make_labelled.py`.

frames/LANGUAGE.sentiment.toml holds whole sentences of each label, frames of each label, and frames that
make a line of either label, because their slots name lists which stand in the tables of both: `adj` of a
positive line is `smart`, of a negative one `dull`. `{other.adj}` is the list of the opposite label, as in
`There is nothing {other.adj} about it.` Slots and Korean particles are those of make.py.

A slot takes the words of its list evenly, so that each opinion word stands in several sentences.
The same seed writes the same bytes. What is written is checked here and not repaired: no sentence twice
or in both labels, the labels of the same number, no frame behind more than 2 % of the lines.
"""

import random
import re
import sys
import tomllib
from collections import Counter

from make import HERE, SEED, fill

LABELS = ("positive", "negative")
LINES = {"english": 2400, "korean": 2400}
LOWER_CASED = 0.5  # the share of the English lines that stand in lower case and without a final mark
ARTICLE = re.compile(r"\b([Aa])(?= (?!one|uni|use)[aeiou])")


class Evenly:
    """Chooses the word of a list that it has chosen least often, by chance among equals."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        self.chosen: Counter = Counter()

    def choice(self, words: list[str]) -> str:
        least = min(self.chosen[word] for word in words)
        word = self.rng.choice([word for word in words if self.chosen[word] == least])
        self.chosen[word] += 1
        return word


def words_of(label: str, source: dict) -> dict[str, list[str]]:
    """The word lists that the frames of `label` see; those of the other label under `other.`."""
    (other,) = set(LABELS) - {label}
    return (
        source["any"]
        | source[label + "_words"]
        | {f"other.{name}": words for name, words in source[other + "_words"].items()}
    )


def written(sentence: str, *, language: str, rng: random.Random) -> str:
    """The filled `sentence` as it stands in the file: English gets its articles, and one of two ways of writing."""
    if language != "english":
        return sentence
    sentence = ARTICLE.sub(r"\1n", sentence)
    if sentence[-1] in ".!" and rng.random() < LOWER_CASED:
        return sentence.rstrip(".!").lower()
    return sentence[0].upper() + sentence[1:] if sentence[-1] in ".!?" else sentence


def key(sentence: str) -> str:
    """What two sentences that differ only in case, spaces and marks have in common."""
    return "".join(char for char in sentence.lower() if char.isalnum()) or sentence


def sentences(label: str, source: dict, *, language: str, count: int, rng: random.Random) -> dict[str, str]:
    """Sentence -> its frame, `count` of them: the whole ones, then the same share to each frame."""
    words = words_of(label, source)
    lines = {written(sentence, language=language, rng=rng): sentence for sentence in source[label]}
    seen = {key(line) for line in lines}
    frames = source["same"] + source.get(label + "_frames", [])
    evenly = Evenly(rng)
    while len(lines) < count:
        before = len(lines)
        for frame in rng.sample(frames, len(frames)):
            line = written(fill(frame, words, evenly), language=language, rng=rng)
            if len(lines) < count and key(line) not in seen:
                seen.add(key(line))
                lines[line] = frame
        assert len(lines) > before, f"the frames reach only {before} sentences of {label}"
    return lines


def problems_of(lines: dict[str, dict[str, str]], *, count: int) -> list[str]:
    """What is wrong with `lines` of each label, as sentences."""
    problems = []
    keys = Counter(key(line) for label in LABELS for line in lines[label])
    problems += [f"stands twice or in both labels: {line!r}" for line, times in keys.items() if times > 1]
    frames = Counter(frame for label in LABELS for line, frame in lines[label].items())
    problems += [f"makes {times} lines: {frame!r}" for frame, times in frames.items() if times > 0.02 * count]
    for label in LABELS:
        if len(lines[label]) != count // 2:
            problems.append(f"{len(lines[label])} lines of {label}, expected {count // 2}")
        problems += [f"an open slot or a tab: {line!r}" for line in lines[label] if set("{}\t\n") & set(line)]
    return problems


def main(languages: list[str]) -> int:
    problems = []
    for language in languages or LINES:
        source = tomllib.loads((HERE / "frames" / f"{language}.sentiment.toml").read_text(encoding="utf-8"))
        rng = random.Random(SEED)
        count = LINES[language]
        lines = {label: sentences(label, source, language=language, count=count // 2, rng=rng) for label in LABELS}
        rows = [f"{label}\t{line}\n" for label in LABELS for line in lines[label]]
        rng.shuffle(rows)
        (HERE / f"{language}.sentiment.tsv").write_text("label\ttext\n" + "".join(rows), encoding="utf-8")
        problems += [f"{language}: {problem}" for problem in problems_of(lines, count=count)]
        whole = sum(len(source[label]) for label in LABELS)
        print(
            f"{language}: {count} lines, {whole} of them whole sentences, the others from "
            f"{len(source['same']) + sum(len(source.get(label + '_frames', [])) for label in LABELS)} frames"
        )
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
