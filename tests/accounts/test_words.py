"""The administrators' pages name a state and the next move."""

from datetime import UTC, datetime, timedelta

import pytest

from app.accounts.queries_words import people_words, tokens_words
from app.accounts.views import PersonRow, TokenRow

NOW = datetime(2026, 3, 6, 14, 0, tzinfo=UTC)


def people(*states: str) -> list[PersonRow]:
    return [
        PersonRow(number, f"P{number}", f"p{number}", False, state, "1 seat", None)
        for number, state in enumerate(states)
    ]


def token(
    name: str = "Shop", *, days: float = 30, scopes: tuple[str, ...] = ("read",), state: str = "valid"
) -> TokenRow:
    return TokenRow(1, name, scopes, "all deployments", state, "Ada", NOW + timedelta(days=days), None)


@pytest.mark.parametrize(
    ("states", "title"),
    [
        (("active",), "Only one person can sign in: add the team"),
        (("active", "none"), "All 2 people can sign in"),
        (("active", "active", "disabled"), "2 people can sign in, 1 is disabled"),
        (("active", "once", "disabled"), "1 person has not chosen a password yet"),
        (("once", "once"), "2 people have not chosen a password yet"),
    ],
)
def test_people(states: tuple[str, ...], title: str) -> None:
    said, text = people_words(people(*states))
    assert said == title
    assert "An account alone gives no right" in text


@pytest.mark.parametrize(
    ("tokens", "title"),
    [
        ([], "No machine may ask: there is no valid token"),
        ([token(state="revoked"), token(state="expired", days=-1)], "No machine may ask: there is no valid token"),
        ([token()], "One machine may ask, none can roll back"),
        ([token(), token("Guard", scopes=("rollback",))], "2 machines may ask, 1 can roll back"),
        ([token(), token("Old", days=2)], "Old ends on 8 March 2026: make its next token"),
    ],
)
def test_tokens(tokens: list[TokenRow], title: str) -> None:
    assert tokens_words(tokens, NOW)[0] == title
