"""The plan's clock of decision points: seconds since the switch, and when a minute is due."""

from datetime import datetime, timedelta

from app.db.tables import Deployment
from app.domain.deployments import State


def elapsed_s(deployment: Deployment, now: datetime) -> float | None:
    """Seconds of the plan's clock since T−0; None while no switch stands."""
    if deployment.switched_at is None or State(deployment.state) is not State.SWITCHED:
        return None
    return (now - deployment.switched_at).total_seconds()


def due_at(deployment: Deployment, minute: int, now: datetime) -> datetime | None:  # noqa: ARG001 - the plan's clock asks
    """When a decision point that is still to come is due, in real time; None before the switch."""
    if deployment.switched_at is None:
        return None
    return deployment.switched_at + timedelta(minutes=minute)
