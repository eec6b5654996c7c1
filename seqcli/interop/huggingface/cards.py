"""The model card (README.md) of an exported Hugging Face folder: the model, its training data, its scores and how to load it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seqcli.interop.huggingface.tokenizer_json import Written
from seqcli.runs.model_folder import ModelFolder
from seqcli.text import BOS_ID, EOS_ID

_UNITS = {"line": "single lines", "document": "running text"}


def of_language_model(run: ModelFolder, config: Mapping[str, Any], written: Written) -> str:
    """config: the contents of config.json."""
    masked = run.config["settings"].get("objective") == "masked"
    kind, what = ("AutoModelForMaskedLM", "fill-mask") if masked else ("AutoModelForCausalLM", "text-generation")
    return _card(
        run, config, f"language model of {_UNITS[run.config['unit']]}", task=what, auto=kind,
        ask=[
            'ids = tokenizer("a text", return_tensors="pt")',
            "logits = model(**ids).logits" if masked else
            "log_probs = model(**ids).logits.log_softmax(-1)[0, :-1].gather(-1, ids.input_ids[0, 1:, None])",
        ],
        notes=[*_tokens(written), "", '`seqcli score -m DIR "a text"` gives the same log-probabilities.'],
    )  # fmt: skip


def of_classifier(run: ModelFolder, config: Mapping[str, Any], written: Written, labels: Sequence[str]) -> str:
    return _card(
        run, config, f"classifier ({', '.join(labels)})", task="text-classification",
        auto="AutoModelForSequenceClassification", ask=['logits = model(**tokenizer("a text", return_tensors="pt")).logits'],
        notes=[*_tokens(written), "", '`seqcli classify -m DIR "a text"` gives the same logits; its probabilities may be calibrated besides.'],
    )  # fmt: skip


def of_translator(run: ModelFolder, config: Mapping[str, Any]) -> str:
    return _card(
        run, config, "translator", task="translation", auto="AutoModelForSeq2SeqLM",
        ask=[
            'made = model.generate(**tokenizer("a text", return_tensors="pt"), num_beams=4)',
            "print(tokenizer.decode(made[0], skip_special_tokens=True))",
        ],
        notes=[
            "The tokenizer needs the package sentencepiece, and text in the Unicode form NFC, without the characters U+2581 and "
            "U+001A. It is Marian's: where sacremoses is installed, it changes punctuation first, which this model was not "
            "trained with.",
        ],
    )  # fmt: skip


def _card(
    run: ModelFolder, config: Mapping[str, Any], what: str, *, task: str, auto: str, ask: list[str], notes: list[str]
) -> str:
    kind = config["architectures"][0]
    return "\n".join([
        "---", "library_name: transformers", f"pipeline_tag: {task}", "---", "",
        f"# {kind}", "", f"A {what}, written by seqcli.", "",
        *_facts(run.config), "", "## Use", "",
        "```python", f"from transformers import {auto}, AutoTokenizer", "",
        'tokenizer = AutoTokenizer.from_pretrained("DIR")', f'model = {auto}.from_pretrained("DIR")', *ask, "```", "", *notes, "",
    ])  # fmt: skip


def _facts(record: Mapping[str, Any]) -> Iterator[str]:
    data, valid = record.get("data", {}), record.get("valid")
    if data.get("files"):
        counts = [f"{data[name]:,} {name}" for name in ("rows", "tokens") if name in data]
        yield f"- Data: {', '.join(data['files'])}{': ' if counts else ''}{', '.join(counts)}"
    if record.get("source"):
        yield f"- Made from: {record['source']}"
    if record.get("parameters"):
        yield f"- Parameters: {record['parameters']:,}"
    yield f"- Tokenizer: {record['tokenizer']}"
    if valid and "bits_per_byte" in valid:
        yield f"- On held-out text: perplexity {valid['perplexity']:.4g}, {valid['bits_per_byte']:.4f} bits per byte"
    if valid and "accuracy" in valid:
        yield f"- On held-out texts: accuracy {100 * valid['accuracy']:.2f} %, macro F1 {valid['macro_f1']:.4f}"
    if valid and "bleu" in valid:
        yield f"- On held-out pairs: BLEU {valid['bleu']:.2f}, chrF {valid['chrf']:.2f}"


def _tokens(written: Written) -> Iterator[str]:
    """Notes on the tokens."""
    bos, eos = written.names.get("bos"), written.names.get("eos")
    placed = written.library.encode("").tokens
    if not placed:
        yield f"A text begins with `{bos or eos}`, which the tokenizer does not put there itself."
    else:
        yield f"The tokenizer puts `{placed[0]}` before a text{f' and `{placed[1]}` after it' if placed[1:] else ''}."
    if written.plain and written.file_ids[BOS_ID] == written.file_ids[EOS_ID]:
        yield f"`{eos}` also begins a text; there is no `<s>`, so the ids from {written.id(EOS_ID)} on are one less than seqcli's."
    yield from written.notes
