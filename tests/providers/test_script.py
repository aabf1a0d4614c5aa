"""A team's own commands: the contract with the example pair of docs/examples, and scripts that misbehave."""

import asyncio
import itertools
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from app.config import ROOT
from app.domain.sides import Side, Weights
from app.ports.traffic import ProviderError, StaleEpoch
from app.providers.script import Commands, ScriptBalancer
from app.providers.script.running import Surroundings, run
from app.providers.side_address import SideAddress
from app.rehearsal.ports import Reservation
from app.rehearsal.toys import RELEASES
from tests.providers.haproxies import releases
from tests.providers.traffic_contract import TrafficContract, no_fence

EXAMPLES = ROOT / "docs" / "examples"
READ = str(EXAMPLES / "read-weights")
SET = (str(EXAMPLES / "set-weights"), "{blue}", "{green}", "{epoch}")
VERIFY = ("/bin/sh", "-c", 'grep -q "^$1 $2 $3$" "$WEIGHTS_FILE"', "verify", "{blue}", "{green}", "{epoch}")
NOBODY = {side: SideAddress("http://127.0.0.1:9") for side in Side}

Make = Callable[..., ScriptBalancer]


@pytest.fixture(scope="module")
def epochs() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """A target whose `set` (or other commands) are the ones given."""
    monkeypatch.setenv("WEIGHTS_FILE", str(tmp_path / "weights"))
    made: list[ScriptBalancer] = []

    def build(
        *set_command: str, sides: Mapping[Side, SideAddress] = NOBODY, state: str = "state", **options: object
    ) -> ScriptBalancer:
        chosen: dict[str, object] = {"read": (READ,), "set": set_command or SET, **options}
        commands = Commands(**chosen)  # type: ignore[arg-type]
        around = Surroundings(tmp_path, ("WEIGHTS_FILE",))
        made.append(ScriptBalancer("production", commands, around, tmp_path / state, sides))
        return made[-1]

    yield build
    for target in made:
        await target.aclose()


def script(folder: Path, text: str, mode: int = 0o755) -> str:
    path = folder / "script"
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(mode)
    return str(path)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Side, SideAddress]]:
    reservation = Reservation()
    with releases(reservation, tmp_path_factory.mktemp("releases"), base_port=22400) as ports:
        yield {side: SideAddress(f"http://127.0.0.1:{port}") for side, port in ports.items()}
    reservation.release()


@pytest.mark.range
class TestContract(TrafficContract):
    @pytest.fixture
    def target(self, make: Make, sides: Mapping[Side, SideAddress]) -> ScriptBalancer:
        return make(sides=sides, verify=VERIFY)

    @pytest.fixture
    def digests(self) -> Mapping[Side, str]:
        return {side: release.digest for side, release in RELEASES.items()}


# ---------------------------------------------------------------- the protocol


async def test_a_script_that_knows_a_newer_epoch_is_believed(make: Make, tmp_path: Path) -> None:
    """As after a write by another host: the file in the state folder knows nothing of it."""
    here, elsewhere = make(), make(state="another host")
    await elsewhere.write(Weights(100, 0), epoch=9, fence=no_fence)
    with pytest.raises(StaleEpoch) as refused:
        await here.write(Weights(0, 100), epoch=8, fence=no_fence)
    assert (refused.value.epoch, refused.value.newest) == (8, 9)
    reading = await here.read()
    assert (reading.weights, reading.epoch) == (Weights(100, 0), 9)


@pytest.mark.parametrize(
    ("exit_code", "outcome", "is_permanent"),
    [(75, "refused", False), (64, "refused", True), (77, "refused", True), (1, "unknown", False), (3, None, False)],
)
async def test_exit_codes(make: Make, tmp_path: Path, exit_code: int, outcome: str | None, is_permanent: bool) -> None:
    target = make(script(tmp_path, f"echo why >&2; exit {exit_code}"))
    with pytest.raises(StaleEpoch if outcome is None else ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=1, fence=no_fence)
    if isinstance(failed.value, ProviderError):
        assert failed.value.permanent is is_permanent
        assert failed.value.unknown_outcome is (outcome == "unknown")
        assert [(line.route, line.outcome) for line in failed.value.routes] == [("public", outcome)]
        assert failed.value.message.endswith(f"ended with {exit_code}: why")


async def test_a_script_without_an_epoch_gets_one_kept_beside(make: Make, tmp_path: Path) -> None:
    read = script(tmp_path, 'echo \'{"routes": [{"route": "a", "blue": 100, "green": 0}]}\'')
    target = make("/bin/true", read=(read,))
    await target.write(Weights(100, 0), epoch=5, fence=no_fence)
    assert (await target.read()).epoch == 5
    with pytest.raises(StaleEpoch):
        await make("/bin/true", read=(read,)).write(Weights(0, 100), epoch=4, fence=no_fence)


