"""The page of views: that it is one safe file, that its numbers are the views', and that it works in a real browser."""

import json
import math
import re

import numpy as np
import pytest
from chromium import FOUND, Chromium
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from page_data import views_of

from seqcli.explain.ngram import ngram_paths
from seqcli.explain.surprisal import surprisal
from seqcli.report.page import _DRAWING, _HERE, _VIEWS, packing, page
from seqcli.results.classification import WordInfluence
from seqcli.results.embeddings import Neighbour
from seqcli.results.language import NextToken
from seqcli.results.views import (
    AttentionHead,
    AttentionLayer,
    AttentionView,
    ContextLoss,
    Cost,
    EmbeddedWord,
    Embeddings,
    Gate,
    GateLayer,
    Gates,
    GradientNorm,
    Point,
    Positions,
    Reach,
    Search,
    SearchNode,
    Surprisal,
    TokenSurprisal,
    WordInfluences,
)

TEXT = "나는 매일 수학을 공부한다"
WORDS = TEXT.split()
HOSTILE = '</script><script>document.title="taken"</script><img src="http://127.0.0.1:9/x" onerror="alert(1)">'
LANGUAGES = ("en", "ko")


def of(view, *, text=TEXT, model="toy", line=1):
    return {"line": line, "text": text, "model": model, **view.to_dict()}


def a_surprisal(tokens, log_probs):
    others = [NextToken("the", 0.5), NextToken(tokens[0], 0.25)]
    return Surprisal([TokenSurprisal(token, log_p, others) for token, log_p in zip(tokens, log_probs)])


def an_attention(kind="self", heads=2):
    """Head 1 looks at the token before, head 2 at the token itself."""
    size = len(WORDS)
    back, own = np.eye(size, k=-1), np.eye(size)
    back[0, 0] = 1
    layer = AttentionLayer(
        [
            AttentionHead(back.tolist(), 1.0, 0.25, 0.0, 0.0),
            AttentionHead(own.tolist(), 0.0, 0.25, 1.0, 0.0),
        ][:heads]
    )
    return AttentionView(kind, WORDS, WORDS, [layer, layer])


def a_gates(units=30):
    """Unit u at token t: a value of its own; unit 7 moves most."""
    values = np.linspace(0.1, 0.2, 4 * units).reshape(4, units)
    values[:, 7] = [0, 1, 0, 1]
    gate = [Gate(name, values.tolist(), values.mean(axis=1).tolist(), 0.25, [7]) for name in ("forget", "input")]
    return Gates("lstm", WORDS, [GateLayer(gate)])


def a_reach(norm):
    return Reach(
        [ContextLoss(1, 4.0), ContextLoss(2, 3.0), ContextLoss(4, 3.0)],
        [GradientNorm(d, norm**d) for d in range(9)],
        [GradientNorm(d, 0.25**d) for d in range(9)],
        [Cost(16, 0.001, 2_000_000, 16), Cost(32, 0.0025, 4_000_000, 32)],
    )


def a_search():
    """p = 0.5 0.5 for "a b", 0.25 0.5 for "c d"; "e" falls out of the beam."""
    log = math.log
    return Search(
        2,
        [
            SearchNode(None, "a", log(0.5), True, False),
            SearchNode(None, "c", log(0.25), True, False),
            SearchNode(0, "b", log(0.25), True, True, 1),
            SearchNode(0, "e", log(0.05), False, False),
            SearchNode(1, "d", log(0.125), True, True, 2),
        ],
    )


def an_embeddings():
    words = [EmbeddedWord("나는", [Neighbour("너는", 0.75), Neighbour("매일", 0.5)]), EmbeddedWord("매일", None)]
    return Embeddings(words, [Point("나는", 0.0, 0.0, True), Point("너는", 1.0, 2.0, False)], [0.75, 0.25])


