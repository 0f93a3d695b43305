"""Bodies that a careless reader would take."""

import pytest

from mcqa.errors import RequestError
from mcqa.serving.body import parse_body


def test_an_object_is_read():
    assert parse_body('{"state": "é", "n": 5}'.encode()) == {"state": "é", "n": 5}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "line 1, column 2"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (rb'{"a": "\ud800"}', "not valid Unicode"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "5,000 digits"),
        (b"[]", "must be an object, got list"),
    ],
    ids=["cut", "twice", "nan", "latin", "surrogate", "deep", "digits", "list"],
)
def test_what_json_readers_pass_over_is_refused(body, said):
    with pytest.raises(RequestError, match="cannot be read as JSON") as refused:
        parse_body(body)
    assert said in str(refused.value)
    assert refused.value.status == 400
