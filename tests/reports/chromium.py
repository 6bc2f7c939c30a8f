"""A headless Chromium spoken to over its pipe (DevTools protocol): what a page says and asks for, and what it shows."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(BINARY is None, reason="needs a browser: apt-get install chromium fonts-noto-cjk")
_PATIENCE = 60  # seconds


class Chromium:
    """One browser with one page. ``said`` are its console messages and errors, ``asked`` the addresses it asked for."""

    def __init__(self):
        self._home = tempfile.mkdtemp()
        commands, self._commands = os.pipe()
        self._events, events = os.pipe()

        def as_three_and_four():
            # The browser reads commands from 3 and writes to 4; the pipes may hold these numbers themselves.
            one, two = os.dup(commands), os.dup(events)
            os.dup2(one, 3)
            os.dup2(two, 4)

        self._process = subprocess.Popen(
            [
                *(BINARY, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
                *("--disable-background-networking", "--no-first-run", f"--user-data-dir={self._home}", "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=as_three_and_four,
        )
        os.close(commands)
        os.close(events)
        self._buffer, self._number, self._session = b"", 0, None
        self.said, self.asked = [], []
        self._seen = set()
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self):
        self._process.terminate()
        self._process.wait(_PATIENCE)
        os.close(self._commands)
        os.close(self._events)
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, method, **params):
        """A command, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _next(self):
        until = time.monotonic() + _PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._events], [], [], max(until - time.monotonic(), 0))
            assert ready, "the browser says nothing"
            piece = os.read(self._events, 1 << 20)
            assert piece, "the browser is gone"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        told = json.loads(message)
        self._note(told.get("method"), told.get("params", {}))
        return told

    def _note(self, event, params):
        self._seen.add(event)
        match event:
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.said.append(params)
            case "Log.entryAdded":
                self.said.append(params["entry"])
            case "Network.requestWillBeSent":
                self.asked.append(params["request"]["url"])

    def open(self, url):
        """Load a page, to its end."""
        self.said, self.asked = [], []
        self._seen.discard("Page.loadEventFired")
        failed = self.send("Page.navigate", url=url).get("errorText")
        assert not failed, failed
        while "Page.loadEventFired" not in self._seen:
            self._next()
        self.ask("new Promise((done) => setTimeout(done, 100))")

    def ask(self, expression):
        """The value of an expression in the page; what it promises is waited for."""
        given = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        result = self.send("Runtime.evaluate", **given)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def press(self, key, text=""):
        """A key, as from a keyboard."""
        told = {"key": key, "code": key, "windowsVirtualKeyCode": {"Tab": 9, "Enter": 13}.get(key, 0)}
        self.send("Input.dispatchKeyEvent", type="keyDown", **told, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **told)

    def write(self, text):
        """A text, as from a keyboard, into what has the focus."""
        self.send("Input.insertText", text=text)

    def look(self, path, *, width=1240, height=900, dark=False, whole=False):
        """A picture of the page."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        picture = self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(picture))

    def print(self, path):
        """The page as PDF."""
        told = self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        Path(path).write_bytes(base64.b64decode(told["data"]))
