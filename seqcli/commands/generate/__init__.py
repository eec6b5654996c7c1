"""`seqcli generate`: continue a text, or show the most likely next tokens."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from seqcli import ranges
from seqcli.commands.declaration import GivenOptions, as_options, with_options
from seqcli.commands.options import (
    SEED,
    BatchMachine,
    MixOption,
    ModelOption,
    Results,
    Temperature,
    TextInput,
    TopK,
    TopP,
)
from seqcli.commands.parsers import number
from seqcli.errors import UsageError


@with_options("Decoding")
def generate(
    source: TextInput,
    model: ModelOption = None,
    mix: MixOption = None,
    max_new_tokens: Annotated[
        int, typer.Option(parser=number(ranges.COUNT), help="Maximum number of new tokens.")
    ] = 100,
    temperature: Temperature = None,
    top_k: TopK = None,
    top_p: TopP = None,
    min_p: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.SHARE),
            help="Sample from tokens at least NUMBER times as probable as the most likely one.",
        ),
    ] = None,
    repetition_penalty: Annotated[
        float | None,
        typer.Option(
            parser=number(ranges.REPETITION_PENALTY),
            help="Make tokens that already occur less likely by this factor above 1.  [default: 1]",
        ),
    ] = None,
    num_samples: Annotated[int, typer.Option(parser=number(ranges.COUNT), help="Number of texts per prompt.")] = 1,
    beam_size: Annotated[
        int | None,
        typer.Option(
            parser=number(ranges.BEAM),
            help="Find the most likely texts by beam search with N hypotheses instead of sampling; all differ.",
        ),
    ] = None,
    stop: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Stop before this string; repeatable.")] = None,
    no_prompt: Annotated[bool, typer.Option("--no-prompt", help="Print the continuation without the prompt.")] = False,
    next_: Annotated[
        int | None,
        typer.Option(
            "--next",
            parser=number(ranges.TOP_K),
            metavar="K",
            help="Show the K most likely next tokens instead of a text.",
        ),
    ] = None,
    fill: Annotated[
        bool, typer.Option("--fill", help="Show the most likely tokens for each [MASK] of the text (masked models).")
    ] = False,
    seed: SEED = 0,
    *,
    results: Results,
    machine: BatchMachine,
    given: GivenOptions,
) -> None:
    """Generate text from each prompt, one text per record and sample, in order; without a prompt, from the beginning.

    On a terminal the text appears while it is generated; in a pipe it is one line, with line feeds written as \\n. The same
    seed gives the same texts. A prompt may end inside a word: "I stu" may be continued by "dy", and a space at the end of
    the prompt begins the next word (models of whole words continue after the word).

    Examples:
      seqcli generate "I study"
      seqcli generate "I study" --num-samples 3 --temperature 0.8
      seqcli generate "My computer is" --next 5
    """
    from seqcli.commands.generate import texts, tokens
    from seqcli.commands.models import check_mix
    from seqcli.commands.session import Arguments
    from seqcli.data.lines import is_interactive
    from seqcli.decoding.generate import GenerationSettings
    from seqcli.decoding.sampling import Policy

    sampling: dict[str, Any] = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": repetition_penalty,
    }  # fmt: skip
    of_texts = {
        **sampling, "stop": stop, "beam_size": beam_size, "no_prompt": no_prompt,
        "num_samples": num_samples if num_samples > 1 else None, "keep": source.keep,
    }  # fmt: skip
    not_filling = {name: value for name, value in of_texts.items() if name != "top_k"}
    ranges.exclusive(as_options(of_texts), {"--next": next_})
    ranges.exclusive({**as_options(not_filling), "--next": next_, "--mix": mix}, {"--fill": fill})
    ranges.exclusive(as_options(sampling), {"--beam-size": beam_size})
    if len(model or []) > 1 and next_ is None and mix is None and not fill:
        raise UsageError("several -m need --next, --fill or --mix")
    if not source.given and is_interactive():
        source.text = [""]
    settings = GenerationSettings(
        Policy(**ranges.given(sampling)), max_new_tokens=max_new_tokens,
        num_samples=num_samples, beam_size=beam_size, stop=tuple(stop or ()), seed=seed,
    )  # fmt: skip
    machine.check_ray(model, alone={"--next": next_ is not None, "--fill": fill})
    reporter = results.reporter("generate", machine)
    check_mix(mix, model or [])
    if settings.policy.temperature == 0:
        greedy = "with --temperature 0"
    else:
        greedy = "with --top-k 1" if settings.policy.top_k == 1 else ""
    mode = "--fill" if fill else "--next" if next_ is not None else "--beam-size" if beam_size else None
    not_random = (
        f"with {mode}" if mode else greedy or (not settings.policy.random and "where no token is drawn at random")
    )
    given.without_effect(reporter, {
        "--seed": not_random,
        "--max-new-tokens": mode in ("--fill", "--next") and f"with {mode}",
        "--temperature": greedy == "with --top-k 1" and greedy, "--top-k": greedy == "with --temperature 0" and greedy,
        "--top-p": greedy, "--min-p": greedy,
        "--no-prompt": results.as_json and "in JSON, where text never has the prompt",
    })  # fmt: skip
    arguments = Arguments(source, results, reporter, machine, model or [], mix=mix)
    if fill:
        tokens.fillings(arguments, k=top_k or 10)
    elif next_ is not None:
        tokens.next_tokens(arguments, k=next_)
    else:
        texts.texts(arguments, settings, prompted=not no_prompt)
