"""README.md of a Hugging Face folder that we write: what the model is, what it learnt from, its scores, how to open it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from seqcli.interop.huggingface.tokenizer_json import Written
from seqcli.runs.model_folder import ModelFolder
from seqcli.text import BOS_ID, EOS_ID

_UNITS = {"line": "single lines", "document": "running text"}


def of_language_model(run: ModelFolder, config: Mapping[str, Any], written: Written) -> str:
    """config: config.json, as it is written."""
    kind = config["architectures"][0]
    return "\n".join([
        "---", "library_name: transformers", "pipeline_tag: text-generation", "---", "",
        f"# A language model ({kind})", "",
        f"Trained by seqcli on {_UNITS[run.config['unit']]}, written as {kind}.", "",
        *_facts(run.config), "", "## Use", "",
        "```python", "from transformers import AutoModelForCausalLM, AutoTokenizer", "",
        'tokenizer = AutoTokenizer.from_pretrained("DIR")', 'model = AutoModelForCausalLM.from_pretrained("DIR")',
        'ids = tokenizer("a text", return_tensors="pt")',
        "log_probs = model(**ids).logits.log_softmax(-1)[0, :-1].gather(-1, ids.input_ids[0, 1:, None])", "```", "",
        *_tokens(run, written), "", '`seqcli score -m DIR "a text"` gives the same log-probabilities.', "",
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
    if valid and valid.get("perplexity"):
        yield f"- On held-out text: perplexity {valid['perplexity']:.4g}, {valid['bits_per_byte']:.4f} bits per byte"


def _tokens(run: ModelFolder, written: Written) -> Iterator[str]:
    """What one has to know about the tokens."""
    bos, eos = written.names.get("bos"), written.names.get("eos")
    if not written.plain:
        yield f"A text begins with `{bos or eos}`, which the tokenizer may not put there itself."
    elif run.config["unit"] == "line":
        yield f"The tokenizer puts `{bos}` before a line and `{eos}` after it."
    else:
        yield f"The tokenizer puts `{bos}` before a text."
    if written.plain and written.file_ids[BOS_ID] == written.file_ids[EOS_ID]:
        yield f"`{eos}` also begins a text; there is no `<s>`, so the ids from {written.id(EOS_ID)} on are one less than seqcli's."
    yield from written.notes
