"""Every network with the same weights on the CPU and on the device: log p, logits, texts, translations and steps of training."""

from __future__ import annotations

import copy
import dataclasses
import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from gpu_parts.run import Run, texts


def networks() -> Iterator[tuple[str, str, Any]]:
    """Every network of the catalog over bytes, with weights large enough that a text matters to what follows."""
    from seqcli import catalog
    from seqcli.tokenizers.bytes import Bytes

    size = Bytes.vocab_size
    sizes = {
        "language": {"vocab_size": size}, "classification": {"vocab_size": size, "labels": 5},
        "translation": {"source_size": size, "vocab_size": size, "joint": True},
    }  # fmt: skip
    wanted = {"width": 64, "embedding": 64, "heads": 4, "layers": 2, "hidden": 128, "window": 128, "dropout": 0.0}
    for task, given in sizes.items():
        for arch in catalog.architectures(task):
            if not catalog.is_counted(task, arch):
                module = catalog.load("models", catalog.presets(task, arch)[0])
                known = {setting.name for setting in dataclasses.fields(module.Config)}
                config = module.Config(**{k: v for k, v in {**wanted, "cell": arch}.items() if k in known})
                torch.manual_seed(0)
                model = module.build(config, **given).eval()
                with torch.no_grad():
                    for weight in model.parameters():
                        weight.add_(0.1 * torch.randn_like(weight))
                yield task, arch, model


def equality(run: Run) -> None:
    from seqcli.training.device import place

    for task, arch, model in networks():
        here, there, rough = (copy.deepcopy(model) for _ in range(3))
        here.place(place("cpu", "fp32"))
        there.place(place(str(run.device), "fp32"))
        rough.place(place(str(run.device), "bf16"))
        ask = {"language": of_language, "classification": of_classifier, "translation": of_translator}[task]
        ask(run, f"{task} {arch}", here, there, rough, arch)
        learning(run, f"{task} {arch}", task, model)


def batch_of(lines: list[str]) -> Any:
    from seqcli.data.lines import block_of
    from seqcli.tokenizers.bytes import Bytes

    return Bytes().encode(block_of(lines).data)


def compared(run: Run, name: str, here: np.ndarray, there: np.ndarray, rough: np.ndarray) -> None:
    run.at_most(f"{name}: greatest difference, fp32", float(np.abs(here - there).max()), 1e-4)
    run.at_most(f"{name}: mean difference, bf16", float(np.abs(here - rough).mean()), 0.1)


def of_language(run: Run, name: str, here: Any, there: Any, rough: Any, arch: str) -> None:
    from seqcli.decoding.generate import GenerationSettings, generate
    from seqcli.decoding.sampling import Policy
    from seqcli.interfaces import OpenModel
    from seqcli.tokenizers.bytes import Bytes

    batch = batch_of([*texts(40, longest=20), *texts(1, longest=200)])
    compared(run, f"{name}, log p", *(model.score(batch).log_prob for model in (here, there, rough)))
    ways = {
        "greedy": {"policy": Policy(temperature=0.0)}, "sampled": {"policy": Policy(top_k=50, top_p=0.9), "num_samples": 2},
        "beam 4": {"beam_size": 4, "num_samples": 2},
    }  # fmt: skip
    for way, settings in ways.items():
        found = [
            list(generate(OpenModel(arch, arch, "document", Bytes(), model), texts(8, longest=10), GenerationSettings(max_new_tokens=24, **settings)))
            for model in (here, there)
        ]  # fmt: skip
        alike(run, f"{name}, {way}", *([(row.ids, row.log_prob) for row in rows] for rows in found))


def alike(run: Run, name: str, here: list[tuple], there: list[tuple]) -> None:
    """What was found is the same, or as likely: two that are nearly as likely may change places."""
    same = statistics.fmean([ours[0] == others[0] for ours, others in zip(here, there, strict=True)])
    run.at_least(f"{name}: share of the same texts", same, 0.9)
    apart = [abs(ours[1] - others[1]) for ours, others in zip(here, there) if ours[0] == others[0]]
    run.at_most(f"{name}: greatest difference of log p", max(apart, default=0.0), 2e-3)


def of_classifier(run: Run, name: str, here: Any, there: Any, rough: Any, arch: str) -> None:
    batch = batch_of(texts(60, longest=40))
    compared(run, f"{name}, logits", *(model.classify(batch) for model in (here, there, rough)))


def of_translator(run: Run, name: str, here: Any, there: Any, rough: Any, arch: str) -> None:
    from seqcli.decoding.translate import TranslationSettings, translate
    from seqcli.interfaces import OpenTranslator
    from seqcli.tokenizers.bytes import Bytes

    sources, targets = batch_of(texts(20, longest=10)), batch_of(texts(20, longest=12))
    conditioned = [
        model.conditioned_on(model.encode(sources)).score(targets).log_prob for model in (here, there, rough)
    ]
    compared(run, f"{name}, log p", *conditioned)
    for way, settings in {"beam 5": {}, "sampled": {"num_samples": 2}}.items():
        found = [
            list(translate(OpenTranslator(arch, arch, Bytes(), Bytes(), model), texts(8, longest=5), TranslationSettings(**settings)))
            for model in (here, there)
        ]  # fmt: skip
        alike(run, f"{name}, {way}", *([(row.best.text, row.best.log_prob) for row in rows] for rows in found))


def learning(run: Run, name: str, task: str, model: Any) -> None:
    """The losses of some steps."""
    from seqcli.data.batches import Example
    from seqcli.nn.device import to_device
    from seqcli.training.config import Plan
    from seqcli.training.optimizer import make_optimizer

    steps = 5 if run.small else 20
    rng = np.random.default_rng(2)
    batches = []
    for _ in range(steps):
        tokens = rng.integers(3, 60, (8, 33))
        labels, sources = rng.integers(0, 5, 8), rng.integers(3, 60, (8, 20))
        batches.append({
            "language": Example(tokens[:, :-1].copy(), tokens[:, 1:].copy()), "classification": Example(tokens, labels),
            "translation": Example(sources, tokens, paired=True),
        }[task])  # fmt: skip

    def losses(device: torch.device, dtype: torch.dtype, optimizer: str) -> np.ndarray:
        own = copy.deepcopy(model).to(device).train()
        plan = Plan(steps=steps, optimizer=optimizer, learning_rate=1e-3)
        update, found = make_optimizer(own, plan), []
        for given in batches:
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                parts = (to_device(part, device) for part in (given.inputs, given.targets, given.counted))
                inputs, targets, counted = parts
                total, count, _ = own.loss(inputs, targets, counted=counted)
            (total / count).backward()
            torch.nn.utils.clip_grad_norm_(own.parameters(), 1.0)
            update.step()
            update.zero_grad(set_to_none=True)
            found.append(float(total.detach()) / count)
        return np.array(found)

    cpu = torch.device("cpu")
    wanted = losses(cpu, torch.float32, "adamw")
    run.at_most(
        f"{name}, loss curve: greatest share apart, fp32",
        _apart(wanted, losses(run.device, torch.float32, "adamw")),
        1e-3,
    )
    run.at_most(
        f"{name}, loss curve: greatest share apart, bf16",
        _apart(wanted, losses(run.device, torch.bfloat16, "adamw")),
        0.03,
    )
    muon = _apart(losses(cpu, torch.float32, "muon"), losses(run.device, torch.float32, "muon"))
    run.at_most(f"{name}, loss curve: greatest share apart, Muon", muon, 0.03)


def _apart(here: np.ndarray, there: np.ndarray) -> float:
    return float((np.abs(here - there) / np.abs(here)).max())
