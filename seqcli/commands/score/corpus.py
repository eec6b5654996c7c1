"""`score --level corpus`: one row per model with the scores of all records together."""

from __future__ import annotations

from seqcli.commands.score.differences import Differences
from seqcli.commands.score.question import Question
from seqcli.commands.score.sentences import Tally, scored_documents
from seqcli.data.lines import Block
from seqcli.report.frame import columns_of_rows, fields_of, turned
from seqcli.report.output import TABLE
from seqcli.results.language import CorpusScore
from seqcli.scoring.sentences import Sentences, score_block


def corpus(question: Question, *, document: bool) -> None:
    unit = "document" if document else "line"
    with question.results.opened() as out:
        scorer = question.open_scorer(question.open_records(), whole=document and not question.apart)
        out.begin(fields_of(CorpusScore))
        totals, differences = Tally(), Differences(question, scorer)
        if document:
            scorer.alone()
            for _, scored in scored_documents(question, scorer):
                totals.add(scored)
        else:

            def score(block: Block) -> tuple[dict[str, Sentences], int]:
                return {opened.name: score_block(opened, block) for opened in scorer.of(block)}, len(block)

            for scored, count in scorer.answers(score, out=out):
                totals.add(scored, records=count)
                differences.add(list(scored.values()))
                question.reporter.progress("records scored", totals.records)
            scorer.finish(totals.records)
        models = scorer.models.all
        rows = [
            CorpusScore.of(m.name, totals.of(m), signature=scorer.signature(m, unit=unit), unit=question.unit)
            for m in models
        ]
        columns = columns_of_rows(rows, CorpusScore)
        if out.mode == TABLE:
            out.rows(turned(columns[:-1]))
            for row in rows:
                if signature := question.signature_in(out, row.signature):
                    question.reporter.note(f"{row.model}:{signature}")
        else:
            out.rows(columns)
    if not document:
        differences.report([totals.of(opened) for opened in models])
