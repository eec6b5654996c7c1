"""The loop: a sample is a function of its prompt, line, number and seed; its text, log-probability and end are right."""

import numpy as np
import pytest

from seqcli.decoding.generate import END, LENGTH, STOP, GenerationSettings, generate, grow, samples_of
from seqcli.decoding.prompt import Prompter
from seqcli.decoding.sampling import Policy
from seqcli.errors import UsageError
from seqcli.tasks.language.data import Corpus
from seqcli.tasks.language.load import open_model
from seqcli.tasks.language.train_counted import train_counted
from seqcli.tasks.tokenizer_choice import TokenizerChoice
from seqcli.text import EOS_ID, UNK_ID
from seqcli.token_batch import TokenBatch

KINDS = ("words", "sentencepiece", "characters", "bytes", "document")
PROMPTS = ["", "I study", "the cat ", "나는 기", "zzz", "the", "my computer is"]
SHORT = {"max_new_tokens": 40}


@pytest.fixture(params=KINDS)
def any_model(models, request):
    return open_model(str(models(request.param)))


def told(rows) -> list[tuple]:
    return [(row.line, row.number, row.ids, row.text, row.finish_reason, round(row.log_prob, 3)) for row in rows]


def test_a_sample_does_not_depend_on_its_batch(any_model, monkeypatch):
    settings = GenerationSettings(num_samples=3, policy=Policy(repetition_penalty=1.2), **SHORT)
    together = told(generate(any_model, PROMPTS, settings))
    assert [row[:2] for row in together] == [(line, n) for line in range(1, 8) for n in range(3)]
    alone = [
        row for line, text in enumerate(PROMPTS, 1) for row in told(generate(any_model, [text], settings, first=line))
    ]
    assert alone == together
    backwards = list(samples_of(any_model, PROMPTS, settings))[::-1]
    finished = sorted(
        (row for row in grow(any_model, backwards, settings) if row.finish_reason),
        key=lambda row: (row.line, row.number),
    )
    assert told(finished) == together
    monkeypatch.setattr("seqcli.decoding.generate._AT_ONCE", 1)
    assert told(generate(any_model, PROMPTS, settings)) == together
    assert told(generate(any_model, PROMPTS, GenerationSettings(num_samples=3, seed=1, **SHORT))) != together


@pytest.mark.parametrize("policy", [Policy(top_k=1), Policy(top_p=0.0), Policy(temperature=0)])
def test_the_seed_has_no_effect_if_only_one_token_can_be_drawn(any_model, policy):
    """Nor has it on where in the prompt the first token begins, of which there are several for subwords."""
    prompts = ["the cat ", "the cat s", "she studies machine learning ", "my shirt "]
    samples = generate(any_model, prompts, GenerationSettings(num_samples=8, policy=policy, max_new_tokens=8))
    texts = {(row.line, row.text) for row in samples}
    assert len(texts) == len(prompts)
    again = generate(any_model, prompts, GenerationSettings(policy=Policy(temperature=0), max_new_tokens=8, seed=5))
    assert {(row.line, row.text) for row in again} == texts


def test_log_prob_is_the_models_own(any_model):
    """Whatever the policy: what `score` gives the tokens after those kept of the prompt."""
    settings = GenerationSettings(
        num_samples=2, policy=Policy(temperature=1.5, top_k=5, repetition_penalty=1.1), **SHORT
    )
    for row in generate(any_model, ["", "I study", "the cat"], settings):
        assert UNK_ID not in row.ids and 1 <= len(row.ids) <= 40
        given = row.prompt.ids
        if len(row.prompt.starts) > 1:
            continue
        ids = np.array(row.ids, np.int32)
        scores = any_model.model.score(TokenBatch(ids, np.array([len(ids)])), context=given)
        assert row.log_prob == pytest.approx(float(scores.log_prob.sum()), abs=1e-3)


