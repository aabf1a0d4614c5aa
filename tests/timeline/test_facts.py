"""What the aside says was measured."""

from datetime import timedelta
from typing import Any

from app.db.tables import Operation

COMMON: dict[str, Any] = {
    "attempt": 1,
    "target": "production",
    "reason": "",
    "requested_by": "DevOps lead",
    "cause": "",
    "frozen_signoffs": {},
}


async def test_before_anything_moved_it_says_what_will_be_measured(web: Any) -> None:
    client = await web.client_as("operations")
    assert "No traffic has been moved yet" in (await client.get(f"/d/{web.deployment.id}/timeline")).text


async def test_the_newest_switch_and_rollback_are_measured_from_the_press(web: Any, probes: Any, now: Any) -> None:
    pressed = now - timedelta(minutes=2)

    def at(seconds: float) -> Any:
        return pressed + timedelta(seconds=seconds)

    async def write(session: Any) -> None:
        session.add(
            Operation(
                **COMMON,
                deployment_id=web.deployment.id,
                kind="switch",
                state="done",
                epoch=1,
                want_blue=0,
                idempotency_key="s",
                clicked_at=pressed,
                accepted_at=at(0.01),
                written_at=at(0.02),
                observed_100_at=at(0.83),
                verified_at=None,
                finished_at=at(31),
                customers_requests=48211,
                customers_failed=0,
            )
        )
        session.add(
            Operation(
                **COMMON,
                deployment_id=web.deployment.id,
                kind="rollback",
                state="observing",
                epoch=2,
                want_blue=100,
                idempotency_key="r",
                clicked_at=at(60),
                accepted_at=at(60.01),
            )
        )

    await web.database.run(write)
    await probes(at(10), [(0, 4, 0, 0), (0, 0, 0, 4), (0, 0, 0, 4), (0, 3, 0, 1)])
    client = await web.client_as("operations")
    page = (await client.get(f"/d/{web.deployment.id}/timeline/_facts", headers={"hx-request": "true"})).text
    for term, value in (
        ("Switch, click to accepted", "0.02\u00a0s"),
        ("Switch, click to 100 %", "0.83\u00a0s"),
        ("Switch, failed customers&#39; requests", "0 of 48,211"),
        ("Rollback, click to 100 %", "—"),
        ("Seconds without any answer since", "2.00\u00a0s"),
    ):
        assert f"<dt>{term}</dt><dd>{value}</dd>" in page
    assert "Switch, click to verified" not in page
