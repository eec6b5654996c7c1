"""The shipped samples: their files are what `make.py` writes, their models know word order and word choice."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from itertools import permutations
from pathlib import Path

import pytest
from page_data import views_of

import seqcli
from seqcli import samples
from seqcli.api.language_model import LanguageModel
from seqcli.interfaces import SILENT
from seqcli.runs.model_folder import ModelFolder
from seqcli.scoring.choices import choices
from seqcli.scoring.pairs import OVERALL, judge_pairs, read_pairs
from seqcli.scoring.scramble import scramble

LANGUAGES = {"english": "I study machine learning", "korean": "나는 기계 학습을 공부한다"}
ACCURACY = {"english": 0.9, "korean": 0.8}

GENERATORS = Path(__file__).parents[1] / "sample_data"  # what is installed has the files alone


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """The environment's cache for this file: the models are built in it once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("samples")))
        yield Path(os.environ["XDG_CACHE_HOME"])


@pytest.fixture(scope="module")
def opened(cache):
    return {name: samples.language_model(text, reporter=SILENT) for name, text in LANGUAGES.items()}


@pytest.mark.parametrize("name", LANGUAGES)
def test_pairs_that_the_model_has_not_seen(opened, name):
    results = judge_pairs([opened[name]], read_pairs(str(samples.folder() / f"{name}.pairs.tsv")))
    for tag in ("word_order", "word_choice"):
        (tally,) = results.tallies[tag]
        assert tally.pairs >= 100 and tally.accuracy >= ACCURACY[name], (tag, tally)
    assert results.tallies[OVERALL][0].accuracy >= ACCURACY[name]


