"""The views of each text under each model, where they are wanted: pictures in a terminal, JSON, a PNG, a page."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from seqcli.commands.explain.question import Question
from seqcli.errors import UsageError
from seqcli.explain.attention import steps
from seqcli.explain.views import Explained, views
from seqcli.report.output import JSON, Output, check_folder


class Chosen(NamedTuple):
    """layer, head: of the attention that is shown large; token: whose attention is shown step by step; from 1."""

    layer: int | None = None
    head: int | None = None
    token: int | None = None


def explained(question: Question, chosen: Chosen, *, png: str | None, html: str | None, language: str) -> None:
    """png, html: files for all views together; language: of the page."""
    from seqcli.report import view_figures
    from seqcli.report.views import picture

    _check(question, png=png, html=html)
    color = sys.stdout.isatty() and not question.results.no_color
    objects: list[dict[str, Any]] = []
    panels: list[tuple[str, Any]] = []
    with question.results.opened() as out:
        models, blocks = question.open()
        for block in blocks:
            for line, text in enumerate(block.records(), block.first):
                for model in models.of(block):
                    name = model.opened.name
                    for view in views(model, text, kinds=question.kinds, how=question.how):
                        record = {"line": line, "text": text, "model": name, **view.to_dict()}
                        if out.mode == JSON:
                            out.rows([], json=[record])
                        elif not (png or html):
                            out.write(picture(view, title=name, color=color, **_large(view, chosen)))
                        if html:
                            objects.append(record)
                        if len(panels) < view_figures.MOST:
                            panels.append((f"{name}: {text}", view))
                    if chosen.token and out.mode != JSON:
                        out.write(_steps(model, text, chosen, color=color))
    if png:
        drawn, complete = view_figures.png(panels)
        _write(png, drawn)
        if not complete:
            question.reporter.note(f"{png}: the fonts of this machine lack some characters")
    if html:
        from seqcli.report.page import page

        _write(html, page(objects, title="seqcli explain", language="ko" if language == "ko" else "en").encode())


def _check(question: Question, *, png: str | None, html: str | None) -> None:
    """Before any work."""
    from seqcli.report import curves

    if question.results.output and question.results.format not in ("json", "tsv"):
        raise UsageError(
            "explain writes JSON Lines or text", where=question.results.output, cure="name a .jsonl or a .txt"
        )
    if png:
        curves.check(png)
    if html:
        if not html.endswith((".html", ".htm")):
            raise UsageError("the name of a page ends in .html", where=html)
        check_folder(html)


def _large(view: Any, chosen: Chosen) -> dict[str, int | None]:
    """Which layer and head are shown large. Raises UsageError where there are none such."""
    if getattr(view, "view", "") != "attention":
        return {}
    layers, heads = len(view.layers), len(view.layers[0].heads)
    if (chosen.layer or 1) > layers or (chosen.head or 1) > heads:
        raise UsageError(
            f"{layers} layers of {heads} heads, no layer {chosen.layer or layers}, head {chosen.head or 1}"
        )
    return {
        "layer": None if chosen.layer is None else chosen.layer - 1,
        "head": None if chosen.head is None else chosen.head - 1,
    }


def _steps(model: Explained, text: str, chosen: Chosen, *, color: bool) -> str:
    from seqcli.report.views import steps as drawn

    assert chosen.token is not None
    layer, head = (chosen.layer or 1) - 1, (chosen.head or 1) - 1
    rows = steps(model.opened, text, layer=layer, head=head, query=chosen.token - 1)
    return drawn(
        rows, title=f"{model.opened.name}, layer {layer + 1}, head {head + 1}, token {chosen.token}", color=color
    )


def _write(path: str, data: bytes) -> None:
    with Output(path) as out:
        out.write(data)
