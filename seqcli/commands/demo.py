"""`seqcli demo`: a guided tour of the tasks and architectures, on the sample data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from seqcli.commands.declaration import with_options
from seqcli.commands.parsers import choice
from seqcli.errors import UsageError

if TYPE_CHECKING:
    from seqcli.explain.views import Explained
    from seqcli.interfaces import OpenModel, OpenTranslator
    from seqcli.report.output import Output
    from seqcli.tasks.classification.load import OpenClassifier
    from seqcli.tasks.train_each import Trained

ORDER = {"english": "I study machine learning", "korean": "나는 기계 학습을 공부한다"}
PROMPT = {"english": "My computer is", "korean": "나는 기계 학습"}
CHOICE = {"english": "My computer is very [slow|shirt]", "korean": "제 컴퓨터는 아주 [느려요|맛있어요]"}
OPINIONS = {
    "english": [
        "What a wonderful film",
        "The plot is thin and the jokes are dull",
        "It is slow, but I loved every minute of it",
    ],
    "korean": ["정말 감동적인 영화였어요", "시간이 아까운 지루한 영화", "기대는 안 했는데 아주 재미있게 봤어요"],
}
SENTENCES = ["I want to drink coffee.", "There is a shirt in the room."]
LIKELIEST = 5

# Of the page
PAGE_TEXT = {
    "en": "The animal did not cross the street because it was too tired",
    "ko": "그 동물은 너무 피곤해서 길을 건너지 않았다",
}
PAGE_OPINION = {"en": "It is slow, but I loved every minute of it", "ko": "기대는 안 했는데 아주 재미있게 봤어요"}
PAGE_PROMPT = {"en": "My computer is", "ko": "나는 기계 학습"}
PAGE_SENTENCE = "I want to drink coffee."
PAGE_TITLE = {"en": "How sequence models read text", "ko": "시퀀스 모델은 텍스트를 어떻게 읽을까"}
PAGE_INTRODUCTION = {
    "en": "From n-grams to the Transformer: small models of the sample data read the same sentences. They are toys, "
    "trained for seconds; what they do is what large models do.",
    "ko": "n-gram부터 트랜스포머까지, 샘플 데이터로 학습한 작은 모델들이 같은 문장을 읽습니다. 몇 초 만에 학습한 장난감 모델이지만, 하는 일은 큰 "
    "모델과 같습니다.",
}


@with_options("General")
def demo(
    html: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write the report, an .html page, to FILE.  [default: the cache of seqcli]",
            rich_help_panel="Output",
        ),
    ] = None,
    lang: Annotated[
        str,
        typer.Option(
            parser=choice("en", "ko"),
            metavar="NAME",
            help="Language of the models and of the report: en or ko.",
            rich_help_panel="Output",
        ),
    ] = "en",
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Do not print notes.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="Do not use colors on a terminal.")] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True)] = False,
) -> None:
    """Take a guided tour: word order, word choice, tokens, the next word, sentiment and translation.

    The demo trains small models on the sample data: all architectures for English, from n-grams to the Transformer, and
    n-grams for Korean (with --lang ko the other way around). At the end it writes a report, a page that shows how each of
    them processes a sentence. The first run takes two or three minutes.

    Examples:
      seqcli demo
      seqcli demo --lang ko --html demo.html
      seqcli demo --no-color > demo.txt
    """
    from pathlib import Path

    from seqcli import samples
    from seqcli.explain.views import Explained
    from seqcli.report import comparison
    from seqcli.report.output import TABLE, Output
    from seqcli.report.progress import Console

    if html is not None and not html.endswith((".html", ".htm")):
        raise UsageError("a page must be an .html file", where=html, cure="name it .html")
    reporter = Console(prefix="seqcli demo", quiet=quiet)
    main, other = ("korean", "english") if lang == "ko" else ("english", "korean")
    with Output(color=not no_color, line_buffered=True) as out:  # a part is shown before the next trains
        if out.mode != TABLE:
            out.mode, out.color = TABLE, False  # formatted for reading, even in a file
        trained = list(samples.every_model(main, reporter=reporter))
        reporter.clear()
        models = {
            main: [each.opened for each in trained],
            other: [samples.language_model(ORDER[other], reporter=reporter)],
        }
        out.write("\n1. Word order. A language model says how probable a text is. Which ordering of\n"
                  "   these words does it expect? Shares of p in %, and the rank of the first line:\n\n")  # fmt: skip
        for name, text in ORDER.items():
            _orderings(out, models[name], text)
        out.write("2. Word choice. The same sentence with one word changed, shares in %:\n\n")
        for name, template in CHOICE.items():
            _choices(out, models[name], template)
        out.write("3. Pieces. Models read and write pieces of words, learnt from their text; ▁ is a space:\n\n")
        _pieces(out, {text: models[name][0] for name, text in ORDER.items()})
        out.write("4. The next word. What does a model expect after these words, and how does it continue?\n\n")
        for name, prompt in PROMPT.items():
            _continuations(out, models[name], prompt)
        out.write(
            "5. Minimal pairs that the models have not seen: how often is the good sentence more likely, in %?\n\n"
        )
        for name in ORDER:
            _pairs(out, models[name], str(samples.folder() / f"{name}.pairs.tsv"))
        out.write("6. Sentences that the models have not seen: cost of training, and perplexity.\n\n")
        out.rows(comparison.columns({each.opened.name: each.record for each in trained}))
        out.write("7. Many to one. Is an opinion positive or negative? A bag of hashed n-grams, of\n"
                  "   sample opinions, in a second; how much each word of the last one adds:\n\n")  # fmt: skip
        for name, texts in OPINIONS.items():
            _opinions(out, samples.classifier(ORDER[name], reporter=reporter), texts)
        out.write("8. Many to many. A recurrent network reads a sentence, another says it in Korean;\n"
                  "   for every output token (rows), the source tokens it attends to (columns):\n\n")  # fmt: skip
        _translations(out, samples.translator(SENTENCES[0], reporter=reporter), SENTENCES)
        classifier = samples.classifier(ORDER[main], reporter=reporter)
        translator = samples.translator(SENTENCES[0], reporter=reporter)
        explained = (Explained(each.opened, each.record, _untrained(each)) for each in trained)
        made_page = _page(explained, classifier, translator, language="ko" if lang == "ko" else "en")
        path = html or str(samples.cache_folder() / f"demo-{lang}.html")
        with Output(path) as file:
            file.write(made_page.encode())
        out.write(f"9. What happens inside: surprise, attention, gates, memory and search of all these models, as a page\n"
                  f"   for a web browser: {Path(path).resolve()}\n\n")  # fmt: skip
        out.write('Your turn:\n\n  seqcli score "I study machine learning" --scramble\n'
                  '  seqcli generate "I study" --num-samples 3\n'
                  '  seqcli explain "I study machine learning"\n'
                  '  seqcli tokenize "I study machine translation" --ids\n'
                  '  seqcli train lm YOUR.txt -o my-models --arch ngram --arch lstm --arch transformer\n'
                  '  seqcli score -m my-models/lstm -i OTHER.txt | head\n'
                  '  seqcli classify "This is not what I had hoped for" --explain\n'
                  '  seqcli train classifier YOUR.tsv -o my-classifier --arch bag\n'
                  '  seqcli translate "The bank closes at four." --attention\n'
                  '  seqcli train translator YOUR.tsv -o my-translator --arch gru\n')  # fmt: skip


def _untrained(trained: Trained[OpenModel]) -> Any:
    """The same network with random weights, None for an n-gram model."""
    from seqcli.tasks.language.load import untrained

    return untrained(str(trained.path)) if hasattr(trained.opened.model, "body") else None


def _orderings(out: Output, models: list[OpenModel], text: str) -> None:
    """The sentence, and the orderings that are most likely under one of the models."""
    from seqcli.report.frame import Column
    from seqcli.scoring.scramble import scramble

    answers = [scramble(opened, text, sample=1000, seed=0, best=1000) for opened in models]
    shares = [{ordering.text: ordering.share for ordering in a.best} for a in answers]
    likeliest = sorted(shares[0], key=lambda ordering: -max(share[ordering] or 0.0 for share in shares))
    shown = [text, *(ordering for ordering in likeliest if ordering != text)][:LIKELIEST]
    columns = [Column("ordering", [*shown, f"rank of {answers[0].orderings}"])]
    for opened, answer, share in zip(models, answers, shares):
        cells = [f"{100 * (share[ordering] or 0.0):.1f}" for ordering in shown]
        columns.append(Column(opened.name, [*cells, str(answer.rank)], align="right"))
    out.rows(columns)


def _choices(out: Output, models: list[OpenModel], template: str) -> None:
    from seqcli.report.frame import Column
    from seqcli.scoring.choices import choices

    answers = [{answer.text: answer.share for answer in choices(opened, template)} for opened in models]
    columns = [Column("sentence", list(answers[0]))]
    for opened, share in zip(models, answers):
        columns.append(Column(opened.name, [100 * (share[text] or 0.0) for text in answers[0]], "%.1f"))
    out.rows(columns)


def _pieces(out: Output, models: dict[str, OpenModel]) -> None:
    """The tokens of each text under its model."""
    from seqcli.report.frame import WHOLE, Column

    rows = [[piece.text for piece in opened.tokenizer.pieces(text)] for text, opened in models.items()]
    out.rows([
        Column("text", list(models)), Column("pieces", [" ".join(row) for row in rows]),
        Column("tokens", [len(row) for row in rows], WHOLE),
    ])  # fmt: skip


def _continuations(out: Output, models: list[OpenModel], prompt: str) -> None:
    """The next token side by side, and a text of each model."""
    from seqcli.decoding.generate import GenerationSettings, generate
    from seqcli.decoding.token_predictions import NextTokenPredictor
    from seqcli.report.frame import Column

    columns = []
    for opened in models:
        (best,) = NextTokenPredictor(opened).after([prompt], k=LIKELIEST)
        columns.append(Column(opened.name, [f"{token} {p:.2f}" for token, p in best]))
    out.rows(columns, title=f"after {prompt!r}")
    likeliest = GenerationSettings(beam_size=5)  # samples of such small models are seldom sentences
    texts = [prompt + row.text for opened in models for row in generate(opened, [prompt], likeliest)]
    out.rows([Column("model", [opened.name for opened in models]), Column("most likely continuation", texts)])


def _pairs(out: Output, models: list[OpenModel], path: str) -> None:
    from seqcli.report.frame import WHOLE, Column
    from seqcli.scoring.pairs import judge_pairs, read_pairs

    tallies = judge_pairs(models, read_pairs(path)).tallies
    columns = [Column("tag", list(tallies)), Column("pairs", [of_tag[0].pairs for of_tag in tallies.values()], WHOLE)]
    for number, opened in enumerate(models):
        columns.append(Column(opened.name, [100 * of_tag[number].accuracy for of_tag in tallies.values()], "%.1f"))
    out.rows(columns)


def _opinions(out: Output, opened: OpenClassifier, texts: list[str]) -> None:
    """The label of each text, and the influence of each word of the last one."""
    from seqcli.report.frame import Column, columns_of
    from seqcli.results.classification import Classification
    from seqcli.tasks.classification.classify import explain

    explanations = [explain(opened, text) for text in texts]
    values: dict[str, list] = {
        "label": [each.label for each in explanations],
        "probability": [each.probability for each in explanations],
        "text": texts,
    }
    out.rows(columns_of(Classification, values))
    last = explanations[-1]
    words, changes = [word.word for word in last.words], [word.change for word in last.words]
    out.rows([Column("word", words), Column(f"for {last.label}", changes, "%+.2f")])


def _translations(out: Output, opened: OpenTranslator, texts: list[str]) -> None:
    """The translation of each text, and the attention of the last one."""
    from seqcli.decoding.attention import attentions
    from seqcli.decoding.translate import TranslationSettings, translate
    from seqcli.report import heatmap
    from seqcli.report.frame import Column

    lines = list(translate(opened, texts, TranslationSettings()))
    out.rows([Column("text", texts), Column("translation", [each.best.text for each in lines])])
    (looked,) = attentions(opened, lines[-1:])
    out.write(heatmap.picture(looked.weights, *looked.pieces, color=out.color) + "\n")


def _page(
    models: Iterable[Explained],
    classifier: OpenClassifier,
    translator: OpenTranslator,
    *,
    language: Literal["en", "ko"],
) -> str:
    """The page with which the demo ends, as HTML: what every architecture does with a sentence. models: language models, of every
    architecture."""
    from seqcli.explain.views import Explained
    from seqcli.report.page import page

    models = list(models)
    objects = [
        *_objects(models, PAGE_TEXT[language], ("surprisal", "reach")),
        *(each for model in models for each in _own(model, PAGE_TEXT[language])),
        *_objects(
            [model for model in models if model.opened.arch == "transformer"], PAGE_PROMPT[language], ("search",)
        ),
        *_objects([Explained(classifier)], PAGE_OPINION[language], ("words",)),
        *_objects([Explained(translator)], PAGE_SENTENCE, ("attention", "search")),
    ]
    return page(objects, title=PAGE_TITLE[language], introduction=PAGE_INTRODUCTION[language], language=language)


def _own(model: Explained, text: str) -> Iterator[dict[str, Any]]:
    """What shows how an architecture works, beside surprisal, which all have."""
    own = {
        "ngram": ("ngram",), "rnn": ("gates",), "lstm": ("gates",), "gru": ("gates",), "transformer": ("attention", "positions"),
    }  # fmt: skip
    return _objects([model], text, own.get(model.opened.arch, ()))


def _objects(models: Sequence[Explained], text: str, kinds: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    from seqcli.explain.views import How, views

    for model in models if kinds else ():
        for view in views(model, text, kinds=kinds, how=How()):
            yield {
                "line": 1,
                "text": "" if view.view == "positions" else text,
                "model": model.opened.name,
                **view.to_dict(),
            }
