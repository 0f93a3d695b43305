"""`--revision` and `--data-revision`: a revision for all that a command names on the Hub.

Short for `NAME@REVISION`, which each of several models and data sets may have of its own.
"""

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import click

from mcqa.cli.inputs import options
from mcqa.errors import ConfigError
from mcqa.models.embedded import ALIAS

HELP = "Branch, tag or commit of {} on the Hub; NAME@REVISION says it for one of several."
revision_option = click.option("--revision", help=HELP.format("a model"))
data_revision_option = click.option("--data-revision", help=HELP.format("data"))
ON_THE_HUB = re.compile(r"([\w.-]+(?:/[\w.-]+)?)([:=].*)?")  # a scorer, configuration or weight


def at_revision(names: Sequence[str], revision: str | None, flag: str) -> list[str]:
    """Return names, with the revision at those that are on the Hub and have none of their own.

    Raises:
        ConfigError: no name takes it.

    >>> at_revision(["owner/model:text", "owner/other@v1"], "v2", "--revision")
    ['owner/model@v2:text', 'owner/other@v1']
    """
    if revision is None:
        return list(names)
    revised = [_revised(name, revision) for name in names]
    if revised == list(names):
        raise ConfigError(
            f"{flag} {revision}: none of {', '.join(names)} is on the Hub without a revision of "
            f"its own. Leave {flag} out."
        )
    return revised


def _revised(name: str, revision: str) -> str:
    from mcqa.data import is_bundled

    found = ON_THE_HUB.fullmatch(name)
    if not found or found[1] == ALIAS or is_bundled(found[1]) or Path(found[1]).exists():
        return name
    return f"{found[1]}@{revision}{found[2] or ''}"


def revision_options(argument: str):
    """Return a decorator for both flags, which revise data and the models of `argument`."""

    def decorate(function):
        @functools.wraps(function)
        def revised(*, revision, data_revision, data, **values):
            given = values[argument]
            one = isinstance(given, str)
            names = at_revision([given] if one else given, revision, "--revision")
            values[argument] = names[0] if one else names
            sources = [data] if isinstance(data, str) else data
            data = at_revision(sources, data_revision, "--data-revision")
            return function(data=data if len(data) > 1 else data[0], **values)

        return options(revision_option, data_revision_option)(revised)

    return decorate
