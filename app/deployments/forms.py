"""What people send to change a deployment."""

from datetime import datetime

from pydantic import Field

from app.web.form import PageForm


class ReasonForm(PageForm):
    reason: str = Field(default="", max_length=1000)


class RescheduleForm(ReasonForm):
    """`planned_at` is local time in the plan's zone, as a datetime-local field sends it."""

    planned_at: datetime
