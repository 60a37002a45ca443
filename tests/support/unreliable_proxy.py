"""A proxy in front of an HTTP server, which answers 503 or lets requests wait when a test wants it."""

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.support.waiting import PATIENCE_SECONDS

_OF_A_CONNECTION = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class UnreliableProxy:
    """A proxy at a free port.

    refusing: the number of the next requests that are answered with 503. refused: the number of those that
    were. waiting: the number of requests that wait.

    Args:
        endpoint: the URL of the server, without a path.
    """

    def __init__(self, endpoint: str) -> None:
        self.refusing = self.refused = self.waiting = 0
        self._let_go = threading.Event()
        self._let_go.set()
        self._lock = threading.Lock()
        server = urlsplit(endpoint)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(handler) -> None:  # noqa: N805  (`self` is the proxy)
                body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
                self._wait()
                if self._refuses():
                    handler.send_response(503)
                    handler.send_header("Content-Length", "0")
                    handler.end_headers()
                    return
                connection = HTTPConnection(server.hostname or "", server.port, timeout=PATIENCE_SECONDS)
                try:
                    connection.request(handler.command, handler.path, body, dict(handler.headers.items()))
                    response = connection.getresponse()
                    content = response.read()
                finally:
                    connection.close()
                handler.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in _OF_A_CONNECTION:
                        handler.send_header(name, value)
                is_head = handler.command == "HEAD"
                length = response.getheader("Content-Length", "0") if is_head else str(len(content))
                handler.send_header("Content-Length", length)
                handler.end_headers()
                handler.wfile.write(content)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815

            def log_message(handler, *_arguments: object) -> None:  # noqa: N805
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def hold(self) -> None:
        """Let requests wait until `let_go`."""
        self._let_go.clear()

    def let_go(self) -> None:
        self._let_go.set()

    def stop(self) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _wait(self) -> None:
        with self._lock:
            self.waiting += 1
        self._let_go.wait(PATIENCE_SECONDS)
        with self._lock:
            self.waiting -= 1

    def _refuses(self) -> bool:
        with self._lock:
            if self.refusing <= 0:
                return False
            self.refusing -= 1
            self.refused += 1
            return True
