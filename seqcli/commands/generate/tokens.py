"""`generate --next` and `--fill`: the most probable tokens after each prompt, or for each `[MASK]` of a text, for every model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from seqcli.commands.generate.texts import open_prompts
from seqcli.commands.models import note_threads
from seqcli.commands.session import Arguments
from seqcli.decoding.token_predictions import NextTokenPredictor, fill
from seqcli.interfaces import OpenModel
from seqcli.report.frame import WHOLE, Column, bar, columns_of, fields_of, fits
from seqcli.report.output import JSON, TABLE, Output
from seqcli.results import formats
from seqcli.results.language import Filling, NextToken


def next_tokens(arguments: Arguments, *, k: int) -> None:
    with arguments.results.opened() as out:
        models, prompts = open_prompts(arguments)
        note_threads(arguments, models)
        prefixes = [f"{opened.name}." for opened in models.chosen] if models.several else [""]
        of_models = chain.from_iterable(fields_of(NextToken, prefix=prefix) for prefix in prefixes)
        out.begin([Column("line", (), WHOLE), Column("rank", (), WHOLE), *of_models])
        predictors: dict[str, NextTokenPredictor] = {}
        for block in prompts:
            texts, of_block = block.records(), models.of(block)
            for opened in of_block:
                if opened.name not in predictors:
                    predictors[opened.name] = NextTokenPredictor(opened)
            answers = zip(*(predictors[opened.name].after(texts, k=k) for opened in of_block))
            for line, (text, predictions) in enumerate(zip(texts, answers), block.first):
                best = [[NextToken(*pair) for pair in of_model] for of_model in predictions]
                if out.mode == JSON:
                    out.rows([], json=_objects(of_block, line, text, best))
                elif out.mode == TABLE:
                    _show([opened.name for opened in of_block], best, title=f"after {text!r}", out=out)
                else:
                    ranks = range(1, max(map(len, best)) + 1)
                    numbers = [Column("line", [line] * len(ranks), WHOLE), Column("rank", ranks, WHOLE)]
                    out.rows(numbers + _columns(prefixes, best))


def fillings(arguments: Arguments, *, k: int) -> None:
    with arguments.results.opened() as out:
        models, texts = open_prompts(arguments)
        note_threads(arguments, models)
        prefixes = [f"{opened.name}." for opened in models.chosen] if models.several else [""]
        out.begin(["line", "mask", "rank", *(prefix + name for prefix in prefixes for name in formats(NextToken))])
        for block in texts:
            of_block = models.of(block)
            answers = zip(*(fill(opened, block.records(), k=k) for opened in of_block))
            for line, predictions in enumerate(answers, block.first):
                if out.mode == JSON:
                    rows = (
                        {"line": line, "model": opened.name, **each.to_dict()}
                        for opened, each in zip(of_block, predictions)
                    )
                    out.rows([], json=rows)
                    continue
                for mask, best in enumerate(zip(*(each.masks for each in predictions)), 1):
                    if out.mode == TABLE:
                        _show([opened.name for opened in of_block], best, title=_title(predictions[0], mask), out=out)
                    else:
                        ranks = range(1, max(map(len, best)) + 1)
                        numbers = [[line] * len(ranks), [mask] * len(ranks), ranks]
                        head = [Column(name, each, WHOLE) for name, each in zip(("line", "mask", "rank"), numbers)]
                        out.rows(head + _columns(prefixes, best))


def _show(names: Sequence[str], best: Sequence[list[NextToken]], *, title: str, out: Output) -> None:
    """For a terminal: a column of tokens below the name of each model where they fit side by side, else a table each."""
    if len(names) > 1:
        beside = _columns([f"{name}." for name in names], best)
        heads = [name for model in names for name in (model, "p")]
        if fits(beside := [replace(column, name=name) for column, name in zip(beside, heads)]):
            out.rows(beside, title=title)
            return
    for name, tokens in zip(names, best):
        out.rows(_columns([""], [tokens], bars=True), title=f"{name}, {title}")


def _columns(prefixes: Sequence[str], best: Sequence[list[NextToken]], *, bars: bool = False) -> list[Column]:
    """Models side by side; one with a smaller vocabulary has fewer rows."""
    columns, rows = [], max(map(len, best))
    for prefix, tokens in zip(prefixes, best):
        blank = [None] * (rows - len(tokens))
        probabilities = [row.probability for row in tokens] + blank
        values: dict[str, list[Any]] = {
            "token": [row.token for row in tokens] + [""] * len(blank),
            "probability": probabilities,
        }
        columns += columns_of(NextToken, values, prefix=prefix)
        if bars:
            columns.append(Column("", [bar(probability or 0) for probability in probabilities]))
    return columns


def _objects(
    models: Sequence[OpenModel], line: int, text: str, best: list[list[NextToken]]
) -> Iterator[dict[str, Any]]:
    for opened, tokens in zip(models, best):
        yield {"line": line, "prompt": text, "model": opened.name, "next": [token.to_dict() for token in tokens]}


def _title(filling: Filling, mask: int) -> str:
    several = f", mask {mask} of {len(filling.masks)}" if len(filling.masks) > 1 else ""
    return f"{filling.text!r}{several}"
