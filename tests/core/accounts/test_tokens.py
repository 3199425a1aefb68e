import pytest
from sqlalchemy import select, update

from core.accounts import people, tokens
from core.accounts.credentials import new_token
from core.database.clock import now
from core.database.models import Token
from core.errors import Conflict, NotFound
from core.jobs.actors import may


def found(database, text):
    with database.reading() as session:
        return tokens.find(session, text)


def test_a_token_is_shown_once_and_the_database_has_it_not(database, ada):
    text, row = tokens.make(database, ada, "laptop", "submit", None)

    assert found(database, text).actor.name == "ada"
    with database.reading() as session:
        assert text not in str(vars(session.get_one(Token, row.id)))


def test_a_token_may_what_its_scope_and_its_owner_may(database, ada, join):
    eve = join("eve", "viewer")
    of_ada, _ = tokens.make(database, ada, "a", "submit", None)
    of_eve, _ = tokens.make(database, eve, "e", "admin", None)

    assert may(found(database, of_ada).actor, "submit")
    assert not may(found(database, of_ada).actor, "clean")
    assert not may(found(database, of_eve).actor, "submit")

    people.set_role(database, ada, "eve", "administrator")
    assert may(found(database, of_eve).actor, "clean")  # from now on


def test_a_token_ends(database, ada):
    text, _ = tokens.make(database, ada, "a", "read", 30)
    assert found(database, text)

    with database.writing() as session:
        session.execute(update(Token).values(expires_at=now(-1)))

    assert found(database, text) is None


def test_a_revoked_token_works_no_more_and_only_its_owner_or_an_administrator_revokes(
    database, ada, join
):
    eve = join("eve")
    text, row = tokens.make(database, eve, "a", "read", None)
    _, of_ada = tokens.make(database, ada, "a", "read", None)

    with pytest.raises(NotFound):
        tokens.revoke(database, eve, of_ada.id)
    tokens.revoke(database, ada, row.id)

    assert found(database, text) is None
    with database.reading() as session:
        assert not tokens.of_person(session, eve)


def test_the_tokens_of_somebody_who_is_shut_out_rest(database, ada, join):
    eve = join("eve")
    text, _ = tokens.make(database, eve, "a", "read", None)

    people.disable(database, ada, "eve")
    assert found(database, text) is None

    people.enable(database, ada, "eve")
    assert found(database, text)


def test_no_other_text_is_a_token(database, ada):
    tokens.make(database, ada, "a", "read", None)

    for text in ("", "ty_", new_token(), "x" * 10_000):
        assert found(database, text) is None


def test_it_is_known_when_a_token_was_last_used(database, ada):
    text, _ = tokens.make(database, ada, "a", "read", None)
    shown = found(database, text)
    assert not shown.is_seen

    tokens.used(database, shown.token_id)

    assert found(database, text).is_seen
    with database.reading() as session:
        assert session.scalar(select(Token.used_at)) is not None


def test_nobody_has_tokens_without_end(database, ada, monkeypatch):
    monkeypatch.setattr(tokens, "MOST", 2)
    tokens.make(database, ada, "a", "read", None)
    tokens.make(database, ada, "b", "read", None)

    with pytest.raises(Conflict):
        tokens.make(database, ada, "c", "read", None)
