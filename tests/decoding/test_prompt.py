"""Where a prompt ends inside a token: the first new token begins where the model says, and texts fit together."""

import dataclasses

import numpy as np
import pytest
from small_sentencepiece import trained

from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.prompt import Prompter, begin
from seqcli.decoding.sampling import Policy
from seqcli.decoding.token_predictions import NextTokenPredictor
from seqcli.interfaces import SILENT, OpenModel
from seqcli.models import ngram
from seqcli.ngram.arena import Arena
from seqcli.runs.model_writer import writing_model
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.train_counted import train_counted
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.text import BOS_ID, SPECIALS, Normalisation
from seqcli.token_batch import TokenBatch

PIECES = [
    *SPECIALS,
    "▁I",
    "▁study",
    "▁studies",
    "▁st",
    "u",
    "dy",
    "die",
    "▁",
    "▁machines",
    "s",
    ".",
    "<0x21>",
    "▁studs",
    "d",
]
ID = {piece: id for id, piece in enumerate(PIECES)}
LINES = [
    "I study machines.",
    "I study.",
    "I studies machines.",
    "I studs.",
    "I I study machines",
    "machines study",
    "u s",
] * 2


class Longest:
    """A tokenizer of PIECES, the longest first, as sentencepiece would be."""

    KIND = "sentencepiece"
    normalisation, spaces_follow, space = Normalisation.NFC, False, "▁"

    def vocabulary(self):
        return PIECES

    def encode(self, lines: bytes, *, unit: str = "line", learning: bool = False):
        rows = [[*self._ids(f" {line}".replace(" ", "▁") if line else "")] for line in lines.decode().split("\n")[:-1]]
        return TokenBatch.with_line_ends(
            np.array([id for row in rows for id in row], np.int64), np.array([len(row) for row in rows])
        )

    def _ids(self, text: str):
        while text:
            piece = max((p for p in PIECES if text.startswith(p)), key=len)
            yield ID[piece]
            text = text[len(piece) :]

    def decode(self, ids):
        return "".join(PIECES[id] for id in ids if id >= len(SPECIALS)).replace("▁", " ").removeprefix(" ")


@pytest.fixture(scope="module")
def opened() -> OpenModel:
    tokenizer = Longest()
    read = tokenizer.encode("".join(line + "\n" for line in LINES).encode())
    stream, _ = read.with_starts()
    arena = Arena(memory=1 << 30, tokens=len(stream))
    made = ngram.estimate(stream, ngram.Config(order=3), vocab_size=len(PIECES), arena=arena, reporter=SILENT)
    model = ngram.load({"order": 3, "prune": ()}, made.tensors, vocab_size=len(PIECES))
    return OpenModel("toy", "ngram", "line", tokenizer, model)


@pytest.mark.parametrize(
    "text, starts",
    [
        ("I stu", [(1, "▁studs ▁study ▁studies"), (2, ""), (3, None)]),
        ("I study", [(2, None)]),  # nothing begins so and goes on
        ("I ", [(1, "▁I ▁study ▁studies ▁st ▁machines ▁studs"), (2, None)]),
        ("I st", [(1, "▁study ▁studies ▁studs"), (2, None)]),
        ("studyd", [(1, "dy die"), (2, None)]),
        ("", [(0, None)]),
    ],
)
def test_where_the_first_token_may_begin(opened, text, starts):
    found = Prompter(opened).read(text).starts
    shown = [(start.kept, None if start.only is None else {PIECES[id] for id in start.only}) for start in found]
    assert shown == [(kept, None if names is None else set(names.split())) for kept, names in starts]


