"""A chat endpoint for tests: a local HTTP server in a thread, whose answers are those the test puts in its mouth."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """What the server sends.

    Attributes:
        body: text as it is; anything else as JSON. None: the connection is dropped.
        status: of HTTP.
        headers: beside the usual ones.
        wait: seconds before it is sent.
        drip: seconds between single bytes of the body.
    """

    body: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    drip: float = 0.0


def says(text, finish_reason="stop", **more):
    """The reply of a judge that says this."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return Reply({"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 10}, **more})


class PretendJudge:
    """A context manager; `requests` are the bodies that came, `headers` theirs, `busiest` the most at a time.

    `replies` are sent one after another, the last for ever; or a function of the user message makes each.
    """

    def __init__(self) -> None:
        self.replies: list[Reply] | Callable[[str], Reply] = [says("Score: 5")]
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.busiest = 0
        self._busy = 0
        self._lock = threading.Lock()

    @property
    def asked(self) -> list[str]:
        """The user messages, in the order in which they came."""
        return [request["messages"][0]["content"] for request in self.requests]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self):
        judge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                judge._answer(self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler):
        request = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        with self._lock:
            self.requests.append(request)
            self.headers.append(dict(handler.headers))
            self.paths.append(handler.path)
            reply = self._reply(request)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
        try:
            time.sleep(reply.wait)
            if reply.body is not None:
                self._send(handler, reply)
        except OSError:  # the other side has given up
            pass
        finally:
            with self._lock:
                self._busy -= 1

    def _reply(self, request):
        if callable(self.replies):
            return self.replies(request["messages"][0]["content"])
        return self.replies[min(len(self.requests), len(self.replies)) - 1]

    def _send(self, handler, reply):
        body = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode()
        handler.send_response(reply.status)
        for name, value in {"Content-Length": str(len(body)), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        for i in range(0, len(body), 1 if reply.drip else len(body)):
            handler.wfile.write(body[i : i + 1] if reply.drip else body)
            handler.wfile.flush()
            time.sleep(reply.drip)