@pytest.mark.parametrize("name, text", LANGUAGES.items())
def test_the_sentence_is_the_first_of_its_24_orderings(opened, name, text):
    answer = scramble(opened[name], text, sample=1000, seed=0)
    assert (answer.rank, answer.orderings, answer.ties) == (1, 24, 0)
    lines = (samples.folder() / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    assert not {" ".join(words) + end for words in permutations(text.split()) for end in ("", ".")} & set(lines)


def test_slow_is_what_a_computer_is(opened):
    assert choices(opened["english"], "My computer is very [slow|shirt]")[0].text == "My computer is very slow"
    assert choices(opened["korean"], "제 컴퓨터는 아주 [맛있어요|느려요]")[0].text.endswith("느려요")


def test_the_language_is_that_of_the_text():
    texts = {
        "I study": "english",
        "나는": "korean",
        "": "english",
        "!?": "english",
        "나는 ML을 공부한다": "korean",
        "나는 machine learning을 공부한다": "korean",
        "ㅋㅋ": "korean",
        "\u1102\u1161\u1102\u1173\u11ab": "korean",  # 나는, decomposed
    }
    assert {text: samples.language_of(text) for text in texts} == texts
    assert samples.language_of("the Korean word 나 means I") == "english"


def test_scripts_that_no_sample_has():
    known = ["", "I study", "Où est la bibliothèque ?", "Łódź", "나는", "\u1102\u1161", "!?", "나는 東京에 산다", "12"]
    assert not any(map(samples.is_foreign, known))
    assert all(map(samples.is_foreign, ["日本語の文", "Привет, мир", "नमस्ते", "مرحبا", "γειά", "OK 日本語の文"]))


MIXED = [
    "나는 기계 학습을 공부한다",
    "I study machine learning",
    "",
    "great movie",
    "Où est-il ?",
    "이 영화 최고",
    "日本語",
    "the dog",
]
VERBS = [
    ["score"], ["score", "--level", "word"], ["score", "--level", "token"], ["score", "--scramble"], ["classify"], ["classify", "--explain"],
    ["tokenize"], ["tokenize", "--ids"], ["tokenize", "--count"], ["tokenize", "--offsets"], ["tokenize", "--n-best", "2"],
    ["generate", "--max-new-tokens", "3"], ["generate", "--next", "2"],
]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_a_record_has_the_answer_that_it_has_alone(cache, here, verb):
    def answers(*texts: str) -> list[list[dict]]:
        done = here(*verb, "--json", *texts)
        assert done.code == 0, done.err
        rows = [json.loads(row) for row in done.out.splitlines()]
        return [[row for row in rows if row["line"] == line] for line in range(1, len(texts) + 1)]

    drawn = verb[0] == "generate" and "--next" not in verb  # by the number of the line, too
    for line, (text, found) in enumerate(zip(MIXED, answers(*MIXED)), 1):
        alone = answers(*[""] * (line - 1), text)[-1] if drawn else answers(text)[0]
        assert [{**row, "line": line} for row in alone] == found


def test_figures_of_several_scripts_are_those_of_each(cache, here):
    rows = [json.loads(row) for row in here("score", "--level", "corpus", "--json", *MIXED[:6]).out.splitlines()]
    assert [row["model"] for row in rows] == ["sample-korean", "sample-english"]
    apart = [here("score", "--level", "corpus", "--json", *texts) for texts in ([MIXED[0], MIXED[5]], MIXED[1:5])]
    for row, done in zip(rows, apart):
        alone = json.loads(done.out)
        assert {key: pytest.approx(value) if isinstance(value, float) else value for key, value in alone.items()} == row


def test_pairs_and_labelled_texts_of_several_scripts(cache, here, tmp_path):
    halves = [(samples.folder() / f"{name}.pairs.tsv").read_text("utf-8").splitlines()[:8] for name in LANGUAGES]
    tallies = []
    for name, lines in {
        "a": halves[0],
        "b": halves[1],
        "both": [line for pair in zip(*halves) for line in pair],
    }.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        *_, overall = here("score", "--pairs", name).rows
        tallies.append([int(number) for number in overall[1:4]])
    assert tallies[2] == [a + b for a, b in zip(*tallies[:2])]
    (tmp_path / "l.tsv").write_text(
        "text\tlabel\ngreat movie\tpositive\n이 영화 최고\tpositive\nawful\tnegative\n", encoding="utf-8"
    )
    done = here("classify", "--evaluate", "-i", "l.tsv", "--json")
    assert [json.loads(row)["texts"] for row in done.out.splitlines()] == [2, 1], done.err


def test_what_the_samples_do_not_know_is_noted(cache, here):
    done = here("score", "日本語", "Où est-il ?", "the dog")
    assert "1 record is in a script that the sample models do not cover" in done.err
    known = samples.words("language", "english")
    new = [word for word in ("où", "est", "il", "the", "dog") if word not in known]
    assert f"{len(new)} of 5 words unknown to the sample models" in done.err and {"the"} <= known
    assert "never seen" not in here("tokenize", "the").err
    assert "never seen" not in here("score", "나는 기계 학습을 공부한다").err
    assert "never seen" not in here("score", unicodedata.normalize("NFD", "나는 기계 학습을 공부한다")).err


@pytest.mark.parametrize(
    "script, written",
    [
        ("make.py", ["english.txt", "korean.txt"]),
        ("make_labelled.py", ["english.sentiment.tsv", "korean.sentiment.tsv"]),
        ("make_pairs.py", ["english-korean.tsv"]),
    ],
)
def test_the_files_are_what_the_scripts_write(tmp_path, script, written):
    shutil.copytree(GENERATORS, tmp_path / "sample_data")
    for name in written:
        (tmp_path / "sample_data" / name).unlink()
    done = subprocess.run([sys.executable, f"sample_data/{script}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in written:
        assert (tmp_path / "sample_data" / name).read_bytes() == (samples.folder() / name).read_bytes()


def test_particles_follow_the_word_before_them():
    spec = importlib.util.spec_from_file_location("make", GENERATORS / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    for frame, sentence in [
        ("커피{을/를}", "커피를"), ("빵{을/를}", "빵을"), ("서울{으로/로}", "서울로"), ("집{으로/로}", "집으로"),
        ("길{이/가}", "길이"),
    ]:  # fmt: skip
        assert make.with_particles(frame) == sentence


# --- where the models live --------------------------------------------------------------------------------------------


def score(environment: dict, *arguments: str, **env: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "seqcli", "score", *arguments], env={**environment, **env}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_two_first_uses_at_once_build_it_once(environment, tmp_path):
    both = [score(environment, LANGUAGES["english"], "--json", XDG_CACHE_HOME=str(tmp_path)) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0][0] == answers[1][0] and json.loads(answers[0][0])["scores"][0]["model"] == "sample-english"
    notes = sorted(error.splitlines()[0] for _, error in answers)
    assert notes[0].startswith("seqcli score: no model given; building the sample ngram model for English (a toy")
    assert (
        notes[1]
        == "seqcli score: no model given; using the sample ngram model for English (a toy); for a real model, try -m hf:distilgpt2"
    )
    (folder,) = (tmp_path / "seqcli").glob("language-*")
    ModelFolder.open(folder).verify()


def test_a_cache_that_cannot_be_written_falls_back(cache, environment, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    process = score(environment, "x", XDG_CACHE_HOME=str(tmp_path / "file"), TMPDIR=str(tmp_path))
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0 and f" in {tmp_path}/seqcli-{os.getuid()}" in error
    assert (tmp_path / f"seqcli-{os.getuid()}").stat().st_mode & 0o777 == 0o700


def test_somebody_elses_folder_is_not_the_fallback(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    monkeypatch.setattr(samples.tempfile, "tempdir", str(tmp_path))
    mine = tmp_path / f"seqcli-{os.getuid()}"
    assert samples.cache_folder() == mine
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    (tmp_path / "seqcli-12345").symlink_to(mine)
    other = samples.cache_folder()
    assert other.parent == tmp_path and other not in (mine, tmp_path / "seqcli-12345") and not other.is_symlink()


def test_nobodys_home_is_no_error(tmp_path, monkeypatch):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(samples.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "home", unknown)
    assert samples.cache_folder().parent == tmp_path


def test_korean_text_gets_the_korean_model(cache, opened, here):
    done = here("score", LANGUAGES["korean"], "--json")
    assert json.loads(done.out)["scores"][0]["model"] == "sample-korean"
    assert (
        "using the sample ngram model for Korean (a toy); for a real model, try -m hf:skt/kogpt2-base-v2\n" in done.err
    )


@pytest.mark.parametrize(
    "arguments, shown",
    [
        (["score", "-m", "sample-english"], "-25."),
        (["score", "-m", "a=sample-english", "--level", "corpus"], "a\t1"),
        (["score", "-m", "sample-english", "-m", "sample-korean"], "\t"),
        (["tokenize", "-m", "sample-english"], "▁I"),
        (["generate", "-m", "sample-english", "--next", "1"], "1\t1"),
        (["classify", "-m", "sample-sentiment-english"], "tive\t"),
        (["info", "--json"], '"task": "language"'),
        (["convert"], ""),
        (["train", "lm", "-o", "new", "--tokenizer"], ""),
    ],
)
def test_a_sample_model_is_a_model_by_its_name(cache, opened, here, tmp_path, arguments, shown):
    (tmp_path / "lines.txt").write_text("I study\n" * 20)
    rest = {
        "info": ["sample-english"], "convert": ["sample-english", "m.arpa"], "train": ["sample-english", "lines.txt"],
    }  # fmt: skip
    done = here(*arguments, *rest.get(arguments[0], [LANGUAGES["english"]]))
    assert done.code == 0 and shown in done.out, done
    assert "no model given" not in done.err


def test_python_opens_a_sample_model_by_its_name(cache, opened):
    (score,) = seqcli.load("sample-english").score([LANGUAGES["english"]])
    (same,) = LanguageModel(opened["english"]).score([LANGUAGES["english"]])
    assert score == same


def test_4_a_misspelt_sample_model(here):
    done = here("score", "-m", "sample-englsh", "x")
    assert done.code == 4 and "did you mean 'sample-english'?" in done.err and "seqcli info" in done.err


def test_info_lists_the_sample_models_and_what_is_in_the_cache(cache, opened, here):
    old = cache / "seqcli" / "language-english-ngram-0123456789ab"
    shutil.copytree(next(cache.glob("seqcli/language-english-ngram-*")), old)
    done = here("info", "--json")
    rows = {row["model"]: row for row in map(json.loads, done.out.splitlines())}
    shutil.rmtree(old)
    assert {*samples.every(), old.name} <= {*rows} and all(name in samples.every() for name in ("sample-korean-lstm",))
    size = sum(file.stat().st_size for file in Path(rows["sample-english"]["path"]).rglob("*") if file.is_file())
    assert rows["sample-english"]["bytes"] == rows[old.name]["bytes"] == size
    assert rows["sample-korean-lstm"]["bytes"] is None and f"rm -r {cache}/seqcli" in done.err
    assert [row[0] for row in here("info").rows] == [name for name in rows if name != old.name]


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Networks that are built in no time, in a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(samples, "BUDGET", {"steps": 2})
    monkeypatch.setattr(samples, "TRANSLATING", {"steps": 2, "width": 16, "evaluations": 1})
    for arch in set(samples.SETTINGS) - {samples.COUNTED}:
        monkeypatch.setitem(samples.SETTINGS, arch, {"width": 8})


def test_the_demo_shows_both_languages_and_every_architecture(small, here, tmp_path):
    done = here("demo")
    assert done.code == 0, done.err
    shown = (
        "My computer is very slow",
        "word_choice",
        "most likely continuation",
        "bits/byte",
        "Many to many",
        "I want to drink coffee.",
    )
    pieces = ("▁machine ▁learning", "▁나 는 ▁기")
    for text in (*LANGUAGES.values(), *pieces, *shown):
        assert text in done.out
    assert all(done.out.count(arch) >= 5 for arch in samples.SETTINGS) and "\x1b" not in done.out
    rank = next(line.split() for line in done.out.splitlines() if "rank of 24" in line)
    assert rank[3] == "1" and len(rank) == 3 + len(samples.SETTINGS)
    assert len(list(tmp_path.glob("seqcli/[ek]*-gru-*"))) == 1  # a translator takes half a minute
    page = (tmp_path / "seqcli" / "demo-en.html").read_text("utf-8")
    assert str(tmp_path / "seqcli" / "demo-en.html") in done.out and len(page) < 3_000_000
    views = views_of(page)
    assert {view["view"] for view in views} == {
        "surprisal", "attention", "gates", "reach", "positions", "search", "ngram", "words"
    }  # fmt: skip
    assert {view["model"] for view in views} >= set(samples.SETTINGS)
    again = here("demo", "--html", str(tmp_path / "again.html"))
    assert again.out.replace("again.html", "seqcli/demo-en.html") == done.out and "building" not in again.err


def test_the_demo_in_korean(small, here, tmp_path):
    done = here("demo", "--lang", "ko", "--html", str(tmp_path / "course.html"), "-q")
    assert done.code == 0, done.err
    assert all(done.out.count(arch) >= 5 for arch in samples.SETTINGS)
    page = (tmp_path / "course.html").read_text("utf-8")
    assert '<html lang="ko">' in page and "그 동물은 너무 피곤해서" in page and len(page) < 3_000_000
    refused = here("demo", "--html", "course.pdf")
    assert refused.code == 2 and ".html" in refused.err


def test_sample_models_go_together(small, tmp_path):
    trained = list(samples.every_model("english", reporter=SILENT))
    assert [each.opened.arch for each in trained] == list(samples.SETTINGS)
    assert len({each.opened.tokenizer.fingerprint for each in trained}) == 1
    assert len({(each.record["data"]["tokens"], each.record["valid"]["tokens"]) for each in trained}) == 1
    places = sorted(tmp_path.glob("seqcli/language-*"))
    assert len(places) == len(trained) and not any((place / "checkpoints").exists() for place in places)


def test_a_first_use_that_was_ended_leaves_nothing(small, tmp_path, monkeypatch):
    monkeypatch.setattr(samples.os, "rename", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(samples.every_model("english", reporter=SILENT))
    assert all(path.suffix == ".lock" for path in tmp_path.glob("seqcli/*"))
    (left,) = tmp_path.glob("seqcli/.language-english-*")
    killed = left.with_name(left.stem + "-killed")
    killed.mkdir()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    next(samples.every_model("english", reporter=SILENT))
    assert not killed.exists()


@pytest.mark.slow
@pytest.mark.parametrize("text, translation, looks", [
    ("I want to drink coffee.", "저는 커피를 마시고 싶어요.", {0: 0, 1: 4}),
    ("제 방에 책이 있어요.", "There is a book in the room.", {3: 2, 6: 1}),
])  # fmt: skip
def test_the_sample_translators_look_at_what_they_translate(tmp_path, monkeypatch, text, translation, looks):
    """The true ones, half a minute each to build. looks: of words of the translation, at which word of the text."""
    from seqcli.decoding.attention import attentions
    from seqcli.decoding.translate import TranslationSettings, translate

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened = samples.translator(text, reporter=SILENT)
    made = list(translate(opened, [text], TranslationSettings()))
    assert made[0].best.text == translation
    (looked,) = attentions(opened, made)
    assert {target: source for source, target in looked.alignment() if target in looks} == looks
    assert looked.weights.max(axis=1).mean() > 2 / looked.weights.shape[1]  # far from even
    assert ModelFolder.open(next(tmp_path.glob("seqcli/*-gru-*"))).config["valid"]["chrf"] > 50


@pytest.mark.slow
def test_every_architecture_knows_the_order(tmp_path, monkeypatch):
    """The demo's own models, a minute to build: rank 1 of 24, and better than chance on the pairs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    trained = list(samples.every_model("english", reporter=SILENT))
    models = [each.opened for each in trained]
    for opened in models:
        answer = scramble(opened, LANGUAGES["english"], sample=1000, seed=0)
        assert (answer.rank, answer.orderings) == (1, 24), opened.name
    results = judge_pairs(models, read_pairs(str(samples.folder() / "english.pairs.tsv")))
    accuracy = {opened.name: tally.accuracy for opened, tally in zip(models, results.tallies["word_order"])}
    assert min(accuracy.values()) > 0.8, accuracy
