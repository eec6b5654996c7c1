"""`generate`: one text per prompt and sample."""

from __future__ import annotations

from collections.abc import Iterator

from seqcli.commands import session
from seqcli.commands.models import Models, noting_unknown, open_language_models
from seqcli.commands.session import Arguments
from seqcli.data.lines import Block
from seqcli.decoding.generate import GenerationSettings, GrowingText, generate, grow, samples_of
from seqcli.interfaces import OpenModel
from seqcli.report.frame import Column, json_line, kept_columns, with_kept
from seqcli.report.output import JSON, TABLE, FormattedRows, Output
from seqcli.text import printable

EXAMPLE = 'seqcli generate "I study"'
_TOGETHER = 1 << 13  # bytes of prompts: a few hundred


def open_prompts(
    arguments: Arguments, *, out: Output | None = None, size: int | None = None
) -> tuple[Models[OpenModel], Iterator[Block]]:
    """The models, and the blocks of prompts. out: an output whose rows should appear as they are computed; size: of blocks, in
    bytes."""
    records = session.open_records(arguments, example=EXAMPLE, out=out, size=size)
    models = open_language_models(arguments, beginning=records.beginning)
    _ = models.all  # opened now, so that an error is raised before anything is written
    return models, noting_unknown(models.route(records), models, reporter=arguments.reporter)


def texts(arguments: Arguments, settings: GenerationSettings, *, prompted: bool) -> None:
    """prompted: whether the prompt is shown with the text."""
    keep = arguments.source.keep or ()
    with arguments.results.opened() as out:
        models, prompts = open_prompts(arguments, out=out, size=_TOGETHER)
        out.begin([*kept_columns(keep, (), beside=["text"]), "text"])
        if out.mode == TABLE and not arguments.machine.ray:
            for block in prompts:
                _stream(models.of(block)[0], out, block, settings, prompted=prompted)
            return

        def rows(block: Block) -> Iterator[FormattedRows]:
            for grown in generate(models.of(block)[0], block.records(), settings, first=block.first):
                result, kept = grown.result, block.kept_of(grown.line - block.first)
                if out.mode == JSON:
                    yield json_line(with_kept({"line": grown.line, **result.to_dict()}, keep, kept))
                    continue
                text = result.prompt + result.text if prompted else result.text
                if out.mode == TABLE:
                    yield _printable("  ".join([*kept, text])) + "\n"
                else:
                    yield out.formatted([*kept_columns(keep, [kept], beside=["text"]), Column("text", [text])])

        for done, row in enumerate(session.map_rows(arguments, rows, prompts, models), 1):
            out.write(row)
            arguments.reporter.progress("texts generated", done)


def _stream(opened: OpenModel, out: Output, block: Block, settings: GenerationSettings, *, prompted: bool) -> None:
    """On a terminal: shows every token as soon as it is sampled, one text after another."""
    out.line_buffered = True
    shown: int | None = None
    for row in _growing(opened, block, settings):
        if shown is None:
            kept = block.kept_of(row.line - block.first)
            out.write(_printable("  ".join([*kept, row.prompt.text * prompted])))
            shown = 0
        out.write(_printable(row.text[shown:]))
        shown = len(row.text)
        if row.finish_reason:
            out.write("\n")
            shown = None


def _growing(opened: OpenModel, block: Block, settings: GenerationSettings) -> Iterator[GrowingText]:
    """Each row every time it has grown; with beam search, once it is found."""
    if settings.beam_size:
        return generate(opened, block.records(), settings, first=block.first)
    samples = samples_of(opened, block.records(), settings, first=block.first)
    return (row for sample in samples for row in grow(opened, [sample], settings))


def _printable(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))
