"""tasks/translation: what is learnt from, training whole and in parts, and that a small translator learns to translate."""

import json

import numpy as np
import pytest

from seqcli.data.pairs import Pairs
from seqcli.data.texts import Texts
from seqcli.errors import InputError, ModelError, UsageError
from seqcli.interfaces import SILENT, Scores
from seqcli.runs import checkpoint
from seqcli.runs.model_folder import ModelFolder
from seqcli.runs.model_writer import writing_model
from seqcli.scoring.conditioned import Conditioned
from seqcli.tasks.initial_weights import InitialModel
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.tasks.translation.data import Encoded, split
from seqcli.tasks.translation.load import TRANSLATION
from seqcli.tasks.translation.train import TrainingPairs, train_translator
from seqcli.text import EOS_ID
from seqcli.token_batch import TokenBatch
from seqcli.training.config import Request

WORDS = {"one": "uno", "two": "due", "three": "tre", "four": "quattro", "five": "cinque", "six": "sei"}


def sentences(count: int, seed: int) -> Pairs:
    """Words for words, the other way round."""
    rng = np.random.default_rng(seed)
    rows = [rng.choice(list(WORDS), size=rng.integers(1, 6)).tolist() for _ in range(count)]
    source, target = (" ".join(row) for row in rows), (" ".join(WORDS[word] for word in row[::-1]) for row in rows)
    return Pairs(*(Texts("".join(line + "\n" for line in side).encode()) for side in (source, target)))


pytestmark = pytest.mark.usefixtures("one_thread")


PAIRS = sentences(400, 1)
HELD_OUT = sentences(40, 2)


def trained(
    path, arch, *, resume=False, init=None, separate=False, pairs=PAIRS, valid=HELD_OUT, metric="loss", **settings
):
    shared = InitialModel.open(init).shared(TRANSLATION, arch, has_budget=False) if init else []
    request = Request(
        TRANSLATION,
        arch,
        "tiny",
        (*shared, ("test", {"batch_tokens": 512, **settings})),
        device="cpu",
        precision="fp32",
        threads=1,
    )
    given = TrainingPairs(pairs, valid, ("made.tsv",), separate=separate, metric=metric, threads=1)
    with writing_model(path, resume=resume, force=not resume) as writer:
        return train_translator(
            writer, given, TokenizerChoice("words"), request, resume=resume, init=init, reporter=SILENT
        )


@pytest.mark.parametrize(
    "arch, settings", [("gru", {"width": 48, "embedding": 24}), ("transformer", {"width": 64, "layers": 1})]
)
def test_it_learns_to_translate(tmp_path, arch, settings):
    settings = {
        **settings,
        "learning_rate": 1e-2,
        "warmup": 20,
        "dropout": 0.0,
        "label_smoothing": 0.0,
        "evaluations": 1,
    }
    made = trained(tmp_path / "m", arch, steps=250, **settings)
    assert made.record["valid"]["bleu"] > 90 and made.record["valid"]["perplexity"] < 1.3
    assert made.record["valid"]["pairs"] == 40 and "tok:13a" in made.record["valid"]["bleu_signature"]
    source = made.opened.source.encode(b"one two three\n")
    target = made.opened.target.encode(b"tre due uno\n")
    looked = made.opened.model.conditioned_on(made.opened.model.encode(source)).attention(target)[0]
    if arch == "gru":  # it has one map; of several layers and heads the mean says less
        assert looked.argmax(axis=1)[:3].tolist() == [2, 1, 0]


CASES = {
    "gru": {"word_dropout": 0.1},
    "lstm": {"layers": 2},
    "transformer": {"dropout": 0.2, "ema": 0.5, "piece_dropout": 0.3},
}


@pytest.mark.parametrize("arch", CASES)
def test_resumed_is_bitwise_equal(tmp_path, arch):
    settings = {
        **CASES[arch],
        "width": 16,
        "warmup": 2,
        "schedule": "constant",
        "evaluate_every": 2,
        "pairs": sentences(60, 3),
    }
    trained(tmp_path / "whole", arch, steps=7, **settings)
    trained(tmp_path / "parts", arch, steps=4, **settings)
    trained(tmp_path / "parts", arch, steps=7, resume=True, **settings)
    (whole, progress), (parts, resumed) = (
        checkpoint.newest(tmp_path / name, reporter=SILENT) for name in ("whole", "parts")
    )
    assert whole.keys() == parts.keys() and all(np.array_equal(array, parts[name]) for name, array in whole.items())
    for field in ("step", "epoch", "index", "tokens", "best", "best_step"):
        assert progress["progress"][field] == resumed["progress"][field]


def test_a_folder_with_two_tokenizers_is_opened_and_verified(tmp_path):
    made = trained(tmp_path / "m", "transformer", steps=2, separate=True, width=16)
    assert made.opened.source.vocab_size == made.opened.target.vocab_size == 3 + len(WORDS)
    assert "one" in made.opened.source.vocabulary() and "uno" in made.opened.target.vocabulary()
    ModelFolder.open(tmp_path / "m").verify()
    manifest = json.loads((tmp_path / "m" / "manifest.json").read_text())
    assert {name.partition("/")[0] for name in manifest["files"]} == {
        "config.json",
        "model.safetensors",
        "tokenizer.source",
        "tokenizer.target",
    }


