"""An image on a web server of this machine."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.support.exported_models import plain


class _Picture(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        data = plain("red")
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def picture_url() -> Iterator[str]:
    """The URL of a red image."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Picture) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/red.png"
        server.shutdown()
