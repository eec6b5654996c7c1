"""`seqcli explain`: what does a model do with a text?"""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.machine import Machine
from seqcli.commands.options import GivenOptions, ModelOption, Results, TextInput, with_options
from seqcli.commands.parsers import choice, number
from seqcli.errors import UsageError

_VIEWS = "Views"


@with_options("Decoding")
def explain(
    source: TextInput,
    model: ModelOption = None,
    surprisal: Annotated[
        bool,
        typer.Option(
            "--surprisal", help="How much each token surprises the model, and what it expected.", rich_help_panel=_VIEWS
        ),
    ] = False,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention",
            help="Where each token looks, by layer and head (transformers, translators).",
            rich_help_panel=_VIEWS,
        ),
    ] = False,
    gates: Annotated[
        bool,
        typer.Option(
            "--gates",
            help="What the gates and the hidden state do at each token (rnn, lstm, gru).",
            rich_help_panel=_VIEWS,
        ),
    ] = False,
    reach: Annotated[
        bool,
        typer.Option(
            "--reach",
            help="How far back the model remembers: loss by context, gradients, cost.",
            rich_help_panel=_VIEWS,
        ),
    ] = False,
    positions: Annotated[
        bool,
        typer.Option(
            "--positions", help="How alike the encodings of positions are (transformers).", rich_help_panel=_VIEWS
        ),
    ] = False,
    search: Annotated[
        bool,
        typer.Option(
            "--search", help="The beam search that continues or translates the text, as a tree.", rich_help_panel=_VIEWS
        ),
    ] = False,
    ngram: Annotated[
        bool,
        typer.Option(
            "--ngram", help="The n-gram and the back-offs behind each number (ngram).", rich_help_panel=_VIEWS
        ),
    ] = False,
    words: Annotated[
        bool, typer.Option("--words", help="What each word adds to the label (classifiers).", rich_help_panel=_VIEWS)
    ] = False,
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings",
            help="The words nearest to each word, and all of them in a plane (embeddings, neural models).",
            rich_help_panel=_VIEWS,
        ),
    ] = False,
    layer: Annotated[
        int | None,
        typer.Option(parser=number(ranges.COUNT), help="Layer of the attention to show large.  [default: the last]"),
    ] = None,
    head: Annotated[
        int | None, typer.Option(parser=number(ranges.COUNT), help="Attention head to show large.  [default: 1]")
    ] = None,
    token: Annotated[
        int | None,
        typer.Option(
            parser=number(ranges.COUNT), help="Show how the attention of the Nth token is computed; 1 is <s>."
        ),
    ] = None,
    top_k: Annotated[
        int, typer.Option(parser=number(ranges.TOP_K), help="Number of expected tokens or nearest words to name.")
    ] = 5,
    beam_size: Annotated[int, typer.Option(parser=number(ranges.BEAM), help="Number of hypotheses of --search.")] = 4,
    png: Annotated[
        str | None, typer.Option(metavar="FILE", help="Save the views as a .png picture.", rich_help_panel="Output")
    ] = None,
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Save the views as one interactive .html page.", rich_help_panel="Output"),
    ] = None,
    lang: Annotated[
        str,
        typer.Option(
            parser=choice("en", "ko"), metavar="NAME", help="Language of the page: en or ko.", rich_help_panel="Output"
        ),
    ] = "en",
    *,
    results: Results,
    given: GivenOptions,
) -> None:
    """Show what a model does with a text; without a view, what suits the model.

    The views appear as tables and pictures. --json writes their numbers, --png a picture, and --html a
    page that needs no network.

    Examples:
      seqcli explain "I study machine learning"
      seqcli explain -m sample-english "My computer is very slow" --ngram --reach
      seqcli explain -m model "I study mathematics" --surprisal --html page.html
    """
    from seqcli.commands.explain.arguments import Arguments
    from seqcli.commands.explain.shown import Chosen, explained
    from seqcli.explain.views import How

    asked = {
        "surprisal": surprisal, "attention": attention, "gates": gates, "reach": reach, "positions": positions, "search": search,
        "ngram": ngram, "words": words, "embeddings": embeddings,
    }  # fmt: skip
    kinds = tuple(name for name, wanted in asked.items() if wanted)
    if token is not None and kinds not in ((), ("attention",)):
        raise UsageError("--token is for --attention alone")
    reporter = results.reporter("explain", Machine())
    shows_attention = not kinds or "attention" in kinds
    given.without_effect(reporter, {
        "--layer": not shows_attention and "without --attention", "--head": not shows_attention and "without --attention",
        "--top-k": bool(kinds) and not {"surprisal", "embeddings"} & set(kinds) and "without --surprisal or --embeddings",
        "--lang": html is None and "without --html",
        "--beam-size": bool(kinds) and "search" not in kinds and "without --search",
    })  # fmt: skip
    arguments = Arguments(source, results, reporter, Machine(), model or [], kinds=kinds, how=How(top_k, beam_size))
    explained(arguments, Chosen(layer, head, token), png=png, html=html, language=lang)
