"""Settings, read once from the environment. Nothing else in the product reads os.environ."""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parent.parent

Mode = Literal["range", "live"]

KEEP_ALIVE_S = 75
"""How long the web process keeps an idle connection: longer than a proxy before it does (an ALB 60 s), or a press could
be written into a connection that closes at that moment. The Dockerfile and the rehearsal say the same."""


class Misconfigured(Exception):
    """A setting is missing or cannot be used; the message names the variable and the remedy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`mode` is a property of the installation: `range` offers one-click persons and has no live bindings."""

    database_url: str
    owner_database_url: str
    site_file: Path
    data_dir: Path
    mode: Mode
    secret: bytes
    worker_name: str
    secure_cookies: bool
    fault_file: Path | None = None
    """Where tests order a worker's death (app/rehearsal/fault_point.py); never in a live installation."""
    plan_file: Path | None = None
    """What a range rehearses first; ALAWAEL's plan without it. A live installation is given its plans."""

    @property
    def is_range(self) -> bool:
        return self.mode == "range"


def _secret(data_dir: Path) -> bytes:
    """The installation's key for signing (grants, forms). Made once, readable by the owner only."""
    path = data_dir / "secret"
    if not path.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        # Written whole beside it, then linked: of processes that start together one wins, and nobody reads half of it.
        draft = data_dir / f"secret.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    key = path.read_bytes()
    if len(key) < 32:
        raise Misconfigured(
            f"{path} is shorter than 32 bytes; delete it and every process makes a new one at its start"
        )
    return key


@dataclass(frozen=True, slots=True)
class OnDisk:
    """What a command knows that must work with nothing but this machine's disk. `secret` is None where the installation
    has it in the environment of its processes only."""

    data_dir: Path
    secret: bytes | None


def on_disk(data_dir: Path | None = None, environ: dict[str, str] | None = None) -> OnDisk:
    """Reads, and makes nothing: unlike `from_env` it never creates a secret, which would fit to no signature."""
    env = dict(os.environ) if environ is None else environ
    folder = data_dir or Path(env.get("GONOGO_DATA", str(ROOT / ".gonogo")))
    if text := env.get("GONOGO_SECRET", ""):
        return OnDisk(folder, text.encode())
    path = folder / "secret"
    return OnDisk(folder, path.read_bytes() if path.exists() else None)


def from_env(environ: dict[str, str] | None = None) -> Settings:
    """Raises Misconfigured when a required variable is missing."""
    env = dict(os.environ) if environ is None else environ
    url = env.get("GONOGO_DATABASE_URL", "")
    if not url:
        raise Misconfigured("GONOGO_DATABASE_URL is not set. `make run` sets it; docs/live.md says how to run live.")
    mode = env.get("GONOGO_MODE", "live")
    if mode not in ("range", "live"):
        raise Misconfigured(f"GONOGO_MODE is {mode!r}; it must be range or live.")
    if mode == "live" and env.get("GONOGO_FAULT_FILE"):
        raise Misconfigured(
            "GONOGO_FAULT_FILE is set. It lets tests kill workers, and a live installation has none of it."
        )
    data_dir = Path(env.get("GONOGO_DATA", str(ROOT / ".gonogo")))
    secret_text = env.get("GONOGO_SECRET", "")
    return Settings(
        database_url=url,
        owner_database_url=env.get("GONOGO_OWNER_DATABASE_URL", url),
        site_file=Path(env.get("GONOGO_SITE", str(data_dir / "site.yaml"))),
        data_dir=data_dir,
        mode="range" if mode == "range" else "live",
        secret=secret_text.encode() if secret_text else _secret(data_dir),
        worker_name=env.get("GONOGO_WORKER_NAME", f"worker-{os.getpid()}"),
        secure_cookies=env.get("GONOGO_INSECURE_COOKIES", "") != "1" and mode == "live",
        fault_file=Path(env["GONOGO_FAULT_FILE"]) if env.get("GONOGO_FAULT_FILE") else None,
        plan_file=Path(env["GONOGO_PLAN"]) if env.get("GONOGO_PLAN") else None,
    )
