"""Models with the verbs of the command line as methods: typed results (`seqcli.results`) with the names of the command line; nothing is printed.

    lm = seqcli.load("DIR")
    lm.score("I study machine learning").log_prob
    [row.log_prob for row in lm.score(["I study machine learning", "machine learning I study"])]
    pandas.DataFrame(lm.next("I study"))

One text is a string and has one result; several are a list, a tuple or any other iterable and have a list of results, in order.
Settings have the ranges of the options of the same name, and what the command line refuses raises the same error (`SeqcliError`).
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from seqcli import ranges, sources
from seqcli.adaptive_scoring import Cache, Dynamic
from seqcli.data.labelled import unlabelled, without_labels
from seqcli.data.lines import as_record, block_of
from seqcli.data.record_reader import RecordReader
from seqcli.decoding.attention import attentions
from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.sampling import Policy
from seqcli.decoding.token_predictions import NextTokenPredictor, fill
from seqcli.decoding.translate import settings as translation_settings
from seqcli.decoding.translate import translate
from seqcli.errors import InputError, UsageError
from seqcli.interfaces import SILENT, OpenModel, OpenScorer, OpenTranslator, Placeable
from seqcli.interop.formats.arpa import is_arpa
from seqcli.interop.word_vectors import is_vectors
from seqcli.metrics import signature
from seqcli.results.classification import Classification, Evaluation, Explanation
from seqcli.results.embeddings import Neighbour, Similarity
from seqcli.results.language import (
    Choice,
    Continuation,
    CorpusScore,
    Filling,
    NextToken,
    PairAccuracy,
    ScrambleRank,
    SentenceScore,
    TokenScore,
    WordScore,
)
from seqcli.results.result import Results
from seqcli.results.tokenization import Piece
from seqcli.results.translation import Attention, Translation
from seqcli.runs.model_folder import version_of
from seqcli.scoring.choices import choices
from seqcli.scoring.conditioned import given_sources
from seqcli.scoring.pairs import Pair, accuracy_of, judge_pairs
from seqcli.scoring.scramble import scramble
from seqcli.scoring.sentences import score_block
from seqcli.scoring.tokens import score_tokens, score_words
from seqcli.tasks.classification.classify import Classified, explain
from seqcli.tasks.classification.data import Texts as LabelledTexts
from seqcli.tasks.classification.evaluate import Predictions
from seqcli.tasks.classification.load import CLASSIFICATION, OpenClassifier, is_fasttext, open_classifier, open_fasttext
from seqcli.tasks.embeddings import queries
from seqcli.tasks.embeddings.load import EMBEDDINGS, OpenEmbeddings, open_embeddings
from seqcli.tasks.language.adaptive import adapting
from seqcli.tasks.language.load import named, open_model
from seqcli.tasks.language.tokenize import shown_pieces
from seqcli.tasks.model_names import folder_of
from seqcli.tasks.training_options import PRECISIONS
from seqcli.tasks.translation.load import TRANSLATION, open_translator

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")
Model: TypeAlias = "LanguageModel | Classifier | Translator | Embeddings"
Texts = str | Iterable[str]
Answer: TypeAlias = T | list[T]
_KEPT = 4  # models that were unpickled in this process: engines unpickle the same one with every part of the data
_kept: dict[tuple[Any, ...], Model] = {}
_keeping = threading.Lock()
_PROBABILITIES_AT_ONCE = 1 << 22  # of labels of texts


def path_of(given: Any) -> str:
    """A path as a string. Raises UsageError for what is not a path."""
    if not isinstance(given, str | os.PathLike):
        raise UsageError(f"{type(given).__name__} is not a path", cure="give a string or a pathlib.Path")
    return os.fspath(given)


def load(
    model: str | os.PathLike[str], *, device: str = "cpu", precision: str = "fp32", threads: int | None = None,
    encoding: str | None = None,
) -> Model:  # fmt: skip
    """The model in a folder, an ARPA file, a fastText model or a file of word vectors, a model of the Hugging Face hub ("hf:NAME@REVISION"), or a sample model by its name ("sample-english"): a `LanguageModel`, `Classifier`, `Translator` or `Embeddings` by its task.

    device ("cpu", "cuda", "auto"), precision ("fp32", "bf16", "int8", "w8a8", "int4") and threads apply to neural models; encoding is
    that of an ARPA file that is not UTF-8. Raises ModelError if the path is not a model or the model is damaged.

    A model is pickled as its place and these arguments, and opened again where it is unpickled: by its absolute path, or from the hub.
    """
    ranges.chosen("precision", precision, PRECISIONS)
    if threads is not None:
        ranges.checked("threads", threads, ranges.THREADS)
    given = path_of(model)
    path = sources.located(given, reporter=SILENT)
    settings: dict[str, Any] = {"device": device, "precision": precision, "threads": threads, "encoding": encoding}
    opening = Opening(sources.portable(given, path), None if path == given else given, settings)
    return dataclasses.replace(_opened(path, opening.name, **settings), opening=opening)


@dataclasses.dataclass(frozen=True)
class Opening:
    """What opens a model again. name: its own, None for that of its path; settings: of `load`."""

    source: str
    name: str | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class _Pickled:
    """Models that are pickled as what opens them."""

    opening: Opening | None

    def __reduce__(self) -> tuple[Callable[[Opening], Model], tuple[Opening]]:
        if self.opening is None:
            raise UsageError("this model was not opened from a file", cure="save it, and open it with seqcli.load")
        return _reopened, (self.opening,)


def _reopened(opening: Opening) -> Model:
    path = sources.located(opening.source, reporter=SILENT)
    with _keeping:
        key = (
            opening.source,
            opening.name,
            *sorted(opening.settings.items()),
            version_of(path),
            os.path.exists(path) and os.path.getmtime(path),
        )
        if key not in _kept:
            while len(_kept) >= _KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = dataclasses.replace(_opened(path, opening.name, **opening.settings), opening=opening)
        return _kept[key]


def _opened(
    path: str, name: str | None, *, device: str = "cpu", precision: str = "fp32", threads: int | None = None, encoding: str | None = None
) -> Model:  # fmt: skip
    if is_fasttext(path):
        return Classifier(*open_fasttext(path, name=name or next(named([path]))[0]))
    if is_vectors(path):
        return Embeddings(open_embeddings(path, name=name or os.path.basename(path)))
    folder = None if is_arpa(path) else folder_of(path)
    record = folder.config if folder else {}
    answering: Model
    if folder and folder.task == CLASSIFICATION:
        answering = Classifier(open_classifier(path, name=name), record)
    elif folder and folder.task == TRANSLATION:
        answering = Translator(open_translator(path, name=name), record)
    elif folder and folder.task == EMBEDDINGS:
        answering = Embeddings(open_embeddings(path, name=name or os.path.basename(path)), record)
    else:
        answering = LanguageModel(open_model(path, name=name, encoding=encoding), record)
    _place(answering.opened.model, {"device": device, "precision": precision, "threads": threads})
    return answering


def _place(model: object, settings: Mapping[str, Any]) -> None:
    """Moves a neural model to the device and precision of `load`."""
    if isinstance(model, Placeable):
        from seqcli.training.device import place  # torch

        model.place(place(settings["device"], settings["precision"], threads=settings["threads"]))


@dataclasses.dataclass(frozen=True)
class LanguageModel(_Pickled):
    """An opened language model. Logarithms are natural. record: settings, training data and scores, as shown by
    `seqcli info`."""

    opened: OpenModel
    record: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    opening: Opening | None = dataclasses.field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<seqcli language model {self.opened.name}: {self.signature}>"

    @property
    def signature(self) -> str:
        """The signature, which says how the scores are computed."""
        return signature.of_language_model(self.opened)

    def score(
        self, texts: Texts, *, contexts: Texts | None = None, cache: Cache | bool = False, dynamic: Dynamic | bool = False
    ) -> Answer[SentenceScore]:  # fmt: skip
        """The log-probability and other scores of each text. contexts: text before each text that is not scored, one
        per text or one string for all; cache, dynamic: adapt to the texts before each text, with these settings or, if True, the
        usual ones (`seqcli score --cache`, `--dynamic`)."""
        opened = self._adapted(cache, dynamic)
        if opened is not self.opened and contexts is not None:
            raise UsageError("contexts cannot be combined with cache or dynamic", cure="put them before the texts")

        def scored(texts: list[str]) -> list[SentenceScore]:
            given = [contexts] * len(texts) if isinstance(contexts, str) else contexts
            if given is not None:
                given = _aligned(given, texts, "contexts")
            return _scores(opened, texts, contexts=given)

        return _answered(scored, texts)

    def corpus(self, texts: Texts, *, cache: Cache | bool = False, dynamic: Dynamic | bool = False) -> CorpusScore:
        """The scores of all texts together. cache, dynamic: as for `score`."""
        opened = self._adapted(cache, dynamic)
        totals = score_block(opened, block_of(_listed(texts))).totals
        return CorpusScore.of(opened.name, totals, signature=signature.of_language_model(opened))

    def _adapted(self, cache: Cache | bool, dynamic: Dynamic | bool) -> OpenScorer:
        """The model as one that adapts to lines of text, which has seen none. Weights that change are read again."""
        if cache is False and dynamic is False:
            return self.opened
        opened, settings = self.opened, {} if self.opening is None else self.opening.settings
        neural = isinstance(opened.model, Placeable)
        if neural and dynamic is not False:
            if self.opening is None:
                raise UsageError("dynamic needs a model from a file", cure="save it, and open it with seqcli.load")
            path = sources.located(self.opening.source, reporter=SILENT)
            opened = open_model(path, name=opened.name, encoding=settings.get("encoding"))
        adapt = adapting(cache=_settings(cache, Cache), dynamic=_settings(dynamic, Dynamic), document=False)
        adapted = adapt(opened)
        if neural and dynamic is not False:
            _place(adapted.model, settings)
        return adapted

    def pairs(self, pairs: Sequence[tuple[str, ...]]) -> Results[PairAccuracy]:
        """How often the good sentence of each minimal pair, (good, bad) or (good, bad, tag), is more probable: a row
        per tag, and `overall` last."""
        given = [Pair(*pair) for pair in map(_listed, pairs) if len(pair) in (2, 3)]
        if len(given) < len(pairs):
            raise UsageError("a pair needs a good and a bad sentence and optionally a tag")
        return Results(accuracy_of(tag, tally) for tag, (tally,) in judge_pairs([self.opened], [given]).tallies.items())

    def tokenize(self, texts: Texts) -> Answer[Results[Piece]]:
        """The tokens of each text, with their positions (in code points)."""
        return _each(lambda text: Results(shown_pieces(RecordReader.of(self.opened), text)), texts)

    def tokens(self, texts: Texts, *, rank: bool = False) -> Answer[Results[TokenScore]]:
        """The log-probability of every token of each text, including `</s>`."""
        return _each(lambda text: Results(score_tokens(self.opened, block_of([text]), rank=rank)), texts)

    def words(self, texts: Texts) -> Answer[Results[WordScore]]:
        """The log-probability of every whitespace-separated word of each text."""
        return _each(lambda text: Results(score_words(self.opened, block_of([text]))), texts)

    def scramble(self, texts: Texts, *, orderings: int = 1000, seed: int = 0) -> Answer[ScrambleRank]:
        """The rank of each text among the orderings of its words. orderings: number of samples for more than 7 words."""
        ranges.checked("orderings", orderings, ranges.ORDERINGS)
        ranges.checked("seed", seed, ranges.SEED)
        return _each(lambda text: scramble(self.opened, text, sample=orderings, seed=seed), texts)

    def choices(self, templates: Texts) -> Answer[Results[Choice]]:
        """The alternatives of `My computer is very [slow|shirt]`, most probable first."""
        return _each(lambda template: Results(choices(self.opened, template)), templates)

    def generate(
        self,
        prompts: Texts = "",
        *,
        max_new_tokens: int = 100,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        min_p: float | None = None,
        repetition_penalty: float | None = None,
        num_samples: int = 1,
        beam_size: int | None = None,
        stop: Texts = (),
        seed: int = 0,
    ) -> Answer[Results[Continuation]]:
        """`num_samples` continuations of each prompt.

        temperature 0 is greedy; with beam_size, the most probable different texts, best first. The samples of the
        n-th prompt equal those of the n-th record on the command line. Raises UsageError for settings that `seqcli
        generate` refuses.
        """
        drawing: dict[str, Any] = {
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": repetition_penalty,
        }  # fmt: skip
        ranges.exclusive(drawing, {"beam_size": beam_size})
        settings = GenerationSettings(
            policy=Policy(**ranges.given(drawing)), max_new_tokens=max_new_tokens, num_samples=num_samples, beam_size=beam_size,
            stop=tuple(_listed(stop)), seed=seed,
        )  # fmt: skip

        def generated(prompts: list[str]) -> list[Results[Continuation]]:
            samples: list[Results[Continuation]] = [Results() for _ in prompts]
            for row in generate(self.opened, prompts, settings, first=1):
                samples[row.line - 1].append(row.result)
            return samples

        return _answered(generated, prompts)

    def next(self, prompts: Texts = "", *, k: int = 10) -> Answer[Results[NextToken]]:
        """The k most probable next tokens after each prompt."""
        ranges.checked("k", k, ranges.TOP_K)
        model = NextTokenPredictor(self.opened)
        return _answered(
            lambda prompts: [Results(NextToken(*pair) for pair in best) for best in model.after(prompts, k=k)], prompts
        )

    def fill(self, texts: Texts, *, k: int = 10) -> Answer[Filling]:
        """The k most probable tokens for each `[MASK]` of each text, of a masked or hybrid model."""
        ranges.checked("k", k, ranges.TOP_K)
        return _answered(lambda texts: list(fill(self.opened, texts, k=k)), texts)


@dataclasses.dataclass(frozen=True)
class Classifier(_Pickled):
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
            found: Results[Classification] = Results()
            step = max(1, _PROBABILITIES_AT_ONCE // len(self.opened.labels))
            for first in range(0, len(texts), step):
                some = texts[first : first + step]
                probabilities = self.opened.probabilities(unlabelled(block_of(some)))
                found += Classified(self.opened.labels, probabilities).results(some, top_k=top_k)
            return found

        return _answered(classified, texts)

    def evaluate(self, texts: Texts, labels: Texts) -> Evaluation:
        """The scores of `seqcli classify --evaluate --json`. labels: the true labels; labels unknown to the
        classifier count as wrong."""
        labels = _aligned(labels, texts := _listed(texts), "labels")
        logits = self.opened.logits(unlabelled(block_of(texts)))
        return Predictions.of(self.opened, LabelledTexts.listed(texts, labels), logits).evaluation()

    def explain(self, texts: Texts) -> Answer[Explanation]:
        """The label of each text, and the change of its log-odds by each word (nats)."""
        return _each(lambda text: dataclasses.replace(explain(self.opened, without_labels(text)), text=text), texts)


@dataclasses.dataclass(frozen=True)
class Translator(_Pickled):
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

        return _answered(lambda texts: [line.result for line in translate(self.opened, texts, settings)], texts)

    def attention(self, text: str, **settings: Any) -> Attention:
        """The attention of each token of the translation to the source tokens. settings: of a search for one
        translation, as in `translate`."""
        searching = {name: settings.pop(name, None) for name in ("beam_size", "length_penalty")}
        lines = list(
            translate(self.opened, _listed(text), translation_settings(searching=searching, drawing={}, **settings))
        )
        (found,) = attentions(self.opened, lines)
        return found.result

    def score(self, texts: Texts, sources: Texts) -> Answer[SentenceScore]:
        """The log-probability and other scores of each text given its source."""
        texts = texts if isinstance(texts, str) else _listed(texts)
        opened = self._given(sources, texts)
        return _answered(lambda texts: _scores(opened, texts), texts)

    def corpus(self, texts: Texts, sources: Texts) -> CorpusScore:
        """The scores of all texts together, given their sources."""
        texts = _listed(texts)
        totals = score_block(self._given(sources, texts), block_of(texts)).totals
        return CorpusScore.of(self.opened.name, totals, signature=self.signature)

    def tokens(self, text: str, source: str, *, rank: bool = False) -> Results[TokenScore]:
        """The log-probability of every token of a text given its source, including `</s>`."""
        return Results(score_tokens(self._given(source, text), block_of(_listed(text)), rank=rank))

    def words(self, text: str, source: str) -> Results[WordScore]:
        """The log-probability of every whitespace-separated word, given the source of the text."""
        return Results(score_words(self._given(source, text), block_of(_listed(text))))

    def _given(self, sources: Texts, texts: Texts) -> OpenScorer:
        sources = _aligned(sources, _listed(texts), "sources")
        return given_sources(self.opened, block_of(sources).data)


@dataclasses.dataclass(frozen=True, repr=False)
class Embeddings(_Pickled):
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
        found = self.opened.texts(block_of(_listed(texts)).data)[0]
        return found[0] if isinstance(texts, str) else found

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


def _scores(opened: OpenScorer, texts: list[str], *, contexts: list[str] | None = None) -> list[SentenceScore]:
    sums = score_block(opened, block_of(texts), contexts=contexts)
    figures = (sums.log_prob, sums.perplexity, sums.bits_per_byte, sums.tokens, sums.unknown)
    return [SentenceScore(*row) for row in zip(*(figure.tolist() for figure in figures), texts, strict=True)]


def _settings(given: Any, kind: type[T]) -> T | None:
    """What is given, the usual settings for True, None for False."""
    if not isinstance(given, bool | kind):
        raise UsageError(f"{type(given).__name__} is not seqcli.{kind.__name__}", cure="give that or True")
    return given if isinstance(given, kind) else kind() if given else None


def _answered(answers: Callable[[list[str]], list[T]], texts: Texts) -> Answer[T]:
    """The results of several texts in order, or the result of one text."""
    listed = _listed(texts)
    return answers(listed)[0] if isinstance(texts, str) else Results(answers(listed))


def _each(answer: Callable[[str], T], texts: Texts) -> Answer[T]:
    """The same for results that are computed one by one."""
    return _answered(lambda texts: list(map(answer, texts)), texts)


def _listed(texts: Texts) -> list[str]:
    listed = [texts] if isinstance(texts, str) else list(texts) if isinstance(texts, Iterable) else [texts]
    for text in listed:
        if not isinstance(text, str):
            raise UsageError(f"{type(text).__name__} is not a text", cure="give a string or several strings")
    return list(map(as_record, listed))


def _aligned(others: Texts, texts: Sequence[str], what: str) -> list[str]:
    """`others` as a list with one entry per text. Raises InputError where the numbers differ."""
    listed = _listed(others)
    if len(listed) != len(texts):
        raise InputError(f"{len(listed)} {what} for {len(texts)} texts", cure="give one for each text")
    return listed
