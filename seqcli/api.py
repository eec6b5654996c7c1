"""The verbs as methods, for Python: plain values with the names of the command line, nothing printed.

    lm = seqcli.load("DIR")
    lm.score(["I study machine learning"])[0]["log_prob"]
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from seqcli.data.lines import block_of
from seqcli.decoding.attention import attentions
from seqcli.decoding.generate import Settings, generate
from seqcli.decoding.next_token import NextToken
from seqcli.decoding.policy import Policy
from seqcli.decoding.translate import Settings as Translating
from seqcli.decoding.translate import translate
from seqcli.interfaces import OpenModel, OpenTranslator
from seqcli.metrics import signature
from seqcli.scoring import comparisons
from seqcli.scoring.conditioned import given_sources
from seqcli.scoring.influence import influences
from seqcli.scoring.pairs import Pair, judge_pairs
from seqcli.scoring.sentences import score_block
from seqcli.scoring.tokens import score_tokens, score_words
from seqcli.tasks.classification import Answers, OpenClassifier


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """An opened language model. Logarithms are natural."""

    opened: OpenModel

    def __repr__(self) -> str:
        return f"<seqcli language model {self.opened.name}: {self.signature}>"

    @property
    def signature(self) -> str:
        """How its numbers are made."""
        return signature.of_language_model(self.opened)

    def score(self, texts: Sequence[str], *, contexts: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """log_prob, perplexity, bits_per_byte, tokens, unknown and text of each text (given its context)."""
        texts = _texts(texts)
        if contexts is not None and len(contexts := _texts(contexts)) != len(texts):
            raise ValueError(f"{len(contexts)} contexts for {len(texts)} texts")
        sums = score_block(self.opened, block_of(texts), contexts=contexts)
        names = ("log_prob", "perplexity", "bits_per_byte", "tokens", "unknown")
        columns = [getattr(sums, name).tolist() for name in names]
        return [{**dict(zip(names, row)), "text": text} for text, row in zip(texts, zip(*columns), strict=True)]

    def corpus(self, texts: Sequence[str]) -> dict[str, Any]:
        """The figures of all texts together: perplexity, bits_per_byte and their like, with the signature."""
        totals = score_block(self.opened, block_of(_texts(texts))).totals
        names = (
            "sentences", "tokens", "unknown", "log_prob", "perplexity", "perplexity_known", "bits_per_byte",
            "bits_per_character",
        )  # fmt: skip
        return {**{name: getattr(totals, name) for name in names}, "signature": self.signature}

    def pairs(self, pairs: Sequence[tuple[str, ...]]) -> dict[str, dict[str, Any]]:
        """pairs, correct, ties and accuracy by tag, `overall` last, of minimal pairs (good, bad) or (good, bad, tag)."""
        given = [Pair(good, bad, *(tag or ("",))) for good, bad, *tag in pairs]
        return {
            tag: {"pairs": t.pairs, "correct": t.correct, "ties": t.ties, "accuracy": t.accuracy}
            for tag, (t,) in judge_pairs([self.opened], [given]).tallies.items()
        }

    def tokenize(self, text: str) -> list[dict[str, Any]]:
        """text, id, start and end (in code points of the text) of every piece."""
        return [piece._asdict() for piece in self.opened.tokenizer.pieces(text)]

    def tokens(self, text: str, *, rank: bool = False) -> list[dict[str, Any]]:
        """index, token, log_prob, order and rank of every token of a text, `</s>` too."""
        return [_without_line(row) for row in score_tokens(self.opened, block_of([text]), rank=rank)]

    def words(self, text: str) -> list[dict[str, Any]]:
        """index, word and log_prob of every word between white space."""
        rows = map(_without_line, score_words(self.opened, block_of([text])))
        return [{"index": row["index"], "word": row["token"], "log_prob": row["log_prob"]} for row in rows]

    def scramble(self, text: str, *, orderings: int = 1000, seed: int = 0) -> dict[str, Any]:
        """Where a text stands among the orderings of its words."""
        answer = comparisons.scramble(self.opened, text, sample=orderings, seed=seed)._asdict()
        del answer["best_shares"]
        return {**answer, "best": [{"text": other, "log_prob": value} for other, value in answer["best"]]}

    def choices(self, template: str) -> list[dict[str, Any]]:
        """The fillings of `My computer is very [slow|shirt]`, best first."""
        return [choice._asdict() for choice in comparisons.choices(self.opened, template)]

    def generate(
        self,
        prompt: str = "",
        *,
        max_new_tokens: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        num_samples: int = 1,
        beam_size: int | None = None,
        stop: Sequence[str] = (),
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """text, log_prob, tokens and finish_reason of each sample of what follows a prompt; temperature 0 is greedy."""
        settings = Settings(
            policy=Policy(temperature, top_k, top_p, min_p, repetition_penalty), max_new_tokens=max_new_tokens,
            num_samples=num_samples, beam_size=beam_size, stop=(stop,) if isinstance(stop, str) else tuple(stop), seed=seed,
        )  # fmt: skip
        return [
            {"text": row.text, "log_prob": row.log_prob, "tokens": len(row.ids), "finish_reason": row.finish_reason}
            for row in generate(self.opened, [prompt], settings)
        ]

    def next(self, prompt: str = "", *, k: int = 10) -> list[dict[str, Any]]:
        """token and probability of the k likeliest next tokens, likeliest first."""
        (best,) = NextToken(self.opened).after([prompt], k=k)
        return [{"token": token, "probability": p} for token, p in best]


@dataclasses.dataclass(frozen=True)
class Classifier:
    """An opened classifier."""

    opened: OpenClassifier

    def __repr__(self) -> str:
        return f"<seqcli classifier {self.opened.name}: {self.signature}>"

    @property
    def signature(self) -> str:
        """How its answers are made."""
        return self.opened.signature

    @property
    def labels(self) -> list[str]:
        return list(self.opened.labels)

    def classify(self, texts: Sequence[str], *, top_k: int | None = None) -> list[dict[str, Any]]:
        """text, label, probability and labels (the top_k likeliest, None for all) of each text."""
        texts = _texts(texts)
        rows = []
        for text, shares in zip(texts, self.opened.probabilities(block_of(texts)).tolist(), strict=True):
            likeliest = sorted(range(len(shares)), key=lambda label: -shares[label])[:top_k]
            labels = [{"label": self.opened.labels[label], "probability": shares[label]} for label in likeliest]
            rows.append({"text": text, **labels[0], "labels": labels})
        return rows

    def evaluate(self, texts: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
        """The figures of `seqcli classify --evaluate --json`. labels: the true ones."""
        if len(labels) != len(texts := _texts(texts)):
            raise ValueError(f"{len(labels)} labels for {len(texts)} texts")
        return Answers(self.opened, self.opened.numbers_of(labels), self.opened.logits(block_of(texts))).figures()

    def explain(self, text: str) -> dict[str, Any]:
        """label, probability and words: each word with the change of the label's log-odds that it brings (nats)."""
        found = influences(self.opened.logits, text, temperature=self.opened.temperature)
        words = [{"word": word, "change": change} for word, change in zip(found.words, found.changes.tolist())]
        return {"label": self.opened.labels[found.best], "probability": found.probability, "words": words}


