import pytest

from core.accounts import passwords
from core.errors import InvalidInput

AS_SERVED = passwords._hasher


@pytest.mark.parametrize(
    "weak",
    [
        "",
        "seven77",
        "password1",
        "PASSWORD",
        "12345678",
        "aaaaaaaa",
        "abababab",
        "ada-lovelace",
        "Trainyard",
        "trainyard2026!",
        "1-Administrator",
        "ada.lovelace.1815",
        "x" * 257,
    ],
)
def test_a_weak_password_is_refused_with_a_reason(weak):
    with pytest.raises(InvalidInput) as refused:
        passwords.refuse_weak(weak, "ada-lovelace")

    assert refused.value.errors[0].field == "password"


@pytest.mark.parametrize(
    "good", ["correct horse battery", "vier kluge Wörter hier", "x7#kQ2!m", "y" + "ö7" * 100]
)
def test_a_good_password_needs_no_kinds_of_characters(good):
    passwords.refuse_weak(good, "ada")


def test_a_password_is_kept_as_argon2id_and_found_again_however_it_is_composed():
    kept = passwords.hashed("grün ist die Farbe")

    assert kept.startswith("$argon2id$")
    assert passwords.is_right("gru\u0308n ist die Farbe", kept)
    assert not passwords.is_right("grun ist die Farbe", kept)
    assert passwords.hashed("grün ist die Farbe") != kept


def test_a_password_is_taken_as_it_was_typed_however_long():
    typed = " Sixty-four characters and more: blanks, capitals, 日本語, 🚂 and all of it counts. "
    assert len(typed) > 64
    passwords.refuse_weak(typed, "ada")
    kept = passwords.hashed(typed)

    assert passwords.is_right(typed, kept)
    for other in (typed.strip(), typed.lower(), typed[:72], typed[:-1]):
        assert not passwords.is_right(other, kept)


def test_more_than_3000_of_the_refused_passwords_are_long_enough_to_be_chosen():
    long = [each for each in passwords._common() if len(each) >= passwords.LEAST_LENGTH]

    assert len(long) > 3000


def test_of_nobody_no_password_is_right():
    assert not passwords.is_right("nobody has this password", None)
    assert not passwords.is_right("anything", "no hash at all")


def test_what_is_kept_costs_memory_and_time_as_rfc_9106_says():
    assert "m=65536,t=3,p=4" in AS_SERVED.hash("x")
    assert passwords.is_outdated(AS_SERVED.hash("x"))  # tests hash with less work
