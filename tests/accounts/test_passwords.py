"""Passwords as they are stored and chosen."""

import re
import statistics
import time

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from app.accounts import passwords
from app.domain.errors import Rejected


@pytest.mark.usefixtures("real_hashing")
async def test_the_stored_form_is_argon2id_with_the_parameters_of_rfc_9106() -> None:
    stored = await passwords.hashed("four plain words here")
    found = extract_parameters(stored)
    assert found.type is Type.ID
    assert found.memory_cost >= 64 * 1024
    assert found.time_cost >= 3
    assert found.salt_len >= 16
    assert found.hash_len >= 32
    assert await passwords.fits(stored, "four plain words here")
    assert not await passwords.fits(stored, "four plain words here ")


@pytest.mark.usefixtures("real_hashing")
async def test_nobodys_password_takes_as_long_as_somebodys() -> None:
    stored = await passwords.hashed("four plain words here")
    await passwords.fits(None, "warm up")
    times: dict[bool, list[float]] = {True: [], False: []}
    for is_known in [True, False] * 7:
        start = time.process_time()
        await passwords.fits(stored if is_known else None, "not it")
        times[is_known].append(time.process_time() - start)
    known, unknown = (statistics.median(times[key]) for key in (True, False))
    assert known == pytest.approx(unknown, rel=0.5)
    assert unknown > 0.01, "the decoy is really computed"


async def test_a_printed_password_is_long_unlike_the_last_and_marked() -> None:
    words = {passwords.printed() for _ in range(100)}
    assert len(words) == 100
    assert all(re.fullmatch(r"([a-hj-km-np-z2-9]{4}-){3}[a-hj-km-np-z2-9]{4}", word) for word in words)
    stored = await passwords.hashed("abcd-efgh", once=True)
    assert passwords.is_for_once(stored)
    assert not passwords.is_for_once(await passwords.hashed("abcd-efgh"))
    assert await passwords.fits(stored, "abcd-efgh")


@pytest.mark.parametrize(
    "password", ["short", "elevenchars", "aaaaaaaaaaaaaaaa", "abababababab", "chief likes tea", "x" * 201]
)
def test_what_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(Rejected) as refusal:
        passwords.check_chosen(password, "chief")
    assert refusal.value.code == "password"


@pytest.mark.parametrize("password", ["four plain words here", "كلمة مرور طويلة", "p" * 3 + "assword-1!x"])
def test_any_long_enough_text_is_a_password(password: str) -> None:
    passwords.check_chosen(password, "chief")


async def test_nothing_fits_a_broken_or_missing_hash() -> None:
    assert not await passwords.fits(None, "")
    assert not await passwords.fits("plain text", "plain text")
    assert not await passwords.fits("", "")
