"""ports.customers over the range's control API."""

from pathlib import Path

import httpx
from pydantic import BaseModel, ValidationError

from app.ports.customers import CustomerCount
from app.ports.traffic import ProviderError
from app.providers.exchange import TIMEOUT, exchange, refusal
from app.providers.token_file import bearer


class Counted(BaseModel):
    requests: int
    failed: int
    per_second: float
    last_failure: str
    held_blue: int
    held_green: int


class RangeCustomers:
    def __init__(self, control_url: str, token_file: Path) -> None:
        self._url = control_url.rstrip("/") + "/customers?failures=0"
        self._token_file = token_file
        self._client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def count(self) -> CustomerCount:
        response = await exchange(self._client, "GET", self._url, headers=bearer(self._token_file))
        if not response.is_success:
            raise refusal(response)
        try:
            counted = Counted.model_validate_json(response.content)
        except ValidationError as problem:
            raise ProviderError(f"{self._url} answered something else than counts: {problem}") from problem
        return CustomerCount(**counted.model_dump())

    async def aclose(self) -> None:
        await self._client.aclose()
