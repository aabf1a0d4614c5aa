"""The readiness light: is the way back proven now, and by what? Pure.

No answer never counts as a yes (I8). Which questions may stay open is said one by one in `MAY_STAY_OPEN`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

PROOF_LIMIT = timedelta(seconds=15)
"""BLUE's health and the balancer's reading, asked once a second."""
PREFLIGHT_LIMIT = timedelta(seconds=45)
"""The pre-flight, asked every 10 s: a lost round or two does not put the light out."""
CAPSULE_LIMIT = timedelta(seconds=30)
"""A capsule is renewed every few seconds."""
WORKER_LIMIT = timedelta(seconds=10)
"""A worker that has not reported for longer is gone."""
CAPSULES_WITHIN = timedelta(seconds=10)
"""From arming until each worker must have its capsule."""

MAY_STAY_OPEN = frozenset({"may_write", "algorithm", "dns"})
"""Keys of findings that may be without an answer; a plain NO always refuses. `may_write`: many accounts let nobody ask
the policy simulator, and the way back is the very call that moved traffic forth: if it is not allowed, nothing was
moved. `algorithm`: not every balancer tells, and the probes see where traffic goes. `dns`: it follows, and is never on
the way."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the pre-flight as recorded (ports.traffic.Finding)."""

    key: str
    title: str
    is_ok: bool | None
    found: str
    remedy: str = ""

    @property
    def refuses(self) -> bool:
        return self.is_ok is False or (self.is_ok is None and self.key not in MAY_STAY_OPEN)


@dataclass(frozen=True, slots=True)
class Capsule:
    """A worker's capsule as it reported it. `problem` says why it could not be renewed."""

    worker: str
    epoch: int
    written_at: datetime | None
    reported_at: datetime
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is recorded of a target. `armed_at` is None before arming: capsules are then no question yet. `epoch` is
    the highest of the target's block, which every capsule must carry."""

    blue_is_healthy: bool | None
    blue_found: str
    blue_at: datetime | None
    read_error: str
    read_at: datetime | None
    configuration: str
    expected_configuration: str
    findings: tuple[Finding, ...]
    findings_at: datetime | None
    capsules: tuple[Capsule, ...] = ()
    armed_at: datetime | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """`is_ok` None: not yet, or no answer. `refuses` tells whether it keeps the light out."""

    key: str
    title: str
    is_ok: bool | None
    found: str
    remedy: str = ""
    refuses: bool = False


@dataclass(frozen=True, slots=True)
class Light:
    """`proof_age_s` is the age of the oldest proof that the light stands on; None while one is missing."""

    lines: tuple[Line, ...]
    proof_age_s: float | None

    @property
    def is_ready(self) -> bool:
        return self.proof_age_s is not None and not self.reasons

    @property
    def reasons(self) -> tuple[str, ...]:
        """What keeps it out, in words; the lines that say a plain no come first."""
        bad = sorted((line for line in self.lines if line.refuses), key=lambda line: line.is_ok is None)
        return tuple(f"{line.title}: {line.found}" for line in bad)

    @property
    def first(self) -> Line | None:
        """The worst of what keeps it out."""
        bad = sorted((line for line in self.lines if line.refuses), key=lambda line: line.is_ok is None)
        return bad[0] if bad else None

    @property
    def plain_noes(self) -> tuple[str, ...]:
        """What is known to be bad: a switch is refused on these, not on what is merely not known. A sick BLUE is not
        among them: moving away from it may be just what is wanted."""
        return tuple(
            f"{line.title}: {line.found}"
            for line in self.lines
            if line.refuses and line.is_ok is False and not line.key.startswith("blue")
        )


def judge(evidence: Evidence, now: datetime) -> Light:
    lines = [_blue(evidence, now), _balancer(evidence, now), *_preflight(evidence, now)]
    if evidence.armed_at is not None:
        lines.append(_capsules(evidence, evidence.armed_at, now))
    proofs = [evidence.blue_at, evidence.read_at, evidence.findings_at]
    oldest = min((at for at in proofs if at is not None), default=None)
    age = None if oldest is None or None in proofs else max(0.0, (now - oldest).total_seconds())
    return Light(tuple(lines), age)


