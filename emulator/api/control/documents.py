"""OpenAPI documents of every version, and the page that shows them.

The documents are rendered from ``api_spec/`` (``python api_spec/render.py --all``) and shipped compressed.
The page is a single file without references to other hosts, so that it works without a network. It contains
no data: its script requests them with the key that the user enters.
"""

import gzip
from functools import lru_cache
from importlib import resources

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from emulator.api.routing import OperationRouter
from emulator.contract.gateway_responses import guid
from emulator.contract.versions import VERSIONS
from emulator.gateway.errors import UnknownResource

router = OperationRouter()

_OWN_VERSION = "1"
# A page may only run its own script and styles, send requests to this server and show images from it.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
NAMES = frozenset(f"{api}-{version}" for api in VERSIONS for version in VERSIONS[api]) | {
    f"emulator-{_OWN_VERSION}"
}


@lru_cache(maxsize=2)
def compressed(name: str) -> bytes:
    """The document ``training-3.3`` as gzip. Raises UnknownResource for a name that is not in NAMES."""
    if name not in NAMES:
        raise UnknownResource
    return (resources.files("emulator.contract") / "documents" / f"{name}.json.gz").read_bytes()


@lru_cache(maxsize=1)
def page() -> str:
    return (resources.files("emulator.api.control") / "pages" / "documents.html").read_text(encoding="utf-8")


@router.own("GET", "/_emulator/openapi/emulator.json")
def own_document(request: Request) -> Response:
    return _document(request, f"emulator-{_OWN_VERSION}")


@router.own("GET", "/_emulator/openapi/{api}/{version}.json")
def document_of_version(request: Request) -> Response:
    return _document(request, f"{request.path_params['api']}-{request.path_params['version']}")


@router.own("GET", "/_emulator/docs")
def documents_page() -> Response:
    headers = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(page(), headers=headers)


@router.own("GET", "/_emulator/insight")
def insight_page(request: Request) -> Response:
    """The address of a page that is now a part of the portal."""
    try:
        ids = [guid(request.query_params.get(name)) for name in ("projectId", "iterationId")]
    except ValueError:
        return RedirectResponse("../portal/", 302)
    return RedirectResponse("../portal/projects/{}/results/{}".format(*ids), 302)


def _document(request: Request, name: str) -> Response:
    data = compressed(name)
    headers = {"Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        data = gzip.decompress(data)
    return Response(data, media_type="application/json", headers=headers)
