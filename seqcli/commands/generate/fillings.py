"""The most probable tokens for each `[MASK]` of each text, under every model."""

from __future__ import annotations

from seqcli.commands.generate.arguments import Arguments
from seqcli.commands.generate.next_tokens import columns, show
from seqcli.commands.models import note_threads
from seqcli.decoding.token_predictions import fill
from seqcli.report.frame import WHOLE, Column
from seqcli.report.output import JSON, TABLE
from seqcli.results.language import Filling, NextToken
from seqcli.results.result import formats


def fillings(arguments: Arguments, *, k: int) -> None:
    with arguments.results.opened() as out:
        models, texts = arguments.open_prompts()
        note_threads(arguments, models)
        prefixes = [f"{opened.name}." for opened in models.chosen] if models.several else [""]
        out.begin(["line", "mask", "rank", *(prefix + name for prefix in prefixes for name in formats(NextToken))])
        for block in texts:
            asked = models.of(block)
            answers = zip(*(fill(opened, block.records(), k=k) for opened in asked))
            for line, found in enumerate(answers, block.first):
                if out.mode == JSON:
                    rows = (
                        {"line": line, "model": opened.name, **each.to_dict()} for opened, each in zip(asked, found)
                    )
                    out.rows([], json=rows)
                    continue
                for mask, best in enumerate(zip(*(each.masks for each in found)), 1):
                    if out.mode == TABLE:
                        show([opened.name for opened in asked], best, title=_title(found[0], mask), out=out)
                    else:
                        ranks = range(1, max(map(len, best)) + 1)
                        numbers = [[line] * len(ranks), [mask] * len(ranks), ranks]
                        head = [Column(name, each, WHOLE) for name, each in zip(("line", "mask", "rank"), numbers)]
                        out.rows(head + columns(prefixes, best))


def _title(found: Filling, mask: int) -> str:
    several = f", mask {mask} of {len(found.masks)}" if len(found.masks) > 1 else ""
    return f"{found.text!r}{several}"
