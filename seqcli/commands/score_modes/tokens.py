"""Log-probabilities token by token, or word by word."""

from __future__ import annotations

from seqcli.commands.score_modes.job import LOG, Contexts, Job
from seqcli.data.lines import Block
from seqcli.report.frame import WHOLE, Column
from seqcli.report.output import TSV
from seqcli.scoring.tokens import score_tokens, score_words


def tokens(job: Job, *, words: bool, contexts: Contexts, rank: bool) -> None:
    with job.opened(by_record=True, shared=True) as out:
        unit_name = "word" if words else "token"
        models = ["model"] if job.many else []
        out.begin([*models, "line", "index", unit_name, "log_prob", *(["rank"] if rank else [])])

        def shown(block: Block) -> tuple[str, int]:
            given = contexts.of(block)
            answers = []
            for opened in job.asked(block):
                ask = score_words(opened, block, contexts=given) if words else score_tokens(opened, block, contexts=given, rank=rank)
                answers += [(opened.name, row) for row in ask]
            answers.sort(key=lambda answer: answer[1].line)  # a record's models together, however it came into a block
            rows = [row for _, row in answers]
            columns = [
                *([Column("model", [name for name, _ in answers])] if job.many else []),
                Column("line", [row.line for row in rows], WHOLE),
                Column("index", [row.index for row in rows], WHOLE),
                Column(unit_name, [row.token for row in rows]),
                Column("log_prob", [row.log_prob / job.unit for row in rows], LOG, "%.4f"),
            ]
            if out.mode != TSV and rows and rows[0].order is not None:
                columns.append(Column("order", [row.order for row in rows], WHOLE))
            if rank:
                columns.append(Column("rank", [row.rank for row in rows], WHOLE))
            return out.shown(columns), len(block)

        records = 0
        for text, more in job.answers(shown):
            out.write(text)
            records += more
        contexts.check(records)
        job.check(records)
