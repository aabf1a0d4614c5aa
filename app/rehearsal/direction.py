"""Directing the range: knobs put into force, the dead brought back, everybody's state told."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import cast

from pydantic import JsonValue

from app.domain.sides import Side
from app.http1 import Connection, Origin
from app.rehearsal.agent import Agent
from app.rehearsal.child import Child, ChildFailed
from app.rehearsal.haproxy import HaproxyView
from app.rehearsal.knobs import AwsKnobs, Knobs, ReleaseKnobs
from app.rehearsal.stage import Stage
from app.rehearsal.toys import RELEASES

STAGING_PER_SECOND = 20
STAGING_LEAVES_AFTER = 60.0
"""Seconds after the last share of GREEN."""
WATCH_EVERY = 0.2
LONGEST_BACKOFF = 5.0
CALL_WITHIN = 3.0
TOLD_FAILURES = 20
WHOLE_LEDGER = 1024 * 1024
"""Bytes: room for every failure that the customers remember."""

log = logging.getLogger("range")


class NotAnswering(Exception):
    """A process of the range did not do what the control process asked of it."""


class Direction:
    """`token` is what the control process shows to releases and customers."""

    def __init__(self, stage: Stage, agent: Agent | HaproxyView, token: str, per_second: int) -> None:
        self.knobs = Knobs().changed_by({"customers": {"per_second": per_second}})
        self._at_start = self.knobs
        self._stage = stage
        self._agent = agent
        self._token = token
        self._lock = asyncio.Lock()
        self._started = datetime.now(UTC)
        self._staging_is_open = False

    # ---------------------------------------------------------------- knobs

    async def open(self) -> None:
        """Let the customers in."""
        await self._call(self._stage.ports.customers, "PUT", "/knobs", self.knobs.customers.model_dump())

    async def open_staging(self) -> None:
        """The customers of the second front come while a canary has them, and for a while after it."""
        if self._stage.staging is not None:
            wanted = {"per_second": STAGING_PER_SECOND if self._staging_is_open else 0, "streams": 0}
            await self._call(self._stage.ports.staging_customers, "PUT", "/knobs", wanted)

    async def _follow_staging(self) -> None:
        """Let them in with the first share. Always there, they would make a side of production look busy that is idle:
        both fronts have the same two releases behind them."""
        green_at = 0.0
        while self._stage.staging is not None:
            await asyncio.sleep(WATCH_EVERY)
            now = asyncio.get_running_loop().time()
            if self._stage.staging.weights.read().green > 0:
                green_at = now
            wanted = green_at > 0 and now - green_at < STAGING_LEAVES_AFTER
            if wanted != self._staging_is_open:
                self._staging_is_open = wanted
                with suppress(NotAnswering):
                    await self.open_staging()

    async def set_knobs(self, part: Mapping[str, JsonValue]) -> Knobs:
        """Raises pydantic.ValidationError, NotAnswering, ChildFailed. What was in force before a failure stays so."""
        async with self._lock:
            wanted = self.knobs.changed_by(part)
            if wanted.balancer != self.knobs.balancer and not self._agent.has_knobs:
                raise NotAnswering("These faults are the balancer agent's: this range is steered without one.")
            for side in Side:
                await self._set_release(side, wanted.blue if side is Side.BLUE else wanted.green)
            self._agent.knobs = wanted.balancer
            if wanted.aws != self.knobs.aws:
                await self._set_aws(wanted.aws)
            if wanted.customers != self.knobs.customers:
                await self._call(self._stage.ports.customers, "PUT", "/knobs", wanted.customers.model_dump())
            self.knobs = wanted
            return wanted

    async def reset_knobs(self) -> Knobs:
        return await self.set_knobs(cast(dict[str, JsonValue], self._at_start.model_dump()))

    async def restart_release(self, side: Side) -> int:
        """Bring a release back, its other knobs as they are; its new process id."""
        async with self._lock:
            release = self._stage.releases[side]
            await asyncio.to_thread(release.stop, 2)
            await asyncio.to_thread(release.start)
            alive = self._of(side).model_copy(update={"dead": False})
            await self._push(side, alive)
            self.knobs = self.knobs.changed_by({side.value.lower(): {"dead": False}})
            return release.pid or 0

    async def drain_release(self, side: Side) -> int:
        """End the long answers of a release in good order, so that their customers go where the weights send them;
        how many there were. Raises NotAnswering."""
        answer = await self._call(self._stage.ports.of(side), "POST", "/_drain")
        return cast(dict[str, int], answer)["drained"]

    def _of(self, side: Side) -> ReleaseKnobs:
        return self.knobs.blue if side is Side.BLUE else self.knobs.green

    async def _set_release(self, side: Side, wanted: ReleaseKnobs) -> None:
        """`dead` kills the process; otherwise it runs and has its knobs."""
        release = self._stage.releases[side]
        if wanted.dead:
            with suppress(ChildFailed):
                release.kill()
        elif wanted != self._of(side):
            if self._of(side).dead:
                await asyncio.to_thread(release.start)
            await self._push(side, wanted)

    async def _set_aws(self, wanted: AwsKnobs) -> None:
        if self._stage.aws is None:
            raise NotAnswering("This range has no simulated AWS: start it with --target aws.")
        faults = wanted.model_dump()["faults"]
        await self._call(self._stage.ports.aws, "PUT", "/_range/faults", faults)

    async def _put_aws_back(self) -> None:
        """A simulated AWS that was started again knows nothing of its faults."""
        await self._set_aws(self.knobs.aws)

    async def _push(self, side: Side, wanted: ReleaseKnobs) -> None:
        await self._call(self._stage.ports.of(side), "PUT", "/_knobs", wanted.model_dump())

    # ---------------------------------------------------------------- telling

    async def customers(self, failures: int) -> dict[str, JsonValue]:
        """Counts, and the newest `failures` failures. Raises NotAnswering."""
        path = f"/customers?failures={failures}"
        return cast(dict[str, JsonValue], await self._call(self._stage.ports.customers, "GET", path))

    async def staging_customers(self, failures: int) -> dict[str, JsonValue]:
        """The same of the second front's customers. Raises NotAnswering where this range has none."""
        if self._stage.staging is None:
            raise NotAnswering("This range has no staging front.")
        path = f"/customers?failures={failures}"
        return cast(dict[str, JsonValue], await self._call(self._stage.ports.staging_customers, "GET", path))

    async def status(self) -> dict[str, object]:
        """docs/range.md, `Status`."""
        count: dict[str, JsonValue] | None = None
        with suppress(NotAnswering):
            count = await self.customers(TOLD_FAILURES)
        return {
            "started": self._started.isoformat(),
            "public_url": self._stage.public_url,
            "releases": [
                {
                    "side": side.value,
                    "version": RELEASES[side].version,
                    "digest": RELEASES[side].digest,
                    "url": f"http://127.0.0.1:{self._stage.ports.of(side)}",
                    **_life(child),
                }
                for side, child in self._stage.releases.items()
            ],
            "balancer": {**_life(self._stage.balancer), **self._agent.read().as_json()},
            "customers": {**_life(self._stage.customers), "count": count},
            "aws": _life(self._stage.aws) if self._stage.aws is not None else None,
            "knobs": self.knobs.model_dump(),
        }

    # ---------------------------------------------------------------- keeping alive

    async def watch(self) -> None:
        """Bring balancer and customers back when they die. Releases stay dead: that is for people to see and mend."""
        revived = [self._revive(self._stage.balancer), self._revive(self._stage.customers, then=self.open)]
        if self._stage.staging is not None:
            revived.append(self._revive(self._stage.staging.balancer))
            revived.append(self._follow_staging())
            revived.append(self._revive(self._stage.staging.customers, then=self.open_staging))
        if self._stage.aws is not None:
            revived.append(self._revive(self._stage.aws, then=self._put_aws_back))
        await asyncio.gather(*revived)

    async def _revive(self, child: Child, then: Callable[[], Awaitable[None]] | None = None) -> None:
        backoff = WATCH_EVERY
        while True:
            await asyncio.sleep(backoff)
            if child.is_running:
                backoff = WATCH_EVERY
                continue
            log.warning("%s ended with %s; starting it again", child.name, child.exit_code)
            try:
                await asyncio.to_thread(child.start)
                if then is not None:
                    await then()
            except (ChildFailed, NotAnswering) as problem:
                log.error("%s", problem)
                backoff = min(backoff * 2, LONGEST_BACKOFF)

    # ---------------------------------------------------------------- talking to the children

    async def _call(self, port: int, method: str, path: str, body: object = None) -> JsonValue:
        """Raises NotAnswering."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        sent = b"" if body is None else json.dumps(body).encode()
        connection: Connection | None = None
        try:
            async with asyncio.timeout(CALL_WITHIN):
                connection = await Connection.open(Origin("http", "127.0.0.1", port))
                answer = await connection.request(method, path, headers=headers, body=sent, body_limit=WHOLE_LEDGER)
        except OSError as problem:
            raise NotAnswering(f"Port {port} does not answer {method} {path}: {problem or 'too slow'}") from problem
        finally:
            if connection is not None:
                connection.close()
        if answer.status != 200:
            raise NotAnswering(f"Port {port} answered {method} {path} with {answer.status}: {answer.body[:200]!r}")
        return cast(JsonValue, json.loads(answer.body))


def _life(child: Child) -> dict[str, object]:
    return {"pid": child.pid, "running": child.is_running, "restarts": child.restarts}