@dataclasses.dataclass(frozen=True)
class Translator:
    """An opened translator."""

    opened: OpenTranslator

    def __repr__(self) -> str:
        return f"<seqcli translator {self.opened.name}: {self.signature}>"

    @property
    def signature(self) -> str:
        """How its numbers are made."""
        return signature.of_translator(self.opened)

    def translate(
        self,
        texts: Sequence[str],
        *,
        beam_size: int | None = None,
        n_best: int = 1,
        length_penalty: float = 1.0,
        max_length_ratio: float = 2.0,
        no_repeat_ngram: int = 0,
        prefix: str = "",
        num_samples: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> list[dict[str, Any]]:
        """source, translation, log_prob and n_best of each text; with num_samples they are drawn.
        beam_size: None is 5, or n_best."""
        settings = Translating(
            beam_size=beam_size or max(5, n_best), n_best=n_best, length_penalty=length_penalty, max_length_ratio=max_length_ratio,
            no_repeat_ngram=no_repeat_ngram, prefix=prefix, num_samples=num_samples,
            policy=Policy(temperature=temperature, top_k=top_k, top_p=top_p), seed=seed,
        )  # fmt: skip
        rows = []
        for found in translate(self.opened, _texts(texts), settings):
            n_best = [{"translation": each.text, "log_prob": each.log_prob} for each in found.hypotheses]
            rows.append({"source": found.source, **n_best[0], "n_best": n_best})
        return rows

    def attention(self, text: str, **settings: Any) -> dict[str, Any]:
        """source and target: the pieces; weights: where each of the target's looked, a list a row; alignment: pairs of words;
        translation. settings: of the search, as `translate` has them."""
        translations = list(translate(self.opened, [text], Translating(**settings)))
        (found,) = attentions(self.opened, translations)
        source, target = ([piece.text for piece in side] for side in (found.source, found.target))
        return {
            "translation": translations[0].best.text, "source": source, "target": target, "weights": found.weights.tolist(),
            "alignment": found.alignment(),
        }  # fmt: skip

    def score(self, texts: Sequence[str], sources: Sequence[str]) -> list[dict[str, Any]]:
        """log_prob, perplexity, bits_per_byte, tokens, unknown and text of each text, given its source."""
        return self._given(sources, texts).score(texts)

    def corpus(self, texts: Sequence[str], sources: Sequence[str]) -> dict[str, Any]:
        """The figures of all texts together, given their sources."""
        return {**self._given(sources, texts).corpus(texts), "signature": self.signature}

    def tokens(self, text: str, source: str, *, rank: bool = False) -> list[dict[str, Any]]:
        """index, token, log_prob and rank of every token of a text, `</s>` too, given its source."""
        return self._given([source], [text]).tokens(text, rank=rank)

    def words(self, text: str, source: str) -> list[dict[str, Any]]:
        """index, word and log_prob of every word between white space, given the text's source."""
        return self._given([source], [text]).words(text)

    def _given(self, sources: Sequence[str], texts: Sequence[str]) -> LanguageModel:
        if len(sources := _texts(sources)) != len(texts := _texts(texts)):
            raise ValueError(f"{len(sources)} sources for {len(texts)} texts")
        return LanguageModel(given_sources(self.opened, block_of(sources).data))


def _texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError("give a list of texts")
    return list(texts)


def _without_line(row) -> dict[str, Any]:
    return {key: value for key, value in row._asdict().items() if key != "line" and value is not None}
