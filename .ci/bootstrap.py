"""Make .venv and install the locked dependencies into it; do nothing when they are there already.

Run by the system's Python, with nothing but its standard library: `python3 .ci/bootstrap.py [--dev]`. It keeps to
what an old Python 3 can read too, so that it can say that it is too old.
"""

import collections
import hashlib
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "installed")
RUN = "requirements.lock"
DEVELOP = "requirements-dev.lock"
NEEDED = (3, 11)
OWN_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def give_up(message: str) -> None:
    sys.stderr.write("\n" + message + "\n")
    sys.exit(1)


def check_machine() -> None:
    """Say plainly what is missing."""
    if sys.version_info < NEEDED:
        give_up(
            f"gonogo needs Python 3.11 or newer; {sys.executable} is Python {OWN_VERSION}.\n"
            "Install a newer one and name it: make run PYTHON=python3.12"
        )
    if not sys.platform.startswith("linux"):
        give_up("The rehearsal runs on Linux only: its balancer and database are Linux programs. Use a container.")
    try:
        import ensurepip  # noqa: F401  (Debian leaves it out of its python3)
        import venv  # noqa: F401
    except ImportError:
        give_up(
            "This Python cannot make virtual environments: its module venv or ensurepip is missing.\n"
            f"On Debian and Ubuntu: apt-get install python{OWN_VERSION}-venv"
        )


def checksum(lock: str) -> str:
    """Of all that decides what is in the environment: the lock, the project's own metadata, this Python, the place."""
    digest = hashlib.sha256(f"{lock} {sys.version} {ROOT}".encode())
    for name in (lock, "pyproject.toml", os.path.join(".ci", "bootstrap.py")):
        with open(os.path.join(ROOT, name), "rb") as stream:
            digest.update(stream.read())
    return digest.hexdigest()


def is_current(lock: str) -> bool:
    """The stamp holds a checksum for each lock that is installed; development includes what running needs."""
    try:
        with open(STAMP) as stream:
            return os.path.exists(PYTHON) and checksum(lock) in stream.read().split()
    except OSError:
        return False


def run(*command: str) -> None:
    """Run it with its output kept back, and tell of each tenth package; if it fails, show the end of what it said."""
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1")
    said = collections.deque(maxlen=30)
    packages = 0
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    for line in process.stdout or ():
        said.append(line)
        if line.startswith("Collecting "):
            packages += 1
            if packages % 10 == 0:
                print(f"  {packages} packages fetched", flush=True)
        elif packages and line.startswith("Installing collected packages"):
            print("  all fetched; unpacking", flush=True)
    if process.wait() != 0:
        sys.stderr.write("".join(said))
        shown = " ".join(command)
        give_up(f"This did not work: {shown}\nIts last words, above, say why. Then run the same make again.")


def install(lock: str) -> None:
    began = time.time()
    if not os.path.exists(PYTHON):
        print(f"Making the environment .venv with Python {OWN_VERSION}", flush=True)
        run(sys.executable, "-m", "venv", "--clear", VENV)
    if os.path.exists(STAMP):
        os.remove(STAMP)  # a half-done installation must not look like a whole one
    print(f"Installing the dependencies that {lock} names (the first time a minute or two)", flush=True)
    pip = (PYTHON, "-m", "pip", "--no-input")
    run(*pip, "install", "--require-hashes", "-r", lock)
    run(*pip, "install", "--no-deps", "--no-build-isolation", "--editable", ".")
    sums = [checksum(RUN)] + ([checksum(DEVELOP)] if lock == DEVELOP else [])
    with open(STAMP, "w") as stream:
        stream.write("\n".join(sums) + "\n")
    print(f"Installed after {time.time() - began:.0f} s", flush=True)


def main() -> None:
    check_machine()
    lock = DEVELOP if "--dev" in sys.argv[1:] else RUN
    if not is_current(lock):
        install(lock)


if __name__ == "__main__":
    main()
