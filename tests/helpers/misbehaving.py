"""A server that answers as a list says, one entry a request: statuses, texts, JSON, or silence."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace


@contextlib.contextmanager
def misbehaving(answer):
    """Serve what `answer(number, body)` returns and yield the address and what was asked.

    That is an object for a good answer, a text for a body of any kind, a number for a status, a
    status with a `retry-after`, `"cut"` for half of an answer, or `None` to hang up.
    """
    asked, lock = [], threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                number = len(asked)
                asked.append(body | {"authorization": self.headers["authorization"]})
            given = answer(number, body)
            if given is None:
                self.close_connection = True
                return
            status, after = 200, None
            if isinstance(given, tuple):
                given, after = given
            if isinstance(given, int):
                status, given = given, {"error": {"message": f"status {given}"}}
            cut = given == "cut"
            text = b'{"answers": {"question"' if cut else given
            text = json.dumps(text).encode() if isinstance(text, dict) else text
            text = text.encode() if isinstance(text, str) else text
            self.send_response(status)
            self.send_header("content-length", str(len(text) + 50 * cut))
            if after is not None:
                self.send_header("retry-after", str(after))
            self.end_headers()
            self.wfile.write(text)
            self.close_connection = True

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_address[1]}", asked=asked)
    finally:
        server.shutdown()
        server.server_close()
