"""From pairs to a model folder, trained by `training/loop` (torch)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from seqcli.data.pairs import Pairs
from seqcli.data.paths import recorded
from seqcli.errors import InputError
from seqcli.interfaces import OpenTranslator, Reporter, Tokenizer
from seqcli.metrics import signature, unigram
from seqcli.runs.model_writer import ModelWriter
from seqcli.tasks import initial_weights
from seqcli.tasks.initial_weights import InitialModel
from seqcli.tasks.language import evaluate
from seqcli.tasks.tokenizer_choice import TokenizerChoice, tokenizer_for
from seqcli.tasks.train_each import Trained
from seqcli.tasks.translation.data import Encoded
from seqcli.tasks.translation.evaluate import HeldOut
from seqcli.tasks.translation.load import TRANSLATION, open_saved_translator
from seqcli.training.config import Request, settings_of
from seqcli.training.resuming import fingerprint

_RATIO = 3.0  # maximum ratio of the numbers of tokens of the two sides of a pair


@dataclass(frozen=True)
class TrainingPairs:
    """The training data of all architectures. files: for the record; separate: train a tokenizer for each side; metric: selects the
    best weights, one of `metrics/translator`."""

    pairs: Pairs
    valid: Pairs
    files: tuple[str, ...]
    separate: bool = False
    metric: str = "chrf"
    threads: int | None = None
    blocks: int | None = None  # number of blocks read, if the rest was left out


def train_translator(
    writer: ModelWriter, data: TrainingPairs, choice: TokenizerChoice, request: Request, *,
    resume: bool = False, init: str | None = None, reporter: Reporter, begun: float | None = None,
) -> Trained[OpenTranslator]:  # fmt: skip
    """Trains a translator. begun: start of its budget, None for now; init: another translator of the same shape, which provides the
    tokenizers and the initial weights."""
    from seqcli.data.batches import Pairs as Batches
    from seqcli.data.piece_dropout import PieceDropout
    from seqcli.nn.weights import outline
    from seqcli.training import budget, defaults, trainer
    from seqcli.training.device import place

    begun = time.monotonic() if begun is None else begun
    _, _, plan = settings_of(request)
    first = InitialModel.open(init) if init else None
    choice = dataclasses.replace(choice, characters=budget.characters(plan.minutes))
    sides = first.run.tokenizers() if first else _tokenizers(data, choice, reporter)
    placement = place(request.device, request.precision, threads=request.threads)
    encoded = _encoded(data.pairs, sides, data.threads, learning=True)
    label = " ".join(dict.fromkeys(map(signature.tokenizer_label, sides)))
    situation = defaults.Situation(label, "line", len(encoded.target.tokens), plan.minutes, placement.device.type)
    request = defaults.completed(request, situation, resumed=writer.path if resume else None, reporter=reporter)
    module, settings, plan = settings_of(request)
    sizes = {"source_size": sides[0].vocab_size, "vocab_size": sides[1].vocab_size, "joint": sides[0] is sides[1]}
    window = outline(lambda: module.build(settings, **sizes)).window
    encoded, left_out = encoded.fit(longest=window, ratio=_RATIO)
    if any(left_out.values()):
        reporter.note(
            f"left out {left_out['long']:,} pairs of more than {window:,} tokens, {left_out['unlike']:,} whose lengths differ too much"
        )
    if not len(encoded.source.lengths):
        raise InputError("no pairs are left to train on", cure="give more pairs or increase --set window=N")
    encoded_valid = _encoded(data.valid, sides, data.threads)
    held_out = HeldOut(data.valid, encoded_valid, sides, metric=data.metric, products=placement.dtype, seed=plan.seed)
    if not plan.batch_tokens:
        words = max(len(encoded.source.tokens), len(encoded.target.tokens))
        plan = dataclasses.replace(plan, batch_tokens=min(max(words // 200, 256), 4096))
    changed = tuple(PieceDropout(side.vocabulary(), plan.piece_dropout) for side in sides) if plan.piece_dropout else ()

    record = {
        "arch": request.arch,
        "module": module.__name__.rpartition(".")[2],
        "preset": request.preset,
        "settings": asdict(settings),
        "tokenizer": label,
        "training": asdict(plan),
        "metric": data.metric,
        **initial_weights.record(request),
        "init": first.name if first else None,
        "init_weights": first.run.weights_checksum if first else None,
        "data": {
            "files": recorded(data.files), "rows": len(encoded.source.lengths), "source_tokens": len(encoded.source.tokens),
            "target_tokens": len(encoded.target.tokens), "left_out": {"blank": data.pairs.blank, **left_out},
            **({"blocks": data.blocks} if data.blocks else {}),
            "fingerprint": fingerprint(encoded.source.tokens, encoded.target.tokens), "held_out": len(data.valid),
            "held_out_fingerprint": fingerprint(data.valid.source.data, data.valid.target.data),
        },
        "baseline": evaluate.baseline(
            encoded.target.tokens, unigram.counts(encoded_valid.target.tokens, sides[1].vocab_size), size=sides[1].vocab_size
        ),
    }  # fmt: skip
    work = trainer.Work(
        task=TRANSLATION, make=lambda: module.build(settings, **sizes), held_out=held_out, record=record,
        tokenizer=sides[0] if sizes["joint"] else sides, card=_card, outputs=sizes["vocab_size"],
        batches=lambda model: Batches(
            encoded.source, encoded.target, batch_tokens=plan.batch_tokens, seed=plan.seed, changed=changed
        ),
        initialise=initial_weights.initialiser(request, sides, weights=first.into if first else None, reporter=reporter),
    )  # fmt: skip
    record = trainer.fit(
        work, writer, plan, request, placement=placement, resume=resume, begun=begun, reporter=reporter
    )
    return Trained(writer.path, open_saved_translator(writer.path), record)


def _tokenizers(data: TrainingPairs, choice: TokenizerChoice, reporter: Reporter) -> tuple[Tokenizer, Tokenizer]:
    if data.separate:
        source, target = (
            tokenizer_for(side, choice, reporter=reporter) for side in (data.pairs.source, data.pairs.target)
        )
        return source, target
    both = tokenizer_for(data.pairs.both, choice, reporter=reporter)
    return both, both


def _encoded(
    pairs: Pairs, sides: tuple[Tokenizer, Tokenizer], threads: int | None, *, learning: bool = False
) -> Encoded:
    texts = (pairs.source, pairs.target)
    return Encoded(
        *(text.encoded(partial(side.encode, learning=learning), threads=threads) for text, side in zip(texts, sides))
    )


def _card(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} {value}" for key, value in record["settings"].items())
    figures = record["valid"]
    return (
        f"# A translator ({record['arch']})\n\nMade by seqcli: {settings}; {record['parameters']:,} parameters; "
        f"{record['tokenizer']}; {record['data']['rows']:,} pairs of {', '.join(record['data']['files'])}.\n\n"
        f"Of {figures['pairs']:,} held-out pairs: perplexity {figures['perplexity']:.2f} per token, BLEU {figures['bleu']:.2f} "
        f"({figures['bleu_signature']}), chrF {figures['chrf']:.2f} ({figures['chrf_signature']}).\n\n"
        f'Try it: `seqcli translate -m DIR "a sentence"`.\n'
    )
