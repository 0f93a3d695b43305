"""Start a server, and end it as it should: what is under way is answered first."""

import logging
import signal
import socket
import sys
from collections.abc import Callable

import uvicorn

from mcqa.errors import ConfigError, RunError
from mcqa.serving.app import App

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listen(host: str, port: int, key: str | None) -> socket.socket:
    """Return a socket to serve on; port 0 takes any that is free.

    Raises:
        ConfigError: others than this machine could ask, and no key is needed.
        RunError: the address cannot be had.
    """
    if host not in LOOPBACK and key is None:
        raise ConfigError(
            f"--host {host}: other machines could ask without a key. Put one into the environment "
            "variable that --key-env names, or serve on 127.0.0.1."
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise RunError(
            f"cannot serve on {host}:{port} ({error.strerror or error}). Choose another --port."
        ) from error


def serve(app: App, listening: socket.socket, announce: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM or Ctrl-C; then those under way, and return."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("mcqa.serving").addHandler(handler)
    logging.getLogger("mcqa.serving").setLevel(logging.INFO)
    config = uvicorn.Config(
        app.api,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=int(app.limits.seconds) + 5,
    )
    # uvicorn raises the signal again when it is done; a server that was told to stop did not fail.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    host, port = listening.getsockname()[:2]
    names = ", ".join(one.name for one in app.hosted)
    announce(f"Serving {names} on http://{host}:{port} (docs: /docs)")
    uvicorn.Server(config).run(sockets=[listening])