def test_it_begins_with_another_ones_weights(tmp_path):
    first = trained(tmp_path / "a", "gru", steps=30, width=32)
    second = trained(tmp_path / "b", "gru", steps=1, init=str(tmp_path / "a"), learning_rate=1e-9)
    assert second.record["valid"]["loss"] == pytest.approx(first.record["valid"]["loss"], abs=1e-4)
    with pytest.raises(ModelError, match="another shape"):
        trained(tmp_path / "c", "gru", steps=1, init=str(tmp_path / "a"), width=16)
    with pytest.raises(ModelError, match="another shape"):  # the second layer would begin at random
        trained(tmp_path / "d", "gru", steps=1, init=str(tmp_path / "a"), layers=2)
    with pytest.raises(UsageError, match="has architecture gru, but --arch is lstm"):
        trained(tmp_path / "e", "lstm", steps=1, init=str(tmp_path / "a"))


def test_resuming_by_another_measure_is_refused(tmp_path):
    """Its figures and those before could not be compared."""
    trained(tmp_path / "m", "gru", steps=4, width=16)
    with pytest.raises(UsageError, match="metric was 'loss', now 'chrf'"):
        trained(tmp_path / "m", "gru", steps=8, width=16, resume=True, metric="chrf")
    with pytest.raises(UsageError, match="held-out text was"):
        trained(tmp_path / "m", "gru", steps=8, width=16, resume=True, valid=PAIRS.only(np.arange(len(PAIRS)) < 20))
    assert trained(tmp_path / "m", "gru", steps=8, width=16, resume=True).record["progress"]["step"] == 8


def test_pairs_of_one_source_are_held_out_together():
    lines = [f"source {n % 30}" for n in range(300)]
    pairs = Pairs(
        Texts("".join(f"{line}\n" for line in lines).encode()), Texts("".join(f"t {n}\n" for n in range(300)).encode())
    )
    learnt, held = split(pairs, seed=3)
    assert not {*learnt.source.data.split(b"\n")[:-1]} & {*held.source.data.split(b"\n")[:-1]}
    assert len(learnt) + len(held) == 300 and 5 <= len(held) <= 30
    assert held.source.data == split(pairs, seed=3)[1].source.data
    with pytest.raises(InputError, match="none can be held out"):
        split(Pairs(Texts(b"a\na\n"), Texts(b"b\nc\n")), seed=0)


def test_what_is_too_long_or_unlike_is_left_out_and_counted():
    lengths = np.array([[3, 4], [50, 2], [4, 50], [20, 16]])
    sides = [TokenBatch(np.repeat(np.arange(4, dtype=np.int32), part), part) for part in lengths.T]
    kept, counts = Encoded(*sides).fit(longest=40, ratio=2)
    assert counts == {"long": 2, "unlike": 0} and kept.source.lengths.tolist() == [3, 20]
    kept, counts = Encoded(*sides).fit(longest=100, ratio=2)
    assert counts == {"long": 0, "unlike": 2} and kept.target.tokens.tolist() == [0] * 4 + [3] * 16


def test_held_out_sources_that_are_too_long_are_read_up_to_their_end():
    """Of the same pairs, by a translator that reads five tokens; all of the targets are scored."""
    lengths, read = np.array([[3, 4], [50, 2], [4, 50], [20, 16]]), {}

    class Spy:
        window, vocab_size, batch_tokens, precision = 5, 4, 4096, "fp32"

        def encode(self, batch):
            read.update(zip(batch.tokens[batch.starts].tolist(), batch.lengths.tolist()))
            assert (batch.tokens[batch.lengths.cumsum() - 1] == EOS_ID).all()

        def conditioned_on(self, memory):
            return self

        def score(self, batch, *, rank):
            return Scores(np.ones(len(batch.tokens), np.float32))

    tokens = np.repeat(np.arange(3, 7, dtype=np.int32), lengths[:, 0])
    tokens[lengths[:, 0].cumsum() - 1] = EOS_ID
    conditioned = Conditioned(Spy(), TokenBatch(tokens, lengths[:, 0]))
    target = TokenBatch(np.zeros(lengths[:, 1].sum(), np.int32), lengths[:, 1])
    assert conditioned.score(target).log_prob.sum() == 72
    assert conditioned.cut == 2 and read == {3: 3, 4: 5, 5: 4, 6: 5}


# --- several alike ----------------------------------------------------------------------------------------------------


def several(here, tmp_path, *options, archs=("gru", "transformer")):
    for name, side in (("a", PAIRS.source), ("b", PAIRS.target)):
        (tmp_path / name).write_bytes(b"".join(side.blocks()))
    return here(
        "train", "translator", "--source", "a", "--target", "b", "-o", "m", *(part for arch in archs for part in ("--arch", arch)), "--preset", "tiny", "--steps", 3,
        "--tokenizer", "words", "--set", "width=16", "--threads", 1, *options,
    )  # fmt: skip


def test_several_are_compared_and_gone_on_with(here, tmp_path):
    assert several(here, tmp_path, archs=("gru", "lstm")).code == 0
    before = {arch: ModelFolder.open(tmp_path / "m" / arch) for arch in ("gru", "lstm")}
    done = several(here, tmp_path, "--resume", archs=("gru", "lstm", "transformer"))
    assert done.code == 0, done.err
    assert {row[0] for row in done.rows} == {"gru", "lstm", "transformer"}
    for arch, run in before.items():
        assert ModelFolder.open(tmp_path / "m" / arch).config["valid"] == run.config["valid"]


def test_a_folder_that_is_taken_is_told_before_any_training(here, tmp_path):
    (tmp_path / "m/transformer").mkdir(parents=True)
    (tmp_path / "m/transformer/mine.txt").write_text("mine")
    done = several(here, tmp_path)
    assert done.code == 2 and "m/transformer" in done.err
    assert not (tmp_path / "m/gru").exists() and (tmp_path / "m/transformer/mine.txt").exists()
