"""`seqcli explain` as it is used: pictures, JSON, PNG, what suits a model, and what is refused."""

import json

import numpy as np
import pytest
from page_data import views_of

import seqcli as api

TEXT = "my computer is very slow"


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    settings = {"width": 16, "layers": 1}
    for arch in ("lstm", "transformer"):
        extra = {"heads": 2, "window": 16} if arch == "transformer" else {}
        api.train_lm(corpus, folder / arch, arch=arch, steps=4, threads=1, settings={**settings, **extra})
    (folder / "labelled.tsv").write_text("text\tlabel\n" + "good day\tpos\nbad day\tneg\n" * 10)
    api.train_classifier(folder / "labelled.tsv", folder / "bag")
    return folder


def objects(done) -> list[dict]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize(
    "name, views", [("lstm", ["surprisal", "gates"]), ("transformer", ["surprisal", "attention"]), ("bag", ["words"])]
)
def test_the_default_views_suit_the_model(trained, here, name, views):
    found = objects(here("explain", "-m", str(trained / name), TEXT, "--json", "-q"))
    assert [each["view"] for each in found] == views
    assert all((each["line"], each["text"], each["model"]) == (1, TEXT, name) for each in found)
    drawn = here("explain", "-m", str(trained / name), TEXT)
    assert drawn.code == 0 and name in drawn.out and "\x1b" not in drawn.out
    assert all(len(line) <= 80 for line in drawn.out.splitlines())


def test_json_has_the_names_of_the_contract(trained, model, translator, here):
    lm = ["-m", str(trained / "transformer")]
    (found,) = objects(here("explain", *lm, TEXT, "--surprisal", "--json"))
    assert set(found["tokens"][0]) == {"token", "log_prob", "expected"}
    scores = objects(here("score", *lm, TEXT, "--level", "token", "--json", "-q"))
    assert [row["log_prob"] for row in found["tokens"]] == [row["log_prob"] for row in scores]
    (found,) = objects(here("explain", *lm, TEXT, "--attention", "--json"))
    assert len(found["layers"]) == 1 and len(found["layers"][0]["heads"]) == 2 and found["keys"][0] == "<s>"
    (found,) = objects(here("explain", *lm, TEXT, "--reach", "--json"))
    assert set(found["contexts"][0]) == {"tokens", "nats"} and set(found["gradients"][0]) == {"distance", "norm"}
    assert len(found["untrained"]) == len(found["gradients"])
    (found,) = objects(here("explain", "-m", str(model), TEXT, "--ngram", "--json"))
    assert set(found["tokens"][0]["steps"][0]) == {"order", "context", "found", "log_prob", "log_backoff"}
    kinds = [each.get("kind") for each in objects(here("explain", "-m", str(translator), "I study", "--json"))]
    assert kinds == ["encoder", "decoder", "cross", None]


