"""`--revision` and `--data-revision`: a revision for all that a command names on the Hub.

Short for `NAME@REVISION`, which each of several models and data sets may have of its own.
"""

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import click

from mcqa.errors import ConfigError
from mcqa.models.embedded import ALIAS

HELP = "Branch, tag or commit of {} on the Hub; NAME@REVISION says it for one of several."
REVISION = click.Option(["--revision"], help=HELP.format("a model"))
DATA_REVISION = click.Option(["--data-revision"], help=HELP.format("data"))
NOT_ON_THE_HUB = (ALIAS, "bundled")
ON_THE_HUB = re.compile(r"([\w.-]+(?:/[\w.-]+)?)([:=].*)?")  # a scorer, configuration or weight


def at_revision(names: Sequence[str], revision: str | None, flag: str) -> list[str]:
    """Return names, with the revision at those that are on the Hub and have none of their own.

    Args:
        names: of models or data, as a command takes them.
        revision: what `flag` gave, None where it was not given.
        flag: for the message.

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
    found = ON_THE_HUB.fullmatch(name)
    if not found or found[1] in NOT_ON_THE_HUB or Path(found[1]).exists():
        return name
    return f"{found[1]}@{revision}{found[2] or ''}"


def revision_options(argument: str):
    """Return a decorator for both flags, which revise data and the models of `argument`."""

    def decorate(function):
        @functools.wraps(function)
        def revised(*, revision, data_revision, data, **values):
            models = values[argument]
            named = at_revision(
                [models] if isinstance(models, str) else models, revision, REVISION.opts[0]
            )
            values[argument] = named[0] if isinstance(models, str) else named
            (data,) = at_revision([data], data_revision, DATA_REVISION.opts[0])
            return function(data=data, **values)

        for option in (DATA_REVISION, REVISION):
            revised = click.option(*option.opts, help=option.help)(revised)
        return revised

    return decorate
