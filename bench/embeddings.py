"""Word embeddings of seqcli, fastText and gensim: words per second, correlation with human similarity ratings, memory.

    python bench/embeddings.py english.txt --similarity wordsim353.tsv --similarity simlex999.txt --analogies questions-words.txt
    python bench/embeddings.py korean.txt --labelled ratings.tsv

Each tool learns in a process of its own, with the same settings (skip-gram, 100 numbers, window 5, 5 negatives, n-grams of 3 to
6 characters, words seen 5 times) and as many threads as cores. seqcli learns twice: as many passes as fastText, and as many
as fastText's processor time allows. fastText gets its default of 12 threads, since with fewer than 10 version 0.9.3 leaves a
part of its table unset. Words per second are those of the passes over the text; figures are of words that all tools know.

--labelled: a table with a column of texts and one of labels; the accuracy of a logistic regression on mean vectors
(scikit-learn), half of the rows to learn from.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SETTINGS = {"dim": 100, "window": 5, "negatives": 5, "shortest": 3, "longest": 6, "min_count": 5}


def learn(tool: str, text: str, place: str, epochs: int, threads: int) -> None:
    """Learns, writes vectors in word2vec's text form, and prints what it took. Runs in a process of its own."""
    before = os.times()
    begun = time.monotonic()
    if tool == "fasttext":
        import fasttext

        model = fasttext.train_unsupervised(
            text, model="skipgram", dim=100, ws=5, neg=5, minn=3, maxn=6, minCount=5, epoch=epochs, thread=12, verbose=0
        )
        names, vectors = model.words, [model.get_word_vector(word) for word in model.words]
    elif tool == "gensim":
        from gensim.models import FastText

        model = FastText(
            corpus_file=text, sg=1, vector_size=100, window=5, negative=5, min_n=3, max_n=6, min_count=5, epochs=epochs,
            workers=threads, bucket=2_000_000, sample=1e-4,
        )  # fmt: skip
        names, vectors = model.wv.index_to_key, model.wv.vectors
    else:
        import seqcli

        model = seqcli.train_embeddings(text, f"{place}.model", epochs=epochs, threads=threads)
        names, vectors = model.words, model.vectors
    seconds, after = time.monotonic() - begun, os.times()
    used = sum(after[:4]) - sum(before[:4])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open(place, "w", encoding="utf-8") as file:
        file.write(f"{len(names)} {len(vectors[0])}\n")
        for name, vector in zip(names, vectors):
            file.write(f"{name} {' '.join(f'{value:.6g}' for value in vector)}\n")
    print(json.dumps({"seconds": seconds, "processor_seconds": used, "peak_mb": memory / 1024}))


def analogies(path: str, opened, known: set[str]) -> tuple[int, int]:
    """Right answers, and how many questions have words that all tools know: lines `a b c d`, a is to b as c is to d."""
    from seqcli.embeddings.vectors import unit

    table = unit(opened.vectors.vectors)
    right = asked = 0
    questions = [line.split() for line in Path(path).read_text("utf-8").splitlines() if not line.startswith(":")]
    for question in questions:
        if not set(question) <= known:
            continue
        a, b, c, d = opened.vectors.index(question).tolist()
        scores = table @ (table[b] - table[a] + table[c])
        scores[[a, b, c]] = -np.inf
        right, asked = right + (int(scores.argmax()) == d), asked + 1
    return right, asked


def accuracy(path: str, opened, *, most: int = 20_000) -> float:
    from sklearn.linear_model import LogisticRegression

    from seqcli.tasks.classification.data import LabelledFiles

    texts = LabelledFiles((path,)).read()
    vectors = np.concatenate([opened.texts(block)[0] for block in texts.blocks()])[:most]
    targets = texts.targets[:most]
    half = len(targets) // 2
    judge = LogisticRegression(max_iter=300).fit(vectors[:half], targets[:half])
    return float(judge.score(vectors[half:], targets[half:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text")
    parser.add_argument("--similarity", action="append", default=[])
    parser.add_argument("--analogies")
    parser.add_argument("--labelled")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--tools", default="fasttext,gensim,seqcli")
    parser.add_argument("--learn", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.learn:
        tool, text, place, epochs, threads = options.learn
        return learn(tool, text, place, int(epochs), int(threads))
    from seqcli.system import cpu
    from seqcli.tasks.embeddings import queries
    from seqcli.tasks.embeddings.load import open_embeddings

    threads = cpu.allowed()
    words = sum(len(line.split()) + 1 for line in Path(options.text).read_text("utf-8").splitlines())
    rows: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:

        def run(name: str, tool: str, epochs: int) -> None:
            place = os.path.join(folder, name.replace(" ", "-") + ".vec")
            command = [
                sys.executable,
                __file__,
                options.text,
                "--learn",
                tool,
                options.text,
                place,
                str(epochs),
                str(threads),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            row = json.loads(done.stdout.splitlines()[-1])
            row |= {"epochs": epochs, "words_per_second": words * epochs / row["seconds"]}
            row["words_per_processor_second"] = words * epochs / row["processor_seconds"]
            rows[name] = {**row, "opened": open_embeddings(place, name=name)}

        tools = options.tools.split(",")
        for tool in tools:
            run(tool, tool, options.epochs)
        if {"fasttext", "seqcli"} <= set(tools):
            share = rows["fasttext"]["processor_seconds"] / rows["seqcli"]["processor_seconds"]
            if share >= 1.2:
                run("seqcli, equal time", "seqcli", max(1, int(options.epochs * share)))
        vocabularies = [
            {row["opened"].vectors.word(i) for i in range(len(row["opened"].vectors))} for row in rows.values()
        ]
        known = set.intersection(*vocabularies)
        for name, row in rows.items():
            opened = row.pop("opened")
            for path in options.similarity:
                pairs = [pair for pair in queries.read_pairs(path) if {pair.first, pair.second} <= known]
                found = queries.similarity(opened, pairs)
                row[Path(path).stem] = (
                    f"{found.spearman:.3f} ({found.ci_low:.3f} to {found.ci_high:.3f}, {found.pairs} pairs)"
                )
            if options.analogies:
                right, asked = analogies(options.analogies, opened, known)
                row["analogies"] = f"{100 * right / max(asked, 1):.1f} % of {asked}"
            if options.labelled:
                row["accuracy"] = f"{100 * accuracy(options.labelled, opened):.2f} %"
            print(json.dumps({"tool": name, **row}), flush=True)


if __name__ == "__main__":
    main()
