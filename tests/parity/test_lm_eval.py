"""lm-evaluation-harness: its own `hf` model and ours give the same choices and the same numbers for the same weights."""

import pytest
from small_huggingface import language_model

pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("lm_eval", reason="lm-eval is not installed")
pytest.importorskip("accelerate", reason="accelerate, which the harness's hf model needs, is not installed")

from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model

PAIRS = [  # as in BLiMP (Warstadt et al. 2020): the good sentence first
    ("The cats sleep.", "The cats sleeps."), ("Mary saw herself.", "Mary saw himself."),
    ("These books are old.", "These book are old."), ("The dog that barks runs.", "The dog that barks run."),
    ("Who did John see?", "Who did John see Mary?"), ("No student has ever slept.", "A student has ever slept."),
    ("I study machine learning.", "I studies machine learning."), ("She has gone.", "She has went."),
    ("There is a cat here.", "There is every cat here."), ("He gave me it.", "He gave it me it."),
    ("My computer is very slow.", "My computer are very slow."), ("They like to sing.", "They like to sang."),
]  # fmt: skip


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def both(request, tmp_path_factory):
    """The harness's model of a folder, and ours."""
    from lm_eval.models.huggingface import HFLM

    import seqcli.lm_eval  # noqa: F401 - registers the name

    folder = tmp_path_factory.mktemp("model")
    language_model(request.param, folder)
    theirs = HFLM(pretrained=str(folder), device="cpu", dtype="float32", add_bos_token=request.param == "llama")
    return theirs, get_model("seqcli").create_from_arg_string(
        f"pretrained={folder}", {"batch_size": 1, "device": "cpu"}
    )


def asked(kind, *arguments):
    return [Instance(request_type=kind, doc={}, arguments=each, idx=0) for each in arguments]


def test_choices_between_the_sentences_of_pairs_are_those_of_hf(both):
    requests = asked("loglikelihood", *(("", sentence) for pair in PAIRS for sentence in pair))
    theirs, ours = (model.loglikelihood(requests, disable_tqdm=True) for model in both)
    assert [log_prob for log_prob, _ in ours] == pytest.approx([log_prob for log_prob, _ in theirs], abs=1e-3)
    for found in (theirs, ours):
        assert len({log_prob for log_prob, _ in found}) > len(PAIRS)
    choices = [[good[0] > bad[0] for good, bad in zip(found[::2], found[1::2])] for found in (theirs, ours)]
    assert choices[0] == choices[1]


def test_a_continuation_of_a_context_has_the_score_of_hf(both):
    theirs, ours = both
    if theirs.add_bos_token:  # it stands before our contexts
        requests = asked("loglikelihood", ("I study", " machine learning."), ("The cat ", "sleeps"), ("a\nb", " c"))
        found = ours.loglikelihood(requests, disable_tqdm=True)
        wanted = theirs.loglikelihood(requests, disable_tqdm=True)
        assert [each[0] for each in found] == pytest.approx([each[0] for each in wanted], abs=1e-3)
        assert [each[1] for each in found] == [each[1] for each in wanted]


def test_the_most_probable_continuation_is_greedy(both):
    """Where the text that was made is read as the tokens that it was made of."""
    ours, contexts = both[1], [sentence for pair in PAIRS for sentence in pair]
    made = ours.generate_until(asked("generate_until", *((text, {"max_gen_toks": 1}) for text in contexts)))
    same = [
        (context, text) for context, text in zip(contexts, made)
        if text.strip() and len(ours.tok_encode(context + text)) == len(ours.tok_encode(context)) + 1 and "\ufffd" not in text
    ]  # fmt: skip
    others = [(context, " zebra") for context, _ in same]
    assert same and all(greedy for _, greedy in ours.loglikelihood(asked("loglikelihood", *same), disable_tqdm=True))
    assert not any(greedy for _, greedy in ours.loglikelihood(asked("loglikelihood", *others), disable_tqdm=True))


def test_rolling_scores_are_those_of_hf(both, monkeypatch):
    monkeypatch.setattr(both[0], "add_bos_token", False)  # which would put it there twice
    requests = asked("loglikelihood_rolling", *((sentence,) for pair in PAIRS[:4] for sentence in pair))
    theirs, ours = (model.loglikelihood_rolling(requests, disable_tqdm=True) for model in both)
    assert ours == pytest.approx(theirs, abs=1e-3)


def test_texts_end_before_the_first_stop(both):
    ours = both[1]
    (whole,) = ours.generate_until(asked("generate_until", ("My computer", {"until": [], "max_gen_toks": 12})))
    stop = whole[len(whole) // 2]
    done = ours.generate_until(asked("generate_until", ("My computer", {"until": ["\0", stop], "max_gen_toks": 12})))
    assert done == [whole.partition(stop)[0]]


def test_a_task_of_the_harness_runs_with_our_name(both, tmp_path):
    import json

    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    rows = [{"sentence_good": good, "sentence_bad": bad} for good, bad in PAIRS]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pairs.yaml").write_text(f"""
task: our_pairs
dataset_path: json
dataset_kwargs: {{data_files: {{validation: {tmp_path}/pairs.jsonl}}}}
output_type: multiple_choice
validation_split: validation
doc_to_text: ""
doc_to_target: 0
doc_to_choice: "{{{{[sentence_good, sentence_bad]}}}}"
metric_list: [{{metric: acc}}]
""")
    tasks = TaskManager(include_path=str(tmp_path), include_defaults=False)
    scores = [
        simple_evaluate(model, tasks=["our_pairs"], task_manager=tasks, bootstrap_iters=0, log_samples=True)
        for model in both
    ]
    theirs, ours = (
        [[answer[0] for answer in sample["filtered_resps"]] for sample in each["samples"]["our_pairs"]]
        for each in scores
    )
    assert [a > b for a, b in theirs] == [a > b for a, b in ours]
    assert scores[0]["results"]["our_pairs"]["acc,none"] == scores[1]["results"]["our_pairs"]["acc,none"]
