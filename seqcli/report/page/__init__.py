"""The views of `seqcli explain` as one self-contained HTML page: it needs no network, fonts or libraries and opens from a
file.

    page([{"line": 1, "text": "I study", "model": "lstm", **surprisal(opened, "I study").to_dict()}], title="One text")

The page is assembled from `page.html`, `page.css`, the texts of a language (`language/*.json`) and the scripts
(`script/*.js`): one for each view, named like it, and a few shared ones. Texts and tokens are embedded as JSON and shown as
text, never as HTML.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Literal

from seqcli.report.page.packing import packed

_HERE = files(__name__)
_DRAWING = ("dom", "colour", "heatmap", "chart", "tokens")
# in the order of the page
_VIEWS = "surprisal", "ngram", "attention", "gates", "positions", "reach", "search", "words", "embeddings"
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")  # characters that would end the element, or cannot be encoded


def page(
    objects: Iterable[Mapping[str, Any]], *, title: str, introduction: str = "", language: Literal["en", "ko"] = "en"
) -> str:
    """The HTML of views (`results/views.py`), grouped by text in the order of first occurrence.

    objects: `{"line", "text", "model", **view.to_dict()}`; views without a text, such as positions, have the text "".
    introduction: a paragraph below the title. Large matrices are reduced as described in `packing`, with a note in the
    page.
    """
    texts = json.loads((_HERE / "language" / f"{language}.json").read_text("utf-8"))
    views = [packed(each) for each in objects]
    unknown = {view["view"] for view in views} - set(_VIEWS)
    assert not unknown, unknown
    script = "".join((_HERE / "script" / f"{name}.js").read_text("utf-8") for name in (*_DRAWING, *_VIEWS, "page"))
    return _filled(
        (_HERE / "page.html").read_text("utf-8"),
        language=language,
        title=html.escape(title),
        introduction=html.escape(introduction),
        contents=html.escape(texts["contents"]),
        skip=html.escape(texts["skip"]),
        noscript=html.escape(texts["noscript"]),
        hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=(_HERE / "page.css").read_text("utf-8"),
        data=_UNSAFE.sub(_escaped, _json({"texts": texts, "order": _VIEWS, "views": views})),
        script=script,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _filled(template: str, **parts: str) -> str:
    """Fills all placeholders in one pass, so that inserted text is never taken for a placeholder."""
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
