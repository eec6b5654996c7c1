"""Write the English-Korean sample pairs: `python sample_data/make_pairs.py`.

frames/english-korean.toml holds whole pairs and frames, `I like {food}. = 저는 {food}{을/를} 좋아해요.` A slot
takes one row of its table for both sides: the English word on the left, the Korean one on the right, or the form
that the slot names, `{act.past}`; `{food:2}` is a second, different row. Korean particles are those of make.py.

These are translations, not the minimal pairs of `*.pairs.tsv`, which are written by hand. The same seed writes the
same bytes. What is written is checked here and not repaired: no side stands twice with two translations, no frame is
behind more than 2 % of the pairs.
"""

import random
import re
import sys
import tomllib
from collections import Counter, defaultdict

from make import HERE, SEED, SLOT, with_particles
from make_labelled import ARTICLE, Evenly

PAIRS = 2000
PATH = HERE / "english-korean.tsv"


def filled(frame: str, source: dict, evenly: Evenly) -> tuple[str, str]:
    """The two sides of `frame`, each slot filled from one row; no row's English word stands for two slots."""
    rows: dict[str, list[str]] = {}

    def form_of(slot: str, column: str) -> str:
        name = slot.split(".")[0].split(":")[0]
        key = slot.split(".")[0]
        if key not in rows:
            taken = {row[0] for row in rows.values()}
            free = {row[0]: row for row in source["words"][name] if row[0] not in taken}
            rows[key] = free[evenly.choice(list(free))]
        columns = source["forms"].get(name, ["english", "korean"])
        return rows[key][columns.index(slot.split(".")[1] if "." in slot else column)]

    def side(text: str, column: str) -> str:
        return SLOT.sub(
            lambda match: match.group(0) if "/" in match.group(1) else form_of(match.group(1), column), text
        )

    left, right = frame.split(" = ")
    english = ARTICLE.sub(r"\1n", side(left, "english"))
    return english[0].upper() + english[1:], with_particles(side(right, "korean"))


def pairs_of(source: dict, *, count: int, rng: random.Random) -> dict[tuple[str, str], str]:
    """(English, Korean) -> its frame: the whole pairs, then the same share to each frame; no side twice."""
    pairs = {tuple(pair.split(" = ")): pair for pair in source["whole"]}
    seen = {side for pair in pairs for side in pair}
    evenly = Evenly(rng)
    while len(pairs) < count:
        before = len(pairs)
        for frame in rng.sample(source["frames"], len(source["frames"])):
            english, korean = filled(frame, source, evenly)
            if len(pairs) < count and english not in seen and korean not in seen:
                seen |= {english, korean}
                pairs[english, korean] = frame
        assert len(pairs) > before, f"the frames reach only {before} pairs"
    return pairs


def problems_of(pairs: dict[tuple[str, str], str]) -> list[str]:
    """What is wrong with `pairs`, as sentences."""
    problems = []
    for side in (0, 1):
        others = defaultdict(set)
        for pair in pairs:
            others[pair[side]].add(pair[1 - side])
        problems += [f"two translations: {text!r}" for text, found in others.items() if len(found) > 1]
    problems += [
        f"makes {times} pairs: {frame!r}" for frame, times in Counter(pairs.values()).items() if times > 0.02 * PAIRS
    ]
    problems += [f"an open slot or a tab: {pair}" for pair in pairs if set("{}\t\n") & set("".join(pair))]
    problems += [
        f"only one side is a question: {pair}" for pair in pairs if pair[0].endswith("?") != pair[1].endswith("?")
    ]
    return problems


def main() -> int:
    source = tomllib.loads((HERE / "frames" / "english-korean.toml").read_text(encoding="utf-8"))
    rng = random.Random(SEED)
    pairs = pairs_of(source, count=PAIRS, rng=rng)
    rows = [f"{english}\t{korean}\n" for english, korean in pairs]
    rng.shuffle(rows)
    PATH.write_text("english\tkorean\n" + "".join(rows), encoding="utf-8")
    types = [len({word for pair in pairs for word in re.findall(r"\w+", pair[side].lower())}) for side in (0, 1)]
    print(
        f"{len(pairs)} pairs, {len(source['whole'])} of them whole, the others from {len(source['frames'])} frames; "
        f"{types[0]} English word types, {types[1]} Korean"
    )
    problems = problems_of(pairs)
    print("\n".join(problems), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
