"""What must be true of a farm before a switch may be armed, asked with commands that change nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.sides import Side
from app.ports.traffic import Finding, ProviderError
from app.providers.haproxy import answers
from app.providers.haproxy.checks import ask_statistics
from app.providers.haproxy.farm import Backend, Farm, Instance
from app.providers.haproxy.runtime import ask
from app.providers.haproxy.state import InstanceState, ask_state
from app.providers.turns import Turns

FOLLOW_WEIGHTS = ("roundrobin", "leastconn", "random")
"""Algorithms under which each new request goes by the weights as they are now."""


@dataclass(frozen=True, slots=True)
class Told:
    """All that one instance answered."""

    state: InstanceState
    lines: tuple[answers.Line, ...]
    tables: tuple[str, ...]
    rights: str
    """What it had against commands that lack their last word: with enough rights it asks for that word."""


async def inspect(farm: Farm, turns: Turns) -> tuple[Finding, ...]:
    """Never raises ProviderError."""
    told = await asyncio.gather(*(_inspect_instance(farm, instance) for instance in farm.instances))
    return (*(finding for findings in told for finding in findings), turns.finding())


async def _inspect_instance(farm: Farm, instance: Instance) -> list[Finding]:
    title = f"The runtime API of {instance.name} answers"
    remedy = "Check the instance's address in site.yaml, and that HAProxy has `stats socket … level admin` there."
    try:
        told = await _ask_all(farm, instance)
    except ProviderError as problem:
        return [Finding("runtime", title, False if problem.permanent else None, problem.message, remedy)]
    found = [Finding("runtime", title, True, f"{len(told.state.servers)} servers, epoch {told.state.mark.epoch}")]
    found.append(_rights(instance, told))
    for backend in farm.backends:
        place = f"{instance.name}/{backend.name}"
        lines = [line for line in told.lines if line.backend == backend.name]
        whole = next((line for line in lines if line.name == "BACKEND"), None)
        found += [
            _strangers(place, backend, told.state, lines),
            _withdrawn(place, backend, told.state),
            _algorithm(place, whole),
            _cookie(place, whole, lines),
            _stick_table(place, backend, told.tables),
            _checks(place, backend, lines),
        ]
    return found


async def _ask_all(farm: Farm, instance: Instance) -> Told:
    backend = farm.backends[0]
    server = backend.servers[Side.BLUE][0]
    halves = f"set server {backend.name}/{server} weight; experimental-mode on; set var {farm.variable}"
    state, lines, tables, rights = await asyncio.gather(
        ask_state(farm, instance),
        ask_statistics(instance),
        ask(instance.address, "show table"),
        ask(instance.address, halves),
    )
    return Told(state, lines, answers.stick_tables(tables), answers.refusal(rights))


def _rights(instance: Instance, told: Told) -> Finding:
    is_ok = "Permission denied" not in told.rights and "experimental mode only" not in told.rights
    remedy = "" if is_ok else "Give the socket `level admin`: weights and the epoch are set with it."
    title = f"gonogo may set weights and the epoch on {instance.name}"
    return Finding("rights", title, is_ok, "level admin" if is_ok else told.rights, remedy)


def _strangers(place: str, backend: Backend, state: InstanceState, lines: Sequence[answers.Line]) -> Finding:
    """A server of neither side keeps its share whatever is switched."""
    ours = {name for side in Side for name in backend.servers[side]}
    idle = {line.name for line in lines if line.is_backup}
    others = [
        server.name
        for server in state.servers
        if server.backend == backend.name and server.name not in ours | idle and server.weight > 0
    ]
    title = f"Every server of {place} belongs to a side"
    if others:
        remedy = "Name them under BLUE or GREEN in site.yaml, or set their weight to 0."
        return Finding("sides", title, False, f"{answers.names(others)} on neither side", remedy)
    return Finding("sides", title, True, f"{len(ours)} servers")


def _withdrawn(place: str, backend: Backend, state: InstanceState) -> Finding:
    ours = {name for side in Side for name in backend.servers[side]}
    away = [s.name for s in state.servers if s.backend == backend.name and s.name in ours and s.is_withdrawn]
    title = f"No server of {place} is in maintenance or draining"
    if away:
        remedy = "A weight does not bring these back: `set server …/… state ready`."
        return Finding("maintenance", title, False, answers.names(away), remedy)
    return Finding("maintenance", title, True, "none")


def _algorithm(place: str, whole: answers.Line | None) -> Finding:
    title = f"{place} divides requests by weight"
    if whole is None or not whole.algorithm:
        return Finding("algorithm", title, None, "HAProxy does not tell the algorithm")
    is_ok = whole.algorithm in FOLLOW_WEIGHTS
    remedy = "" if is_ok else "Use `balance roundrobin`, `leastconn` or `random`."
    return Finding("algorithm", title, is_ok, f"balance {whole.algorithm}", remedy)


def _cookie(place: str, whole: answers.Line | None, lines: Sequence[answers.Line]) -> Finding:
    title = f"No cookie holds customers to a server of {place}"
    name = whole.cookie if whole else ""
    if name or any(line.cookie for line in lines):
        found = f"cookie {name}".strip()
        remedy = (
            "A weight does not move customers who hold the cookie: remove `cookie` from the backend for the switch."
        )
        return Finding("cookie", title, False, found, remedy)
    return Finding("cookie", title, True, "none")


def _stick_table(place: str, backend: Backend, tables: Sequence[str]) -> Finding:
    title = f"No stick table holds customers to a server of {place}"
    if backend.name in tables:
        remedy = (
            "If the backend has `stick on …`, a weight does not move who is in the table: remove it for the switch."
        )
        return Finding("stick_table", title, False, f"table {backend.name}", remedy)
    return Finding("stick_table", title, True, "none")


def _checks(place: str, backend: Backend, lines: Sequence[answers.Line]) -> Finding:
    ours = {name for side in Side for name in backend.servers[side]}
    unchecked = [line.name for line in lines if line.name in ours and not line.is_checked]
    title = f"HAProxy checks the health of each server of {place}"
    if unchecked:
        remedy = "Add `option httpchk` to the backend and `check` to its servers: without it no side is ever healthy."
        return Finding("checks", title, False, f"no check: {answers.names(unchecked)}", remedy)
    return Finding("checks", title, True, f"{len(ours)} checked")
