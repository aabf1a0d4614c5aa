"""ports.script: a folder of scripts. Only files in it are ever run."""

import asyncio
import contextlib
import json
import os
import pwd
import stat
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from app.domain.scripts import INTERPRETERS, script_in
from app.ports.script import Ended, Piece, Seen
from app.ports.traffic import ProviderError
from app.providers.apart import Apart
from app.providers.script.running import BARE, KEEPER, Surroundings

GRACE = 3.0
"""Seconds between TERM and KILL: nothing of a script is left 5 s after it was stopped."""
LEAVING = 10.0
LONGEST_ANSWER = 4 * 1024 * 1024
"""Bytes of one line of the keeper; it keeps its pieces far below."""
ANSWERS_WITHIN = 10.0
"""Seconds that a look into the folder may take. It may be a share, and a share may hang."""
FOUND = tuple(Path(folder) for folder in BARE["PATH"].split(":"))


class ScriptFolder:
    """`around` says where, and what scripts see; of that the variables in `shown` may stand in the output. `user` is
    who they run as, empty for the worker's own. A look into the folder is given up after `within` seconds."""

    def __init__(
        self, around: Surroundings, user: str = "", shown: Sequence[str] = (), within: float = ANSWERS_WITHIN
    ) -> None:
        self._within = within
        self._around = around
        self._user = user
        self._shown = frozenset(shown)
        self._apart = Apart()

    async def why_not(self, command: Sequence[str]) -> str:
        try:
            return await self._apart.ask(lambda: self._why_not(command), within=self._within)
        except TimeoutError:
            return self._silent()

    def _silent(self) -> str:
        return f"the folder of scripts {self._around.folder} does not answer."

    def _why_not(self, command: Sequence[str]) -> str:
        at = script_in(command)
        if at is None:
            return "its command names no script: give a file, or an interpreter and a file."
        if at and self._interpreter(command[0]) is None:
            return f"{command[0]} is not installed."
        folder = self._around.folder
        if not folder.is_dir():
            return f"the folder of scripts {folder} does not exist."
        path = self._inside(command[at])
        if path is None:
            return f"{command[at]} leads out of the folder of scripts."
        if not path.is_file():
            return f"{command[at]} is not in the folder of scripts {folder}."
        mode = path.stat().st_mode
        for place in (path, *self._folders_of(path)):
            if place.stat().st_mode & stat.S_IWOTH:
                return f"anybody may change {place}: chmod o-w."
        if not at and not mode & stat.S_IXUSR:
            return f"{path} may not be executed: chmod +x."
        return self._why_not_as_user()

    def _why_not_as_user(self) -> str:
        if not self._user:
            return ""
        try:
            wanted = pwd.getpwnam(self._user)
        except KeyError:
            return f"there is no user {self._user}."
        if os.geteuid() not in (0, wanted.pw_uid):
            return f"only a worker that runs as root, or as {self._user}, can run scripts as {self._user}."
        return ""

    def _inside(self, named: str) -> Path | None:
        """The file with all links followed; None if that is not in the folder."""
        root = self._around.folder.resolve()
        path = (root / named).resolve()
        return path if path.is_relative_to(root) and path != root else None

    def _folders_of(self, path: Path) -> list[Path]:
        """From the file's folder up to the folder of scripts: who may write to one may put another file there."""
        root = self._around.folder.resolve()
        return [folder for folder in path.parents if folder.is_relative_to(root)]

    def _interpreter(self, name: str) -> Path | None:
        if name not in INTERPRETERS:
            return None
        return next((folder / name for folder in FOUND if os.access(folder / name, os.X_OK)), None)

    def argv(self, command: Sequence[str]) -> list[str]:
        """Whole paths, so that what was checked is what runs. Raises ProviderError where `why_not` says why not."""
        if why_not := self._why_not(command):
            raise ProviderError(why_not, permanent=True)
        at = script_in(command) or 0
        path = str(self._inside(command[at]))
        before = [str(self._interpreter(command[0]))] if at else []
        return [*before, path, *command[at + 1 :]]

    @asynccontextmanager
    async def start(
        self,
        command: Sequence[str],
        *,
        within: float,
        signals: Sequence[str],
        fatal_from: int,
        until: float | None = None,
    ) -> AsyncIterator["Watched"]:
        try:
            argv, hidden, user = await self._apart.ask(
                lambda: (self.argv(command), self._around.hidden(), _ids(self._user)), within=self._within
            )
        except TimeoutError:
            raise ProviderError(self._silent()) from None
        order: dict[str, Any] = {
            "live": True,
            "argv": argv,
            "folder": str(self._around.folder),
            "within": within,
            "grace": GRACE,
            "until": until,
            "hidden": [name for name in hidden if name not in self._shown],
            "signals": list(signals),
            "fatal_from": fatal_from,
            "user": user,
        }
        try:
            keeper = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(KEEPER)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**BARE, **hidden},
                start_new_session=True,
                limit=LONGEST_ANSWER,
            )
        except (OSError, ValueError) as problem:  # such as a secret that holds a NUL
            raise ProviderError(f"it cannot be run: {problem}", permanent=True) from problem
        watched = Watched(keeper)
        try:
            assert keeper.stdin is not None
            keeper.stdin.write(json.dumps(order).encode() + b"\n")
            yield watched
        finally:
            await watched.leave()


class Watched:
    """A script under its keeper. The keeper ends everything once its input ends, so also when this process dies."""

    def __init__(self, keeper: asyncio.subprocess.Process) -> None:
        self._keeper = keeper
        self.ended = Ended("unknown", None)

    async def pieces(self) -> AsyncIterator[Piece]:
        assert self._keeper.stdout is not None
        async for line in self._keeper.stdout:
            try:
                told = json.loads(line)
            except ValueError:  # the keeper was ended in the middle of a word
                return
            if "how" in told:
                self.ended = Ended(told["how"], told["code"], told["problem"], told["survivors"])
                return
            seen = tuple(Seen(one["signal"], one["line"], one["text"]) for one in told["seen"])
            yield Piece(told["text"], told["pending"], told["total"], told["lines"], told["left_out"], seen)

    def stop(self) -> None:
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()

    def hold(self, until: float) -> None:
        assert self._keeper.stdin is not None
        if not self._keeper.stdin.is_closing():
            self._keeper.stdin.write(f"{until}\n".encode())

    async def leave(self) -> None:
        """Whatever still runs is ended; what it prints meanwhile is thrown away."""
        self.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVING):
                assert self._keeper.stdout is not None
                while await self._keeper.stdout.read(LONGEST_ANSWER):
                    pass
                await self._keeper.wait()


def _ids(user: str) -> list[int] | None:
    """User, group and more groups; None to stay who we are."""
    if not user:
        return None
    wanted = pwd.getpwnam(user)
    if wanted.pw_uid == os.geteuid():
        return None
    return [wanted.pw_uid, wanted.pw_gid, *os.getgrouplist(user, wanted.pw_gid)]
