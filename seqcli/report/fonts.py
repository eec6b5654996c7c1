"""Fonts for pictures made with matplotlib, and whether they have every character of a picture."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import Any

_HANGUL = re.compile(
    r"Noto ?Sans ?(CJK|KR)|Nanum ?Gothic|Malgun|Apple ?SD ?Gothic ?Neo|UnDotum|Baekmuk ?Gulim", re.IGNORECASE
)
_FILES = re.compile(_HANGUL.pattern + r"|gulim", re.IGNORECASE)


def fonts() -> list[str]:
    """The fonts of a picture, including one with Hangul if this machine has one. matplotlib keeps a list of the machine's fonts,
    which lacks those installed since; then their files are looked for."""
    from matplotlib import font_manager

    manager = font_manager.fontManager
    if not _with_hangul(manager):
        files = sorted(path for path in font_manager.findSystemFonts() if _FILES.search(Path(path).name))
        for path in sorted(files, key=lambda path: "regular" not in path.lower()):
            try:
                manager.addfont(path)
            except (OSError, RuntimeError):  # not a font that matplotlib reads
                continue
            if _with_hangul(manager):
                break
    return ["DejaVu Sans", *_with_hangul(manager)]


def _with_hangul(manager: Any) -> list[str]:
    return sorted({font.name for font in manager.ttflist if _HANGUL.match(font.name)})[:1]


def png(figure: Any) -> tuple[bytes, bool]:
    """A figure as a PNG, and whether the fonts have all its characters."""
    drawn = io.BytesIO()
    with warnings.catch_warnings(record=True) as lacking:
        warnings.filterwarnings("always", "Glyph .* missing")
        figure.savefig(drawn, format="png", dpi=120)
    return drawn.getvalue(), not any("Glyph" in str(each.message) for each in lacking)
