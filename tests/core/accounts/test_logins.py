import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from core.accounts import history, logins
from core.accounts.logins import Browser, Lifetime
from core.database.clock import now
from core.database.models import FailedLogin, Login
from core.errors import NotFound, TooManyRequests, Unauthenticated
from tests.core.accounts.conftest import LIFETIME


def test_a_login_is_found_by_its_secret_which_the_database_has_not(database, join, log_in, find):
    join("eve")

    secret = log_in(" Eve ")

    assert find(secret).actor.name == "eve"
    assert find(secret + "x") is None
    with database.reading() as session:
        row = session.scalars(select(Login)).one()
    assert secret not in str(vars(row))
    assert (row.address, row.agent) == ("10.0.0.7", "Firefox")


def test_each_login_has_a_secret_of_its_own(join, log_in):
    join("eve")

    assert log_in("eve") != log_in("eve")


def test_nothing_tells_a_wrong_name_from_a_wrong_password(join, log_in):
    join("eve")

    reasons = set()
    for name in ("eve", "nobody"):
        with pytest.raises(Unauthenticated) as refused:
            log_in(name, "wrong")
        reasons.add(str(refused.value))
    assert len(reasons) == 1


def test_an_unknown_name_costs_as_much_work_as_a_wrong_password(join, log_in, monkeypatch):
    join("eve")
    verified = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(
        PasswordHasher,
        "verify",
        lambda self, kept, password: verified.append(kept) or verify(self, kept, password),
    )

    for name in ("eve", "nobody"):
        with pytest.raises(Unauthenticated):
            log_in(name, "wrong")

    costs = [each.rpartition("$")[0].rpartition("$")[0] for each in verified]
    assert len(costs) == 2
    assert costs[0] == costs[1]


@pytest.mark.parametrize("column", ["used_at", "created_at"])
def test_a_login_ends_when_it_is_idle_and_in_any_case_after_a_while(
    database, join, log_in, find, column
):
    join("eve")
    secret = log_in("eve")
    age_s = LIFETIME.idle_s if column == "used_at" else LIFETIME.whole_s
    with database.writing() as session:
        session.execute(update(Login).values({column: now(-age_s - 1)}))

    assert find(secret) is None
    logins.sweep(database, LIFETIME)
    with database.reading() as session:
        assert session.scalar(select(Login.id)) is None


def test_a_login_that_is_used_lasts(database, join, log_in, find):
    join("eve")
    secret = log_in("eve")
    with database.writing() as session:
        session.execute(update(Login).values(used_at=now(-LIFETIME.idle_s + 30)))

    found = find(secret)
    assert not found.is_seen
    logins.seen(database, found.login_id)

    assert find(secret, Lifetime(idle_s=20.0, whole_s=86_400.0)).is_seen


def test_people_see_and_end_their_own_logins_alone(database, join, log_in, find):
    eve, bob = join("eve"), join("bob")
    secret, other, of_bob = log_in("eve"), log_in("eve"), log_in("bob")

    with database.reading() as session:
        assert len(logins.of_person(session, eve, LIFETIME)) == 2
    with pytest.raises(NotFound):
        logins.end(database, bob, find(secret).login_id)
    logins.end_others(database, eve, find(secret).login_id)

    assert find(secret)
    assert find(other) is None
    assert find(of_bob)


def test_a_login_that_is_ended_from_another_is_told_apart_from_a_logout(
    database, join, log_in, find
):
    eve = join("eve")
    here, there = (find(log_in("eve")).login_id for _ in range(2))

    logins.end(database, eve, there, asked_in=here)
    logins.end(database, eve, here, asked_in=here)

    with database.reading() as session:
        ended, logged_out = reversed(history.page(session, 2).items)
    assert str(history.describe(ended)).startswith("eve ended a login of their own from ")
    assert str(history.describe(logged_out)) == "eve logged out"


def test_after_some_tries_in_vain_the_next_has_to_wait_for_known_and_unknown_names(
    database, join, log_in
):
    join("eve")

    for name in ("eve", "nobody"):
        for _ in range(5):
            with pytest.raises(Unauthenticated):
                log_in(name, "wrong")
        with pytest.raises(TooManyRequests) as refused:
            log_in(name)
        assert refused.value.retry_after_s > 0


def test_the_wait_ends_and_a_right_password_forgives(database, join, log_in):
    join("eve")
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            log_in("eve", "wrong")
    with database.writing() as session:
        session.execute(update(FailedLogin).values(next_at=now(-1)))

    log_in("eve")

    for _ in range(4):
        with pytest.raises(Unauthenticated):
            log_in("eve", "wrong")
    log_in("eve")


def test_an_address_that_tries_many_names_has_to_wait(join, log_in):
    join("eve")
    guesser = Browser("203.0.113.9", "curl")
    for number in range(30):
        with pytest.raises(Unauthenticated):
            log_in(f"nobody{number}", "wrong", guesser)

    with pytest.raises(TooManyRequests):
        log_in("eve", browser=guesser)
    log_in("eve")  # from elsewhere


def test_a_try_counts_before_its_password_is_looked_at(database, join, log_in, monkeypatch):
    join("eve")

    def dies(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(logins.passwords, "is_right", dies)
    with pytest.raises(KeyboardInterrupt):
        log_in("eve")

    with database.reading() as session:
        assert set(session.scalars(select(FailedLogin.count))) == {1}
