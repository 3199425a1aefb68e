import pytest
from sqlalchemy import select

from core.accounts import history, invitations, people
from core.database.models import AccountEvent
from core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    TooManyRequests,
    Unauthenticated,
)
from core.jobs.actors import Actor
from tests.core.accounts.conftest import PASSWORD


def kinds(database):
    with database.reading() as session:
        return list(session.scalars(select(AccountEvent.kind).order_by(AccountEvent.id)))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("Ada", "ada"), (" ada ", "ada"), ("王伟", "王伟"), ("Ａda", "ada"), ("a.b_c-1", "a.b_c-1")],
)
def test_a_name_is_kept_in_one_way_however_it_is_typed(typed, kept):
    assert people.checked_name(typed) == kept


@pytest.mark.parametrize(
    "odd", ["", " ", ".ada", "a b", "a/b", "a\u202eb", "a\nb", "x" * 41, "<ada>"]
)
def test_a_name_that_could_mislead_is_refused(odd):
    with pytest.raises(InvalidInput):
        people.checked_name(odd)


def test_a_name_is_given_once(join):
    join("ada")

    with pytest.raises(InvalidInput) as refused:
        join("ADA")
    assert refused.value.errors[0].reason.code == "person.name_taken"


def test_an_administrator_gives_roles_and_a_member_does_not(database, ada, join):
    eve = join("eve")

    assert people.set_role(database, ada, "eve", "viewer").role == "viewer"
    for change in (people.disable, people.enable):
        with pytest.raises(Forbidden):
            change(database, eve, "ada")
    with pytest.raises(Forbidden):
        people.set_role(database, eve, "eve", "administrator")
    with pytest.raises(InvalidInput):
        people.set_role(database, ada, "eve", "king")
    with pytest.raises(NotFound):
        people.set_role(database, ada, "nobody", "viewer")


def test_an_administrators_token_with_a_smaller_scope_changes_nobody(database, ada):
    by_token = Actor("user", ada.id, ada.name, role=ada.role, scope="submit")

    with pytest.raises(Forbidden):
        people.disable(database, by_token, "ada")


def test_somebody_stays_an_administrator(database, ada, join):
    with pytest.raises(Conflict):
        people.set_role(database, ada, "ada", "member")
    with pytest.raises(Conflict):
        people.disable(database, ada, "ada")

    join("bob", "administrator")
    assert people.disable(database, ada, "ada").disabled_at is not None
    with pytest.raises(Conflict):
        people.set_role(database, people.CONSOLE, "bob", "member")


def test_who_is_shut_out_is_out_at_once_and_can_come_back(database, ada, join, log_in, find):
    join("eve")
    secret = log_in("eve")
    assert find(secret).actor.name == "eve"

    people.disable(database, ada, "eve")
    assert find(secret) is None

    people.enable(database, ada, "eve")
    assert find(secret) is None  # the login has ended, and does not come back
    assert find(log_in("eve")).actor.name == "eve"
    assert kinds(database)[-3:] == ["disabled", "enabled", "logged_in"]


def change_password(database, person, old, kept_login=None):
    people.change_password(
        database, person, old, "a new long password", kept_login=kept_login, address="10.0.0.7"
    )


def test_whoever_sits_in_a_browser_that_was_left_open_cannot_guess_the_password(database, join):
    eve = join("eve")
    for _ in range(5):
        with pytest.raises(InvalidInput):
            change_password(database, eve, "wrong")

    with pytest.raises(TooManyRequests):
        change_password(database, eve, PASSWORD)


def test_who_tries_a_name_at_the_login_keeps_nobody_from_a_new_password(database, join, log_in):
    eve = join("eve")
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            log_in("eve", "wrong")

    change_password(database, eve, PASSWORD)


def test_a_new_password_ends_all_other_logins(database, join, log_in, find):
    eve = join("eve")
    here, elsewhere = log_in("eve"), log_in("eve")

    with pytest.raises(InvalidInput):
        change_password(database, eve, "wrong")
    change_password(database, eve, PASSWORD, kept_login=find(here).login_id)

    assert find(here) is not None
    assert find(elsewhere) is None
    log_in("eve", "a new long password")


def test_the_history_says_who_did_what_to_whom(database, ada, join):
    join("eve")
    people.set_role(database, ada, "eve", "viewer")

    with database.reading() as session:
        events = history.page(session, 50).items
        of_eve = history.page(session, 50, person="eve").items
        words = [str(history.describe(event)) for event in events]
        first = history.page(session, 1)
        second = history.page(session, 1, first.next)
    assert words[0] == "ada changed the role of eve from member to viewer"
    assert "eve joined as member, invited by the server's terminal" in words
    assert {event.person for event in of_eve} == {"eve"}
    assert second.items[0].id < first.items[0].id


@pytest.mark.parametrize("kind", history.KINDS)
def test_every_kind_of_event_has_a_sentence(kind):
    payload = dict.fromkeys(
        ("role", "former", "invited_by", "address", "token", "scope", "issuer", "left", "queue"),
        "x",
    )
    event = AccountEvent(
        actor={"kind": "user", "id": "1", "name": "ada"}, kind=kind, person="eve", payload=payload
    )

    assert "ada" in str(history.describe(event)) or kind in ("login_failed", "code_failed")


def test_an_invitation_for_a_password_lets_its_person_choose(database, ada, join, log_in, find):
    join("eve")
    before = log_in("eve")
    secret = invitations.invite_to_reset(database, ada, "eve")

    invitations.accept(database, secret, "", "the newest password")

    assert find(before) is None
    assert find(log_in("eve", "the newest password")).actor.name == "eve"
    with database.reading() as session:
        sentences = [str(history.describe(each)) for each in history.page(session, 9).items]
    assert "eve chose a new password by a link of ada" in sentences
    assert "eve chose a new password" not in sentences
