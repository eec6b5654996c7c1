"""A headless Chromium for tests of HTML pages, driven through its DevTools protocol over a pair of pipes: no port, no package.

with Chromium(tmp_path / "profile") as browser:
    browser.open(path)
    browser.evaluate("document.title")
    assert not browser.problems and browser.requests == [path.as_uri()]
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOUND = next(filter(None, map(shutil.which, NAMES)), None)
_PATIENCE = 60  # seconds for an answer
_KEYS = {
    "Tab": 9,
    "Enter": 13,
    "End": 35,
    "Home": 36,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}


class Chromium:
    """problems: exceptions and console errors of the page since it was opened; requests: the addresses it asked for."""

    def __init__(self, profile: Path) -> None:
        assert FOUND
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._events: list[dict[str, Any]] = []
        self._number, self._unread, self._session = 0, b"", ""
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        options = (
            "--headless --no-sandbox --disable-gpu --disable-background-networking --no-first-run --disable-dev-shm-usage"
            " --disable-component-update --disable-sync --no-default-browser-check --remote-debugging-pipe"
        )
        self._process = subprocess.Popen(  # it reads commands from 3 and answers on 4
            ["/bin/sh", "-c", f'exec "$0" "$@" 3</dev/fd/{commands} 4>/dev/fd/{answers}', FOUND, *options.split(), f"--user-data-dir={profile}"],
            pass_fds=(commands, answers), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(answers)
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = ""
        try:
            self.send("Browser.close")
        except (EOFError, BrokenPipeError):
            pass  # it may be gone before it answers
        finally:
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
            os.close(self._write)
            os.close(self._read)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command; events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        for answer in self._messages():
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer)
        raise EOFError(method)

    def open(self, path: Path) -> None:
        """Waits until the page is loaded and has been drawn."""
        self.problems, self.requests, self._events = [], [], []
        self.send("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._note(next(self._messages()))
        self.settle()

    def settle(self) -> None:
        """Lets the page lay itself out and draw."""
        frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))"
        self.evaluate(frames)

    def evaluate(self, script: str) -> Any:
        """The value of an expression, awaited."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        for key in keys:
            code = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": _KEYS.get(key, 32)}
            self.send("Input.dispatchKeyEvent", type="rawKeyDown", **code)
            if key in (" ", "Enter"):
                self.send("Input.dispatchKeyEvent", type="char", text="\r" if key == "Enter" else " ", **code)
            self.send("Input.dispatchKeyEvent", type="keyUp", **code)

    def point(self, selector: str, *, click: bool = False, index: int = 0) -> None:
        """Moves the pointer to the middle of an element, and clicks."""
        element = f"document.querySelectorAll({json.dumps(selector)})[{index}]"
        x, y = self.evaluate(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const b = e.getBoundingClientRect();"
            f" return [b.left + b.width / 2, b.top + b.height / 2]; }})({element})"
        )
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased") if click else ():
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def emulate(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.settle()

    def screenshot(self, path: Path) -> None:
        """Of the whole page."""
        picture = self.send("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _messages(self) -> Iterator[dict[str, Any]]:
        end = time.monotonic() + _PATIENCE
        while True:
            whole, separator, rest = self._unread.partition(b"\0")
            if separator:
                self._unread = rest
                yield json.loads(whole)
                continue
            if not select.select([self._read], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("Chromium does not answer")
            more = os.read(self._read, 1 << 20)
            if not more:
                return
            self._unread += more

    def _note(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.problems.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.problems.append(json.dumps(params["entry"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
