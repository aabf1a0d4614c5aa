"""What follows the balancer, in words. One state has the name "LB moved, DNS pending": the switch is done, and whoever
comes by the old name still lands where it pointed before."""

from datetime import datetime, timedelta

from app.db.tables import TargetState
from app.web.figures import hms

STALE = timedelta(seconds=15)
PENDING = "LB moved, DNS pending"
REFUSED = "LB moved, DNS refused"


def split_words(target: TargetState) -> str:
    """The name of the split; empty while DNS is where the balancer is, and where nothing follows it."""
    if not target.follower_state:
        return ""
    if target.follower_state == "refused":
        return REFUSED
    is_elsewhere = target.set_blue is not None and target.follower_blue != target.set_blue
    return PENDING if target.follower_state == "pending" or is_elsewhere else ""


def row_of(target: TargetState, now: datetime, zone: str) -> str:
    """Where the records are, for the panel "What is moved"."""
    if target.follower_at is None or target.follower_since is None or now - target.follower_at > STALE:
        return "not read in the last 15 s" if target.follower_at else "not read yet"
    at = hms(target.follower_since, zone)
    if target.follower_state == "refused":
        return f"refused at {at}, tried again: {target.follower_found}"
    if target.follower_state == "pending":
        return f"pending since {at}: {target.follower_found}"
    if target.follower_blue is None:
        return f"in sync: {target.follower_found}"
    return f"BLUE {target.follower_blue} / GREEN {100 - target.follower_blue}, in sync since {at}"
