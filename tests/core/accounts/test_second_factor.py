"""The second factor: what it asks for, what it keeps, and what gets around it."""

import pyotp
import pytest
from sqlalchemy import select, update

from core.accounts import history, invitations, logins, people, second_factor
from core.database.clock import now
from core.database.models import FailedLogin, Login, RecoveryCode, SecondFactor
from core.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    TooManyRequests,
    Unauthenticated,
)
from tests.core.accounts.conftest import BROWSER, PASSWORD

LONG_S = 10_000_000
"""In place of 30 seconds: no step ends while a test runs."""

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""For what is asked of each kind of database elsewhere here."""


@pytest.fixture
def turn_on(database, monkeypatch):
    """Gives somebody a second factor: the app, and the recovery codes."""
    monkeypatch.setattr(second_factor, "STEP_S", LONG_S)

    def made(name):
        with people.changing(database) as session:
            app = pyotp.TOTP(second_factor.begin(session, people.named(session, name)))
            codes = second_factor.confirm(session, people.named(session, name), code_of(app, -1))
        return app, codes

    def code_of(app, steps=0):
        with database.reading() as session:
            at = session.scalar(select(now()))
        return app.generate_otp(int(at.timestamp()) // LONG_S + steps)

    made.code_of = code_of
    return made


def begun(database, name="eve"):
    return logins.log_in(database, name, PASSWORD, BROWSER)


def finished(database, secret, code):
    return logins.finish(database, secret, code, BROWSER)


@on_sqlite
def test_the_password_alone_opens_nothing(database, join, turn_on, find):
    join("eve")
    app, _ = turn_on("eve")

    half = begun(database)

    assert half.lacks == "code"
    assert find(half.secret) is None
    whole = finished(database, half.secret, turn_on.code_of(app))
    assert find(whole).actor.name == "eve"
    assert whole != half.secret
    with pytest.raises(Gone):
        finished(database, half.secret, turn_on.code_of(app, 1))


def test_a_code_works_once_and_none_before_it_after_it(database, join, turn_on):
    join("eve")
    app, _ = turn_on("eve")
    finished(database, begun(database).secret, turn_on.code_of(app, 1))

    half = begun(database)
    for steps in (1, 0, -1):
        with pytest.raises(Unauthenticated):
            finished(database, half.secret, turn_on.code_of(app, steps))


@on_sqlite
@pytest.mark.parametrize("steps", [-2, 2, 2880])
def test_a_code_of_another_time_does_not_hold(database, join, turn_on, steps):
    join("eve")
    app, _ = turn_on("eve")

    with pytest.raises(Unauthenticated):
        finished(database, begun(database).secret, turn_on.code_of(app, steps))


@on_sqlite
@pytest.mark.parametrize("code", ["", "000000", "x", "１２３４５６", "-", "a" * 5000, "\x00"])
def test_what_is_no_code_is_answered_as_a_wrong_one(database, join, turn_on, code):
    join("eve")
    turn_on("eve")

    with pytest.raises(Unauthenticated) as refused:
        finished(database, begun(database).secret, code)

    assert refused.value.reason.code == "login.wrong_code"


def test_a_recovery_code_lets_in_once_however_it_is_typed(database, join, turn_on, find):
    join("eve")
    _, codes = turn_on("eve")
    assert len(set(codes)) == second_factor.RECOVERY_CODES

    whole = finished(database, begun(database).secret, f" {codes[0].upper().replace('-', ' ')}")

    assert find(whole).actor.name == "eve"
    with pytest.raises(Unauthenticated):
        finished(database, begun(database).secret, codes[0])
    with database.reading() as session:
        assert second_factor.codes_left(session, 1) == second_factor.RECOVERY_CODES - 1


@on_sqlite
def test_the_recovery_code_of_somebody_else_lets_nobody_in(database, join, turn_on):
    join("eve")
    join("bob")
    turn_on("eve")
    _, of_bob = turn_on("bob")

    with pytest.raises(Unauthenticated):
        finished(database, begun(database).secret, of_bob[0])


@on_sqlite
def test_the_database_has_no_recovery_code_and_each_has_112_random_bits(database, join, turn_on):
    join("eve")
    _, codes = turn_on("eve")

    with database.reading() as session:
        kept = set(session.scalars(select(RecoveryCode.digest)))
        seed = session.scalar(select(SecondFactor.seed))
    assert not kept & {code.replace("-", "") for code in codes}
    assert all(len(each) == 64 for each in kept)
    assert 31 ** len(codes[0].replace("-", "")) > 2**112
    assert len(seed) * 5 >= 160


@on_sqlite
def test_codes_are_counted_together_with_passwords(database, join, turn_on):
    join("eve")
    app, _ = turn_on("eve")
    half = begun(database)
    for _ in range(4):
        with pytest.raises(Unauthenticated):
            finished(database, half.secret, "000000")

    with pytest.raises(TooManyRequests):
        finished(database, half.secret, turn_on.code_of(app))
    with pytest.raises(TooManyRequests):
        begun(database)


@on_sqlite
def test_who_comes_in_by_both_leaves_no_try_behind(database, join, turn_on):
    join("eve")
    _, codes = turn_on("eve")
    for code in codes[:7]:
        finished(database, begun(database).secret, code)

    with database.reading() as session:
        assert set(session.scalars(select(FailedLogin.count))) <= {0}


@on_sqlite
def test_a_half_login_ends_after_some_minutes_and_is_removed(database, join, turn_on):
    join("eve")
    app, _ = turn_on("eve")
    half = begun(database)
    with database.writing() as session:
        session.execute(update(Login).values(created_at=now(-logins.HALF_S - 1)))

    with pytest.raises(Gone):
        finished(database, half.secret, turn_on.code_of(app))
    logins.sweep(database, logins.Lifetime(1e6, 1e6))
    with database.reading() as session:
        assert session.scalar(select(Login.id)) is None


@on_sqlite
def test_a_forgotten_password_goes_round_no_second_factor(database, ada, join, turn_on, find):
    join("eve")
    turn_on("eve")
    link = invitations.invite_to_reset(database, ada, "eve")
    person = invitations.accept(database, link, "", "the newest password")

    with people.changing(database) as session:
        half = logins.begin_by_password(session, people.named(session, person.name), BROWSER)

    assert half.lacks == "code"
    assert find(half.secret) is None


@on_sqlite
def test_turning_it_off_needs_the_password_and_a_code(database, join, turn_on):
    eve = join("eve")
    app, codes = turn_on("eve")
    for password, code in (("wrong", codes[0]), (PASSWORD, "000000"), (PASSWORD, "")):
        with pytest.raises(InvalidInput):
            second_factor.turn_off(database, eve, password, code, "10.0.0.7", None)
    assert begun(database).lacks == "code"

    second_factor.turn_off(database, eve, PASSWORD, turn_on.code_of(app), "10.0.0.7", None)

    assert begun(database).lacks == ""
    with database.reading() as session:
        assert second_factor.codes_left(session, 1) == 0


@on_sqlite
def test_codes_are_not_guessed_by_whoever_has_the_password_and_a_browser(database, join, turn_on):
    eve = join("eve")
    app, _ = turn_on("eve")
    for _ in range(5):
        with pytest.raises(InvalidInput):
            second_factor.renew_codes(database, eve, "000000", "10.0.0.7")

    with pytest.raises(TooManyRequests):
        second_factor.renew_codes(database, eve, turn_on.code_of(app), "10.0.0.7")


@on_sqlite
def test_new_recovery_codes_replace_the_former(database, join, turn_on, find):
    eve = join("eve")
    app, former = turn_on("eve")

    latter = second_factor.renew_codes(database, eve, turn_on.code_of(app), "10.0.0.7")

    with pytest.raises(Unauthenticated):
        finished(database, begun(database).secret, former[0])
    assert find(finished(database, begun(database).secret, latter[0]))


@on_sqlite
def test_an_administrator_takes_it_from_whoever_has_lost_it(database, ada, join, turn_on, find):
    join("eve")
    bob = join("bob")
    _, codes = turn_on("eve")
    whole = finished(database, begun(database).secret, codes[0])
    with pytest.raises(Forbidden):
        second_factor.reset(database, bob, "eve")

    second_factor.reset(database, ada, "eve")

    assert find(whole) is None
    assert begun(database).lacks == ""
    with database.reading() as session:
        assert history.page(session, 2).items[1].kind == "second_factor_reset"
    with pytest.raises(Conflict):
        second_factor.reset(database, ada, "eve")


def test_where_all_need_one_whoever_has_none_sets_it_up_at_the_login(
    database, ada, join, turn_on, log_in, find
):
    join("eve")
    before = log_in("eve")
    with pytest.raises(Conflict):  # who asks for it has one
        second_factor.require(database, ada, required=True)
    turn_on("ada")

    second_factor.require(database, ada, required=True)

    assert find(before) is None
    half = begun(database)
    assert half.lacks == "setup"
    assert find(half.secret) is None
    with pytest.raises(Unauthenticated):
        finished(database, half.secret, "000000")
    seed, name = logins.begin_setup(database, half.secret)
    app = pyotp.TOTP(seed)
    with pytest.raises(InvalidInput):
        logins.finish_setup(database, half.secret, "000000", BROWSER)
    whole, codes = logins.finish_setup(database, half.secret, turn_on.code_of(app), BROWSER)
    assert (name, len(codes)) == ("eve", second_factor.RECOVERY_CODES)
    assert find(whole).actor.name == "eve"
    with pytest.raises(Conflict):
        second_factor.turn_off(database, find(whole).actor, PASSWORD, codes[0], "", None)


@on_sqlite
def test_a_login_that_lacks_a_code_sets_up_no_other_app(database, join, turn_on):
    join("eve")
    turn_on("eve")
    half = begun(database)

    with pytest.raises(Conflict):
        logins.begin_setup(database, half.secret)
    with pytest.raises(InvalidInput):
        logins.finish_setup(database, half.secret, "000000", BROWSER)


@on_sqlite
def test_only_administrators_ask_it_of_everybody(database, ada, join, turn_on):
    eve = join("eve")
    turn_on("eve")

    with pytest.raises(Forbidden):
        second_factor.require(database, eve, required=True)
    turn_on("ada")
    second_factor.require(database, ada, required=True)
    second_factor.require(database, ada, required=False)

    join("bob")
    assert begun(database, "bob").lacks == ""


@on_sqlite
def test_who_shows_a_password_and_no_code_is_in_the_audit(database, join, turn_on):
    join("eve")
    turn_on("eve")
    with pytest.raises(Unauthenticated):
        finished(database, begun(database).secret, "000000")

    with database.reading() as session:
        [event] = history.page(session, 1).items
        words = str(history.describe(event))
    assert words == "Somebody at 10.0.0.7 knew the password of eve, and no code"
