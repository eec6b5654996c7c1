"""`seqcli tokenize`: split text into the tokens of a model, and join them again."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli import ranges
from seqcli.commands.declaration import GivenOptions, with_options
from seqcli.commands.options import SEED, BatchMachine, Results, TextInput
from seqcli.commands.parsers import real, whole
from seqcli.errors import UsageError


@with_options("Tokenization")
def tokenize(
    source: TextInput,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="DIR|FILE",
            help="Model or tokenizer folder, ARPA file, SentencePiece .model file, tokenizer.json, vocab.txt or hf:NAME[@REVISION] from the Hugging Face Hub, or NAME=DIR; repeatable with --stats.  [default: a small sample model]",
            rich_help_panel="Model",
        ),
    ] = None,
    ids: Annotated[
        bool, typer.Option("--ids", help="Write token ids instead of tokens; with --decode, read them.")
    ] = False,
    count: Annotated[bool, typer.Option("--count", help="Write the number of tokens of each record.")] = False,
    offsets: Annotated[
        bool,
        typer.Option(
            "--offsets", help="Write JSON with the id and the position in the text (in code points) of every token."
        ),
    ] = False,
    decode: Annotated[bool, typer.Option("--decode", help="Turn tokens, or --ids, back into text.")] = False,
    n_best: Annotated[
        int | None, typer.Option(parser=whole(1, 10_000), help="Write the N best segmentations, one per row.")
    ] = None,
    sample: Annotated[
        float | None,
        typer.Option(
            parser=real(0, 1e6),
            metavar="ALPHA",
            help="Sample a segmentation, with probability proportional to p^ALPHA.",
        ),
    ] = None,
    vocab: Annotated[
        bool, typer.Option("--vocab", help="List the vocabulary with its ids, without reading any text.")
    ] = False,
    stats: Annotated[
        bool,
        typer.Option("--stats", help="Show bytes per token, tokens per word and other statistics, one row per -m."),
    ] = False,
    seed: SEED = 0,
    *,
    results: Results,
    machine: BatchMachine,
    given: GivenOptions,
) -> None:
    """Split text into tokens, separated by spaces, one row per record, in order.

    In a pipe, a space, tab or backslash inside a token is written as \\x20, \\t or \\\\; --decode reads them back.

    Examples:
      seqcli tokenize "I study machine learning"
      seqcli tokenize -m model -i text.txt --ids -o ids.txt
      seqcli tokenize -m model -i ids.txt --ids --decode
    """
    from seqcli.commands.session import is_encoding_of_model
    from seqcli.commands.tokenize import rows, segmentations, summaries
    from seqcli.commands.tokenize.rows import Arguments

    mode = ranges.only_one({
        "--count": count, "--offsets": offsets, "--decode": decode, "--n-best": n_best is not None,
        "--sample": sample is not None, "--vocab": vocab, "--stats": stats,
    })  # fmt: skip
    if ids and mode not in (None, "--decode", "--n-best", "--sample"):
        raise UsageError(f"--ids cannot be combined with {mode}")
    if len(model or []) > 1 and not stats:
        raise UsageError("several -m need --stats")
    if vocab and source.given:
        raise UsageError("--vocab reads no text")
    machine.check_ray(model, alone={"--n-best": n_best is not None, "--vocab": vocab, "--stats": stats})
    reporter = results.reporter("tokenize", machine)
    machine.without(reporter, "device", "precision", "batch_tokens", reason="tokenizers run on the CPU")
    reading = [
        "--strict",
        "--format",
        "--text-column",
        "--keep",
        *([] if is_encoding_of_model(source, model or []) else ["--encoding"]),
    ]
    given.without_effect(reporter, {
        **dict.fromkeys(reading, vocab and "with --vocab, which reads no text"),
        "--seed": sample is None and "without --sample", "--header": offsets and not results.as_json and "with --offsets, which is JSON",
    })  # fmt: skip
    arguments = Arguments(source, results, reporter, machine, model or [], ids=ids)
    if vocab:
        summaries.vocabulary(arguments)
    elif stats:
        summaries.statistics(arguments)
    elif decode:
        rows.decoded(arguments)
    elif n_best is not None:
        segmentations.n_best(arguments, k=n_best)
    elif sample is not None:
        segmentations.sampled(arguments, alpha=sample, seed=seed)
    elif count:
        rows.counts(arguments)
    elif offsets:
        rows.places(arguments)
    else:
        rows.pieces(arguments)
