"""Passwords: Argon2id, two at a time in threads of their own, and as slow for unknown people as for known ones.

What is stored is an Argon2 hash, or `once:` and one for a password that an administrator printed: it opens no
session, only the page where its owner chooses another.
"""

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.domain.errors import Rejected

SHORTEST = 12
LONGEST = 200
ONCE = "once:"

_hasher = PasswordHasher()
# 64 MiB and some 50 ms each: a flood of sign-ins waits here instead of taking the switch's memory and CPU.
_pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


@cache
def _nobody() -> str:
    """A hash that no password fits, made with the parameters in force."""
    return _hasher.hash(secrets.token_urlsafe(32))


async def hashed(password: str, *, once: bool = False) -> str:
    text = await asyncio.get_running_loop().run_in_executor(_pool, _hasher.hash, password)
    return ONCE + text if once else text


async def fits(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one; takes the same time where nothing is stored."""
    return await asyncio.get_running_loop().run_in_executor(_pool, _fits, stored, password)


def _fits(stored: str | None, password: str) -> bool:
    decoy = _nobody()
    try:
        _hasher.verify((stored or decoy).removeprefix(ONCE), password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def is_for_once(stored: str | None) -> bool:
    return stored is not None and stored.startswith(ONCE)


def is_outdated(stored: str) -> bool:
    """True if it was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(stored.removeprefix(ONCE))


def printed() -> str:
    """A password to be read out or copied once: 80 random bits in groups, without letters that look alike."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


def check_chosen(password: str, login: str) -> None:
    """Length decides, not odd characters (NIST SP 800-63B). Raises Rejected with the code `password`."""
    if len(password) < SHORTEST:
        raise Rejected(
            f"The password has {len(password)} characters; it needs {SHORTEST}.",
            remedy="A few words in a row are easy to keep and hard to guess.",
            code="password",
        )
    if len(password) > LONGEST:
        raise Rejected(f"The password is longer than {LONGEST} characters.", code="password")
    if len(set(password)) < 5 or (login and login in password.lower()):
        raise Rejected(
            "This password is easy to guess: it repeats itself or holds your name.",
            remedy="A few words in a row are easy to keep and hard to guess.",
            code="password",
        )
