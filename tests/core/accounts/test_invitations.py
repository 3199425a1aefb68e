import pytest
from sqlalchemy import select, update

from core.accounts import invitations, people
from core.database.clock import now
from core.database.models import Invitation
from core.errors import Forbidden, Gone, InvalidInput, NotFound
from tests.core.accounts.conftest import PASSWORD


def test_a_link_makes_one_account_with_its_role(database):
    secret = invitations.invite(database, people.CONSOLE, "viewer")

    person = invitations.accept(database, secret, "Eve", PASSWORD)

    assert (person.name, person.role) == ("eve", "viewer")
    with pytest.raises(Gone):
        invitations.accept(database, secret, "bob", PASSWORD)


def test_a_refused_password_leaves_the_link_as_it_was(database):
    secret = invitations.invite(database, people.CONSOLE, "member")

    with pytest.raises(InvalidInput):
        invitations.accept(database, secret, "eve", "short")

    assert invitations.accept(database, secret, "eve", PASSWORD).name == "eve"


def test_a_link_ends(database):
    secret = invitations.invite(database, people.CONSOLE, "member")
    with database.writing() as session:
        session.execute(update(Invitation).values(expires_at=now(-1)))

    with pytest.raises(Gone), database.reading() as session:
        invitations.find(session, secret)
    with database.reading() as session:
        assert not invitations.open_ones(session)


def test_the_database_has_no_link(database):
    secret = invitations.invite(database, people.CONSOLE, "member")

    with database.reading() as session:
        row = session.scalars(select(Invitation)).one()
    assert secret not in str(vars(row))


def test_only_an_administrator_invites_and_withdraws(database, ada, join):
    eve = join("eve")
    secret = invitations.invite(database, ada, "viewer")
    with database.reading() as session:
        [link] = invitations.open_ones(session)

    for refused in (
        lambda: invitations.invite(database, eve, "administrator"),
        lambda: invitations.invite_to_reset(database, eve, "ada"),
        lambda: invitations.withdraw(database, eve, link.id),
    ):
        with pytest.raises(Forbidden):
            refused()

    invitations.withdraw(database, ada, link.id)
    with pytest.raises(Gone):
        invitations.accept(database, secret, "bob", PASSWORD)
    with pytest.raises(NotFound):
        invitations.withdraw(database, ada, link.id)


def test_the_first_account_has_a_link_of_its_own_and_later_ones_none(database, join):
    secret = invitations.invite_first(database)

    assert invitations.accept(database, secret, "ada", PASSWORD).role == "administrator"
    assert invitations.invite_first(database) is None


def is_open(database, secret):
    with database.reading() as session:
        try:
            invitations.find(session, secret)
        except Gone:
            return False
    return True


@pytest.mark.parametrize("end", ["disable", "demote"])
def test_the_links_of_a_former_administrator_work_no_more(database, ada, join, end):
    evil = join("evil", "administrator")
    join("eve")
    links = [
        invitations.invite(database, evil, "administrator"),
        invitations.invite_to_reset(database, evil, "ada"),
        invitations.invite_to_reset(database, evil, "eve"),
    ]
    others = invitations.invite(database, ada, "member")

    if end == "disable":
        people.disable(database, ada, "evil")
    else:
        people.set_role(database, ada, "evil", "member")

    assert [is_open(database, each) for each in (*links, others)] == [False, False, False, True]


def test_a_link_to_a_new_password_works_no_more_once_there_is_one_or_its_person_is_out(
    database, ada, join
):
    eve, bob = join("eve"), join("bob")
    links = [invitations.invite_to_reset(database, ada, name) for name in ("eve", "eve", "bob")]

    people.change_password(
        database, eve, PASSWORD, f"{PASSWORD} too", kept_login=None, address="127.0.0.1"
    )
    people.disable(database, ada, bob.name)

    assert [is_open(database, each) for each in links] == [False] * 3
