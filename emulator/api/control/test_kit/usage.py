"""Which operations programs use, and the pages with the evidence for them, in the control API."""

from fastapi import Request
from starlette.responses import PlainTextResponse, Response

from emulator.api.control.test_kit.requests import json_response, log_of
from emulator.api.dependencies import BaseUrl
from emulator.api.parameters import choice_in, text_in
from emulator.api.request_log.entries import time_text
from emulator.api.request_log.filters import refuse_unknown
from emulator.api.request_log.usage import usage_of
from emulator.api.request_log.usage_report import report
from emulator.api.routing import OperationRouter
from emulator.api.threads import in_thread
from emulator.contract.test_kit import evidence

router = OperationRouter()


@router.own("GET", "/_emulator/usage")
async def usage(request: Request, base_url: BaseUrl) -> Response:
    log = log_of(request)
    refuse_unknown(request, ("client", "format"))
    form = choice_in(request, "format", ("json", "text"), "json")
    client = text_in(request, "client")
    uses = [(key, use.copy()) for key, use in log.uses.items()]

    def response() -> Response:
        used = usage_of(
            uses,
            since=time_text(log.since),
            coverage_url=f"{base_url}/_emulator/coverage",
            secrets=log.secrets,
            client=client,
        )
        return PlainTextResponse(report(used)) if form == "text" else json_response(used.as_json())

    return await in_thread(request, response)


@router.own("GET", "/_emulator/coverage")
def coverage_page() -> Response:
    return PlainTextResponse(evidence.page("coverage"))


@router.own("GET", "/_emulator/facts")
def facts_page() -> Response:
    return PlainTextResponse(evidence.page("facts"))
