"""`seqcli embed`: vectors of texts, similar words, analogies."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.declaration import GivenOptions, with_options
from seqcli.commands.options import SEED, BatchMachine, Results, TextInput
from seqcli.commands.parsers import whole
from seqcli.errors import UsageError


@with_options("Embeddings")
def embed(
    source: TextInput,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="DIR|FILE",
            help="Folder of embeddings or of a neural model, a file of word vectors (word2vec, GloVe, fastText) or hf:NAME[@REVISION] from the Hugging Face Hub, or NAME=DIR.  [default: a small sample model]",
            show_default=False,
            rich_help_panel="Model",
        ),
    ] = None,
    neighbours: Annotated[
        str | None, typer.Option(metavar="WORD", help="Show the words that are most similar to WORD.")
    ] = None,
    analogy: Annotated[
        str | None,
        typer.Option(metavar="SUM", help='Show the words that are most similar to a sum such as "king - man + woman".'),
    ] = None,
    top_k: Annotated[
        int, typer.Option(parser=whole(1, 10**6), help="Number of words to show (with --neighbours and --analogy).")
    ] = 10,
    similarity: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Compare with the word pairs in FILE (word, word, score), such as WordSim-353: Spearman's rank correlation.",
        ),
    ] = None,
    map_: Annotated[
        str | None,
        typer.Option("--map", metavar="FILE", help="Draw the texts in two dimensions to FILE, a .png or .html."),
    ] = None,
    projection: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Projection of --map: pca, tsne or umap (the last two need an extra package)."
        ),
    ] = "pca",
    seed: SEED = 0,
    *,
    results: Results,
    machine: BatchMachine,
    given: GivenOptions = GivenOptions(),  # noqa: B008 - empty and immutable
) -> None:
    """Turn texts into vectors.

    One row per text: the mean of the vectors of its words, or with a neural model the mean of its states. TSV has a column
    for each number and the text; -o FILE.npy and -o FILE.safetensors (as `vectors`) hold a matrix with a row per text.
    Without -m, a sample model for the language of the input is used.

    Examples:
      seqcli embed -m model --neighbours computer
      seqcli embed -m model --analogy "dog - cat + shirt" --top-k 3
      seqcli embed -m model -i text.txt -o text.npy
    """
    from seqcli.commands.embed import vectors, words
    from seqcli.commands.session import Arguments

    modes = {"--neighbours": neighbours, "--analogy": analogy, "--similarity": similarity, "--map": map_}
    mode = ranges.only_one(modes)
    if mode and mode != "--map" and source.given:
        raise UsageError(f"{mode} reads no texts", cure="leave out the texts and --input")
    machine.check_ray([model] if model else [], alone={name: value is not None for name, value in modes.items()})
    reporter = results.reporter("embed", machine)
    with_texts = mode in (None, "--map")
    given.without_effect(
        reporter,
        {
            "--top-k": mode not in ("--neighbours", "--analogy") and "without --neighbours or --analogy",
            "--seed": mode != "--map" and "without --map: nothing is random",
            "--projection": mode != "--map" and "without --map",
            **dict.fromkeys(
                ("--input", "--format", "--text-column", "--keep", "--encoding", "--strict"),
                not with_texts and f"with {mode}",
            ),
        },
    )
    arguments = Arguments(source, results, reporter, machine, [model] if model else [])
    if neighbours is not None:
        words.neighbours(arguments, neighbours, k=top_k)
    elif analogy is not None:
        words.analogy(arguments, analogy, k=top_k)
    elif similarity is not None:
        words.similarity(arguments, similarity)
    elif map_ is not None:
        vectors.draw(arguments, map_, projection=projection, seed=seed)
    else:
        vectors.rows(arguments)
