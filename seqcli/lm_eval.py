"""Language models of seqcli as models of lm-evaluation-harness, by the name `seqcli`:

    pip install 'seqcli[lm-eval]'
    python -m seqcli.lm_eval --model seqcli --model_args pretrained=DIR --tasks blimp

This is the harness's own command, which knows the model by then; in Python, `import seqcli.lm_eval` before `lm_eval.simple_evaluate`.
pretrained: whatever `seqcli.load` opens, also n-gram models, ARPA files and `hf:NAME`; device and precision as there.

A text is scored as its tokens after `<s>`, without `</s>`, as the harness wants it. `<s>` also stands before a context, which the
harness's own `hf` model leaves out unless `add_bos_token=True`. A text longer than the model's window is read in windows that
overlap by half.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model

from seqcli.api.language_model import LanguageModel
from seqcli.api.opening import load
from seqcli.errors import ModelError
from seqcli.interfaces import is_pseudo
from seqcli.text import BOS_ID, EOS_ID
from seqcli.token_batch import TokenBatch

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

_AT_ONCE = 1000  # texts
_NEW_TOKENS = 256  # where a task does not say


@register_model("seqcli")
class SeqcliLM(TemplateLM):
    """batch_size and max_batch_size, which the harness passes, are not used: rows are batched by their lengths."""

    def __init__(
        self, pretrained: str, device: str | None = None, precision: str = "fp32",
        batch_size: int | str | None = None, max_batch_size: int | None = None,
    ):  # fmt: skip
        super().__init__()
        model = load(pretrained, device=device or "cpu", precision=precision)
        if not isinstance(model, LanguageModel) or is_pseudo(model.opened.model):
            cure = "use a model that predicts the next token"
            raise ModelError("is not a language model, or a masked one", where=pretrained, cure=cure)
        self.language_model = model

    @property
    def eot_token_id(self) -> int:
        return EOS_ID

    @property
    def prefix_token_id(self) -> int:
        return BOS_ID

    @property
    def tokenizer_name(self) -> str:
        """By which the harness tells apart what it has cached."""
        return self.language_model.signature

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Our ids, without `<s>` and `</s>`."""
        return [piece.id for piece in self.language_model.opened.tokenizer.pieces(string)]

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[tuple[str, str], list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        rows = [
            ([token for token in context if token != BOS_ID], continuation) for _, context, continuation in requests
        ]
        found = self._scored([before + after for before, after in rows], rank=True)
        answers = []
        for (before, after), (log_prob, rank) in zip(rows, found, strict=True):
            new = slice(len(before), len(before) + len(after))
            answers.append((float(log_prob[new].sum(dtype=np.float64)), bool((rank[new] == 1).all())))
        return answers

    def loglikelihood_rolling(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[float]:
        rows = [self.tok_encode(request.args[0]) for request in requests]
        return [float(log_prob.sum(dtype=np.float64)) for log_prob, _ in self._scored(rows, rank=False)]

    def _scored(self, rows: Sequence[list[int]], *, rank: bool) -> Iterator[tuple[np.ndarray, Any]]:
        """Natural log p of the tokens of each row, and their ranks where they are asked."""
        for begin in range(0, len(rows), _AT_ONCE):
            batch = TokenBatch.of([np.array(row, np.int32) for row in rows[begin : begin + _AT_ONCE]])
            scores = self.language_model.opened.model.score(batch, rank=rank)
            ends = np.cumsum(batch.lengths)
            ranks = scores.rank if rank and scores.rank is not None else np.zeros(len(batch.tokens), np.int64)
            for start, end in zip(ends - batch.lengths, ends):
                yield scores.log_prob[start:end], ranks[start:end]

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """Greedily, unless a task asks for sampling."""
        alike: dict[str, list[int]] = defaultdict(list)
        for index, request in enumerate(requests):
            alike[repr(sorted(request.args[1].items()))].append(index)
        answers = [""] * len(requests)
        for indices in alike.values():
            wanted = requests[indices[0]].args[1]
            until = wanted.get("until") or []
            stop = [until] if isinstance(until, str) else list(until)
            sampled = wanted.get("do_sample", False)
            drawing = {name: wanted[name] for name in ("top_k", "top_p") if sampled and wanted.get(name)}
            samples: Any = self.language_model.generate(
                [requests[index].args[0] for index in indices],
                max_new_tokens=wanted.get("max_gen_toks", _NEW_TOKENS),
                temperature=wanted.get("temperature", 1.0) if sampled else 0.0,
                **drawing,
            )
            for index, (sample,) in zip(indices, samples, strict=True):
                answers[index] = _before(sample.text, stop)
        return answers


def _before(text: str, stop: Iterable[str]) -> str:
    """What stands before the first of these texts."""
    for end in filter(None, stop):
        text = text.partition(end)[0]
    return text


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
