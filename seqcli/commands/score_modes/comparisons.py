"""A text among the orderings of its words, and the fillings of its choices."""

from __future__ import annotations

from seqcli.commands.score_modes.job import LOG, Job
from seqcli.errors import InputError
from seqcli.interfaces import OpenModel
from seqcli.report.frame import WHOLE, Column, bar
from seqcli.report.output import JSON, TABLE, Output
from seqcli.scoring import comparisons


def scramble(job: Job, *, sample: int) -> None:
    with job.opened() as out:
        out.begin([*(["model"] if job.many else []), "line", "rank", "orderings", "mass", "ties", "log_prob", "text"])
        for block in job.blocks:
            models = job.asked(block)
            for number, text in enumerate(block.records(), block.first):
                answers = [comparisons.scramble(m, text, sample=sample, seed=job.seed) for m in models]
                if out.mode == JSON:
                    out.rows([], json=[_scramble_json(job, number, m, a) for m, a in zip(models, answers)])
                    continue
                if out.mode == TABLE:
                    _show_scramble(job, out, models, answers)
                    continue
                columns = [
                    Column("model", [m.name for m in models]),
                    Column("line", [number] * len(answers), WHOLE),
                    Column("rank", [a.rank for a in answers], WHOLE),
                    Column("orderings", [a.orderings for a in answers], WHOLE),
                    Column("mass", [a.mass for a in answers], "%.6f"),
                    Column("ties", [a.ties for a in answers], WHOLE),
                    Column("log_prob", [a.log_prob / job.unit for a in answers], LOG),
                    Column("text", [text] * len(answers)),
                ]
                out.rows(columns if job.many else columns[1:])


def _show_scramble(job: Job, out: Output, models: list[OpenModel], answers: list[comparisons.Scramble]) -> None:
    """For eyes: where the text stands, and the likeliest orderings of each model."""
    for opened, answer in zip(models, answers):
        of = f"{answer.orderings:,} {'sampled ' if answer.sampled else ''}orderings of {answer.text!r}"
        ties = f", {answer.ties} tied" if answer.ties else ""
        mass = "all have probability zero" if answer.mass is None else f"{answer.mass:.1%} of their probability"
        out.rows(
            [
                Column("log_prob", [value / job.unit for _, value in answer.best], "%.2f"),
                Column("share", [bar(share) for share in answer.best_shares] or [""] * len(answer.best)),
                Column("", ["→" if text == answer.text else "" for text, _ in answer.best]),
                Column("likeliest", [text for text, _ in answer.best]),
            ],
            title=f"{opened.name}: rank {answer.rank}{ties} of {of}; {mass}",
        )


def _scramble_json(job: Job, number: int, opened: OpenModel, answer: comparisons.Scramble) -> dict:
    return {
        "line": number,
        "model": opened.name,
        "rank": answer.rank,
        "orderings": answer.orderings,
        "sampled": answer.sampled,
        "mass": answer.mass,
        "ties": answer.ties,
        "log_prob": answer.log_prob / job.unit,
        "text": answer.text,
        "best": [{"text": text, "log_prob": value / job.unit} for text, value in answer.best],
    }


def choices(job: Job) -> None:
    with job.opened() as out:
        out.begin([*(["model"] if job.many else []), "line", "rank", "log_prob", "share", "text"])
        for block in job.blocks:
            for number, template in enumerate(block.records(), block.first):
                for opened in job.asked(block):
                    try:
                        answers = comparisons.choices(opened, template)
                    except InputError as error:
                        raise InputError(error.what, where=f"record {number}", cure=error.cure) from None
                    columns = [
                        Column("line", [number] * len(answers), WHOLE),
                        Column("rank", [a.rank for a in answers], WHOLE),
                        Column("log_prob", [a.log_prob / job.unit for a in answers], LOG, "%.2f"),
                        Column("share", [a.share for a in answers], "%.6f", "%.4f"),
                        Column("text", [a.text for a in answers]),
                    ]
                    if out.mode == TABLE:
                        columns.insert(3, Column("", [bar(a.share or 0) for a in answers]))
                    if job.many or out.mode == JSON:
                        columns.insert(0, Column("model", [opened.name] * len(answers)))
                    out.rows(columns)