def _old(at: datetime | None, now: datetime, limit: timedelta) -> str:
    """Why a finding does not count any more, or an empty text."""
    if at is None:
        return "not asked yet"
    return f"not answered in the last {limit.seconds} s" if now - at > limit else ""


def _blue(evidence: Evidence, now: datetime) -> Line:
    key, title = "blue", "BLUE's health and release"
    if old := _old(evidence.blue_at, now, PROOF_LIMIT):
        return Line(key, title, None, old, "Is a worker running?", refuses=True)
    found = evidence.blue_found or "no answer"
    remedy = "Bring BLUE back to health first: it is where a rollback goes."
    is_ok = bool(evidence.blue_is_healthy)
    return Line(key, title, is_ok, found, "" if is_ok else remedy, refuses=not is_ok)


def _balancer(evidence: Evidence, now: datetime) -> Line:
    key, title = "balancer", "The balancer's answer and set-up"
    if evidence.read_error:
        return Line(key, title, None, evidence.read_error, "Check address and credentials in site.yaml.", refuses=True)
    if old := _old(evidence.read_at, now, PROOF_LIMIT):
        return Line(key, title, None, old, "Is a worker running?", refuses=True)
    expected = evidence.expected_configuration
    if expected and evidence.configuration != expected:
        found = f"set up as {evidence.configuration[:12]}, voted on {expected[:12]}"
        return Line(key, title, False, found, "Set it back, or vote anew on what it is now.", refuses=True)
    return Line(key, title, True, "read back, unchanged")


def _preflight(evidence: Evidence, now: datetime) -> list[Line]:
    old = _old(evidence.findings_at, now, PREFLIGHT_LIMIT)
    if old or not evidence.findings:
        found = old or "the balancer had nothing to say"
        return [Line("preflight", "Pre-flight", None, found, "Is a worker running?", refuses=True)]
    return [
        Line(finding.key, finding.title, finding.is_ok, finding.found, finding.remedy, refuses=finding.refuses)
        for finding in evidence.findings
    ]


def _capsules(evidence: Evidence, armed_at: datetime, now: datetime) -> Line:
    """Every worker that is alive has a fresh capsule of this block, and there is one: its disk is the way back."""
    key, title = "capsules", "Rollback capsules"
    alive = [capsule for capsule in evidence.capsules if now - capsule.reported_at <= WORKER_LIMIT]
    not_yet = None if now - armed_at <= CAPSULES_WITHIN else False
    bad = [(capsule, why) for capsule in alive if (why := _stale(capsule, evidence.epoch, now))]
    broken = [f"{capsule.worker}: {capsule.problem}" for capsule, _ in bad if capsule.problem]
    if broken:
        remedy = "Make room on that worker's disk; the reserved room keeps the rollback itself possible."
        return Line(key, title, False, "; ".join(broken)[:300], remedy, refuses=True)
    if not alive:
        return Line(key, title, not_yet, "no worker reports one", "Start a worker.", refuses=True)
    if bad:
        found = "; ".join(f"{capsule.worker}: {why}" for capsule, why in bad)[:300]
        return Line(key, title, not_yet, found, "Each worker renews its capsule every few seconds.", refuses=True)
    oldest = max((now - capsule.written_at).total_seconds() for capsule in alive if capsule.written_at)
    workers = "the one worker" if len(alive) == 1 else f"all {len(alive)} workers"
    return Line(key, title, True, f"fresh on {workers}, none older than {oldest:.0f} s")


def _stale(capsule: Capsule, epoch: int, now: datetime) -> str:
    """What is wrong with a capsule, or an empty text."""
    if capsule.problem:
        return capsule.problem
    if capsule.written_at is None or now - capsule.written_at > CAPSULE_LIMIT:
        return "not renewed"
    return "" if capsule.epoch == epoch else "from an earlier arming"
