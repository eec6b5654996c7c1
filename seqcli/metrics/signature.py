"""How a number was made, in one string: every summary carries it.

lm:ngram|tok:words-1107269#1f3a|unit:line|bos:y|eos:y|base:e|prec:fp32|v:0.1.0
lm:transformer|score:pll|tok:sentencepiece-8000#1f3a|...  (a masked model: the pseudo-log-likelihood, not p(text))
lm:lstm|cache:continuous,lambda=0.1,theta=0.3,window=2000|tok:...  (adapted to the text so far: `score --cache`, `--dynamic`)
clf:lstm|tok:sentencepiece-8000#1f3a|norm:nfc|labels:2|temp:1.25|prec:fp32|n:10000|v:0.1.0
mt:transformer|tok:sentencepiece-8000#1f3a|beam:5|penalty:1|prec:fp32|v:0.1.0
lm:gpt2|hub:org/name@607a30d783df|...  (a model of the Hugging Face hub: the first digits of the commit)
"""

from __future__ import annotations

from collections.abc import Mapping

from seqcli import __version__
from seqcli.interfaces import Adaptive, OpenScorer, OpenTranslator, is_pseudo
from seqcli.text import Normalisation


def tokenizer_label(tokenizer) -> str:
    """Kind, size and the first digits of the fingerprint: `words-1107269#1f3a`."""
    return f"{tokenizer.KIND}-{tokenizer.vocab_size}#{tokenizer.fingerprint[:4]}"


def of_language_model(opened: OpenScorer, *, unit: str = "line", base: str = "e") -> str:
    """unit: what was scored, a line or a document, whatever the model was trained on."""
    parts = {
        "lm": opened.arch,
        **_hub(opened.hub),
        **({"score": "pll"} if is_pseudo(opened.model) else {}),
        **(opened.model.adaptation if isinstance(opened.model, Adaptive) else {}),
        "tok": tokenizer_label(opened.tokenizer),
        "unit": unit,
        "bos": "y",
        "eos": "y" if opened.ends else "n",
        "base": base,
        "prec": opened.model.precision,
        "v": __version__,
    }
    return _joined(parts)


def of_classifier(
    arch: str, *, tokenizer: str, hub: str = "", labels: int | None = None, temperature: float | None = None, precision: str | None = None,
    normalisation: Normalisation = Normalisation.NFC, texts: int | None = None,
) -> str:  # fmt: skip
    """tokenizer: as `tokenizer_label` gives it, "" for a model that reads text itself; normalisation: of that text; texts:
    number of texts that it was evaluated on.

    What is None is left out.
    """
    parts = {
        "clf": arch,
        **_hub(hub),
        "tok": tokenizer or "none",
        "norm": normalisation.value,
        "labels": labels,
        "temp": None if temperature is None else f"{temperature:.4g}",
        "prec": precision,
        "n": texts,
        "v": __version__,
    }
    return _joined({key: value for key, value in parts.items() if value is not None})


def of_translator(opened: OpenTranslator, **how: object) -> str:
    """how: translations were found, or texts scored. The tokenizer of sources is named where it is another one."""
    source, target = tokenizer_label(opened.source), tokenizer_label(opened.target)
    parts = {
        "mt": opened.arch,
        **_hub(opened.hub),
        **({} if source == target else {"src": source}),
        "tok": target,
        **how,
    }
    return _joined({**parts, "prec": opened.model.precision, "v": __version__})


def _hub(revision: str) -> dict[str, str]:
    return {"hub": revision} if revision else {}


def _joined(parts: Mapping[str, object]) -> str:
    return "|".join(f"{key}:{value}" for key, value in parts.items())
