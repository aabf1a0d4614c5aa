"""What is wrong with the answer to a smoke test: one judgement for the strip, the rollback and the triggers."""

from app.domain.plan import SmokeTest


def wrong_with(test: SmokeTest, *, status: int, body: str, seconds: float) -> str:
    """A sentence part that names the test; empty if it passed."""
    if status != test.status:
        return f"{test.title}: {status} instead of {test.status}"
    if test.contains and test.contains not in body:
        return f"{test.title}: “{test.contains}” is missing"
    if seconds * 1000 > test.within_ms:
        return f"{test.title}: {seconds * 1000:.0f} ms, limit {test.within_ms} ms"
    return ""
