"""`seqcli generate`: how would a model go on?"""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli.commands.options import SEED, Machine, MixOption, ModelOption, Results, TextInput, real, whole, with_options
from seqcli.errors import UsageError


@with_options
def generate(
    source: TextInput,
    model: ModelOption = None,
    mix: MixOption = None,
    max_new_tokens: Annotated[int, typer.Option(parser=whole(1, 1_000_000), help="Stop after so many.")] = 100,
    temperature: Annotated[
        float | None, typer.Option(parser=real(0, 1e6), help="Below 1 safer, above 1 wilder, 0 the likeliest.  [default: 1]")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(parser=whole(1, 2**31 - 1), help="Draw from the K likeliest tokens only.")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(parser=real(0, 1), help="From the fewest tokens that have this probability together.")
    ] = None,
    min_p: Annotated[
        float | None, typer.Option(parser=real(0, 1), help="From tokens at least so probable, the likeliest being 1.")
    ] = None,
    repetition_penalty: Annotated[
        float | None, typer.Option(parser=real(0.01, 100), help="Above 1 against tokens that are there already.")
    ] = None,
    num_samples: Annotated[int, typer.Option(parser=whole(1, 1_000_000), help="Texts per prompt.")] = 1,
    beam_size: Annotated[
        int | None, typer.Option(parser=whole(1, 1000), help="Search for the likeliest texts instead of drawing.")
    ] = None,
    stop: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help="End the text before this string; may be given again.")
    ] = None,
    no_prompt: Annotated[bool, typer.Option("--no-prompt", help="Print the continuation alone.")] = False,
    next_: Annotated[
        int | None, typer.Option("--next", parser=whole(1, 2**31 - 1), metavar="K", help="Show the K likeliest next tokens.")
    ] = None,
    seed: SEED = 0,
    results: Results = None,
    machine: Machine = None,
) -> None:
    """Go on with each prompt: one text per record and sample, in order; without a prompt, from nothing.

    On a terminal the text appears as it comes; in a pipe it is one line, with line feeds written \\n. The same seed gives
    the same texts. A prompt may end inside a word: "I stu" goes on as "dy", and the space at the end of "I study " is the
    next word's (models of whole words go on after the word).
    """
    from seqcli.commands import generate_modes as modes
    from seqcli.data.lines import is_interactive

    drawing = {
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": repetition_penalty,
    }  # fmt: skip
    given = {f"--{name.replace('_', '-')}": value for name, value in {**drawing, "stop": stop}.items() if value is not None}
    if next_ is not None:
        given |= {"--beam-size": beam_size} if beam_size else {}
        given |= {"--no-prompt": True} if no_prompt else {}
        given |= {"--num-samples": num_samples} if num_samples > 1 else {}
    if given and (beam_size or next_ is not None):
        raise UsageError(f"{next(iter(given))} does not go with {'--beam-size' if next_ is None else '--next'}")
    if next_ is not None and source.keep:
        raise UsageError("--keep does not go with --next")
    if len(model or []) > 1 and next_ is None and mix is None:
        raise UsageError("several -m need --next or --mix")
    if not source.given and is_interactive():
        source.text = [""]
    policy = {name: value for name, value in drawing.items() if value is not None}
    settings = modes.settings(
        policy, max_new_tokens=max_new_tokens, num_samples=num_samples, beam_size=beam_size, stop=tuple(stop or ()), seed=seed
    )
    job = modes.Job(
        source, results, results.reporter("generate", machine), model or [], machine=machine, example=modes.EXAMPLE,
        mix=mix,
    )
    if next_ is not None:
        modes.next_tokens(job, k=next_)
    else:
        modes.texts(job, settings, prompted=not no_prompt)
