"""Requests that a server refuses: what is wrong, and what it says. docs/serving.md shows them.

`…` in a message stands for anything. The server of `plain` takes 2,000 bytes, 3 questions, 4
options and 300 tokens; what others are for says their name.
"""

import json
from dataclasses import dataclass, field

SYSTEMONE, DECISIONS = "/v1/systemone", "/v1/decisions"
NOUL = {"type": "noul", "instructions": "Is it a fruit?"}
CHOICE = {"type": "choice", "criteria": {"pear": None, "saw": None}}
PREDICATE = {"type": "predicate", "instructions": "It is a fruit."}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AA"}


@dataclass(frozen=True)
class Case:
    """Say what is wrong with a request, and what comes back.

    Args:
        wrong: in words for the docs.
        body: the request's, as bytes or as what is written as JSON.
        status, message: what comes back.
        path: where it goes.
        headers: besides the usual ones.
        server: which of the test's servers is asked.
    """

    wrong: str
    body: object
    status: int
    message: str
    path: str = SYSTEMONE
    headers: dict = field(default_factory=dict)
    server: str = "plain"

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def asks(question=NOUL, **changes):
    """Return a request to `/v1/systemone` of one question, with fields changed; None leaves out."""
    body = {"model": "tiny", "state": "On the table.", "questions": {"q": question}} | changes
    return {name: value for name, value in body.items() if value is not None}


def decides(*questions, **changes):
    """Return a request to `/v1/decisions`, likewise."""
    return {"model": "tiny", "input": "On the table.", "questions": list(questions)} | changes


def choice(*labels):
    return {"type": "choice", "criteria": dict.fromkeys(labels)}


