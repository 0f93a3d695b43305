"""`mcqa page`: ask runs, compare, train and check data in a browser."""

import threading
from importlib.util import find_spec

import click

from mcqa.cli.common import say
from mcqa.errors import MissingDependencyError
from mcqa.page import APP


@click.command("page")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--port", type=click.IntRange(1, 65535), default=8501, help="Port to listen on.")
@click.option(
    "--address",
    default="127.0.0.1",
    help="Address to listen on. Whoever reaches it can read files and start trainings.",
)
def command(runs, port, address):
    """Open a page to play with runs, and to look at them: Ask, Compare, Train, Data.

    RUN is a run, a model, an evaluation or a folder with some of them; by default runs/demo, else
    the embedded model. Ctrl-C ends the page, but not a training that it started.

    \b
    mcqa page runs/generative runs/head
    """
    if find_spec("streamlit") is None:
        raise MissingDependencyError(
            "mcqa page: streamlit is not installed; pip install 'mcqa[page]'."
        )
    from streamlit.web import cli

    from mcqa.page.sources import require

    require(runs)  # what cannot be opened is refused here, not in the browser
    # Imports and loading take most of the time to the first answer, so they begin at once.
    threading.Thread(target=_warm_up, args=(runs,), daemon=True).start()
    say(f"The page: http://{address}:{port}   Ctrl-C ends it.")
    where = [f"--server.port={port}", f"--server.address={address}"]
    cli.main(["run", str(APP), *where, "--", *runs], standalone_mode=False)


def _warm_up(runs) -> None:
    from mcqa.page.asking import load_ahead
    from mcqa.page.sources import opening

    load_ahead(opening(runs).models)
