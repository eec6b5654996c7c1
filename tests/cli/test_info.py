"""`seqcli info`: what a folder holds, as rows and as JSON, and whether it is whole."""

import json
import shutil

from seqcli.runs import Run
from seqcli.tasks import language


def test_info_tells_what_is_there(here, model):
    (value,) = map(json.loads, here("info", model, "--json", "--verify").out.splitlines())
    run, opened = Run.open(model), language.open_model(str(model))
    assert (value["task"], value["arch"], value["unit"], value["format"]) == ("language", "ngram", "line", 1)
    assert value["vocab_size"] == opened.tokenizer.vocab_size and value["verified"] is True
    assert value["bytes"] == run.bytes() == sum(f.stat().st_size for f in run.state.rglob("*.*"))
    assert value["settings"] == {"order": 3, "prune": []} and value["ngrams"] == opened.model.table.sizes
    assert value["data"] == {"files": ["corpus.txt"], "rows": 36, "tokens": 201}
    rows = dict(here("info", model).rows)
    assert rows["arch"] == "ngram" and rows["settings.order"] == "3" and rows["verified"] == "no"
    assert rows["data.files"] == "corpus.txt" and rows["data.tokens"] == "201"


def test_4_verify_finds_what_opening_does_not_read(here, model, tmp_path):
    shutil.copytree(model, tmp_path / "m")
    weights = next((tmp_path / "m").glob("state-*/model.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert here("info", "m").code == 0
    done = here("info", "m", "--verify")
    assert done.code == 4 and done.out == "" and "checksum differs: m/state-00000001/model.safetensors" in done.err
    assert here("convert", "m", "m.arpa").code == 4 and not (tmp_path / "m.arpa").exists()