def test_it_begins_there_as_probably_as_the_model_says(opened):
    """p(start, token) is that of all the tokens up to it, over the sum of all ways to go on."""
    prompts = [Prompter(opened).read(text) for text in ("I stu", "I ", "machines", "I st")]
    begun = begin(opened.model, prompts)
    for prompt, rows in zip(prompts, begun.rows):
        p = np.zeros((len(prompt.starts), len(PIECES)))
        for row, start in zip(p, prompt.starts):
            for token in range(len(PIECES)) if start.only is None else start.only:
                if token != BOS_ID:
                    ids = np.append(prompt.ids[: start.kept], token).astype(np.int32)
                    row[token] = np.exp(opened.model.score(TokenBatch(ids, np.array([len(ids)]))).log_prob.sum())
        np.testing.assert_allclose(np.exp(begun.log_prob[rows]), p / p.sum(), rtol=1e-4, atol=1e-12)
        np.testing.assert_allclose(np.exp(begun.log_shares(rows)), (p / p.sum()).sum(axis=1), rtol=1e-4)


def test_prompt_and_continuation_make_a_text(opened):
    texts = ["I stu", "I study", "I ", "I", "", "I study s", "machines  "]
    rows = list(generate(opened, texts, GenerationSettings(num_samples=30, max_new_tokens=8)))
    told = {text: {row.prompt.text + row.text for row in rows if row.prompt.text == text} for text in texts}
    assert any(whole.startswith("I study") for whole in told["I stu"])
    assert all(whole.startswith("I stu") for whole in told["I stu"])
    assert any(whole.startswith(("I study", "I machines")) for whole in told["I "])
    assert not any(whole.startswith("I  study") for whole in told["I "])  # one space, not two
    assert any(whole.startswith("I study") for whole in told["I"])
    assert not any(whole.startswith(" ") for whole in told[""] if not whole.startswith((" s", " u", "  ")))


def test_what_is_left_of_a_token_is_the_next_token(opened):
    everything, after_space = (next(NextTokenPredictor(opened).after([text], k=99)) for text in ("I stu", "I "))
    found = dict(everything)
    assert {"dy", "dies", "ds"} <= found.keys() and sum(found.values()) == pytest.approx(1, abs=1e-6)
    assert found["dy"] == max(found.values())
    assert after_space[0][0] == "study"
    assert list(NextTokenPredictor(opened).after(["I stu"] * 2, k=3)) == [everything[:3]] * 2


@pytest.mark.parametrize("prompt", ["the cat", "the c", "the cat ", "the", ""])
def test_a_piece_may_end_in_the_space(tmp_path, prompt):
    """`treat_whitespace_as_suffix`: the space after a word is in its piece, and the end of a prompt has none."""
    text = "the cat sat on a mat"
    model = trained([text, "a dog ran far"] * 50, vocab_size=40, treat_whitespace_as_suffix=True)
    (tmp_path / "suffix.model").write_bytes(model)
    (tmp_path / "text.txt").write_text(f"{text}\n" * 9)
    with writing_model(tmp_path / "m") as writer:
        choice = TokenizerChoice(str(tmp_path / "suffix.model"))
        corpus = Corpus((str(tmp_path / "text.txt"),))
        opened = train_counted(writer, corpus, choice, ngram.Config(order=4), memory=1 << 30).opened
    (row,) = generate(opened, [prompt], GenerationSettings(policy=Policy(temperature=0)))
    assert prompt + row.text == text and row.finish_reason == "end"


def test_a_prompt_that_is_impossible_to_the_model_goes_on_after_its_tokens(opened):
    table = dataclasses.replace(
        opened.model.table, log_prob=[log_prob.copy() for log_prob in opened.model.table.log_prob]
    )
    table.log_prob[0][[ID[name] for name in ("▁studs", "▁study", "▁studies", "▁st", "dy", "die", "d")]] = -np.inf
    for log_prob in table.log_prob[1:]:
        log_prob[:] = -np.inf  # the n-grams that were seen: what is left are unigrams after contexts that were not
    impossible = dataclasses.replace(opened, model=ngram.NgramModel(table))
    (found,) = NextTokenPredictor(impossible).after(["u stu"], k=3)
    assert np.isfinite([p for _, p in found]).all() and found[0][1] > 0
    (text,) = generate(impossible, ["u stu"], GenerationSettings(policy=Policy(temperature=0), max_new_tokens=1))
    assert text.text == found[0][0].replace("▁", " ") or text.finish_reason == "end"