async def test_a_failing_verification_is_an_unknown_outcome(make: Make) -> None:
    target = make(verify=("/bin/false",))
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=1, fence=no_fence)
    assert failed.value.unknown_outcome
    assert (await target.read()).weights == Weights(0, 100)


async def test_a_changed_script_is_another_configuration(make: Make, tmp_path: Path) -> None:
    own = script(tmp_path, "exit 0")
    target = make(own)
    before = (await target.read()).configuration
    script(tmp_path, "exit 0 # but not the same")
    assert (await target.read()).configuration != before


@pytest.mark.parametrize(
    "printed",
    ["", "null", "{}", '{"routes": []}', '{"routes": [{"route": "a", "blue": 60, "green": 60}]}', "weights: 100"],
)
async def test_something_else_than_weights_is_no_reading(make: Make, tmp_path: Path, printed: str) -> None:
    target = make(read=(script(tmp_path, f"printf %s '{printed}'"),))
    with pytest.raises(ProviderError):
        await target.read()


async def test_a_missing_program_is_found_before_and_permanent(make: Make, tmp_path: Path) -> None:
    target = make(str(tmp_path / "absent"))
    wrong = [finding for finding in await target.preflight() if finding.is_ok is not True]
    assert [finding.key for finding in wrong] == ["command"]
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=1, fence=no_fence)
    assert failed.value.permanent
    assert not failed.value.unknown_outcome


async def test_a_script_that_anybody_may_change_is_found(make: Make, tmp_path: Path) -> None:
    own = script(tmp_path, "exit 0", mode=0o777)
    wrong = [finding for finding in await make(own).preflight() if finding.is_ok is not True]
    assert "anybody may change" in wrong[0].found


async def test_the_card_has_the_whole_command(make: Make) -> None:
    steps = make(verify=VERIFY).by_hand(Weights(100, 0), epoch=7)
    assert steps[0].command.endswith("set-weights 100 0 7")
    assert steps[0].command.startswith("cd ")
    assert len(steps) == 2


# ---------------------------------------------------------------- what a command sees


async def test_the_environment_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GONOGO_DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("HANDED_ON", "yes")
    around = Surroundings(tmp_path, ("HANDED_ON", "GONOGO_DATABASE_URL", "NOT_SET"))
    ran = await run(["/usr/bin/env"], within=3, around=around)
    names = {line.partition("=")[0] for line in ran.out.splitlines()}
    assert names == {"PATH", "LC_ALL", "TZ", "HANDED_ON"}


async def test_arguments_are_never_a_shells(make: Make, tmp_path: Path) -> None:
    ran = await run(["/bin/echo", "$HOME; rm -rf /", "`id`"], within=3, around=Surroundings(tmp_path))
    assert ran.out == "$HOME; rm -rf / `id`\n"


async def test_pipes_end_as_a_shell_expects(tmp_path: Path) -> None:
    ran = await run([script(tmp_path, "yes | head -n 1")], within=3, around=Surroundings(tmp_path))
    assert (ran.out, ran.code, ran.said) == ("y\n", 0, "y")


async def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_text("hunter2-hunter2\n")
    monkeypatch.setenv("TOKEN", "tok-123456")
    around = Surroundings(tmp_path, ("TOKEN",), {"KEY": key})
    text = 'echo "$KEY"; printf "tok-\\033[1m123456 \\033[31mred\\033[0m $TOKEN" >&2; exit 9'
    ran = await run([script(tmp_path, text)], within=3, around=around)
    assert (ran.out, ran.code) == ("‹KEY›\n", 9)
    assert ran.said == "‹TOKEN› red ‹TOKEN›"
    flood = f"head -c {64 * 1024 - 5} /dev/zero | tr '\\0' x; echo $KEY"
    cut = await run([script(tmp_path, flood)], within=3, around=around)
    assert cut.is_cut
    assert "hunt" not in cut.out


