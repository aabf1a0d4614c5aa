"""How `make test` shares its files out among the workers: what takes longest goes first, so that none is left alone
with it at the end."""

from typing import Any

from xdist.scheduler import LoadFileScheduling

LONGEST = ("tests/e2e/test_pages.py",)
BROWSERS = ("tests/e2e/",)
"""Two installations at a time are dearer than one, and still end sooner than all of them one after the other."""
LONG = (
    "tests/traffic/test_deaths.py",
    "tests/traffic/test_rollback_now.py",
    "tests/rehearsal/",
    "tests/canary/test_real_range.py",
    "tests/architecture/test_policy.py",
    "tests/plans/test_harbour_day.py",
)
"""Files of few tests that take half a minute and more."""
TURNS = (LONGEST, BROWSERS, LONG)


class LongestFirst(LoadFileScheduling):
    """Whole files, since many keep a range or a database for all their tests."""

    def _assign_work_unit(self, node: Any) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=_turn), last=False)
        super()._assign_work_unit(node)


def _turn(scope: str) -> int:
    """Of equals the first one is next."""
    return next((turn for turn, files in enumerate(TURNS) if scope.startswith(files)), len(TURNS))
