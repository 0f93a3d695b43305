"""Every bad request gets its status and its message, in its format, and harms nobody.

docs/serving.md shows these cases. After changing them, write it anew:

    MCQA_WRITE_DOCS=1 python -m pytest tests/unit/serving/test_bad_requests.py -k documented
"""

import contextlib
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from bad_requests import CASES, DECISIONS, SYSTEMONE, asks
from served import Stopped, serving

from mcqa.errors import ModelError
from mcqa.serving.hosted import Hosted
from mcqa.serving.limits import Limits

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"
TITLE = "## Which requests are refused?"
SMALL = Limits(body_bytes=2000, questions=3, options=4, tokens=300)


@pytest.fixture(scope="module")
def servers(tiny_hosted: Hosted):
    """One server of each kind that the cases ask for, by its name."""
    stopped = [Stopped(tiny_hosted.scorer) for _ in range(2)]
    full, slow = (replace(tiny_hosted, scorer=scorer) for scorer in stopped)
    fault = ModelError(
        "question 'q': its scores (nan,) are not all finite numbers (computed in …)."
    )
    broken = replace(tiny_hosted, scorer=Stopped(tiny_hosted.scorer, fault))
    with contextlib.ExitStack() as held:
        made = {
            "plain": held.enter_context(serving([tiny_hosted], SMALL, wait=0)),
            "keyed": held.enter_context(serving([tiny_hosted], key="secret")),
            "full": held.enter_context(serving([full], Limits(waiting=1), wait=0)),
            "slow": held.enter_context(serving([slow], Limits(seconds=0.5))),
            "broken": held.enter_context(serving([broken])),
            "closed": held.enter_context(serving([tiny_hosted])),
        }
        made["closed"].app.batcher.close()
        for _ in range(2):  # one is computed, one waits
            threading.Thread(target=ask, args=(made["full"],), daemon=True).start()
            assert stopped[0].begun.wait(5)
        while not made["full"].app.batcher.waiting:
            pass
        yield made
        for scorer in stopped:
            scorer.go_on.set()


def ask(server, path=SYSTEMONE, content=None, **headers):
    request = {"json": asks()} if content is None else {"content": content}
    if content is not None:
        headers = {"content-type": "application/json"} | headers
    return httpx.post(server.url + path, headers=headers, timeout=20, **request)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path}: {case.wrong}")
def test_a_bad_request_gets_its_status_and_message(servers, case):
    answer = ask(servers[case.server], case.path, case.content, **case.headers)
    body = answer.json()
    fault = body["error"] if case.path == DECISIONS else body["detail"][0]
    said = fault["message" if case.path == DECISIONS else "msg"]
    assert (answer.status_code, said) == (case.status, said)
    pattern = ".*?".join(map(re.escape, case.message.split("…")))
    assert re.fullmatch(pattern, said, re.DOTALL), said
    assert ("retry-after" in answer.headers) == (case.status in (429, 503, 504))
    assert answer.headers["x-request-id"] == answer.headers["x-typesafe-request-id"]


def test_who_asks_well_afterwards_is_answered(servers):
    assert ask(servers["plain"]).status_code == 200
    assert ask(servers["keyed"], authorization="Bearer secret").status_code == 200


def rendered():
    """Return the section of docs/serving.md: a row per case."""
    rows = (f"| {c.wrong} | `{c.path}` | {c.status} | ``{c.message}`` |" for c in CASES)
    head = "| what is wrong | asked of | status | the message |\n|---|---|---|---|"
    return "\n".join([head, *rows])


def test_every_case_is_documented():
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(TITLE)
    introduction, _, after = rest.partition("\n| ")
    end = after.find("\n\n")
    after = after[end:] if end >= 0 else "\n"
    expected = f"{before}{TITLE}{introduction}\n{rendered()}{after}"
    if os.environ.get("MCQA_WRITE_DOCS"):
        PAGE.write_text(expected, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == expected
    assert len(CASES) >= 40