async def test_a_secret_that_cannot_be_read_is_permanent(tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as failed:
        await run(["/bin/true"], within=3, around=Surroundings(tmp_path, (), {"KEY": tmp_path / "absent"}))
    assert failed.value.permanent


async def test_a_missing_folder_is_permanent(tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as failed:
        await run(["/bin/true"], within=3, around=Surroundings(tmp_path / "absent"))
    assert failed.value.permanent


# ---------------------------------------------------------------- time, output, what is left behind

HYDRA = """
trap '' TERM
sleep 7311 &
setsid sleep 7311 &
setsid bash -c 'trap "" TERM; (setsid sleep 7311 & ); sleep 7311' &
sleep 0.1
echo started
"""


def sleepers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["cmdline"] == ["sleep", "7311"] and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


async def test_a_hanging_script_ends_with_its_whole_tree(make: Make, tmp_path: Path) -> None:
    """Also those that ignore TERM, and those that made a session of their own."""
    target = make(script(tmp_path, HYDRA + "sleep 7311"), set_within=0.5)
    began = time.monotonic()
    with pytest.raises(ProviderError) as failed:
        await target.write(Weights(0, 100), epoch=1, fence=no_fence)
    assert time.monotonic() - began < 5.5
    assert failed.value.unknown_outcome
    assert "did not end in time" in failed.value.message
    assert sleepers() == []


async def test_a_rollback_does_not_wait_for_a_hanging_switch(make: Make, tmp_path: Path) -> None:
    hanging, other_worker = make(script(tmp_path, HYDRA + "sleep 7311"), set_within=30), make()
    switch = asyncio.create_task(hanging.write(Weights(0, 100), epoch=1, fence=no_fence))
    async with asyncio.timeout(20):
        while not sleepers():
            await asyncio.sleep(0.05)
    began = time.monotonic()
    await other_worker.write(Weights(100, 0), epoch=2, fence=no_fence)
    assert time.monotonic() - began < 6
    with pytest.raises(StaleEpoch) as overtaken:
        await switch
    assert overtaken.value.newest == 2
    assert sleepers() == [], "nothing of the switch may come late"
    assert (await other_worker.read()).weights == Weights(100, 0)


async def test_what_a_script_leaves_behind_is_ended(tmp_path: Path) -> None:
    ran = await run([script(tmp_path, HYDRA)], within=5, around=Surroundings(tmp_path))
    assert (ran.how, ran.code, ran.out, ran.survivors) == ("ended", 0, "started\n", 0)
    assert sleepers() == []


async def test_a_stopped_process_ends_too(tmp_path: Path) -> None:
    ran = await run(
        [script(tmp_path, "sleep 7311 & kill -STOP $!; kill -STOP $$")], within=0.3, around=Surroundings(tmp_path)
    )
    assert ran.how == "late"
    assert sleepers() == []


async def test_cancelling_ends_the_tree(tmp_path: Path) -> None:
    running = asyncio.create_task(
        run([script(tmp_path, HYDRA + "sleep 7311")], within=30, around=Surroundings(tmp_path))
    )
    await asyncio.sleep(0.6)
    assert sleepers()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sleepers() == []


async def test_a_killed_worker_takes_its_script_along(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from app.providers.script.running import *\n"
        "asyncio.run(run([sys.argv[1]], within=60, around=Surroundings(Path('/'))))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, script(tmp_path, HYDRA + "sleep 7311")]
    worker = await asyncio.create_subprocess_exec(*command, env=environment)
    for _ in range(100):
        await asyncio.sleep(0.1)
        if len(sleepers()) >= 5:
            break
    assert len(sleepers()) >= 5
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    began = time.monotonic()
    while sleepers() and time.monotonic() - began < 5:
        await asyncio.sleep(0.05)
    assert sleepers() == []


@pytest.mark.parametrize("flood", ["yes", "cat /dev/zero", "yes >&2", "head -c 2000000000 /dev/zero | tr '\\0' x"])
async def test_endless_output_is_bounded(tmp_path: Path, flood: str) -> None:
    before = psutil.Process().memory_info().rss
    began = time.monotonic()
    ran = await run([script(tmp_path, flood)], within=5, around=Surroundings(tmp_path))
    assert time.monotonic() - began < 5
    assert ran.how == "flood"
    assert len(ran.out) <= 65 * 1024
    assert psutil.Process().memory_info().rss - before < 50 * 1024 * 1024


async def test_more_output_than_is_kept_is_marked(tmp_path: Path) -> None:
    ran = await run(
        [script(tmp_path, "head -c 300000 /dev/zero | tr '\\0' x")], within=5, around=Surroundings(tmp_path)
    )
    assert (ran.how, ran.code, ran.is_cut) == ("ended", 0, True)
    assert "bytes more" in ran.out


async def test_the_example_scripts_are_what_bash_reads(tmp_path: Path) -> None:
    for name in ("read-weights", "set-weights"):
        checked = await asyncio.create_subprocess_exec(shutil.which("bash") or "bash", "-n", str(EXAMPLES / name))
        assert await checked.wait() == 0