def test_embeddings_of_a_model_a_file_and_a_network(trained, corpus, tmp_path, here):
    """Neighbours are those of `embed`, the plane is scikit-learn's."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    api.train_embeddings(corpus, tmp_path / "words", epochs=1, dim=8, threads=1, min_count=1)
    (tmp_path / "vectors.txt").write_text("2 3\nmy 1 0 0\ncomputer 1 1 0\n")
    text = "my computer my"
    for path, k in ((tmp_path / "words", 4), (tmp_path / "vectors.txt", 1), (trained / "lstm", 4)):
        asked = ["explain", "-m", str(path), text, "--top-k", str(k), "--json", "-q"]
        (found,) = objects(here(*asked, *(["--embeddings"] if path.name == "lstm" else [])))
        assert found["view"] == "embeddings" and [each["word"] for each in found["words"]] == ["my", "computer"]
        for word in found["words"]:
            (near,) = objects(here("embed", "-m", str(path), "--neighbours", word["word"], "--top-k", str(k), "--json"))
            assert word["neighbours"] == near["neighbours"]
        if path.name == "words":
            names = [point["word"] for point in found["points"]]
            vectors = np.array([row["vector"] for row in objects(here("embed", "-m", str(path), *names, "--json"))])
            pca = decomposition.PCA(2).fit(vectors)
            points = np.array([[point["x"], point["y"]] for point in found["points"]])
            np.testing.assert_allclose(np.abs(points), np.abs(pca.transform(vectors)), atol=1e-4)
            np.testing.assert_allclose(found["shares"], pca.explained_variance_ratio_, atol=1e-4)
    for asked in ("--surprisal", "--attention"):
        done = here("explain", "-m", str(tmp_path / "words"), text, asked)
        assert done.code == 2 and "--embeddings" in done.err
    done = here("explain", "-m", str(tmp_path / "vectors.txt"), "unheard", "--json")
    assert done.code == 3 and "no word" in done.err
    assert here("explain", "-m", str(tmp_path / "words"), "", "--json").code == 0
    drawn = here("explain", "-m", str(tmp_path / "words"), text)
    assert drawn.code == 0 and "computer" in drawn.out


def test_several_models_and_texts(trained, here):
    asked = ["-m", str(trained / "lstm"), "-m", str(trained / "transformer"), "--surprisal", "--json"]
    found = objects(here("explain", *asked, "a cat", "a dog"))
    assert [(each["line"], each["model"]) for each in found] == [
        (1, "lstm"), (1, "transformer"), (2, "lstm"), (2, "transformer"),
    ]  # fmt: skip


def test_without_m_the_sample_model_is_used(here):
    found = objects(here("explain", "나는 매일 수학을 공부한다", "--json", "-q"))
    assert [each["view"] for each in found] == ["ngram"] and found[0]["model"] == "sample-korean"


def test_one_token_step_by_step(trained, here):
    done = here("explain", "-m", str(trained / "transformer"), TEXT, "--attention", "--token", "3", "--head", "2")
    assert done.code == 0 and "softmax" in done.out and "head 2" in done.out
    asked = ["explain", "-m", str(trained / "transformer"), TEXT, "--attention", "--token", "3", "--json"]
    view, steps = objects(here(*asked))
    assert (steps["view"], steps["query"], steps["token"]) == ("steps", 3, view["queries"][2])
    assert [row["weight"] for row in steps["steps"]] == view["layers"][0]["heads"][0]["weights"][2][:3]


def test_a_picture(trained, translator, tmp_path, here):
    pytest.importorskip("matplotlib")
    for arguments in (["-m", trained / "lstm", "--gates", "--reach", "--search"], ["-m", trained / "transformer", "--positions"],
                      ["-m", trained / "bag"], ["-m", translator]):  # fmt: skip
        done = here("explain", *map(str, arguments), TEXT, "--png", str(tmp_path / "views.png"), "-q")
        assert done.code == 0, done.err
        assert (tmp_path / "views.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("lang, word", [("en", "surprisal"), ("ko", "놀람도")])
def test_a_page(trained, model, translator, tmp_path, here, lang, word):
    asked = [
        part for path in (trained / "lstm", trained / "transformer", model, translator) for part in ("-m", str(path))
    ]
    done = here("explain", *asked, TEXT, "</script>나는 학생", "--html", str(tmp_path / "page.html"), "--lang", lang)
    assert done.code == 0 and done.out == "", done.err
    page = (tmp_path / "page.html").read_text("utf-8")
    assert word in page.lower() and page.count("://") == page.count("http://www.w3.org") and "</script>나는" not in page
    assert {view["view"] for view in views_of(page)} == {"surprisal", "attention", "gates", "ngram", "search"}


@pytest.mark.parametrize(
    "name, arguments, named",
    [
        ("lstm", ["--attention"], "--gates"),
        ("transformer", ["--gates"], "lstm"),
        ("bag", ["--attention"], "has no attention; use a transformer"),
        ("bag", ["--surprisal"], "not a language model"),
        ("transformer", ["--ngram"], "n-gram"),
        ("transformer", ["--attention", "--layer", "9"], "1 layers of 2 heads"),
        ("transformer", ["--gates", "--token", "2"], "--attention"),
        ("lstm", ["-o", "x.csv"], ".jsonl"),
        ("lstm", ["--png", "x.jpg"], ".png"),
        ("lstm", ["--png", "nowhere/x.png"], "nowhere"),
        ("lstm", ["--html", "x.txt"], ".html"),
        ("lstm", ["--html", "nowhere/x.html"], "nowhere"),
    ],
)
def test_refused_command_lines(trained, here, name, arguments, named):
    done = here("explain", "-m", str(trained / name), TEXT, *arguments)
    assert done.code in (2, 5) and named in done.err and done.err.count("\n") == 1 and "unexpected" not in done.err


@pytest.mark.parametrize("text", ["", " ", "word " * 40])
def test_empty_and_long_texts(trained, here, text):
    for name in ("lstm", "bag"):
        assert here("explain", "-m", str(trained / name), text, "--json", "-q").code == 0
    done = here("explain", "-m", str(trained / "transformer"), text, "--attention", "-q")
    assert done.code == (3 if len(text) > 20 else 0), done.err
    assert here("explain", "-m", str(trained / "transformer"), text, "--surprisal", "--reach", "-q").code == 0
