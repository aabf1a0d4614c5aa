"""An installation of the product for rehearsals: PostgreSQL, the range, the web process and the workers, all started
here, kept alive and ended together. `gonogo up`, drills, benchmarks and end-to-end tests use it.

Synchronous; its methods may be called from any thread. One thread of its own looks after the children.
"""

import contextlib
import os
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from app.domain.plan import Plan
from app.domain.sides import Side
from app.rehearsal import haproxy, orphans
from app.rehearsal.caddy import NoCaddy
from app.rehearsal.cast import VARIABLE, told
from app.rehearsal.child import Child, ChildFailed
from app.rehearsal.cluster import AlreadyLocked, lock
from app.rehearsal.ground import NoPostgres
from app.rehearsal.haproxy import NoHaproxy
from app.rehearsal.initdb import PostgresFailed
from app.rehearsal.ports import NoPort, Ports, Reservation
from app.rehearsal.postgres import EmbeddedPostgres
from app.rehearsal.site_file import STAND_INS, RangeTarget, write_site
from app.rehearsal.spawn import last_lines, spawn
from app.rehearsal.tending import Tending
from app.rehearsal.toys import RELEASES

ROOT = Path(__file__).resolve().parents[2]
DATABASE = "gonogo"
MIGRATE = "import os; from app.db.migrate import upgrade; upgrade(os.environ['GONOGO_OWNER_DATABASE_URL'])"
MIGRATE_WITHIN = 120.0
LARGEST_LOG = 16 * 1024 * 1024


class StartFailed(Exception):
    """The installation could not be started; what was started has been ended. The message says why."""