def everything(opened):
    return [
        of(surprisal(opened, TEXT), model="ngram"),
        of(a_surprisal([*WORDS, "</s>"], [-1.0, -2.0, -3.0, -4.0, -math.inf])),
        of(ngram_paths(opened, TEXT, record={"discounts": [[0.5, 1.0, 1.5]]}), model="ngram"),
        of(an_attention("encoder")),
        of(an_attention("cross")),
        of(a_gates()),
        of(Positions("rotary", np.eye(8).tolist())),
        of(a_reach(0.5)),
        of(a_reach(2.0), model="other"),
        of(a_search()),
        of(WordInfluences("good", 0.75, [WordInfluence("나는", 1.5), WordInfluence("매일", -0.5)])),
        of(an_embeddings()),
    ]


def unpacked(matrix):
    """As `matrix` of the script does it, by an index into the alphabet."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    digits = [alphabet.index(character) for character in matrix["packed"]]
    levels = np.array(digits).reshape(-1, matrix["digits"]) @ 64 ** np.arange(matrix["digits"])[::-1]
    values = matrix["low"] + (matrix["high"] - matrix["low"]) * levels / (64 ** matrix["digits"] - 1)
    return values.reshape(matrix["rows"], matrix["columns"])


@pytest.mark.parametrize("text", [HOSTILE, "<!--<script>", "\u2028 & \ud800", "{{script}}"])
def test_texts_cannot_inject_html(text):
    html = page([of(a_surprisal([text], [-1.0]), text=text, model=text)], title=text.replace("\ud800", ""))
    html.encode()
    view = views_of(html)[0]
    assert (view["text"], view["model"], view["tokens"][0]["token"]) == (text, text, text)
    assert html.count("<script") == 2
    assert re.findall(r"<(?:img|link|iframe|object)\b[^>]*>", html) == ['<link rel="icon" href="data:,">']


def test_numbers_that_json_lacks_become_null():
    (view,) = views_of(page([of(a_surprisal(["a", "b"], [-math.inf, math.nan]))], title=""))
    assert [token["log_prob"] for token in view["tokens"]] == [None, None]


@given(arrays.arrays(float, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(0, 1)))
def test_a_packed_matrix_has_the_digits_that_are_shown(weights):
    head = AttentionHead(weights.tolist(), None, 0.0, None, 0.0)
    view = AttentionView("cross", ["q"] * len(weights), ["k"] * weights.shape[1], [AttentionLayer([head])])
    packed = packing.packed(of(view))["layers"][0][0]["weights"]
    assert np.abs(unpacked(packed) - weights).max() <= 0.5 / 4095 + 1e-12


def test_attention_of_long_texts_is_averaged_over_heads_and_then_over_layers(monkeypatch):
    view = of(an_attention())
    mean = (np.array(view["layers"][0]["heads"][0]["weights"]) + view["layers"][0]["heads"][1]["weights"]) / 2
    for most, averaged, layers in [(64, None, 2), (63, "heads", 2), (31, "layers", 1)]:
        monkeypatch.setattr(packing, "_MOST", most)
        packed = packing.packed(view)
        assert (packed["averaged"], len(packed["layers"])) == (averaged, layers)
    assert np.abs(unpacked(packed["layers"][0][0]["weights"]) - mean).max() < 1e-3
    assert packed["layers"][0][0]["previous"] == 0.5


def test_gates_of_long_texts_keep_the_units_that_vary_most(monkeypatch):
    view = of(a_gates())
    monkeypatch.setattr(packing, "_MOST", 4 * 2 * 3)  # tokens x gates x units
    gate = packing.packed(view)["layers"][0][0]
    values = np.array(view["layers"][0]["gates"][0]["values"])
    order = sorted(range(30), key=lambda unit: (-np.abs(np.diff(values[:, unit])).sum().round(9), unit))
    assert gate["of"] == 30 and len(gate["units"]) == 3 and gate["units"][0] == order[0] == 7
    assert np.abs(unpacked(gate["values"]) - values[:, gate["units"]]).max() < 1e-3


def test_ten_thousand_tokens_stay_below_20_mb():
    tokens, rng = [f"token{place % 997}" for place in range(10_000)], np.random.default_rng(0)
    expected = [NextToken(token, 0.123456789) for token in tokens[:5]]
    values = rng.random((10_000, 64))
    gate = [Gate(name, values.tolist(), values.mean(axis=1).tolist(), 0.5, [0]) for name in ("reset", "update")]
    views = [
        of(Surprisal([TokenSurprisal(token, -5.123456789, expected) for token in tokens])),
        of(Gates("gru", tokens, [GateLayer(gate)] * 2)),
    ]
    size = len(page(views, title="").encode())
    assert 4e6 < size < 20e6 / 2  # of one model


def test_every_text_of_the_scripts_is_in_every_language():
    texts = {
        language: json.loads((_HERE / "language" / f"{language}.json").read_text("utf-8")) for language in LANGUAGES
    }
    assert texts["en"].keys() == texts["ko"].keys()
    for key in texts["en"]:
        assert set(re.findall(r"\{\d\}", texts["en"][key])) == set(re.findall(r"\{\d\}", texts["ko"][key])), key
    script = "".join((_HERE / "script" / f"{name}.js").read_text("utf-8") for name in (*_DRAWING, *_VIEWS, "page"))
    used = re.findall(r'say\("(\w+)"', script) + re.findall(r'\btext\("(\w+)"', script)
    assert len(used) > 40 and not set(used) - texts["en"].keys()
    for name in re.findall(r"say\(`(\w+_)\$", script):
        assert any(key.startswith(name) for key in texts["en"]), name
    assert {f"{part}_{view}" for view in _VIEWS for part in ("title", "about")} <= texts["en"].keys()


# In a browser: one process for all tests of this file, a page for each.


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    if not FOUND:
        pytest.skip("no Chromium here")
    with Chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def shown(chromium, tmp_path):
    """`shown(views)` opens their page; afterwards nothing must have gone wrong or been asked for."""
    path = tmp_path / "page.html"

    def show(views, *, width=1280, dark=False, **options):
        path.write_text(page(views, title="Title", **options), "utf-8")
        chromium.emulate(width=width, dark=dark)
        chromium.open(path)
        return chromium

    yield show
    assert not chromium.problems
    assert chromium.requests == [path.as_uri()]


def texts(browser, selector):
    return browser.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(e => e.textContent)")


def active(browser, name):
    return browser.evaluate(f"document.activeElement.dataset.{name}")


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("language", LANGUAGES)
def test_all_views_are_shown_at_any_width_in_both_languages(shown, opened, language, width):
    browser = shown(everything(opened), width=width, language=language)
    known = json.loads((_HERE / "language" / f"{language}.json").read_text("utf-8"))
    assert texts(browser, "h3") == [known[f"title_{view}"] for view in _VIEWS] == texts(browser, "nav ol ol a")
    assert texts(browser, "h2 bdi") == [TEXT]
    assert texts(browser, "#models li") == ["ngram", "toy", "other"]
    assert browser.evaluate("document.documentElement.lang") == language
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    drawn = "[...document.querySelectorAll('.heat canvas')].every(c => c.offsetWidth > 30 && c.offsetHeight > 30)"
    assert browser.evaluate(drawn)
    assert "undefined" not in browser.evaluate("document.body.innerText")
    assert "NaN" not in browser.evaluate("document.documentElement.outerHTML.split('<script')[0]")


def test_tokens_that_look_like_html_are_shown_as_text(shown):
    browser = shown([of(a_surprisal([HOSTILE, "a\nb"], [-1.0, -1.0]), text=HOSTILE, model=HOSTILE)])
    assert texts(browser, "h2 bdi") == [HOSTILE]
    assert texts(browser, ".stave-cell .token") == [HOSTILE[:31] + "…", "a⏎b"]
    assert browser.evaluate("document.title") == "Title"
    assert browser.evaluate("document.images.length") == 0


def test_models_that_divide_a_text_differently_are_aligned_where_their_tokens_end_together(shown):
    words = a_surprisal(["나는", "매일", "</s>"], [-1.0, -2.0, -3.0])
    pieces = a_surprisal(["▁나", "는", "▁", "매일", "</s>"], [-0.5, -0.5, -1.0, -1.0, -3.0])
    browser = shown([of(words, model="words"), of(pieces, model="pieces")])
    columns = browser.evaluate(
        "[...document.querySelectorAll('.column')].map(c => [...c.children].map(r => [...r.querySelectorAll('.token')].map(t => t.textContent)))"
    )
    assert columns == [[["나는"], ["▁나", "는"]], [["매일"], ["▁", "매일"]], [["</s>"], ["</s>"]]]
    assert texts(browser, ".totals b") == ["words", "pieces"]
    assert "6.00" in texts(browser, ".totals")[0]


def test_pointing_at_a_token_and_arrow_keys_tell_what_was_expected(shown):
    views = [of(a_surprisal(WORDS, [-1.0, -2.0, -3.0, -4.0]), model=name) for name in ("one", "two")]
    browser = shown(views)
    browser.point("[data-pick]", index=2)  # of the second column the first model
    assert [card.split(",")[0] for card in texts(browser, ".card > p:first-child")] == [
        f"{name} 매일 p = {math.exp(-2):.3f}" for name in ("one", "two")
    ]
    assert texts(browser, ".card:first-child .number") == ["0.500", "0.250"]
    browser.evaluate("document.querySelector('[data-pick][tabindex=\"0\"]').focus()")
    browser.press("ArrowRight")
    assert (active(browser, "column"), active(browser, "model")) == ("2", "0")
    browser.press("ArrowDown")
    assert (active(browser, "column"), active(browser, "model")) == ("2", "1")
    browser.press("End")
    assert (active(browser, "column"), active(browser, "model")) == ("3", "1")
    assert "−log p = 4.00" in texts(browser, ".card")[1]
    assert browser.evaluate("document.querySelectorAll('.staves [tabindex=\"0\"]').length") == 1
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_a_head_is_chosen_and_its_tokens_are_followed_by_mouse_and_keys(shown):
    browser = shown([of(an_attention("encoder")), of(an_attention("cross", heads=1))])
    assert texts(browser, ".heads small") == 2 * [
        "looks at the previous token: 1.00",
        "looks at the token itself: 1.00",
    ]
    browser.point(".heads button", index=1, click=True)
    assert texts(browser, ".large h5")[0].startswith("Layer 1, head 2: looks at the token itself")
    browser.point(".links text[data-pick]", index=2)
    assert texts(browser, ".large .readout .token")[:2] == [WORDS[2], WORDS[2]]
    assert texts(browser, ".large .number")[0] == "1.000"
    browser.press("Tab")  # from the head to the matrix
    browser.evaluate("document.querySelector('.heat').focus()")
    browser.press("ArrowUp")
    assert texts(browser, ".large .readout .token")[0] == WORDS[1]
    assert texts(browser, ".large .marked") == [f"{WORDS[0]}0.000"]  # the cell below the cursor
    browser.evaluate("document.querySelectorAll('.attention input')[0].focus()")
    browser.press("ArrowRight")
    assert browser.evaluate("document.querySelectorAll('.heads button').length") == 2


def test_the_weights_of_a_token_are_computed_step_by_step(shown):
    """Causal weights of random queries and keys, against numpy."""
    rng = np.random.default_rng(3)
    dots, values = rng.normal(size=(2, 4, 4)) * 9, rng.random((2, 4)) + 0.5
    scaled = np.where(np.tri(4) > 0, dots / 4, -np.inf)
    weights = np.exp(scaled) / np.exp(scaled).sum(axis=-1, keepdims=True)
    heads = [
        AttentionHead(*each, None, 0.0, None, 0.0, dots=dots[h].tolist(), values=values[h].tolist())
        for h, each in enumerate([[w.tolist()] for w in weights])
    ]
    view = of(AttentionView("self", WORDS, WORDS, [AttentionLayer(heads)], width=16))
    browser = shown([view | {"layer": 0, "head": 1, "query": 2}])
    for head, query in ((1, 2), (1, 3), (0, 3), (0, 0)):
        browser.point(".heads button", index=head, click=True)
        browser.point(".links text[data-pick]", index=query)
        cells = texts(browser, ".large table tbody td")
        rows = [cells[at : at + 6] for at in range(0, len(cells), 6)]
        assert [row[0] for row in rows] == WORDS[: query + 1]
        found = np.array([[float(cell.replace("−", "-")) for cell in row[1:]] for row in rows])
        seen = np.s_[head, query, : query + 1]
        columns = [
            dots[seen],
            scaled[seen],
            weights[seen],
            values[head, : query + 1],
            weights[seen] * values[head, : query + 1],
        ]
        assert np.abs(found - np.stack(columns, axis=1)).max(axis=0) == pytest.approx(0, abs=5.2e-3)
    assert texts(browser, ".large table th")[1:3] == ["q · k", "÷ √16"]


def test_gates_follow_the_choices_and_the_cursor(shown):
    view = of(a_gates())
    browser = shown([view])
    values = view["layers"][0]["gates"][1]["values"]
    browser.evaluate("document.querySelectorAll('.gates .choice:not([hidden]) input')[0].focus()")
    browser.press("ArrowRight")
    assert texts(browser, ".gates .totals b") == ["input"]
    browser.evaluate("document.querySelector('.heat').focus()")
    browser.press("ArrowRight", "ArrowRight", "ArrowDown")
    (told, mean) = texts(browser, ".gates .readout .pair")[:2]
    unit = int(re.search(r"unit (\d+)", told)[1])
    assert unit != 7 and told.split()[-1] == f"{values[2][unit]:.3f}"
    assert mean.split()[-1] == f"{np.mean(values[2]):.3f}"
    browser.press("ArrowUp")
    assert texts(browser, ".gates .readout .pair")[0] == f"unit 7 at {WORDS[2]} 0.000"


def test_exponential_gradients_are_straight_lines(shown):
    browser = shown([of(a_reach(0.5)), of(a_reach(2.0), model="other")])
    paths = browser.evaluate(
        "[...document.querySelectorAll('.plot')].pop().innerHTML.match(/M[\\d.]+ [\\d.]+L[^\"]+/g)"
    )
    assert len(paths) == 4  # two models, trained and untrained
    slopes = []
    for path in paths:
        points = np.array(re.findall(r"([\d.]+) ([\d.]+)", path), float)
        fitted = np.polyfit(*points.T, 1)
        assert np.abs(np.polyval(fitted, points[:, 0]) - points[:, 1]).max() < 0.1
        slopes.append(fitted[0])
    assert slopes[0] > 0 > slopes[2] and slopes[2] == pytest.approx(-slopes[0], rel=0.01)  # downwards is larger
    assert slopes[1] == pytest.approx(2 * slopes[0], rel=0.01)
    browser.evaluate("[...document.querySelectorAll('.plot')].pop().focus()")
    browser.press("ArrowRight", "ArrowRight")
    assert texts(browser, ".reach figure:last-of-type .readout b") == ["2", "0.25", "0.0625", "4", "0.0625"]
    assert texts(browser, ".reach tbody tr:first-child td") == ["toy", "Milliseconds", "1.0", "2.5"]


def test_the_beam_is_a_tree_to_walk_through(shown):
    browser = shown([of(a_search())])
    assert texts(browser, ".tree .result text:not(.small)") == ["① b", "② d"]
    assert texts(browser, ".tree .dropped text") == ["e", "0.100"]
    assert "log p = −0.69 − 0.69 = −1.39 · result 1" in texts(browser, ".search .readout")[0]
    browser.evaluate("document.querySelector('.tree [tabindex=\"0\"]').focus()")
    browser.press("ArrowLeft")
    assert active(browser, "node") == "0"
    browser.press("ArrowRight", "ArrowDown")
    assert active(browser, "node") == "3"
    browser.point(".tree [data-node='4'] rect")
    assert "result 2" in texts(browser, ".search .readout")[0]


def test_back_off_is_written_out_as_a_sum(shown, opened):
    view = ngram_paths(opened, TEXT)
    browser = shown([of(view)])
    for place, token in enumerate(view.tokens):
        browser.point(".chain button", index=place, click=True)
        written = texts(browser, ".ngram .readout .sum")[0].replace("−", "-")
        numbers = re.findall(r"-?\d+\.\d+", written.partition(";")[0])
        expected = [step.log_prob if step.found else step.log_backoff for step in token.steps]
        assert [float(number) for number in numbers[: len(expected)]] == pytest.approx(expected, abs=6e-4)
        assert float(numbers[-1]) == pytest.approx(token.log_prob, abs=6e-4)
        assert len(texts(browser, ".ngram .readout tbody tr")) == len(token.steps)
    assert f"{sum(token.log_prob for token in view.tokens):.2f}" in texts(browser, ".ngram .sum")[0].replace("−", "-")


def test_words_for_and_against_a_label_go_to_opposite_sides(shown):
    browser = shown([of(WordInfluences("good", 0.75, [WordInfluence("a", 1.5), WordInfluence("b", -0.75)]))])
    sides = browser.evaluate(
        "[...document.querySelectorAll('.influences .axis')].map(axis => { const [a, b] = [axis, axis.firstChild]"
        ".map(e => e.getBoundingClientRect()); const middle = a.left + a.width / 2;"
        " return [(b.left - middle) / a.width, (b.right - middle) / a.width].map(x => Math.round(x * 100) / 100); })"
    )
    assert sides == [[0, 0.5], [-0.25, 0]]
    assert texts(browser, ".influences .number") == ["+1.50", "−0.75"]


def test_a_chosen_word_stands_out_among_its_neighbours(shown):
    browser = shown([of(an_embeddings())])
    assert texts(browser, ".embeddings .number") == ["0.750", "0.500"]
    assert texts(browser, ".plane .chosen text") == ["나는"] and texts(browser, ".plane .near text") == ["너는"]
    assert "75.0 %" in texts(browser, "figcaption")[0]
    browser.evaluate("document.querySelector('.embeddings [data-pick]').focus()")
    browser.press("ArrowRight")
    assert "has no vector" in texts(browser, ".embeddings .readout")[0]
    assert texts(browser, ".plane .chosen text") == []


def test_a_long_text_is_shown_part_by_part(shown):
    browser = shown([of(a_surprisal([f"t{place}" for place in range(1100)], [-1.0] * 1100))])
    assert len(texts(browser, ".column")) == 500
    assert texts(browser, "option") == ["1–500", "501–1,000", "1,001–1,100"]
    browser.evaluate("document.querySelector('select').focus()")
    browser.press("End")
    browser.settle()
    assert texts(browser, ".stave-cell .token")[0] == "t1000"


def test_colours_follow_the_system(shown):
    views = [of(Positions("learned", np.zeros((8, 8)).tolist()))]
    pixel = (
        "(c => { c.drawImage(document.querySelector('.heat canvas'), -9, -9);"
        " return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3); })(new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true}))"
    )
    browser = shown(views)
    light = browser.evaluate(pixel)
    browser.emulate(width=1280, dark=True)
    assert min(light) > 200 and max(browser.evaluate(pixel)) < 60


def test_the_tab_key_reaches_every_picture(shown, opened):
    browser = shown(everything(opened))
    seen = set()
    for _ in range(80):
        browser.press("Tab")
        seen.add(browser.evaluate("document.activeElement.closest('section.view')?.className.split(' ')[1]"))
    assert set(_VIEWS) - {"words"} <= seen  # bars of words have nothing to choose
