"""Changes of records, which at AWS take a while to reach all name servers."""

import secrets
import threading
import time

from app.rehearsal.aws.answers import Answer, error, xml

_SPACE = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"'


class Changes:
    """`lasts` is how many seconds a change is PENDING."""

    def __init__(self, lasts: float) -> None:
        self._lasts = lasts
        self._begun: dict[str, float] = {}
        self._lock = threading.Lock()

    def begun(self) -> Answer:
        change = "C" + secrets.token_hex(7).upper()
        with self._lock:
            self._begun[change] = time.monotonic()
        return xml(
            f"<ChangeResourceRecordSetsResponse {_SPACE}>{_told(change, 'PENDING')}</ChangeResourceRecordSetsResponse>"
        )

    def told(self, change: str) -> Answer:
        with self._lock:
            at = self._begun.get(change)
        if at is None:
            return error("NoSuchChange", f"A change with the id {change} does not exist", 404)
        state = "INSYNC" if time.monotonic() - at >= self._lasts else "PENDING"
        return xml(f"<GetChangeResponse {_SPACE}>{_told(change, state)}</GetChangeResponse>")


def _told(change: str, state: str) -> str:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"<ChangeInfo><Id>/change/{change}</Id><Status>{state}</Status><SubmittedAt>{at}</SubmittedAt></ChangeInfo>"
