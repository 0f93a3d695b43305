import stat

import pytest

from mcqa.errors import DataError
from mcqa.page import uploads


def test_an_upload_is_its_owners_alone_and_gone_afterwards():
    with uploads.kept("a.jsonl", b"{}") as path:
        assert path.read_bytes() == b"{}"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not path.parent.exists()


@pytest.mark.parametrize("name", ["../../a.jsonl", "..\\..\\a.jsonl", "/etc/a.jsonl"])
def test_an_uploads_name_leads_nowhere(name):
    with uploads.kept(name, b"") as path:
        assert path.name == "a.jsonl"
        assert path.parent.name.startswith("mcqa-upload-")


def test_an_error_names_the_upload_and_not_where_it_lay():
    with (
        pytest.raises(DataError, match=r"^a\.zip: no\.$") as error,
        uploads.kept("a.zip", b"") as path,
    ):
        raise DataError(f"{path}: no.")
    assert "mcqa-upload" not in str(error.value)
    assert not path.exists()


def test_too_large_an_upload_is_refused_with_what_to_do(monkeypatch):
    with pytest.raises(DataError, match=r"big\.jsonl: an upload of 200\.0 MB.*Give the path"):
        uploads.check_size("big.jsonl", 200_000_000)
    monkeypatch.setattr(uploads, "LARGEST", 3)
    with pytest.raises(DataError), uploads.kept("a.jsonl", b"four"):
        pytest.fail("it was kept")
