"""`seqcli info`: what a model folder holds."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli.commands.options import with_options


@with_options
def info(
    model: Annotated[str, typer.Argument(metavar="DIR", help="Model folder.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Read every file and compare its checksum.")] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Show a model's task, architecture, size, tokenizer, data and figures."""
    from seqcli.report.frame import Column
    from seqcli.report.output import JSON, TABLE, Output
    from seqcli.runs import Run

    run = Run.open(model)
    if verify:
        run.verify()
    values = {
        "model": str(run.path),
        "task": run.task,
        "arch": run.arch,
        "parameters": sum(array.size for name, array in run.tensors().items() if not name.endswith("children")),
        "bytes": run.bytes(),
        "format": run.manifest["format"],
        "seqcli": run.manifest.get("seqcli"),
        "verified": verify,
        **{key: value for key, value in run.config.items() if key != "arch"},
    }
    with Output(json=json) as out:
        if out.mode == JSON:
            out.rows([], json=[values])
        else:
            rows = list(_flat(values))
            columns = [Column("what", [name for name, _ in rows]), Column("value", [value for _, value in rows])]
            out.rows(columns, title=str(run.path) if out.mode == TABLE else None)


def _flat(values: dict, prefix: str = ""):
    """Nested values as (dotted name, text)."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield prefix + name, ", ".join(f"{v:.4f}" if isinstance(v, float) else _text(v) for v in value)
        else:
            yield prefix + name, _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return "(" + " ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in value) + ")"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
