"""The middleware that makes calls fail according to the scenarios.

It follows the check of the key: a call that is refused for its key uses no fault. It precedes everything
else: a call that is not carried out counts in no quota and changes nothing.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from emulator.api.faults.scenarios import FaultScenarios
from emulator.core.rules.tiers import TIERS, Tier


class Faults:
    """ASGI middleware that applies `scenarios`.

    tier: the pricing tier that messages about exceeded rates name; F0 if it has no limits of rates.
    max_body_bytes: of a request that waits.
    """

    def __init__(self, app: ASGIApp, scenarios: FaultScenarios, tier: Tier, max_body_bytes: int) -> None:
        self._app = app
        self._scenarios = scenarios
        self._tier = tier.name if tier.calls_per_second else TIERS["f0"].name
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not (self._scenarios.is_set and "address" in scope):
            await self._app(scope, receive, send)
            return
        from emulator.api.faults.calls import respond  # here, for a fast start: few servers have faults

        await respond(
            self._app,
            self._scenarios,
            scope,
            receive,
            send,
            tier=self._tier,
            max_body_bytes=self._max_body_bytes,
        )
