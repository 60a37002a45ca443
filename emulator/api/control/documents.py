"""OpenAPI documents of every version, and two pages: of these, and of what models get wrong.

The documents are rendered from ``api_spec/`` (``python api_spec/render.py --all``) and shipped compressed.
A page is one file without any reference to elsewhere, so that it works where there is no network. It holds no
data: what it shows it asks for, with the key that it is given.
"""

import asyncio
import gzip
from concurrent.futures import Executor
from functools import lru_cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from emulator.api.calls import UnknownResource
from emulator.contract.versions import VERSIONS

_OWN_VERSION = "1"
# A page runs its own script and styles, talks to this emulator, and shows pictures from it; nothing else.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
NAMES = frozenset(f"{api}-{version}" for api in VERSIONS for version in VERSIONS[api]) | {
    f"emulator-{_OWN_VERSION}"
}


@lru_cache(maxsize=2)
def compressed(name: str) -> bytes:
    """The document ``training-3.3`` as gzip. Raises UnknownResource for a name that is none of NAMES."""
    if name not in NAMES:
        raise UnknownResource
    return (resources.files("emulator.contract") / "documents" / f"{name}.json.gz").read_bytes()


@lru_cache(maxsize=2)
def page(name: str) -> str:
    return (resources.files("emulator.api.control") / "pages" / f"{name}.html").read_text(encoding="utf-8")


def document_routes(threads: Executor) -> list[BaseRoute]:
    async def of_version(request: Request) -> Response:
        return await _document(request, f"{request.path_params['api']}-{request.path_params['version']}")

    async def own(request: Request) -> Response:
        return await _document(request, f"emulator-{_OWN_VERSION}")

    async def _document(request: Request, name: str) -> Response:
        data = await asyncio.get_running_loop().run_in_executor(threads, compressed, name)
        headers = {"Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
        else:
            data = gzip.decompress(data)
        return Response(data, media_type="application/json", headers=headers)

    async def documentation(_request: Request) -> Response:
        return await _page("documents")

    async def insight(_request: Request) -> Response:
        return await _page("insight")

    async def _page(name: str) -> Response:
        text = await asyncio.get_running_loop().run_in_executor(threads, page, name)
        headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
        return HTMLResponse(text, headers=headers)

    return [
        Route("/_emulator/openapi/emulator.json", own),
        Route("/_emulator/openapi/{api}/{version}.json", of_version),
        Route("/_emulator/docs", documentation),
        Route("/_emulator/insight", insight),
    ]
