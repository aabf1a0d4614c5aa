"""Numbers and times as people read them: unit after a (no-break) space, 24-hour clock, "—" for unknown.

Each function is a Jinja filter of the same name; static/js/figures.js writes the same forms in the browser.
"""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

UNKNOWN = "—"
SPACE = "\u00a0"
MINUS = "\u2212"


def thousands(value: int | None) -> str:
    """1204 → "1,204"."""
    return UNKNOWN if value is None else f"{value:,}"


def plain(value: float | None) -> str:
    """A measured value with as many digits as one can read: 0.02, 2.6, 131, 1,240."""
    if value is None or value != value:
        return UNKNOWN
    if value == 0:
        return "0"
    digits = 2 if abs(value) < 1 else 1 if abs(value) < 10 else 0
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float | None, unit: str = "") -> str:
    """2.6 and "%" → "2.6 %"; without a unit only the number."""
    return plain(value) if not unit or value is None else f"{plain(value)}{SPACE}{unit}"


def percent(value: float | None) -> str:
    return quantity(value, "%")


def took(seconds: float | None) -> str:
    """A measured duration: "0.94 s", "21.6 s", "2 min 5 s"."""
    if seconds is None:
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.2f}{SPACE}s"
    if seconds < 120:
        return f"{seconds:.1f}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}{SPACE}min" + (f" {rest}{SPACE}s" if rest else "")


def about(seconds: float) -> str:
    """A length that is expected, or a difference: "0.4 s", "42 s", "2 min 10 s", "25 min", "1 h 40 min", "7 days"."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}".removesuffix(".0") + f"{SPACE}s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole}{SPACE}s"
    if whole < 600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes}{SPACE}min" + (f" {rest}{SPACE}s" if rest else "")
    minutes = round(seconds / 60)
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    parts = [(days, "day" if days == 1 else "days"), (hours, "h"), (0 if days else left, "min")]
    return " ".join(f"{amount}{SPACE}{unit}" for amount, unit in parts if amount)


def age(seconds: float | None) -> str:
    """How long since: "0.4 s", "12 s", "3 min", "2 h", "4 days"; without the word "ago"."""
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}{SPACE}s"
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and unit != "min"):
            amount = int(seconds // size)
            return f"{amount}{SPACE}{'day' if unit == 'days' and amount == 1 else unit}"
    return f"{max(10, int(seconds))}{SPACE}s"


def countdown(seconds: float) -> str:
    """What is left: "74 s" below 100 s, then "18:38", then "2:05:00"; never below zero."""
    left = max(0, round(seconds))
    if left < 100:
        return f"{left}{SPACE}s"
    hours, rest = divmod(left, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def t_clock(now: datetime, t_zero: datetime | None) -> str:
    """T−00:28:38 before the switch, T+00:00:07 after it, "T—" while nobody has set a time."""
    if t_zero is None:
        return f"T{UNKNOWN}"
    seconds = int((now - t_zero).total_seconds() // 1)
    sign, left = ("+", seconds) if seconds >= 0 else (MINUS, -seconds)
    return f"T{sign}{left // 3600:02}:{left % 3600 // 60:02}:{left % 60:02}"


def hms(moment: datetime | None, zone: str = "UTC") -> str:
    """Time of day in a zone: "13:41:22"."""
    return UNKNOWN if moment is None else f"{moment.astimezone(ZoneInfo(zone)):%H:%M:%S}"


def hm(moment: datetime | None, zone: str = "UTC") -> str:
    return UNKNOWN if moment is None else f"{moment.astimezone(ZoneInfo(zone)):%H:%M}"


def hms_milli(moment: datetime | None, zone: str = "UTC") -> str:
    """Time of day with milliseconds, for what an operation measured: "14:10:00.318"."""
    if moment is None:
        return UNKNOWN
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%H:%M:%S}.{local.microsecond // 1000:03}"


def day(moment: datetime | None, zone: str = "UTC") -> str:
    """ "6 March 2026"."""
    if moment is None:
        return UNKNOWN
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%B %Y}"


def within(title: str) -> str:
    """A title inside a sentence: "Error rate" → "error rate", "API response time" as it is."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


FILTERS: dict[str, Callable[..., str]] = {
    f.__name__: f for f in (thousands, plain, quantity, percent, took, age, countdown, t_clock, hms, hm, hms_milli, day)
}
