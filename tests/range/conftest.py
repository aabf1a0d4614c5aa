"""The application in front of a range that is its control API only."""

from dataclasses import dataclass

import httpx
import pytest

from app.domain.sides import Side
from tests.conftest import Web
from tests.range.control_stand_in import Stand, StandInControl


@dataclass(frozen=True)
class RangeWeb:
    web: Web
    stand: Stand

    @property
    def url(self) -> str:
        return f"/d/{self.web.deployment.id}/range"

    async def client_as(self, login: str | None) -> httpx.AsyncClient:
        return await self.web.client_as(login)


@pytest.fixture
async def ranged(web: Web) -> RangeWeb:
    stand = Stand()
    web.app.state.range_control = StandInControl(stand, web.app.state.site.range.token_file)
    assert set(stand.restarts) == set(Side)
    return RangeWeb(web, stand)