def test_text_and_end_are_those_of_the_tokens(any_model):
    for row in generate(any_model, ["", "I study"], GenerationSettings(num_samples=5, **SHORT)):
        line = any_model.unit == "line"
        assert (row.finish_reason == END) == (line and row.ids[-1] == EOS_ID)
        assert row.finish_reason == END or (row.finish_reason == LENGTH and len(row.ids) == 40)
        if len(row.prompt.starts) == 1:
            whole = any_model.tokenizer.decode([*row.prompt.ids.tolist(), *row.ids])
            cut = row.finish_reason == LENGTH  # which may be inside a character
            text = (whole.rstrip("\ufffd") if cut else whole) + "\n" * (not line and row.ids[-1] == EOS_ID)
            assert (row.prompt.text + row.text).rstrip("\ufffd" * cut) == text
        if line:
            assert EOS_ID not in row.ids[:-1]


def test_a_line_feed_is_text_of_documents_only(models):
    document = open_model(str(models("document")))
    assert any("\n" in row.text for row in generate(document, ["the cat"], GenerationSettings(num_samples=5, **SHORT)))
    prompts = [
        Prompter(opened).read("the\ncat").ids.tolist() for opened in (document, open_model(str(models("words"))))
    ]
    assert EOS_ID in prompts[0] and EOS_ID not in prompts[1] and len(prompts[1]) == 2


def test_characters_of_documents_have_no_end(corpus, tmp_path):
    from seqcli.models import ngram
    from seqcli.runs.model_writer import writing_model

    for kind in ("characters", "bytes"):
        with writing_model(tmp_path / kind) as writer:
            train_counted(
                writer, Corpus((str(corpus),), unit="document"), TokenizerChoice(kind), ngram.Config(order=4),
                memory=1 << 30,
            )  # fmt: skip
        opened = open_model(str(tmp_path / kind))
        rows = list(generate(opened, ["the cat\n", ""], GenerationSettings(num_samples=20, max_new_tokens=60)))
        assert all(len(row.ids) == 60 and EOS_ID not in row.ids for row in rows)
        assert any("\n" in row.text for row in rows)


@pytest.mark.parametrize("beam_size", [None, 2])
def test_the_length_limit_cuts_no_character(models, beam_size):
    """Bytes of Hangul, three to a syllable: each longer limit goes on with the text of the shorter one, in whole characters."""
    opened, before = open_model(str(models("bytes"))), ""
    for most in range(1, 13):
        policy = Policy(temperature=1 if beam_size else 0)
        how = GenerationSettings(policy=policy, beam_size=beam_size, max_new_tokens=most)
        (row,) = generate(opened, ["나는 기"], how)
        assert "\ufffd" not in row.text and len(row.ids) == most
        if not beam_size:
            assert row.text.startswith(before) and len(row.text.encode()) > most - 3
            before = row.text


def test_greedy_is_the_likeliest_token_and_a_beam_of_one(any_model):
    greedy = list(generate(any_model, PROMPTS, GenerationSettings(policy=Policy(temperature=0), **SHORT)))
    beam = list(generate(any_model, PROMPTS, GenerationSettings(beam_size=1, **SHORT)))
    assert told(greedy) == told(beam)
    assert told(greedy) == told(
        generate(any_model, PROMPTS, GenerationSettings(policy=Policy(top_k=1), seed=9, **SHORT))
    )


def test_beams_find_likelier_texts_best_first(any_model):
    greedy = list(generate(any_model, PROMPTS, GenerationSettings(policy=Policy(temperature=0), **SHORT)))
    beams = list(generate(any_model, PROMPTS, GenerationSettings(beam_size=4, num_samples=3, **SHORT)))
    assert [(row.line, row.number) for row in beams] == [(line, n) for line in range(1, 8) for n in range(3)]
    for line in range(1, 8):
        log_probs = [row.log_prob for row in beams if row.line == line]
        assert log_probs == sorted(log_probs, reverse=True)
    assert sum(row.log_prob for row in beams if row.number == 0) > sum(row.log_prob for row in greedy)


