"""Options of how tokens are sampled, which `generate` and `translate` share."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.parsers import number

Temperature = Annotated[
    float | None,
    typer.Option(
        parser=number(ranges.TEMPERATURE),
        help="Sampling temperature: below 1 more predictable, above 1 more varied, 0 always the most likely token.  [default: 1]",
    ),
]
TopK = Annotated[
    int | None, typer.Option(parser=number(ranges.TOP_K), help="Sample from the N most likely tokens only.")
]
TopP = Annotated[
    float | None,
    typer.Option(
        parser=number(ranges.SHARE),
        help="Sample from the smallest set of tokens whose total probability reaches NUMBER.",
    ),
]
