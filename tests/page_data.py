"""The views that an HTML page of `seqcli.report.page` holds."""

import json
import re
from typing import Any


def views_of(html: str) -> list[dict[str, Any]]:
    """In the order of the page's data."""
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(data)["views"]
