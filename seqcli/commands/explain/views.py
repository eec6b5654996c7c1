"""Opens models of any task, and shows the views of each text: pictures in a terminal, JSON, a PNG, a page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seqcli.commands import session
from seqcli.commands.models import Models, Placement
from seqcli.data.lines import Block
from seqcli.errors import InputError, UsageError
from seqcli.explain.attention import steps
from seqcli.explain.views import Explained, How, views
from seqcli.interop.formats.arpa import is_arpa
from seqcli.interop.word_vectors import is_vectors
from seqcli.models.ngram import NgramModel
from seqcli.report.output import JSON, Output, check_folder
from seqcli.results.views import AttentionSteps, AttentionView, WordInfluences
from seqcli.scoring.influence import grouping
from seqcli.tasks.classification.load import CLASSIFICATION, is_fasttext, open_classifier
from seqcli.tasks.embeddings.load import EMBEDDINGS, open_embeddings
from seqcli.tasks.language.load import named, open_model, untrained
from seqcli.tasks.open_folder import folder_of
from seqcli.tasks.translation.load import TRANSLATION, open_translator

EXAMPLE = 'seqcli explain "I study machine learning"'


@dataclass(frozen=True)
class Arguments(session.Arguments):
    """The command line of `seqcli explain`. kinds: the requested views; empty: those that suit each model."""

    kinds: tuple[str, ...] = ()
    how: How = field(default_factory=How)

    def open(self) -> tuple[Models[Explained], Iterator[Block]]:
        """The models, and the blocks of texts."""
        records = session.open_records(self, example=EXAMPLE)

        def of_sample(language: str) -> Explained:
            from seqcli import samples

            sample = samples.language_model_of(language, reporter=self.reporter)
            return _opened(samples.folder_of(sample.name, reporter=self.reporter), name=sample.name)

        chosen = [_opened(path, name=name, encoding=self.source.encoding) for name, path in named(self.sources)]
        place = Placement(self.machine, reporter=self.reporter, reason="models are read as they are")
        models: Models[Explained] = Models(
            chosen, place, open_sample=of_sample, kind="language", beginning=records.beginning, reporter=self.reporter
        )
        _ = models.all  # one that cannot be opened is an error before anything is written
        return models, models.route(records)


def _opened(path: str, *, name: str, encoding: str | None = None) -> Explained:
    """A model of any task. Networks stay as they are read: their weights are looked at and differentiated by."""
    if is_arpa(path):
        return Explained(open_model(path, name=name, encoding=encoding))
    if is_vectors(path) and not is_fasttext(path):
        return Explained(open_embeddings(path, name=name))
    folder = folder_of(path)
    if folder.task == EMBEDDINGS:
        return Explained(open_embeddings(path, name=name), folder.config, path=path)
    if folder.task == CLASSIFICATION:
        return Explained(open_classifier(path, name=name), folder.config, path=path)
    if folder.task == TRANSLATION:
        return Explained(open_translator(path, name=name), folder.config, path=path)
    model = open_model(path, name=name)
    if isinstance(model.model, NgramModel):
        return Explained(model, folder.config)
    return Explained(model, folder.config, untrained(path), path)


class Chosen(NamedTuple):
    """layer, head: of the attention that is shown large; token: whose attention is shown step by step; from 1."""

    layer: int | None = None
    head: int | None = None
    token: int | None = None


def show(arguments: Arguments, chosen: Chosen, *, png: str | None, html: str | None, language: str) -> None:
    """png, html: files for all views together; language: of the page."""
    from seqcli.report import view_figures
    from seqcli.report.views import picture

    _check(arguments, png=png, html=html)
    color = sys.stdout.isatty() and not arguments.results.no_color
    objects: list[dict[str, Any]] = []
    panels: list[tuple[str, Any]] = []
    with arguments.results.opened() as out:
        models, blocks = arguments.open()
        for block in blocks:
            for line, text in enumerate(block.records(), block.first):
                for model in models.of(block):
                    name = model.opened.name
                    for view in _of_record(line, _views(model, text, arguments, chosen), arguments):
                        record = {"line": line, "text": text, "model": name, **view.to_dict()}
                        if out.mode == JSON:
                            out.rows([], json=[record])
                        elif not (png or html):
                            out.write(picture(view, title=name, color=color, **_large(view, chosen)))
                        if isinstance(view, AttentionSteps):
                            continue  # a page shows them for every token
                        if html:
                            objects.append(record | _large(view, chosen))
                        if len(panels) < view_figures.MOST:
                            panels.append((f"{name}: {text}", view))
    if png:
        drawn, complete = view_figures.png(panels)
        _write(png, drawn)
        if not complete:
            arguments.reporter.note(f"{png}: the fonts of this machine lack some characters")
    if html:
        from seqcli.report.page import page

        _write(html, page(objects, title="seqcli explain", language="ko" if language == "ko" else "en").encode())


def _of_record(line: int, views: Iterator[Any], arguments: Arguments) -> Iterator[Any]:
    """Adds the number of a record of a file to an error in its text."""
    try:
        yield from views
    except InputError as error:
        if arguments.source.text:
            raise
        raise InputError(error.what, where=f"record {line}", cure=error.cure) from None


def _views(model: Explained, text: str, arguments: Arguments, chosen: Chosen) -> Iterator[Any]:
    """Those of a text, after each attention how that of the chosen token is computed; a note says what was left out."""
    for view in views(model, text, kinds=arguments.kinds, how=arguments.how, note=arguments.reporter.note):
        yield view
        if isinstance(view, WordInfluences) and view.grouped > 1:
            arguments.reporter.note(f"{model.opened.name}: {grouping(view.grouped)}")
        if isinstance(view, AttentionView):
            if view.grouped > 1:
                arguments.reporter.note(
                    f"{model.opened.name}: the text is long: {view.grouped} consecutive tokens are shown as one in the attention"
                )
            if chosen.token:
                yield steps(view, layer=chosen.layer, head=chosen.head, query=chosen.token)


def _check(arguments: Arguments, *, png: str | None, html: str | None) -> None:
    """Before any work."""
    from seqcli.report import curves

    if arguments.results.output and arguments.results.format not in ("json", "tsv"):
        raise UsageError(
            "explain writes JSON Lines or text", where=arguments.results.output, cure="name a .jsonl or a .txt"
        )
    if png:
        curves.check(png)
    if html:
        if not html.endswith((".html", ".htm")):
            raise UsageError("a page must be an .html file", where=html, cure="name it .html")
        check_folder(html)


def _large(view: Any, chosen: Chosen) -> dict[str, int | None]:
    """Which layer and head are shown large, and which query is described, from 0. Raises UsageError where there are none such."""
    if getattr(view, "view", "") != "attention":
        return {}
    layers, heads = len(view.layers), len(view.layers[0].heads)
    if (chosen.layer or 1) > layers or (chosen.head or 1) > heads:
        raise UsageError(
            f"there is no layer {chosen.layer or layers}, head {chosen.head or 1}",
            cure=f"there are {layers} layers of {heads} heads",
        )
    return {
        "layer": None if chosen.layer is None else chosen.layer - 1,
        "head": None if chosen.head is None else chosen.head - 1,
        "query": None if chosen.token is None else chosen.token - 1,
    }


def _write(path: str, data: bytes) -> None:
    with Output(path) as out:
        out.write(data)
