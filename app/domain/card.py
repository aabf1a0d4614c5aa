"""The console-failure card as plain text: the way back by hand, for when no page can be opened. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain.capsule import Order

NEEDS_NOTHING = "Needs no database, no web page, no sign-in, no name service. It says what it will do and asks first."


def card_text(order: Order) -> str:
    """The same facts as the printed card, without anything that needs a browser."""
    issued = _moment(order.issued_at, order.zone)
    head = (
        f"{order.title} {order.blue.version} -> {order.green.version} · {order.mode} · deployment {order.deployment_id}"
    )
    parts = [
        f"ROLL BACK WITHOUT THE CONSOLE\n{head}\nplan {order.plan_key}@{order.plan_hash[:12]} · as of {issued}",
        f"1. ON A WORKER'S MACHINE\n   {command_of(order)}\n   {NEEDS_NOTHING}",
        _by_hand(order),
        f"3. LOOK WHERE TRAFFIC IS\n   {where_traffic_is(order)}\n   ({order.blue.digest})",
        "WHAT A ROLLBACK WILL NOT UNDO\n" + _list(order.not_undone or ("nothing known",)),
        "CALL\n" + _list(tuple(call_line(c.title, c.phone, c.email) for c in order.contacts) or ("nobody is named",)),
        "WHERE THE TEAM IS\n" + _list(tuple(_joined(c.title, c.address) for c in order.channels)),
    ]
    return "\n\n".join(parts) + f"\n\nWrite down what you did and when: the log has to know. {head}\n"


def command_of(order: Order) -> str:
    """What to type on a worker's machine."""
    return f"gonogo rollback-now --target {order.target}"


def where_traffic_is(order: Order) -> str:
    """How one sees that customers are on BLUE."""
    return f"{order.binding.get('public_url') or 'The public address'} must answer as {order.blue.version}"


def call_line(title: str, phone: str, email: str) -> str:
    return _joined(title, ", ".join(part for part in (phone, email) if part) or "no number known")


def _by_hand(order: Order) -> str:
    lines = [f"2. BY HAND AT {str(order.binding.get('provider', 'the balancer')).upper()} (epoch {order.epoch})"]
    for number, step in enumerate(order.by_hand, 1):
        lines.append(f"   {number}. {step.text}")
        if step.command:
            lines += [f"      {part}" for part in step.command.splitlines()]
    if not order.by_hand:
        lines.append("   The balancer gave no steps; they are filled in once a worker has asked it.")
    return "\n".join(lines)


def _joined(title: str, detail: str) -> str:
    return f"{title}: {detail}" if detail else title


def _list(lines: tuple[str, ...]) -> str:
    return "\n".join(f"   - {line}" for line in lines)


def _moment(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}"
