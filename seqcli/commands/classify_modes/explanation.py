"""What each word adds to the label."""

from __future__ import annotations

from seqcli.commands.classify_modes.job import Job
from seqcli.report.frame import WHOLE, Column, bar
from seqcli.report.output import JSON, TABLE


def explain(job: Job) -> None:
    """Leave one word out: how much less the log-odds of the label then are."""
    from seqcli.scoring.influence import influences

    with job.opened(by_record=True) as out:
        out.begin(["line", "index", "label", "word", "change"])
        for block in job.blocks:
            opened = job.classifier_of(block)
            for line, (text, read) in enumerate(zip(block.records(), block.data.decode().split("\n")), block.first):
                found = influences(opened.logits, read, temperature=opened.temperature)
                label = job.shown(opened.labels, *found.best_and_share())[0]
                if out.mode == JSON:
                    words = [{"word": word, "change": change} for word, change in zip(found.words, found.changes.tolist())]
                    out.rows([], json=[{"line": line, "text": text, "label": label, "probability": found.probability, "words": words}])
                    continue
                columns = [
                    Column("line", [line] * len(found.words), WHOLE),
                    Column("index", list(range(len(found.words))), WHOLE),
                    Column("label", [label] * len(found.words)),
                    Column("word", found.words),
                    Column("change", found.changes, "%.6f", "%+.2f"),
                ]
                if out.mode == TABLE:
                    most = max(abs(found.changes).max(initial=0), 1e-9)
                    bars = [bar(abs(c) / most) for c in found.changes.tolist()]
                    title = f"{label} {found.probability:.3f}: {text}"
                    signs = [Column(f"for {label}", [b if c > 0 else "" for b, c in zip(bars, found.changes)]),
                             Column("against", [b if c < 0 else "" for b, c in zip(bars, found.changes)])]  # fmt: skip
                    out.rows([*columns[3:], *signs], title=title)
                else:
                    out.rows(columns)