@pytest.mark.parametrize("stop", [(" is",), ("e", " cat"), ("machine learning",), ("습을",)])
def test_a_stop_string_ends_the_text_before_it(any_model, stop):
    plain = list(generate(any_model, PROMPTS, GenerationSettings(num_samples=3, **SHORT)))
    stopped = list(generate(any_model, PROMPTS, GenerationSettings(num_samples=3, stop=stop, **SHORT)))
    for whole, row in zip(plain, stopped):
        places = [whole.text.index(s) for s in stop if s in whole.text]
        assert row.text == (whole.text[: min(places)] if places else whole.text)
        assert row.finish_reason == (STOP if places else whole.finish_reason)
        assert row.ids == whole.ids[: len(row.ids)]


def test_text_grows_and_nothing_is_taken_back(any_model):
    for sample in samples_of(any_model, PROMPTS, GenerationSettings()):
        before = ""
        for row in grow(any_model, [sample], GenerationSettings(stop=("is very",), **SHORT)):
            assert row.text.startswith(before)
            before = row.text
        assert row.finish_reason


def test_what_cannot_be_meant():
    with pytest.raises(UsageError, match="beam size 2 is too small for 3 texts"):
        GenerationSettings(beam_size=2, num_samples=3)
    with pytest.raises(UsageError, match="empty stop"):
        GenerationSettings(stop=("",))


@pytest.mark.parametrize("stop", [(), (" is",), ("e", " cat"), ("습을",)])
def test_a_beam_finds_different_texts_that_stop_before_the_stop_string(any_model, stop):
    rows = list(generate(any_model, PROMPTS, GenerationSettings(beam_size=6, num_samples=6, stop=stop, **SHORT)))
    for line, _prompt in enumerate(PROMPTS, 1):
        of_line = [row for row in rows if row.line == line]
        assert len({row.text for row in of_line}) == len(of_line) == 6 and not any(
            s in row.text for row in of_line for s in stop
        )
        assert [row.log_prob for row in of_line] == sorted((row.log_prob for row in of_line), reverse=True)
        for row in of_line:
            assert row.finish_reason in (END, LENGTH, STOP) and (stop or row.finish_reason != STOP)
            if row.finish_reason == STOP and len(row.prompt.starts) == 1:
                whole, before = (
                    any_model.tokenizer.decode([*row.prompt.ids.tolist(), *ids]) for ids in (row.ids, row.ids[:-1])
                )
                assert sum(map(whole.count, stop)) > sum(
                    map(before.count, stop)
                )  # its last token completes a stop string
    greedy = generate(any_model, PROMPTS, GenerationSettings(policy=Policy(temperature=0), stop=stop, **SHORT))
    assert told(generate(any_model, PROMPTS, GenerationSettings(beam_size=1, stop=stop, **SHORT))) == told(greedy)


def test_the_likeliest_texts_are_those_of_an_exhaustive_search(models):
    """Every pair of words, or one word and the end, scored by the model itself."""
    opened = open_model(str(models("words")))
    pieces = [id for id in range(2, opened.tokenizer.vocab_size)]
    rows = [[EOS_ID], *([a, b] for a in pieces if a != EOS_ID for b in pieces)]
    given = opened.tokenizer.encode(b"the\n").tokens[:-1]
    batch = TokenBatch(np.concatenate(rows).astype(np.int32), np.array([len(row) for row in rows]))
    log_prob = opened.model.score(batch, context=given).log_prob
    sums = sorted(
        ((float(part.sum()), row) for part, row in zip(np.split(log_prob, batch.lengths.cumsum()[:-1]), rows)),
        reverse=True,
    )
    found = list(generate(opened, ["the"], GenerationSettings(beam_size=30, num_samples=30, max_new_tokens=2)))
    np.testing.assert_allclose([row.log_prob for row in found], [total for total, _ in sums[:30]], rtol=1e-4)
