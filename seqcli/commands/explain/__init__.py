"""`seqcli explain`: what does a model do with a text?"""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.declaration import GivenOptions, with_options
from seqcli.commands.options import Machine, ModelOption, Results, TextInput
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
            "--surprisal", help="Surprisal of each token, and the tokens that were expected.", rich_help_panel=_VIEWS
        ),
    ] = False,
    attention: Annotated[
        bool,
        typer.Option(
            "--attention",
            help="Attention weights of each layer and head (transformers, translators).",
            rich_help_panel=_VIEWS,
        ),
    ] = False,
    gates: Annotated[
        bool,
        typer.Option(
            "--gates",
            help="Gates and hidden state at each token (rnn, lstm, gru).",
            rich_help_panel=_VIEWS,
        ),
    ] = False,
    reach: Annotated[
        bool,
        typer.Option(
            "--reach",
            help="How much earlier tokens matter: loss by length of the context, gradients, cost.",
            rich_help_panel=_VIEWS,
        ),
    ] = False,
    positions: Annotated[
        bool,
        typer.Option(
            "--positions", help="Similarity of the position encodings (transformers).", rich_help_panel=_VIEWS
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
            "--ngram", help="The matched n-gram and the back-offs of each probability (ngram).", rich_help_panel=_VIEWS
        ),
    ] = False,
    words: Annotated[
        bool,
        typer.Option("--words", help="Contribution of each word to the label (classifiers).", rich_help_panel=_VIEWS),
    ] = False,
    embeddings: Annotated[
        bool,
        typer.Option(
            "--embeddings",
            help="Nearest neighbours of each word, and a plot of all words (embeddings, neural models).",
            rich_help_panel=_VIEWS,
        ),
    ] = False,
    layer: Annotated[
        int | None,
        typer.Option(parser=number(ranges.COUNT), help="Attention layer to enlarge.  [default: the last]"),
    ] = None,
    head: Annotated[
        int | None, typer.Option(parser=number(ranges.COUNT), help="Attention head to enlarge.  [default: 1]")
    ] = None,
    token: Annotated[
        int | None,
        typer.Option(
            parser=number(ranges.COUNT), help="Show how the attention of the Nth token is computed; 1 is <s>."
        ),
    ] = None,
    top_k: Annotated[
        int, typer.Option(parser=number(ranges.TOP_K), help="Number of expected tokens or nearest words to show.")
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
    """Show how a model processes a text; by default, in the views that suit the model.

    The views appear as tables and pictures. --json writes their numbers, --png a picture, and --html a
    page that needs no network.

    Examples:
      seqcli explain "I study machine learning"
      seqcli explain -m sample-english "My computer is very slow" --ngram --reach
      seqcli explain -m model "I study mathematics" --surprisal --html page.html
    """
    from seqcli.commands.explain import views
    from seqcli.explain.views import How

    options = {
        "surprisal": surprisal, "attention": attention, "gates": gates, "reach": reach, "positions": positions, "search": search,
        "ngram": ngram, "words": words, "embeddings": embeddings,
    }  # fmt: skip
    kinds = tuple(name for name, value in options.items() if value)
    if token is not None and kinds not in ((), ("attention",)):
        raise UsageError("--token needs --attention")
    reporter = results.reporter("explain", Machine())
    shows_attention = not kinds or "attention" in kinds
    given.without_effect(reporter, {
        "--layer": not shows_attention and "without --attention", "--head": not shows_attention and "without --attention",
        "--top-k": bool(kinds) and not {"surprisal", "embeddings"} & set(kinds) and "without --surprisal or --embeddings",
        "--lang": html is None and "without --html",
        "--beam-size": bool(kinds) and "search" not in kinds and "without --search",
    })  # fmt: skip
    arguments = views.Arguments(
        source, results, reporter, Machine(), model or [], kinds=kinds, how=How(top_k, beam_size)
    )
    views.show(arguments, views.Chosen(layer, head, token), png=png, html=html, language=lang)
