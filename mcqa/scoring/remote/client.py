"""Ask a server: again where that may help, never more often than allowed, and not after a mistake.

The traps: a key that is sent in the clear, or along a redirect to another host; an answer that was
cut and still begins as JSON; and a server that says how long to wait.
"""

import json
import os
import random
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from mcqa.errors import ConfigError, RunError

KEY = "MCQA_API_KEY"
AGAIN = {408, 425, 429, 500, 502, 503, 504}
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
LONGEST_WAIT = 60.0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


class Client:
    """Send JSON to one address and return the JSON that comes back; for several threads.

    Args:
        url: where to.
        tries: how often one request is sent at most.
        budget: how many requests are sent in all, repeated ones too; None for any number.
        wait: seconds before the second try; it doubles from try to try.
        timeout: seconds that an answer may take.

    Raises:
        ConfigError: there is a key, and it would travel in the clear.
    """

    def __init__(
        self,
        url: str,
        *,
        tries: int = 6,
        budget: int | None = None,
        wait: float = 0.5,
        timeout: float = 120.0,
    ):
        self.url, self.tries, self.budget = url, tries, budget
        self.wait, self.timeout, self.sent = wait, timeout, 0
        self._lock = threading.Lock()
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if key := os.environ.get(KEY):
            parts = urlsplit(url)
            if parts.scheme != "https" and parts.hostname not in LOOPBACK:
                raise ConfigError(
                    f"{url}: the key of {KEY} would travel in the clear. Use https, or unset it."
                )
            self._headers["authorization"] = f"Bearer {key}"

    def ask(self, body: dict) -> dict[str, Any]:
        """Return the object that the server answers.

        Raises:
            RunError: it refuses, or gives none after all tries; or the budget is spent.
        """
        content = json.dumps(body, ensure_ascii=False).encode()
        for attempt in range(self.tries):
            self._spend()
            fault, after = self._try(content)
            if isinstance(fault, dict):
                return fault
            if attempt + 1 < self.tries:
                time.sleep(min(after or self._back_off(attempt), LONGEST_WAIT))
        raise RunError(f"{self.url}: no answer after {self.tries} tries; the last: {fault}")

    def _back_off(self, attempt: int) -> float:
        return self.wait * 2**attempt * random.uniform(0.75, 1.0)

    def _spend(self) -> None:
        with self._lock:
            if self.budget is not None and self.sent >= self.budget:
                raise RunError(
                    f"{self.url}: all {self.budget:,} requests of --max-requests are spent. What "
                    "is answered is kept; the same command with a larger budget goes on."
                )
            self.sent += 1

    def _try(self, content: bytes) -> tuple[dict | str, float | None]:
        """Return the answer; or what went wrong and, where the server says it, how long to wait."""
        request = urllib.request.Request(self.url, content, self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                answer = json.loads(response.read())
        except urllib.error.HTTPError as error:
            said = f"HTTP {error.code}: {_message(error)}"
            if error.code in AGAIN:
                return said, _seconds(error.headers.get("retry-after"))
            raise RunError(f"{self.url}: {said}") from error
        except (OSError, HTTPException) as error:
            return f"{type(error).__name__}: {error}", None
        except ValueError as error:
            return f"an answer that is no JSON ({error})", None
        if not isinstance(answer, dict):
            return f"an answer that is no object: {answer!r:.60}", None
        return answer, None


def _message(error: urllib.error.HTTPError) -> str:
    """Return what a server says of a refusal, in whichever format, in a line."""
    try:
        text = error.read(4096).decode(errors="replace")
    except (OSError, HTTPException):
        return str(error.reason)
    try:
        body = json.loads(text)
        told = body.get("error", body.get("detail", text))
        told = told[0] if isinstance(told, list) and told else told
        text = told.get("message", told.get("msg", text)) if isinstance(told, dict) else str(told)
    except (ValueError, AttributeError):
        pass
    return " ".join(text.split())[:300] or str(error.reason)


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None  # a date; our own waiting will do
