"""How a decision says no."""


class Rejected(Exception):
    """A command the domain refuses, in words the person who gave it understands.

    `reason` says what happened and why; `remedy` says what to do next; `conflict` marks a refusal that
    comes from somebody else having been faster (HTTP 409) rather than from a rule (HTTP 422).
    """

    def __init__(self, reason: str, *, remedy: str = "", conflict: bool = False, code: str = "rejected") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.conflict = conflict
        self.code = code


class Stale(Rejected):
    """The page that was pressed on shows what is no longer so: somebody else was faster, and nothing was done."""

    def __init__(
        self, reason: str, *, remedy: str = "Read it again, then repeat what you did if it is still needed."
    ) -> None:
        super().__init__(reason, remedy=remedy, conflict=True, code="stale")
