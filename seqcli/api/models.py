"""Classifiers, translators and embeddings in Python. The methods of models are the commands, with typed results (`seqcli.results`) with the names of the command line; nothing is printed.

    lm = seqcli.load("DIR")
    lm.score("I study machine learning").log_prob
    [row.log_prob for row in lm.score(["I study machine learning", "machine learning I study"])]
    pandas.DataFrame(lm.next("I study"))

One text is a string and has one result; several are a list, a tuple or any other iterable and have a list of results, in order.
Settings have the ranges of the options of the same name, and what the command line refuses raises the same error (`SeqcliError`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from seqcli import ranges
from seqcli.api.language_model import score_texts
from seqcli.api.opening import Answer, Opening, Pickled, Texts, as_list, as_list_for, for_all, for_each
from seqcli.data.labelled import unlabelled, without_labels
from seqcli.data.lines import block_of
from seqcli.decoding.attention import attentions
from seqcli.decoding.translate import settings as translation_settings
from seqcli.decoding.translate import translate
from seqcli.interfaces import OpenScorer, OpenTranslator
from seqcli.metrics import signature
from seqcli.results import Results
from seqcli.results.classification import Classification, Evaluation, Explanation
from seqcli.results.embeddings import Neighbour, Similarity
from seqcli.results.language import CorpusScore, SentenceScore, TokenScore, WordScore
from seqcli.results.translation import Attention, Translation
from seqcli.scoring.conditioned import given_sources
from seqcli.scoring.sentences import score_block
from seqcli.scoring.tokens import score_tokens, score_words
from seqcli.tasks.classification.classify import Classified, explain
from seqcli.tasks.classification.data import Texts as LabelledTexts
from seqcli.tasks.classification.evaluate import Predictions
from seqcli.tasks.classification.load import OpenClassifier
from seqcli.tasks.embeddings import queries
from seqcli.tasks.embeddings.load import OpenEmbeddings

if TYPE_CHECKING:
    import numpy as np

_PROBABILITIES_AT_ONCE = 1 << 22  # of labels of texts


@dataclasses.dataclass(frozen=True)
class Classifier(Pickled):
    """An opened classifier. fastText labels in a text, `__label__x`, are not read as text. record: as for a language
    model."""

    opened: OpenClassifier
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    opening: Opening | None = dataclasses.field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<seqcli classifier {self.opened.name}: {self.signature}>"

    @property
    def signature(self) -> str:
        """The signature, which says how the probabilities are computed."""
        return self.opened.signature

    @property
    def labels(self) -> list[str]:
        return list(self.opened.labels)

    def classify(self, texts: Texts, *, top_k: int | None = None) -> Answer[Classification]:
        """The label of each text. top_k: number of most likely labels in `labels`, None for all."""
        if top_k is not None:
            ranges.checked("top_k", top_k, ranges.COUNT)

        def classified(texts: list[str]) -> Results[Classification]:
            results: Results[Classification] = Results()
            step = max(1, _PROBABILITIES_AT_ONCE // len(self.opened.labels))
            for first in range(0, len(texts), step):
                some = texts[first : first + step]
                probabilities = self.opened.probabilities(unlabelled(block_of(some)))
                results += Classified(self.opened.labels, probabilities).results(some, top_k=top_k)
            return results

        return for_all(classified, texts)

    def evaluate(self, texts: Texts, labels: Texts) -> Evaluation:
        """The scores of `seqcli classify --evaluate --json`. labels: the true labels; labels unknown to the
        classifier count as wrong."""
        labels = as_list_for(labels, texts := as_list(texts), "labels")
        logits = self.opened.logits(unlabelled(block_of(texts)))
        return Predictions.of(self.opened, LabelledTexts.listed(texts, labels), logits).evaluation()

    def explain(self, texts: Texts) -> Answer[Explanation]:
        """The label of each text, and the change of its log-odds by each word (nats)."""
        return for_each(lambda text: dataclasses.replace(explain(self.opened, without_labels(text)), text=text), texts)


@dataclasses.dataclass(frozen=True)
class Translator(Pickled):
    """An opened translator. record: as for a language model."""

    opened: OpenTranslator
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    opening: Opening | None = dataclasses.field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<seqcli translator {self.opened.name}: {self.signature}>"

    @property
    def signature(self) -> str:
        """The signature, which says how the scores are computed."""
        return signature.of_translator(self.opened)

    def translate(
        self,
        texts: Texts,
        *,
        beam_size: int | None = None,
        n_best: int | None = None,
        length_penalty: float | None = None,
        max_length_ratio: float = 2.0,
        no_repeat_ngram: int = 0,
        prefix: str = "",
        num_samples: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
    ) -> Answer[Translation]:
        """The translation of each text.

        n_best: number of different translations, best first; beam_size: None is 5, or n_best. With num_samples,
        temperature, top_k or top_p translations are sampled. Raises UsageError for settings that `seqcli translate`
        refuses.
        """
        settings = translation_settings(
            searching={"beam_size": beam_size, "n_best": n_best, "length_penalty": length_penalty},
            drawing={"num_samples": num_samples, "temperature": temperature, "top_k": top_k, "top_p": top_p},
            max_length_ratio=max_length_ratio, no_repeat_ngram=no_repeat_ngram, prefix=prefix, seed=seed,
        )  # fmt: skip

        return for_all(lambda texts: [line.result for line in translate(self.opened, texts, settings)], texts)

    def attention(self, text: str, **settings: Any) -> Attention:
        """The attention of each token of the translation to the source tokens. settings: of a search for one
        translation, as in `translate`."""
        searching = {name: settings.pop(name, None) for name in ("beam_size", "length_penalty")}
        lines = list(
            translate(self.opened, as_list(text), translation_settings(searching=searching, drawing={}, **settings))
        )
        (attention,) = attentions(self.opened, lines)
        return attention.result

    def score(self, texts: Texts, sources: Texts) -> Answer[SentenceScore]:
        """The log-probability and other scores of each text given its source."""
        texts = texts if isinstance(texts, str) else as_list(texts)
        opened = self._given(sources, texts)
        return for_all(lambda texts: score_texts(opened, texts), texts)

    def corpus(self, texts: Texts, sources: Texts) -> CorpusScore:
        """The scores of all texts together, given their sources."""
        texts = as_list(texts)
        totals = score_block(self._given(sources, texts), block_of(texts)).totals
        return CorpusScore.of(self.opened.name, totals, signature=self.signature)

    def tokens(self, text: str, source: str, *, rank: bool = False) -> Results[TokenScore]:
        """The log-probability of every token of a text given its source, including `</s>`."""
        return Results(score_tokens(self._given(source, text), block_of(as_list(text)), rank=rank))

    def words(self, text: str, source: str) -> Results[WordScore]:
        """The log-probability of every whitespace-separated word, given the source of the text."""
        return Results(score_words(self._given(source, text), block_of(as_list(text))))

    def _given(self, sources: Texts, texts: Texts) -> OpenScorer:
        sources = as_list_for(sources, as_list(texts), "sources")
        return given_sources(self.opened, block_of(sources).data)


@dataclasses.dataclass(frozen=True, repr=False)
class Embeddings(Pickled):
    """Opened word embeddings. record: what the training wrote down."""

    opened: OpenEmbeddings
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    opening: Opening | None = dataclasses.field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<seqcli embeddings {self.opened.name}: {len(self):,} words x {self.dim}>"

    def __len__(self) -> int:
        return len(self.opened.vectors)

    def __contains__(self, word: str) -> bool:
        """Whether it is a word of the vocabulary; others may still have a vector, composed of their n-grams."""
        return bool(self.opened.vectors.index([word])[0] >= 0)

    @property
    def dim(self) -> int:
        """The width of the vectors."""
        return self.opened.vectors.dim

    @property
    def words(self) -> list[str]:
        """The vocabulary, the most frequent word first."""
        return [self.opened.vectors.word(index) for index in range(len(self))]

    @property
    def vectors(self) -> np.ndarray:
        """Of all words in their order, float32 [V, D], read-only."""
        return self.opened.vectors.vectors

    def vector(self, word: str) -> np.ndarray:
        """Of a word, float32 [D]; of an unknown one that of its n-grams. Raises InputError where it has none."""
        return queries.vectors(self.opened, [word])[0]

    def embed(self, texts: Texts) -> np.ndarray:
        """The mean of the vectors of each text's words: float32 [D] of one text, [n, D] of several."""
        vectors = self.opened.texts(block_of(as_list(texts)).data)[0]
        return vectors[0] if isinstance(texts, str) else vectors

    def neighbours(self, word: str, *, k: int = 10) -> Results[Neighbour]:
        """The k words most similar to a word."""
        ranges.checked("k", k, ranges.COUNT)
        return queries.neighbours(self.opened, word, k=k)

    def analogy(self, expression: str, *, k: int = 10) -> Results[Neighbour]:
        """The k words most similar to a sum such as `king - man + woman`."""
        ranges.checked("k", k, ranges.COUNT)
        return queries.analogy(self.opened, expression, k=k)

    def similarity(self, pairs: Iterable[tuple[str, str, float]]) -> Similarity:
        """How the similarities agree with those of pairs (word, word, score)."""
        return queries.similarity(self.opened, [queries.Pair(*pair) for pair in pairs])
