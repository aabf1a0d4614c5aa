"""How `make test` shares its files out among the workers: what takes longest goes first, and what needs a browser stays
together, so that there is one installation and not one a worker."""

from typing import Any

from xdist.scheduler import LoadFileScheduling

BROWSERS = "tests/e2e/"
LONG = (
    "tests/traffic/test_deaths.py",
    "tests/traffic/test_rollback_now.py",
    "tests/rehearsal/",
    "tests/canary/test_real_range.py",
    "tests/architecture/test_policy.py",
    "tests/plans/test_harbour_day.py",
    "tests/scripts/test_takeover.py",
    "tests/simulate/test_simulate.py",
)
"""Files of few tests that take half a minute and more: as the last ones they would leave the other worker idle."""


class LongestFirst(LoadFileScheduling):
    """Whole files, since many keep a range or a database for all their tests."""

    def _split_scope(self, nodeid: str) -> str:
        return BROWSERS if nodeid.startswith(BROWSERS) else str(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: Any) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=_turn), last=False)
        super()._assign_work_unit(node)


def _turn(scope: str) -> int:
    """Of equals the first one is next."""
    return 0 if scope == BROWSERS else 1 if scope.startswith(LONG) else 2
