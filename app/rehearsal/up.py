"""`gonogo up`, which `make run` calls: an installation in the foreground, until Ctrl-C."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from app.domain.plan import Plan
from app.rehearsal.site_file import TARGETS, is_target
from app.rehearsal.supervisor import ROOT, Installation, StartFailed

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """Ctrl-C, SIGTERM, or the terminal was closed."""


def up(
    data: Path | None = None,
    port: int = 8400,
    workers: int = 2,
    customers: int = 60,
    target: str = "agent",
    plan: tuple[Plan, Path] | None = None,
) -> int:
    """Run until told to end; the exit code. `data` defaults to GONOGO_DATA, then to `.gonogo` in the checkout; of a
    plan of its own to a folder of its own beside it, because a range plays one plan's releases."""
    if not is_target(target):
        print(f"There is no target {target!r}: one of {', '.join(TARGETS)}.", file=sys.stderr)
        return 2
    folder = data or Path(os.environ.get("GONOGO_DATA") or ROOT / (f".gonogo-{plan[0].key}" if plan else ".gonogo"))
    installation = Installation(
        folder, base_port=port, workers=workers, customers_rps=customers, say=_say, target=target, plan=plan
    )
    for ending in ENDINGS:
        signal.signal(ending, _raise_ended)
    try:
        _say(f"Starting gonogo with its data in {installation.data_dir}")
        installation.start()
        _say(_welcome(installation))
        threading.Event().wait()
    except StartFailed as problem:
        print(f"\ngonogo did not start. {problem}", file=sys.stderr)
        return 1
    except Ended:
        _say("\nStopping: workers and web, range, PostgreSQL …")
    finally:
        installation.stop()
    _say("Stopped. The data stays; `make run` continues with it.")
    return 0


def _welcome(installation: Installation) -> str:
    return f"""
  Open      {installation.url}
  Sign in   choose a person: the rehearsal has one for each seat of the plan, and asks for no password.
  See also  {installation.public_url} (what customers get: reload it during a switch)

  Ctrl-C stops everything and keeps the data.
"""


def _raise_ended(_number: int, _frame: FrameType | None) -> None:
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)  # the end is under way: it takes a few seconds, and must be whole
    raise Ended


def _say(line: str) -> None:
    print(line, flush=True)
