"""`score --level token` and `word`: log-probabilities token by token, or word by word."""

from __future__ import annotations

from seqcli.commands.score.scorer import Arguments, Contexts
from seqcli.data.lines import Block
from seqcli.report.frame import Column, columns_of, fields_of
from seqcli.report.output import FormattedRows
from seqcli.results import formats
from seqcli.results.language import TokenScore, WordScore
from seqcli.scoring.tokens import score_tokens, score_words


def tokens(arguments: Arguments, *, words: bool, contexts: Contexts, rank: bool) -> None:
    """Writes one row per token, or per word. The order of matched n-grams is shown only in JSON and on a terminal."""
    result = WordScore if words else TokenScore
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records(out))
        several = scorer.models.several
        hidden = {"order"} | (set() if rank else {"rank"})
        out.begin([*(["model"] if several else []), *fields_of(result, without=hidden)])

        def score(block: Block) -> tuple[FormattedRows, int]:
            own = contexts.of(block)
            rows: list[tuple[str, TokenScore | WordScore]] = []
            for opened in scorer.of(block):
                scored = (
                    score_words(opened, block, contexts=own)
                    if words
                    else score_tokens(opened, block, contexts=own, rank=rank)
                )
                rows += [(opened.name, row) for row in scored]
            rows.sort(
                key=lambda row: row[1].line
            )  # the models of a record together, however the records are grouped in blocks
            first = rows[0][1] if rows else None
            with_order = not out.tabular and isinstance(first, TokenScore) and first.order is not None
            left_out = hidden - ({"order"} if with_order else set())
            shown = [name for name in formats(result) if name not in left_out]
            values = {name: [getattr(row, name) for _, row in rows] for name in shown}
            values["log_prob"] = [value / arguments.unit for value in values["log_prob"]]
            names = [Column("model", [name for name, _ in rows])] if several else []
            return out.formatted([*names, *columns_of(result, values)]), len(block)

        records = 0
        for text, count in scorer.map_blocks(score, out=out, by_record=True):
            out.write(text)
            records += count
        contexts.finish(records)
        scorer.finish(records)
