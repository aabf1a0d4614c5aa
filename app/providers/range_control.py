"""The range's control API, for the Range page and for drills. docs/range.md gives the shapes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from app.domain.sides import Side
from app.ports.traffic import ProviderError
from app.providers.exchange import exchange, refusal
from app.providers.token_file import bearer

PATIENCE = httpx.Timeout(10, connect=1)
"""Bringing a dead release back takes about a second; longer than this it has failed."""
WRONG = 422

Shape = dict[str, Any]


class KnobRefused(Exception):
    """A knob's value is out of bounds. `field` is its dotted name, the message says what is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class RangeControl:
    """Every call raises ProviderError when the range does not answer."""

    def __init__(self, control_url: str, token_file: Path) -> None:
        self._url = control_url.rstrip("/")
        self._token_file = token_file
        self._client = httpx.AsyncClient(timeout=PATIENCE, trust_env=False)

    async def status(self) -> Shape:
        return await self._call("GET", "/status")

    async def customers(self) -> Shape:
        return await self._call("GET", "/customers")

    async def knobs(self) -> Shape:
        return await self._call("GET", "/knobs")

    async def set_knobs(self, part: Mapping[str, object]) -> Shape:
        """Any part of the knobs; all knobs come back. Raises KnobRefused."""
        return await self._call("PATCH", "/knobs", part)

    async def reset_knobs(self) -> Shape:
        return await self._call("POST", "/knobs/reset")

    async def restart_release(self, side: Side) -> Shape:
        return await self._call("POST", f"/releases/{side.value}/restart")

    async def drain_release(self, side: Side) -> Shape:
        """End the side's long answers, so that their customers go where the weights send them."""
        return await self._call("POST", f"/releases/{side.value}/drain")

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _call(self, method: str, path: str, body: object = None) -> Shape:
        response = await exchange(
            self._client, method, self._url + path, headers=bearer(self._token_file), body=body, whole=PATIENCE.read
        )
        if response.status_code == WRONG:
            said = response.json()
            raise KnobRefused(str(said.get("field", "")), str(said["detail"]))
        if not response.is_success:
            raise refusal(response)
        answer = response.json()
        if not isinstance(answer, dict):
            raise ProviderError(f"{path} answered {type(answer).__name__} instead of an object")
        return answer
