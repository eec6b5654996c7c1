"""`score --level corpus`: one row per model with the scores of all records together."""

from __future__ import annotations

from seqcli.commands.score.arguments import Arguments
from seqcli.commands.score.differences import Differences
from seqcli.commands.score.sentences import Tally, scored_documents
from seqcli.data.lines import Block
from seqcli.report.frame import columns_of_rows, fields_of, turned
from seqcli.report.output import TABLE
from seqcli.results.language import CorpusScore
from seqcli.scoring.sentences import Sentences, score_block


def corpus(arguments: Arguments, *, document: bool) -> None:
    unit = "document" if document else "line"
    with arguments.results.opened() as out:
        scorer = arguments.open_scorer(arguments.open_records(), whole=document and not arguments.apart)
        out.begin(fields_of(CorpusScore))
        totals, differences = Tally(), Differences(arguments, scorer)
        if document:
            scorer.alone()
            for _, scored in scored_documents(arguments, scorer):
                totals.add(scored)
        else:

            def score(block: Block) -> tuple[dict[str, Sentences], int]:
                return {opened.name: score_block(opened, block) for opened in scorer.of(block)}, len(block)

            for scored, count in scorer.map_blocks(score, out=out):
                totals.add(scored, records=count)
                differences.add(list(scored.values()))
                arguments.reporter.progress("records scored", totals.records)
            scorer.finish(totals.records)
        models = scorer.models.all
        rows = [
            CorpusScore.of(m.name, totals.of(m), signature=scorer.signature(m, unit=unit), unit=arguments.unit)
            for m in models
        ]
        columns = columns_of_rows(rows, CorpusScore)
        if out.mode == TABLE:
            out.rows(turned(columns[:-1]))
            for row in rows:
                if signature := arguments.signature_in(out, row.signature):
                    arguments.reporter.note(f"{row.model}:{signature}")
        else:
            out.rows(columns)
    if not document:
        differences.report([totals.of(opened) for opened in models])
