"""When and where all samples are."""

from datetime import UTC, datetime

NOW = datetime(2026, 3, 6, 19, 10, 7, 400_000, tzinfo=UTC)
ZONE = "America/New_York"
