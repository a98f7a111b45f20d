"""A headless Chromium that tests drive over a pipe, without any further package."""

import itertools
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
)


def chromium() -> str | None:
    """Path of Chromium: `$SEGASSAY_CHROMIUM`, else what the system has; None without one, and on Windows."""
    if os.name == "nt":
        return None  # has no pipes with numbers
    return os.environ.get("SEGASSAY_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page in a Chromium of its own; a context manager.

    Attributes:
        complaints: What the page logged: errors, exceptions, and what its content policy refused.
    """

    def __init__(self, path: str) -> None:
        self._profile = tempfile.TemporaryDirectory()
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads from 3 and writes to 4; `sh` puts the pipes there, whatever their numbers are here
        call = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        profile = f"--user-data-dir={self._profile.name}"
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", call, path, *_FLAGS, profile],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._numbers, self._buffer = itertools.count(1), b""
        self.complaints: list[str] = []
        target = self._send("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._out)
        self._process.terminate()
        self._process.wait()
        os.close(self._in)
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Result of a method of the DevTools protocol."""
        return self._send(method, parameters, self._session)

    def open(self, page: Path, *, width: int = 1280, scheme: str = "light") -> None:
        """Show a page and wait until it is loaded."""
        self.complaints.clear()
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.as_uri())
        self.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def run(self, code: str) -> Any:
        """Value of an expression, or of the promise that it gives."""
        found = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def _send(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        text = json.dumps(message | ({} if session is None else {"sessionId": session}))
        self._write(text.encode() + b"\0")
        while True:
            found = self._receive()
            if found.get("id") == number:
                assert "error" not in found, found["error"]
                return dict(found["result"])
            if found.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening"):
                self.complaints.append(json.dumps(found["params"]))

    def _write(self, text: bytes) -> None:
        while text:
            text = text[os.write(self._out, text) :]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            block = os.read(self._in, 1 << 20)
            assert block, "Chromium ended"
            self._buffer += block
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))
