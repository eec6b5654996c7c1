"""Text as it comes: whatever the tokens, what is shown is what is there, and stop strings end it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sentencepiece import trained

from seqcli import catalog
from seqcli.decoding.prompt import Prompt, Prompter, Start
from seqcli.decoding.text_stream import TextStream
from seqcli.interfaces import OpenModel
from seqcli.text import nfc

KINDS = catalog.trained_tokenizers()
LEARNT_FROM = "나는 기계 학습을 공부한다 .\nI study machine learning , été !\na b  ▁ c\n" * 20
TOKENIZERS = {
    kind: catalog.load("tokenizers", kind).train([nfc(LEARNT_FROM).encode()], vocab_size=320)[0] for kind in KINDS
}
TEXTS = st.lists(st.sampled_from(["I", " ", "study", "나는", "기", "😀", "▁", "é", "a b", ".", "한"]), max_size=12).map(
    "".join
)


def streamed(tokenizer, text: str, given: str = "", *, stop=()) -> tuple[str, bool]:
    """The text of the tokens after those of `given`, whether a stop string came; checked at every step."""
    ids = tokenizer.encode(f"{text}\n".encode()).tokens[:-1]
    kept = len(tokenizer.encode(f"{given}\n".encode()).tokens) - 1
    spaced = Prompter(OpenModel("m", "none", "line", tokenizer, None)).read(given).spaced
    stream = TextStream(tokenizer, Prompt(given, ids[:kept], (), spaced), Start(kept, "", None), stop=stop)
    before = ""
    for id in ids[kept:].tolist():
        stopped = stream.add(id)
        assert stream.text.startswith(before)
        before = stream.text
        if stopped:
            return stream.text, True
    stream.finish()
    assert stream.text.startswith(before)
    return stream.text, False


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=150)
@given(text=TEXTS)
def test_all_text_comes(kind, text):
    tokenizer = TOKENIZERS[kind]
    ids = tokenizer.encode(f"{nfc(text)}\n".encode()).tokens[:-1]
    assert streamed(tokenizer, nfc(text))[0] == tokenizer.decode(ids)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=150)
@given(
    text=TEXTS,
    stops=st.lists(st.sampled_from([" ", "study", "y ", "나는 ", "I s", "😀", "a b I"]), min_size=1, max_size=3),
)
def test_it_is_cut_before_a_stop_string(kind, text, stops):
    tokenizer = TOKENIZERS[kind]
    whole = tokenizer.decode(tokenizer.encode(f"{text}\n".encode()).tokens[:-1])
    shown, stopped = streamed(tokenizer, text, stop=tuple(stops))
    assert stopped == any(stop in whole for stop in stops)
    assert whole.startswith(shown) and not any(stop in shown for stop in stops)
    if not stopped:
        assert shown == whole
    elif len(stops) == 1:
        assert shown == whole[: whole.index(stops[0])]


@pytest.mark.parametrize("kind", KINDS)
def test_spaces_between_prompt_and_text(kind):
    tokenizer = TOKENIZERS[kind]
    assert streamed(tokenizer, "I study machine learning", "I study")[0] == " machine learning"
    assert streamed(tokenizer, "I study machine learning", "")[0] == "I study machine learning"
    if kind == "words":  # which do not see the space
        assert streamed(tokenizer, "I study machine learning", "I study ")[0] == "machine learning"
        assert streamed(tokenizer, "I study machine learning", "I study\t ")[0] == "machine learning"
    for prompt in ("I study\u00a0", "zz\u3000", "I\x1c"):  # white space that parts no words, known or not
        assert streamed(tokenizer, f"{prompt} machine learning", prompt)[0] == " machine learning"


def test_a_character_is_shown_when_its_bytes_are_complete():
    tokenizer = TOKENIZERS["bytes"]
    stream = TextStream(tokenizer, Prompt("", tokenizer.encode(b"").tokens, ()), Start(0, "", None), stop=())
    seen = []
    for byte in "a한😀".encode() + b"\xff\xff" + b"b" + b"\xed\x95":
        stream.add(byte + 3)
        seen.append(stream.text)
    stream.finish()
    assert seen[8:] == ["a한😀", "a한😀", "a한😀\ufffd\ufffdb", "a한😀\ufffd\ufffdb", "a한😀\ufffd\ufffdb"]
    assert seen[:8] == ["a", "a", "a", "a한", "a한", "a한", "a한", "a한😀"]
    assert stream.text == "a한😀\ufffd\ufffdb\ufffd"


def test_a_stop_string_is_read_as_the_tokenizer_reads_text(here, tmp_path):
    """NFD, as macOS types it, and full-width letters end a text of a foreign model that reads NFKC, as what it writes does."""
    lines = ["나는 학교에 갔다", "the cat sat"] * 9
    (tmp_path / "text.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    (tmp_path / "nmt.model").write_bytes(trained(lines, vocab_size=40))
    assert here("train", "lm", "text.txt", "-o", "m", "--tokenizer", "nmt.model", "--order", 3, "-q").code == 0
    for prompt, stops in {"나는": ("교에", "\u1100\u116d에"), "the": (" sat", " ｓat", "\u3000sat")}.items():
        texts = [
            here("generate", prompt, "-m", "m", "--temperature", 0, "--stop", stop, "--json").out for stop in stops
        ]
        assert '"finish_reason": "stop"' in texts[0] and set(texts) == {texts[0]}
    assert (
        '"finish_reason": "end"'
        in here("generate", "the", "-m", "m", "--temperature", 0, "--stop", "\u200b", "--json").out
    )
