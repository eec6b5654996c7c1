"""`seqcli demo`: what a language model is, on the shipped samples, in a minute."""

from __future__ import annotations

from typing import Annotated

import typer

from seqcli.commands.options import with_options

ORDER = {"english": "I study machine learning", "korean": "나는 기계 학습을 공부한다"}
PROMPT = {"english": "My computer is", "korean": "나는 기계 학습"}
CHOICE = {"english": "My computer is very [slow|shirt]", "korean": "제 컴퓨터는 아주 [느려요|맛있어요]"}


@with_options
def demo(
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No notes.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours on a terminal.")] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Train small models on the samples and show word order, word choice, the next word and minimal pairs."""
    from seqcli import samples
    from seqcli.decoding.generate import Settings, generate
    from seqcli.decoding.next_token import NextToken
    from seqcli.decoding.policy import Policy
    from seqcli.metrics.minimal_pairs import Tally
    from seqcli.report.frame import WHOLE, Column, bar
    from seqcli.report.output import TABLE, Output
    from seqcli.report.progress import Console
    from seqcli.scoring.comparisons import choices, scramble
    from seqcli.scoring.pairs import OVERALL, judge_pairs, read_pairs

    reporter = Console(prefix="seqcli demo", quiet=quiet)
    with Output(color=not no_color) as out:
        if out.mode != TABLE:
            out.mode, out.color = TABLE, False  # made to be read, also in a file
        models = {name: samples.language_model(text, reporter=reporter) for name, text in ORDER.items()}

        out.write("\n1. Word order. A language model says how probable a text is. Which ordering of\n"
                  "   these words does it expect?\n\n")  # fmt: skip
        for name, text in ORDER.items():
            answer = scramble(models[name], text, sample=1000, seed=0)
            out.rows(
                [
                    Column("log p", [value for _, value in answer.best], "%.2f"),
                    Column("share", [bar(share) for share in answer.best_shares]),
                    Column("ordering", [text for text, _ in answer.best]),
                ],
                title=f"{text!r}: number {answer.rank} of {answer.orderings}, {answer.mass:.1%} of their mass",
            )
        out.write("2. Word choice. The same sentence with one word changed:\n\n")
        for name, text in CHOICE.items():
            answers = choices(models[name], text)
            out.rows(
                [
                    Column("log p", [a.log_prob for a in answers], "%.2f"),
                    Column("share", [bar(a.share) for a in answers]),
                    Column("sentence", [a.text for a in answers]),
                ]
            )
        out.write("3. The next word. What does a model expect after these words, and how does it go on?\n\n")
        for name, prompt in PROMPT.items():
            (best,) = NextToken(models[name]).after([prompt], k=5)
            out.rows(
                [
                    Column("p", [p for _, p in best], "%.3f"),
                    Column("share", [bar(p) for _, p in best]),
                    Column("next", [token for token, _ in best]),
                ],
                title=f"after {prompt!r}",
            )
            (sample,) = generate(models[name], [prompt], Settings(policy=Policy(temperature=0.7)))
            out.write(f"   {prompt}{sample.text}\n\n")
        out.write("4. Pairs that the models have not seen: how often is the good sentence likelier?\n\n")
        rows: list[tuple[str, str, Tally]] = []
        for name, opened in models.items():
            results = judge_pairs([opened], read_pairs(str(samples.folder() / f"{name}.pairs.tsv")))
            rows += [(opened.name, tag, tallies[0]) for tag, tallies in results.tallies.items() if tag != OVERALL]
        out.rows(
            [
                Column("model", [model for model, _, _ in rows]),
                Column("tag", [tag for _, tag, _ in rows]),
                Column("pairs", [t.pairs for _, _, t in rows], WHOLE),
                Column("correct", [100 * t.accuracy for _, _, t in rows], "%.1f %%"),
            ]
        )
        out.write('Your turn:\n\n  seqcli score "I study machine learning" --scramble\n'
                  '  seqcli generate "I study" --num-samples 3\n'
                  '  seqcli train lm YOUR.txt -o my-model\n  seqcli score -m my-model -i OTHER.txt | head\n')  # fmt: skip
