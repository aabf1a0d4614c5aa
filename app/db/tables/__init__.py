"""All tables. Importing this package registers every one of them on `Base.metadata`."""

from app.db.tables.accounts import ApiToken, LoginAttempt, Person, WebSession
from app.db.tables.base import Base
from app.db.tables.break_glass import BreakGlass, BreakGlassLine, WorkerCapsule
from app.db.tables.canary import CanaryReading, CanaryRun
from app.db.tables.decisions import CustomerReport, Decision, Incident, IncidentFinding
from app.db.tables.deployments import ChecklistState, Deployment, PlanVersion, RosterSeat, Signoff
from app.db.tables.eventlog import Event, EventChain, TopicVersion
from app.db.tables.freeze import ChangeFreeze, EmergencyPatch
from app.db.tables.metrics import Reading
from app.db.tables.people import ChannelCheck, Custody, DutyDone, EvidenceFile, PersonalTick
from app.db.tables.phases import PhaseRun, StepRun
from app.db.tables.scripts import ScriptOutput, ScriptRun
from app.db.tables.traffic import Effect, Operation, OperationCheck, ProbeSummary, RollbackGrant, TargetState
from app.db.tables.triggers import Alert, AlertDelivery, TriggerCheck, TriggerState
from app.db.tables.workers import WorkerLease

__all__ = [
    "Alert",
    "AlertDelivery",
    "ApiToken",
    "Base",
    "BreakGlass",
    "BreakGlassLine",
    "CanaryReading",
    "CanaryRun",
    "ChangeFreeze",
    "ChannelCheck",
    "ChecklistState",
    "Custody",
    "CustomerReport",
    "Decision",
    "Deployment",
    "DutyDone",
    "Effect",
    "EmergencyPatch",
    "Event",
    "EventChain",
    "EvidenceFile",
    "Incident",
    "IncidentFinding",
    "LoginAttempt",
    "Operation",
    "OperationCheck",
    "Person",
    "PersonalTick",
    "PhaseRun",
    "PlanVersion",
    "ProbeSummary",
    "Reading",
    "RollbackGrant",
    "RosterSeat",
    "ScriptOutput",
    "ScriptRun",
    "Signoff",
    "StepRun",
    "TargetState",
    "TopicVersion",
    "TriggerCheck",
    "TriggerState",
    "WebSession",
    "WorkerCapsule",
    "WorkerLease",
]
