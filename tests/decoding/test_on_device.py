"""A network whose logits stay on a device finds the texts that it finds when they are fetched."""

import pytest
import torch

from seqcli import catalog
from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.sampling import Policy
from seqcli.decoding.translate import TranslationSettings, translate
from seqcli.interfaces import OpenModel, OpenTranslator
from seqcli.nn import device_logits
from seqcli.nn.inference import Network
from seqcli.tokenizers.bytes import Bytes

V = Bytes.vocab_size


def network(task, arch):
    """Of random weights: large ones, so that what stands before a token matters."""
    module = catalog.load("models", catalog.presets(task, arch)[0])
    known = module.Config.__dataclass_fields__
    small = {"width": 16, "embedding": 16, "heads": 2, "layers": 1, "hidden": 16, "window": 12, "cell": arch}
    sizes = {"vocab_size": V} if task == "language" else {"vocab_size": V, "source_size": V, "joint": True}
    torch.manual_seed(1)
    model = module.build(module.Config(**{k: v for k, v in small.items() if k in known}), **sizes).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model


def networks(task):
    return [arch for arch in catalog.architectures(task) if not catalog.is_counted(task, arch)]


@pytest.fixture
def both(monkeypatch):
    """What is asked, with logits on the host and with those of a device, which is the processor here."""

    def asked(ask):
        here = ask()
        steps = []
        made = device_logits.DeviceLogits.__init__
        with monkeypatch.context() as patch:
            patch.setattr(Network, "on_device", True)
            patch.setattr(device_logits.DeviceLogits, "__init__", lambda *of: steps.append(made(*of)))
            there = ask()
        assert steps, "a device was not asked"
        return here, there

    return asked


@pytest.mark.parametrize(
    "settings",
    [
        {"policy": Policy(temperature=0.0)},
        {"policy": Policy(temperature=0.8, top_k=40, top_p=0.9, min_p=0.01, repetition_penalty=1.3), "num_samples": 3},
        {"policy": Policy(), "num_samples": 2, "stop": ("a",), "seed": 7},
        {"beam_size": 4, "num_samples": 3},
    ],
)
@pytest.mark.parametrize("arch", networks("language"))
def test_texts(arch, settings, both):
    opened = OpenModel("model", arch, "document", Bytes(), network("language", arch))

    def ask():
        found = generate(opened, ["", "ab", "a longer prompt"], GenerationSettings(max_new_tokens=12, **settings))
        return [(row.line, row.number, row.ids, row.text, row.finish_reason, row.log_prob) for row in found]

    here, there = both(ask)
    assert [row[:-1] for row in here] == [row[:-1] for row in there]
    assert [row[-1] for row in here] == pytest.approx([row[-1] for row in there], abs=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"beam_size": 1},
        {"beam_size": 4, "n_best": 3, "no_repeat_ngram": 2, "length_penalty": 0.6},
        {"num_samples": 2, "policy": Policy(temperature=0.7, top_p=0.9), "no_repeat_ngram": 1},
    ],
)
@pytest.mark.parametrize("arch", networks("translation"))
def test_translations(arch, settings, both):
    opened = OpenTranslator("model", arch, Bytes(), Bytes(), network("translation", arch))

    def ask():
        lines = ["ab", "longer than it is wide", "", "cd"]
        return list(translate(opened, lines, TranslationSettings(max_length_ratio=0.5, **settings)))

    here, there = both(ask)
    for ours, others in zip(here, there, strict=True):
        assert [each.parts for each in ours.hypotheses] == [each.parts for each in others.hypotheses]
        assert [h.log_prob for h in ours.hypotheses] == pytest.approx([h.log_prob for h in others.hypotheses], abs=1e-4)
