"""Language models in Python: the methods are commands, with typed results (`seqcli.results`) and the names of the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from seqcli import ranges, sources
from seqcli.adaptive_scoring import Cache, Dynamic
from seqcli.api.opening import Answer, Opening, Pickled, Texts, as_list, as_list_for, for_all, for_each, place_model
from seqcli.data.lines import block_of
from seqcli.data.record_reader import RecordReader
from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.sampling import Policy
from seqcli.decoding.token_predictions import NextTokenPredictor, fill
from seqcli.errors import UsageError
from seqcli.interfaces import SILENT, OpenModel, OpenScorer, Placeable
from seqcli.metrics import signature
from seqcli.results import Results
from seqcli.results.language import (
    Choice,
    Continuation,
    CorpusScore,
    Filling,
    NextToken,
    PairAccuracy,
    Piece,
    ScrambleRank,
    SentenceScore,
    TokenScore,
    WordScore,
)
from seqcli.scoring.choices import choices
from seqcli.scoring.pairs import Pair, accuracy_of, judge_pairs
from seqcli.scoring.scramble import scramble
from seqcli.scoring.sentences import score_block
from seqcli.scoring.tokens import score_tokens, score_words
from seqcli.tasks.language.adaptive import adapting
from seqcli.tasks.language.load import open_model
from seqcli.tasks.language.tokenize import shown_pieces

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class LanguageModel(Pickled):
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
            own = [contexts] * len(texts) if isinstance(contexts, str) else contexts
            if own is not None:
                own = as_list_for(own, texts, "contexts")
            return score_texts(opened, texts, contexts=own)

        return for_all(scored, texts)

    def corpus(self, texts: Texts, *, cache: Cache | bool = False, dynamic: Dynamic | bool = False) -> CorpusScore:
        """The scores of all texts together. cache, dynamic: as for `score`."""
        opened = self._adapted(cache, dynamic)
        totals = score_block(opened, block_of(as_list(texts))).totals
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
            place_model(adapted.model, settings)
        return adapted

    def pairs(self, pairs: Sequence[tuple[str, ...]]) -> Results[PairAccuracy]:
        """How often the good sentence of each minimal pair, (good, bad) or (good, bad, tag), is more probable: a row
        per tag, and `overall` last."""
        sentences = [Pair(*pair) for pair in map(as_list, pairs) if len(pair) in (2, 3)]
        if len(sentences) < len(pairs):
            raise UsageError("a pair needs a good and a bad sentence and optionally a tag")
        return Results(
            accuracy_of(tag, tally) for tag, (tally,) in judge_pairs([self.opened], [sentences]).tallies.items()
        )

    def tokenize(self, texts: Texts) -> Answer[Results[Piece]]:
        """The tokens of each text, with their positions (in code points)."""
        return for_each(lambda text: Results(shown_pieces(RecordReader.of(self.opened), text)), texts)

    def tokens(self, texts: Texts, *, rank: bool = False) -> Answer[Results[TokenScore]]:
        """The log-probability of every token of each text, including `</s>`."""
        return for_each(lambda text: Results(score_tokens(self.opened, block_of([text]), rank=rank)), texts)

    def words(self, texts: Texts) -> Answer[Results[WordScore]]:
        """The log-probability of every whitespace-separated word of each text."""
        return for_each(lambda text: Results(score_words(self.opened, block_of([text]))), texts)

    def scramble(self, texts: Texts, *, orderings: int = 1000, seed: int = 0) -> Answer[ScrambleRank]:
        """The rank of each text among the orderings of its words. orderings: number of samples for more than 7 words."""
        ranges.checked("orderings", orderings, ranges.ORDERINGS)
        ranges.checked("seed", seed, ranges.SEED)
        return for_each(lambda text: scramble(self.opened, text, sample=orderings, seed=seed), texts)

    def choices(self, templates: Texts) -> Answer[Results[Choice]]:
        """The alternatives of `My computer is very [slow|shirt]`, most probable first."""
        return for_each(lambda template: Results(choices(self.opened, template)), templates)

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
        sampling: dict[str, Any] = {
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": repetition_penalty,
        }  # fmt: skip
        ranges.exclusive(sampling, {"beam_size": beam_size})
        settings = GenerationSettings(
            policy=Policy(**ranges.given(sampling)), max_new_tokens=max_new_tokens, num_samples=num_samples, beam_size=beam_size,
            stop=tuple(as_list(stop)), seed=seed,
        )  # fmt: skip

        def generated(prompts: list[str]) -> list[Results[Continuation]]:
            samples: list[Results[Continuation]] = [Results() for _ in prompts]
            for row in generate(self.opened, prompts, settings, first=1):
                samples[row.line - 1].append(row.result)
            return samples

        return for_all(generated, prompts)

    def next(self, prompts: Texts = "", *, k: int = 10) -> Answer[Results[NextToken]]:
        """The k most probable next tokens after each prompt."""
        ranges.checked("k", k, ranges.TOP_K)
        model = NextTokenPredictor(self.opened)
        return for_all(
            lambda prompts: [Results(NextToken(*pair) for pair in best) for best in model.after(prompts, k=k)], prompts
        )

    def fill(self, texts: Texts, *, k: int = 10) -> Answer[Filling]:
        """The k most probable tokens for each `[MASK]` of each text, of a masked or hybrid model."""
        ranges.checked("k", k, ranges.TOP_K)
        return for_all(lambda texts: list(fill(self.opened, texts, k=k)), texts)


def score_texts(opened: OpenScorer, texts: list[str], *, contexts: list[str] | None = None) -> list[SentenceScore]:
    sums = score_block(opened, block_of(texts), contexts=contexts)
    figures = (sums.log_prob, sums.perplexity, sums.bits_per_byte, sums.tokens, sums.unknown)
    return [SentenceScore(*row) for row in zip(*(figure.tolist() for figure in figures), texts, strict=True)]


def _settings(value: Any, kind: type[T]) -> T | None:
    """The settings themselves, the default ones for True, None for False."""
    if not isinstance(value, bool | kind):
        raise UsageError(
            f"{type(value).__name__} is not seqcli.{kind.__name__}", cure=f"give a seqcli.{kind.__name__} or True"
        )
    return value if isinstance(value, kind) else kind() if value else None