class Installation:
    """`data_dir` keeps everything: database, weights, ports, logs. A second start keeps it all.

    `customers_rps` is the customers' requests a second. `fast_database` gives up durability. `web=False` and
    `workers=0` leave those out. `environment` is added to what web and workers get. `say` gets a line a stage.
    `target` is what the plan's target is bound to: the range's balancer agent, a real HAProxy, or a simulated AWS.
    `plan` and its file: what is rehearsed and what the releases are; ALAWAEL without it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        base_port: int = 8400,
        quiet: bool = False,
        workers: int = 2,
        customers_rps: int = 60,
        fast_database: bool = False,
        web: bool = True,
        environment: Mapping[str, str] | None = None,
        say: Callable[[str], None] | None = None,
        target: RangeTarget = "agent",
        plan: tuple[Plan, Path] | None = None,
    ) -> None:
        self.data_dir = Path(os.path.realpath(data_dir))
        self.logs = self.data_dir / "logs"
        self.site_file = self.data_dir / "site.yaml"
        self.range_folder = self.data_dir / "range"
        self.base_port = base_port
        self.postgres = EmbeddedPostgres(self.data_dir / "postgres", fast=fast_database, log=self.logs / "postgres.log")
        self.environment: dict[str, str] = {}
        self._extra = dict(environment or {})
        self._has_web = web
        self._worker_count = workers
        self._customers_rps = customers_rps
        self._say = (lambda _: None) if quiet else (say or print)
        self._target = target
        self._plan: Plan | None = plan[0] if plan else None
        self._plan_file: Path | None = plan[1] if plan else None
        self._reservation = Reservation()
        self._ports: Ports | None = None
        self._stack: contextlib.ExitStack | None = None
        self._range: Child | None = None
        self._web: Child | None = None
        self._workers: list[Child] = []
        self._tending: Tending | None = None

    # ---------------------------------------------------------------- life

    def start(self) -> None:
        """Returns when everything is ready. Raises StartFailed; nothing is left running then."""
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            try:
                self._start(stack)
            except (AlreadyLocked, NoPort, NoPostgres, NoCaddy, NoHaproxy, PostgresFailed, ChildFailed) as problem:
                raise StartFailed(str(problem)) from problem
            self._stack = stack.pop_all()
        self._say(f"Ready after {time.monotonic() - began:.1f} s.")

    def stop(self) -> None:
        """End every child, the ones that talk to others first. Does nothing if it does not run."""
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()

    def __enter__(self) -> "Installation":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ---------------------------------------------------------------- use

    @property
    def ports(self) -> Ports:
        if self._ports is None:
            raise StartFailed("The installation has no ports before it is started.")
        return self._ports

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.web}"

    @property
    def public_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.public}"

    @property
    def worker_count(self) -> int:
        return self._worker_count

    def worker_pid(self, number: int) -> int | None:
        """Of worker 1, 2, …; None while it is away."""
        return self._workers[number - 1].pid

    def kill_worker(self, number: int) -> int:
        """SIGKILL, as a fault; the process id it had. Another one is started at once. Raises ChildFailed if it was
        not running."""
        return self._workers[number - 1].kill()

    def kill_range(self) -> int:
        """SIGKILL its control process, as a fault, which takes releases, balancer and customers along; all of them
        are started again. The process id it had."""
        if self._range is None:
            raise ChildFailed("This installation is not started.")
        return self._range.kill()

    def kill_web(self) -> int:
        """SIGKILL, as a fault; the process id it had."""
        if self._web is None:
            raise ChildFailed("This installation has no web process.")
        return self._web.kill()

    def kill_postgres(self) -> None:
        """SIGKILL its postmaster, as a fault, and leave it dead until `revive_postgres`."""
        if self._tending is None:
            raise ChildFailed("This installation is not started.")
        self._tending.leave_alone(frozenset({"PostgreSQL"}))
        self.postgres.kill()

    def revive_postgres(self) -> None:
        """Returns when PostgreSQL has recovered and takes connections again."""
        if self._tending is None:
            raise ChildFailed("This installation is not started.")
        self.postgres.restart()
        self._tending.leave_alone(frozenset())

    def black_out(self) -> None:
        """SIGKILL PostgreSQL, web and workers, as a fault, and leave them dead; the range goes on serving."""
        if self._tending is None:
            raise ChildFailed("This installation is not started.")
        product = [child for child in (self._web, *self._workers) if child is not None]
        self._tending.leave_alone(frozenset({"PostgreSQL", *(child.name for child in product)}))
        self.postgres.kill()
        for child in product:
            if child.is_running:
                child.kill()

    def end_black_out(self) -> None:
        """Let all of it be started again; returns when the web process serves pages."""
        if self._tending is None:
            raise ChildFailed("This installation is not started.")
        self.postgres.restart()
        product = [child for child in (self._web, *self._workers) if child is not None]
        for child in product:
            child.launch()
        for child in product:
            child.wait_ready()
        self._tending.leave_alone(frozenset())

    # ---------------------------------------------------------------- starting

    def _start(self, stack: contextlib.ExitStack) -> None:
        self._prepare(stack)
        self._range = self._make_range()
        stack.callback(self._range.stop, 6)
        self._range.launch()  # it takes a second, which PostgreSQL needs too
        self._start_postgres(stack)
        self._migrate()
        self._range.wait_ready()
        blue, green = self._versions()
        self._say(
            f"range       balancer {self.public_url} with BLUE {blue} and GREEN {green}, "
            f"{self._customers_rps} customers' requests a second"
        )
        write_site(self.site_file, self.ports, self.range_folder, self._target, self._plan)
        self._web = self._make_web() if self._has_web else None
        self._workers = [self._make_worker(number) for number in range(1, self._worker_count + 1)]
        self._start_product(stack)

    def _prepare(self, stack: contextlib.ExitStack) -> None:
        """Data folder, its lock, what an earlier one left, ports, environment."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.data_dir.chmod(0o700)
        self._lock(stack)
        if count := orphans.end(self.data_dir):
            self._say(f"recovery    ended {count} processes that an earlier start left behind")
        self._shorten_logs()
        stack.callback(self._reservation.release)
        self._ports = self._reservation.take_all(self.base_port, self.data_dir / "ports.json")
        if self._ports.web != self.base_port:
            self._say(f"port        {self.base_port} is taken by somebody else; this one uses {self._ports.web}")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GONOGO_")}
        self._base = {**kept, "PYTHONUNBUFFERED": "1", orphans.MARK: str(self.data_dir)}

    def _lock(self, stack: contextlib.ExitStack) -> None:
        """One installation a data folder; one that is ending gets three seconds."""
        try:
            stack.enter_context(lock(self.data_dir / "installation.lock", patience=3))
        except AlreadyLocked as problem:
            raise StartFailed(
                f"It runs already with the data in {self.data_dir}. Use or stop that one; "
                "a second one beside it needs a folder of its own: GONOGO_DATA=/another/folder make run"
            ) from problem

    def _start_postgres(self, stack: contextlib.ExitStack) -> None:
        began = time.monotonic()
        stack.callback(self.postgres.stop)
        self.postgres.start()
        self.postgres.create_database(DATABASE)
        self._say(f"PostgreSQL  {self.postgres.version}, ready after {time.monotonic() - began:.1f} s")
        self.environment = {
            **self._base,
            "GONOGO_DATABASE_URL": self.postgres.url(DATABASE, "app"),
            "GONOGO_SITE": str(self.site_file),
            "GONOGO_MODE": "range",
            "GONOGO_DATA": str(self.data_dir),
            "GONOGO_PORT": str(self.ports.web),
            **({"GONOGO_PLAN": str(self._plan_file)} if self._plan_file else {}),
            **dict.fromkeys(STAND_INS, f"127.0.0.1:{self.ports.control}"),
            **self._extra,
        }

    def _migrate(self) -> None:
        """In a process of its own: only that one gets the owner's password."""
        log = self.logs / "migrate.log"
        owner = {**self.environment, "GONOGO_OWNER_DATABASE_URL": self.postgres.url(DATABASE, "owner")}
        process = spawn([sys.executable, "-c", MIGRATE], log=log, environment=owner, folder=ROOT)
        if process.wait(MIGRATE_WITHIN) != 0:
            raise StartFailed(f"The database could not be migrated. The last words of {log}:\n{last_lines(log)}")
        self._say("database    migrated to the newest revision")

    def _start_product(self, stack: contextlib.ExitStack) -> None:
        product = [child for child in (self._web, *self._workers) if child is not None]
        stack.callback(_stop_together, product)
        for child in product:
            child.launch()
        for child in [*product, *self._workers]:  # a worker that cannot run has ended by the time web is ready
            child.wait_ready()
        if self._range is None:
            return
        tending = Tending(self.postgres, [self._range, *product], self._say)
        tending.start()
        self._tending = tending
        stack.callback(tending.stop)
        names = ", ".join(child.name for child in product) or "nothing of the product"
        self._say(f"processes   {names}; logs in {self.logs}")

    # ---------------------------------------------------------------- the children

    def _make_range(self) -> Child:
        ports = self.ports
        numbers = {
            "public": ports.public,
            "control": ports.control,
            "blue": ports.blue,
            "green": ports.green,
            "customers": ports.customers,
            "staging": ports.staging,
            "staging-customers": ports.staging_customers,
            "per-second": self._customers_rps,
        }
        if self._target == "aws":
            numbers["aws"] = ports.aws
        arguments = ["--folder", str(self.range_folder), "--logs", str(self.logs)]
        if self._target == "haproxy":
            haproxy.program()
            haproxy.socket_of(self.range_folder)
            arguments.append("--haproxy")
        for name, number in numbers.items():
            arguments += [f"--{name}", str(number)]
        ready = answers(f"http://127.0.0.1:{ports.control}/healthz")
        plays = {VARIABLE: told(self._plan)} if self._plan else {}
        return self._python("range", ["-m", "app.rehearsal.range", *arguments], {**self._base, **plays}, ready)

    def _versions(self) -> tuple[str, str]:
        if self._plan is None:
            return RELEASES[Side.BLUE].version, RELEASES[Side.GREEN].version
        return self._plan.releases.blue.version, self._plan.releases.green.version

    def _make_web(self) -> Child:
        arguments = ["-m", "uvicorn", "app.main:create_app", "--factory", "--host", "127.0.0.1"]
        arguments += ["--port", str(self.ports.web), "--timeout-graceful-shutdown", "3", "--no-access-log"]
        arguments += ["--timeout-keep-alive", "75"]  # app.config.KEEP_ALIVE_S
        return self._python("web", arguments, self.environment, answers(f"{self.url}/readyz"))

    def _make_worker(self, number: int) -> Child:
        name = f"worker-{number}"
        return self._python(name, ["-m", "app.worker"], {**self.environment, "GONOGO_WORKER_NAME": name}, None)

    def _python(
        self, name: str, arguments: list[str], environment: Mapping[str, str], ready: Callable[[], bool] | None
    ) -> Child:
        return Child(
            name,
            [sys.executable, *arguments],
            log=self.logs / f"{name}.log",
            environment=environment,
            folder=ROOT,
            ready=ready,
        )

    def _shorten_logs(self) -> None:
        """A log that has grown large becomes the one old log of its name."""
        self.logs.mkdir(exist_ok=True)
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LARGEST_LOG:
                log.replace(log.with_suffix(".log.old"))


def answers(url: str) -> Callable[[], bool]:
    """Ready when `url` answers with a success."""

    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  (an http:// address made here)
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return check


def _stop_together(children: list[Child]) -> None:
    threads = [threading.Thread(target=child.stop, name=f"stopping {child.name}") for child in children]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
