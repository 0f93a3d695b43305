"""A server in a thread of this process, on a free port of 127.0.0.1."""

import contextlib
import threading
import time
from types import SimpleNamespace

import uvicorn

from mcqa.serving.app import App
from mcqa.serving.limits import Limits
from mcqa.serving.serve import listen


@contextlib.contextmanager
def in_a_thread(api):
    """Serve an ASGI application and yield its address; what is under way ends first."""
    listening = listen("127.0.0.1", 0, None)
    config = uvicorn.Config(api, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def serving(hosted, limits=None, **settings):
    """Serve models and yield the address and the `App`."""
    app = App(hosted, limits=limits or Limits(), **settings)
    with in_a_thread(app.api) as url:
        yield SimpleNamespace(url=url, app=app)
    app.hosted = ()  # FastAPI remembers endpoints, and with them the application, for good


class Stopped:
    """A scorer that scores only once `go_on` is set, or raises an error; `begun` says that it was.

    Args:
        scorer: what it is otherwise.
        error: to raise in place of scoring.
    """

    def __init__(self, scorer, error=None):
        self._scorer, self._error = scorer, error
        self.go_on, self.begun = threading.Event(), threading.Event()

    def __getattr__(self, name):
        return getattr(self._scorer, name)

    def score_prepared(self, *arguments):
        self.begun.set()
        if self._error:
            raise self._error
        assert self.go_on.wait(60)
        return self._scorer.score_prepared(*arguments)
