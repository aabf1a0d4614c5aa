"""The plan's clock of decision points: seconds since the switch, and when a minute is due."""

from datetime import datetime, timedelta

from app.db.tables import Deployment
from app.domain.deployments import State
from app.domain.plan_clock import plan_now


def elapsed_s(deployment: Deployment, now: datetime) -> float | None:
    """Seconds of the plan's clock since T−0; None while no switch stands."""
    if deployment.switched_at is None or State(deployment.state) is not State.SWITCHED:
        return None
    return (plan_now(deployment, now) - plan_now(deployment, deployment.switched_at)).total_seconds()


def due_at(deployment: Deployment, minute: int, now: datetime) -> datetime | None:
    """When a decision point is due, in real time: exact for one to come, if nobody sets the clock meanwhile. None
    before the switch."""
    if deployment.switched_at is None:
        return None
    planned = plan_now(deployment, deployment.switched_at) + timedelta(minutes=minute)
    return deployment.plan_clock.real_at(planned, now)
