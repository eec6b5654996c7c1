"""Write the sample corpora from their hand-written frames: `python sample_data/make.py`.

A frame is a sentence with slots: `I drink {drink} after {meal}.` A slot names a word list of
frames/LANGUAGE.toml and is filled from it; `{drink:2}` is a second, different word of the same list.
Korean particles follow the word before them: `{drink}{을/를}` takes the first form after a final
consonant and the second after a vowel (`{으로/로}` also takes the second after a final ㄹ).

The same seed writes the same bytes. What is written is checked here and not repaired: no line twice,
no frame behind more than 2 % of the lines, no sentence of LANGUAGE.pairs.tsv that a frame could have made.
"""

import random
import re
import sys
import tomllib
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
LANGUAGES = {"english": "en", "korean": "ko"}
LINES = 4000
SEED = 20261120
SLOT = re.compile(r"\{([^{}]+)\}")
PARTICLE = re.compile(r"(\S?)\{([^{}/]+)/([^{}/]+)\}")


def with_particles(sentence: str) -> str:
    """`커피{을/를}` -> `커피를`, `빵{을/를}` -> `빵을`, `서울{으로/로}` -> `서울로`."""

    def choose(match: re.Match) -> str:
        before, closed, opened = match.groups()
        final = (ord(before) - 0xAC00) % 28 if "가" <= before <= "힣" else 0
        is_open = final == 0 or (final == 8 and closed.startswith("으로"))
        return before + (opened if is_open else closed)

    while PARTICLE.search(sentence):
        sentence = PARTICLE.sub(choose, sentence, count=1)
    return sentence


def fill(frame: str, words: dict[str, list[str]], rng: random.Random) -> str:
    used: dict[str, str] = {}

    def choose(match: re.Match) -> str:
        slot = match.group(1)
        if "/" in slot:
            return match.group(0)
        if slot not in used:
            taken = {word for other, word in used.items() if other.split(":")[0] == slot.split(":")[0]}
            used[slot] = rng.choice([word for word in words[slot.split(":")[0]] if word not in taken])
        return used[slot]

    return with_particles(SLOT.sub(choose, frame))


def matcher(frame: str, words: dict[str, list[str]]) -> re.Pattern:
    """What `frame` can make, as a pattern."""
    pattern, end = "", 0
    for match in SLOT.finditer(frame):
        slot = match.group(1)
        options = slot.split("/") if "/" in slot else words[slot.split(":")[0]]
        pattern += re.escape(frame[end : match.start()]) + "(?:" + "|".join(map(re.escape, options)) + ")"
        end = match.end()
    return re.compile(pattern + re.escape(frame[end:]))


def expand(frames: list[str], words: dict[str, list[str]], rng: random.Random) -> Counter:
    """Sentence -> the frame's index, `LINES` of them as far as the frames reach, the same share to each frame."""
    lines: dict[str, int] = {}
    limit = int(0.02 * LINES)
    made = [0] * len(frames)
    open_frames = list(range(len(frames)))
    while open_frames and len(lines) < LINES:
        still_open = []
        for index in open_frames:
            for _ in range(20):
                sentence = fill(frames[index], words, rng)
                if sentence not in lines:
                    lines[sentence] = index
                    made[index] += 1
                    if "{" in frames[index] and made[index] < limit:
                        still_open.append(index)
                    break
            if len(lines) == LINES:
                break
        open_frames = still_open
    return lines


def check_pairs(path: Path, frames: list[str], words: dict[str, list[str]]) -> list[str]:
    problems = []
    patterns = [matcher(frame, words) for frame in frames]
    seen = set()
    counts = Counter()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split("\t")
        if len(fields) != 3:
            problems.append(f"{path.name}:{number}: expected good, bad and tag, got {len(fields)} fields")
            continue
        good, bad, tag = fields
        counts[tag] += 1
        if good == bad or (good, bad) in seen:
            problems.append(f"{path.name}:{number}: pair seen before or equal")
        seen.add((good, bad))
        if tag == "word_order" and sorted(good.split()) != sorted(bad.split()):
            problems.append(f"{path.name}:{number}: a word-order pair must have the same words")
        if tag == "word_choice" and len(good.split()) != len(bad.split()):
            problems.append(f"{path.name}:{number}: a word-choice pair must have the same number of words")
        for sentence in (good, bad):
            problems += [
                f"{path.name}:{number}: frame {frames[i]!r} can make {sentence!r}"
                for i, pattern in enumerate(patterns)
                if pattern.fullmatch(sentence)
            ]
    for tag in ("word_order", "word_choice"):
        if counts[tag] < 100:
            problems.append(f"{path.name}: {counts[tag]} pairs of {tag}, at least 100 wanted")
    return problems


def main(languages: list[str]) -> int:
    problems = []
    for language in languages or LANGUAGES:
        source = tomllib.loads((HERE / "frames" / f"{language}.toml").read_text(encoding="utf-8"))
        frames, words = source["frames"], source["words"]
        if len(set(frames)) < len(frames):
            problems.append(f"{language}: a frame stands twice: {[f for f, n in Counter(frames).items() if n > 1]}")
        rng = random.Random(SEED)
        lines = list(expand(frames, words, rng))
        rng.shuffle(lines)
        (HERE / f"{language}.txt").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        problems += check_pairs(HERE / f"{language}.pairs.tsv", frames, words)
        print(
            f"{language}: {len(lines)} lines from {len(frames)} frames, {len({w for l in lines for w in l.split()})} types"
        )
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
