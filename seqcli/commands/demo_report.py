"""The page with which the demo ends: what every architecture does with a sentence, on the sample data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from seqcli.explain.views import Explained, How, views
from seqcli.interfaces import OpenTranslator
from seqcli.report.page import page
from seqcli.tasks.classification.load import OpenClassifier

TEXTS = {
    "en": "The animal did not cross the street because it was too tired",
    "ko": "그 동물은 너무 피곤해서 길을 건너지 않았다",
}
OPINION = {"en": "It is slow, but I loved every minute of it", "ko": "기대는 안 했는데 아주 재미있게 봤어요"}
PROMPT = {"en": "My computer is", "ko": "나는 기계 학습"}
SENTENCE = "I want to drink coffee."
TITLE = {"en": "How sequence models read text", "ko": "시퀀스 모델은 텍스트를 어떻게 읽을까"}
INTRODUCTION = {
    "en": "From n-grams to the Transformer: small models of the sample data read the same sentences. They are toys, "
    "trained for seconds; what they do is what large models do.",
    "ko": "n-gram부터 트랜스포머까지, 샘플 데이터로 학습한 작은 모델들이 같은 문장을 읽습니다. 몇 초 만에 학습한 장난감 모델이지만, 하는 일은 큰 "
    "모델과 같습니다.",
}


def report(
    models: Iterable[Explained],
    classifier: OpenClassifier,
    translator: OpenTranslator,
    *,
    language: Literal["en", "ko"],
) -> str:
    """HTML. models: language models, of every architecture."""
    models = list(models)
    objects = [
        *_objects(models, TEXTS[language], ("surprisal", "reach")),
        *(each for model in models for each in _own(model, TEXTS[language])),
        *_objects([model for model in models if model.opened.arch == "transformer"], PROMPT[language], ("search",)),
        *_objects([Explained(classifier)], OPINION[language], ("words",)),
        *_objects([Explained(translator)], SENTENCE, ("attention", "search")),
    ]
    return page(objects, title=TITLE[language], introduction=INTRODUCTION[language], language=language)


def _own(model: Explained, text: str) -> Iterator[dict[str, Any]]:
    """What shows how an architecture works, beside surprisal, which all have."""
    own = {
        "ngram": ("ngram",), "rnn": ("gates",), "lstm": ("gates",), "gru": ("gates",), "transformer": ("attention", "positions"),
    }  # fmt: skip
    return _objects([model], text, own.get(model.opened.arch, ()))


def _objects(models: Sequence[Explained], text: str, kinds: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if not kinds:
        return
    for model in models:
        for view in views(model, text, kinds=kinds, how=How()):
            yield {
                "line": 1,
                "text": "" if view.view == "positions" else text,
                "model": model.opened.name,
                **view.to_dict(),
            }
