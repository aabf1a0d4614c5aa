"""`gonogo rollback-now`: back to BLUE with this machine's disk and nothing else (docs/break-glass.md).

Imports neither the database nor any feature: it must start while those are what is broken.
"""

import asyncio
import contextlib
import os
import pwd
import random
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

from app.bindings import bind_order
from app.config import Misconfigured, on_disk
from app.domain.capsule import Order
from app.orchestrator.break_glass import BreakGlass, Ending, Tools
from app.providers import capsule_file, spool_file
from app.providers.capsule_file import CapsuleFolder, CapsuleRefused, capsule_key
from app.providers.clock import SystemClock
from app.providers.pinned_names import pinned
from app.providers.spool_file import SpoolFile, SpoolFolder


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asked for on the command line."""

    data_dir: Path | None
    target: str
    is_confirmed: bool
    although_unhealthy: bool
    although_expired: bool
    use_dns: bool
    reason: str


class Stop(Exception):
    """It ends before anything was moved; the message says why and what to do."""

    def __init__(self, ending: Ending, message: str) -> None:
        super().__init__(message)
        self.ending = ending


def to_the_end(wish: Wish) -> NoReturn:
    """Does it, and ends the process with its exit code: a call that hangs in a thread must not keep the prompt from
    coming back."""
    code = roll_back_now(wish)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(code)


def roll_back_now(wish: Wish) -> int:
    """Does it, printing each step with its time; the exit code (orchestrator.break_glass.Ending)."""
    try:
        order, key, data_dir = _open(wish)
        _confirm(order, wish)
    except Stop as stop:
        say(str(stop))
        return int(stop.ending)
    spool = SpoolFolder(data_dir / spool_file.FOLDER).begin(key)
    loop = asyncio.new_event_loop()
    try:
        with pinned({} if wish.use_dns else order.addresses):
            return int(loop.run_until_complete(_run(order, wish, spool, loop)))
    except Misconfigured as problem:
        say(f"{problem} Use the card: by hand.")
        return int(Ending.CAPSULE_REFUSED)
    finally:
        spool.close()


def say(text: str) -> None:
    """A terminal that went away must not stop a rollback."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


# ── before ──────────────────────────────────────────────────────────────────


def _open(wish: Wish) -> tuple[Order, bytes, Path]:
    """The capsule that is meant, its key, and the data folder. Raises Stop."""
    disk = on_disk(wish.data_dir)
    folder = CapsuleFolder(disk.data_dir / capsule_file.FOLDER)
    key = capsule_key(disk.secret) if disk.secret else folder.key()
    targets = folder.targets()
    if key is None or not targets:
        raise Stop(
            Ending.NO_CAPSULE,
            f"There is no capsule in {folder.folder}: nothing was armed by a worker of this machine, or its data is "
            "elsewhere (--data, GONOGO_DATA). Look on another worker's machine, or use the card.",
        )
    target = wish.target or (targets[0] if len(targets) == 1 else "")
    if target not in targets:
        raise Stop(Ending.NO_CAPSULE, f"Say which target with --target: there are capsules of {', '.join(targets)}.")
    try:
        order = folder.open(target, key)
    except (CapsuleRefused, OSError) as problem:
        raise Stop(Ending.CAPSULE_REFUSED, str(problem)) from problem
    expired = order.expired_for(SystemClock().now())
    if expired is not None and not wish.although_expired:
        raise Stop(
            Ending.CAPSULE_REFUSED,
            f"The capsule ran out {round(expired.total_seconds() / 60, 1):g} min ago (no worker could renew it since "
            f"{_clock(order.issued_at, order)}). The target itself still refuses it if something newer was armed. "
            "If this deployment is still the one to roll back: --although-expired",
        )
    return order, key, disk.data_dir


def _confirm(order: Order, wish: Wish) -> None:
    """Say what will be done, and let it be typed where somebody sits there. Raises Stop."""
    say(f"{order.title}, {order.mode}, deployment {order.deployment_id}, plan {order.plan_key}@{order.plan_hash[:12]}")
    say(f"Target    {order.target_title} ({order.target}) at {_where(order)}")
    say(f"Rollback  all traffic from GREEN {order.green.version} to BLUE {order.blue.version}, epoch {order.epoch}")
    say(f"Not undone by it: {'; '.join(order.not_undone) or 'nothing known'}")
    for contact in order.contacts:
        say(f"Call      {contact.title} {contact.phone} {contact.email}".rstrip())
    if wish.is_confirmed:
        return
    if not sys.stdin.isatty():
        raise Stop(Ending.NOT_CONFIRMED, "Nobody sits here to confirm it: add --yes. Nothing was moved.")
    try:
        typed = input(f"Type the target's name, {order.target}, to roll back now: ")
    except (EOFError, KeyboardInterrupt):
        typed = ""
    if typed.strip() != order.target:
        raise Stop(Ending.NOT_CONFIRMED, "Not confirmed. Nothing was moved.")


def _where(order: Order) -> str:
    return f"{order.binding.get('provider', 'a balancer')}, public address {order.binding.get('public_url', 'unknown')}"


def who_is_here() -> str:
    """The user of this machine, and the one behind a `sudo`."""
    user = pwd.getpwuid(os.getuid()).pw_name
    with contextlib.suppress(OSError):
        signed_in = os.getlogin()
        if signed_in != user:
            return f"{signed_in} as {user}"
    return user


# ── the rollback ────────────────────────────────────────────────────────────


async def _run(order: Order, wish: Wish, spool: SpoolFile, loop: asyncio.AbstractEventLoop) -> Ending:
    traffic, prober = bind_order(order)
    clock = SystemClock()
    began = clock.monotonic()

    def stamped(text: str) -> None:
        say(f"{_clock(clock.now(), order)}  +{clock.monotonic() - began:6.2f} s  {text}")

    tools = Tools(traffic, prober, clock, spool, stamped, random.Random())  # noqa: S311 - jitter, not a secret
    run = BreakGlass(order, tools, although_unhealthy=wish.although_unhealthy)
    task = asyncio.ensure_future(
        run.run(who=who_is_here(), host=socket.gethostname(), reason=wish.reason),
    )
    _on_signals(loop, task.cancel)
    if spool.problem:
        stamped(f"What is done cannot be recorded: {spool.problem}. Keep this text")
    try:
        ending = await task
        stamped(f"Recorded in {spool.path}" if spool.is_kept else "NOT all of it is recorded: keep this text")
        guard = asyncio.ensure_future(run.guard())
        _on_signals(loop, guard.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await guard
    except asyncio.CancelledError:
        ending = run.stopped()
    finally:
        await run.close()
        await prober.aclose()
        await traffic.aclose()
    return ending


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> None:
    """Ctrl-C stops it; a terminal that closes does not."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _clock(at: datetime, order: Order) -> str:
    return f"{at.astimezone(ZoneInfo(order.zone)):%H:%M:%S.%f}"[:-3]