JSON = "the body cannot be read as JSON: "
BODIES = (
    Case("nothing", b"", 400, JSON + "Expecting value, line 1, column 1."),
    Case("half of an object", b'{"state": "a"', 400, JSON + "Expecting ',' delimiter, line …"),
    Case("a list", b"[]", 400, JSON + "it must be an object, got list."),
    Case("Latin-1", b'{"state": "\xe9"}', 400, JSON + "it is not UTF-8 (invalid …)."),
    Case("NaN", b'{"state": NaN}', 400, JSON + "NaN is no number of JSON."),
    Case("half of a surrogate pair", rb'{"state": "\ud800"}', 400, JSON + "a text is not valid …"),
    Case(
        "one label twice",
        b'{"state": "a", "questions": {"q": {"type": "choice", "criteria": {"a": "", "a": ""}}}}',
        400,
        JSON + "the key 'a' stands twice in one object.",
    ),
    Case("nesting without end", b"[" * 1999, 400, JSON + "…"),
    Case("a number of 5,000 digits", b"[%s]" % (b"1" * 5000), 413, "the body is longer than …"),
    Case("a long body", b" " * 2001, 413, "the body is longer than 2,000 bytes."),
    Case(
        "a form",
        b"state=a",
        415,
        "content of type 'application/x-www-form-urlencoded', encoded as 'identity'; this server "
        "reads application/json, not compressed.",
        headers={"content-type": "application/x-www-form-urlencoded"},
    ),
    Case(
        "compressed",
        b"\x1f\x8b",
        415,
        "content of type 'application/json', encoded as 'gzip'; this server reads "
        "application/json, not compressed.",
        headers={"content-encoding": "gzip"},
    ),
    Case(
        "images beside the body",
        b"--x--",
        422,
        "a multipart request brings images, and this server reads text.",
        headers={"content-type": "multipart/form-data; boundary=x"},
    ),
)
FIELDS = (
    Case("no state", asks(state=None), 422, "state: Field required"),
    Case(
        "a state that is a number", asks(state=5), 422, "state.…: Input should be a valid string…"
    ),
    Case("an empty object as state", asks(state={}), 422, "'state' must be a text, got {}."),
    Case("no questions", asks(questions={}), 422, "questions: Dictionary should have at least …"),
    Case(
        "questions in a list", asks(questions=[NOUL]), 422, "questions: Input should be a valid …"
    ),
    Case("a field of no format", asks(temperature=1), 422, "temperature: Extra inputs are not …"),
    Case(
        "a model that is not there",
        asks(model="jev-latest"),
        404,
        "model 'jev-latest' is not served; there are 'tiny'.",
    ),
    Case("images", asks(assets={"a": {}}), 422, "this server reads text; it takes no images. …"),
)
QUESTIONS = (
    Case("a type that is unknown", asks({"type": "rank"}), 422, "questions.q: Input tag 'rank' …"),
    Case(
        "a box",
        asks({"type": "box"}),
        422,
        "question 'q': type 'box' asks for a place in an image…",
    ),
    Case(
        "a noul that says nothing",
        asks({"type": "noul"}),
        422,
        "question 'q': a noul needs 'instructions', or 'criteria' that say what is true or false.",
    ),
    Case(
        "criteria of a noul that are none",
        asks(NOUL | {"criteria": {"maybe": "x"}}),
        422,
        "questions.q.noul.criteria.maybe: Extra inputs are not permitted",
    ),
    Case(
        "labels in a list",
        asks({"type": "choice", "criteria": ["a", "b"]}),
        422,
        "questions.q.choice.criteria: Input should be a valid dictionary",
    ),
    Case(
        "levels in an object",
        asks({"type": "score", "criteria": {"a": None}}),
        422,
        "questions.q.score.criteria: Input should be a valid list",
    ),
    Case(
        "one label",
        asks(choice("a")),
        422,
        "question 'q': 1 criteria; there is nothing to decide between fewer than 2.",
    ),
    Case(
        "a blank label", asks(choice("a", " ")), 422, "question 'q': option B is ' '; an option …"
    ),
    Case(
        "too many labels",
        asks(choice(*"abcde")),
        422,
        "question 'q' has 5 options; this server takes up to 4.",
    ),
    Case(
        "blank instructions of several faults",
        asks({"type": "score", "instructions": 5, "criteria": 5}),
        422,
        "questions.q.score.instructions.…: Input should be a valid string (… more)",
    ),
    Case(
        "too many questions",
        asks(questions=dict.fromkeys("abcd", NOUL)),
        422,
        "4 questions; this server takes up to 3 a request. Send several requests.",
    ),
    Case(
        "too much to read",
        asks(state="On the table. " * 60),
        422,
        "question 'q' is … tokens longer than the 256 that the model reads. Shorten what is read "
        "before it, or start the server with --cut.",
    ),
    Case(
        "an option that does not fit",
        asks(choice("a", "wrench " * 150)),
        422,
        "question 'q': …",
    ),
    Case(
        "more tokens than the server computes",
        asks(state="On the table. " * 14, questions=dict.fromkeys("abc", NOUL)),
        422,
        "the request takes … tokens; this server computes up to 300 for one. Ask fewer questions, "
        "or shorten what is read before them.",
    ),
)
DECIDED = (
    Case("no input", {"questions": [PREDICATE]}, 400, "input: Field required", DECISIONS),
    Case(
        "a blank statement",
        decides(PREDICATE | {"instructions": " "}),
        400,
        "question '0': the stem must be a text that is not blank.",
        DECISIONS,
    ),
    Case(
        "an output of no call",
        decides(PREDICATE, input=[{"type": "function_call_output", "call_id": "1", "output": "a"}]),
        400,
        "an output of the call '1', which is not in the input.",
        DECISIONS,
    ),
    Case(
        "one value twice",
        decides(PREDICATE | {"type": "choice", "choices": [{"value": "a"}] * 2}),
        400,
        "each choice must be unique.",
        DECISIONS,
    ),
    Case(
        "no levels",
        decides(PREDICATE | {"type": "score", "levels": []}),
        400,
        "0 levels; there is nothing to decide between fewer than 2.",
        DECISIONS,
    ),
    Case(
        "a model that is not there",
        decides(PREDICATE, model="gpt-6-luna"),
        404,
        "model 'gpt-6-luna' is not served; there are 'tiny'.",
        DECISIONS,
    ),
)
KEY = "the header 'Authorization: Bearer KEY' is missing, or has another key."
SERVERS = (
    Case("no key", asks(), 401, KEY, server="keyed"),
    Case("another key", asks(), 401, KEY, headers={"authorization": "Bearer x"}, server="keyed"),
    Case(
        "a key in another scheme",
        asks(),
        401,
        KEY,
        headers={"authorization": "Basic secret"},
        server="keyed",
    ),
    Case("a full queue", asks(), 429, "1 requests wait already; ask again later.", server="full"),
    Case(
        "no answer in time",
        asks(),
        504,
        "no answer within 0.5 s; ask again later, or ask less.",
        server="slow",
    ),
    Case(
        "scores that are no numbers",
        asks(),
        500,
        "question 'q': its scores … are not all finite numbers …",
        server="broken",
    ),
    Case(
        "a server that stops",
        asks(),
        503,
        "the server is shutting down; ask again in a moment.",
        server="closed",
    ),
)
CASES = (*BODIES, *FIELDS, *QUESTIONS, *DECIDED, *SERVERS)
