"""A headless Chromium, controlled over a pipe (DevTools protocol): console messages, requests and content of a page."""

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
_TIMEOUT_S = 60


class Chromium:
    """A browser with one page; ``logged`` has its console messages and errors, ``requested`` the URLs it requested."""

    def __init__(self):
        self._home = tempfile.mkdtemp()
        commands, self._commands = os.pipe()
        self._events, events = os.pipe()

        def move_pipes():
            # The browser reads commands from descriptor 3 and writes events to 4, which the pipes may have themselves.
            read, write = os.dup(commands), os.dup(events)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [
                *(BINARY, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
                *("--disable-background-networking", "--no-first-run", f"--user-data-dir={self._home}", "about:blank"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=move_pipes,
        )
        os.close(commands)
        os.close(events)
        self._buffer, self._number, self._session = b"", 0, None
        self.logged, self.requested = [], []
        self._seen = set()
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def close(self):
        self._process.terminate()
        self._process.wait(_TIMEOUT_S)
        os.close(self._commands)
        os.close(self._events)
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, method, **params):
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            reply = self._next()
            if reply.get("id") == self._number:
                assert "error" not in reply, reply["error"]
                return reply["result"]

    def _next(self):
        deadline = time.monotonic() + _TIMEOUT_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._events], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "no message from the browser in time"
            data = os.read(self._events, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        event = json.loads(message)
        self._record(event.get("method"), event.get("params", {}))
        return event

    def _record(self, event, params):
        self._seen.add(event)
        match event:
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.logged.append(params)
            case "Log.entryAdded":
                self.logged.append(params["entry"])
            case "Network.requestWillBeSent":
                self.requested.append(params["request"]["url"])

    def open(self, url):
        """Load a page completely."""
        self.logged, self.requested = [], []
        self._seen.discard("Page.loadEventFired")
        failed = self.send("Page.navigate", url=url).get("errorText")
        assert not failed, failed
        while "Page.loadEventFired" not in self._seen:
            self._next()
        self.evaluate("new Promise((resolve) => setTimeout(resolve, 100))")

    def evaluate(self, expression):
        """Return the value of an expression in the page; a promise is awaited."""
        params = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        result = self.send("Runtime.evaluate", **params)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def press(self, key, text=""):
        """Press and release a key."""
        params = {"key": key, "code": key, "windowsVirtualKeyCode": {"Tab": 9, "Enter": 13}.get(key, 0)}
        self.send("Input.dispatchKeyEvent", type="keyDown", **params, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **params)

    def type(self, text):
        """Type a text into the focused element."""
        self.send("Input.insertText", text=text)

    def screenshot(self, path, *, width=1240, height=900, dark=False, whole=False):
        """Write a picture of the window, or of the whole page."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        data = self.send("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def print(self, path):
        """Write the page as PDF."""
        result = self.send("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        Path(path).write_bytes(base64.b64decode(result["data"]))
