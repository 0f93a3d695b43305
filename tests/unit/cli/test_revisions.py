"""`--revision`: which names take it."""

import pytest

from mcqa.cli.revisions import at_revision
from mcqa.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "revised"),
    [
        ("owner/name", "owner/name@v2"),
        ("owner/name:text", "owner/name@v2:text"),
        ("owner/name:configuration=4", "owner/name@v2:configuration=4"),
        ("gpt2", "gpt2@v2"),
    ],
)
def test_what_is_on_the_hub_takes_it(name, revised):
    assert at_revision([name], "v2", "--revision") == [revised]
    assert at_revision([name], None, "--revision") == [name]


def test_others_stay_as_they_are(tmp_path):
    names = [str(tmp_path), "smollm2-135m:text", "owner/name@v1"]
    assert at_revision([*names, "owner/other"], "v2", "--revision") == [*names, "owner/other@v2"]
    with pytest.raises(ConfigError, match=r"--revision v2: none of .* is on the Hub without"):
        at_revision(names, "v2", "--revision")
