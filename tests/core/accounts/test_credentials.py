import pytest

from core.accounts.credentials import digest, is_token, new_secret, new_token


def test_a_token_says_what_it_is_and_is_its_own_proof_of_spelling():
    token = new_token()

    assert token.startswith("ty_")
    assert len(token) == 75
    assert is_token(token)


@pytest.mark.parametrize("place", [2, 3, 40, 66, 74])
def test_a_mistyped_token_is_known_without_a_look_at_the_database(place):
    token = new_token()
    wrong = "x" if token[place] != "x" else "y"

    assert not is_token(token[:place] + wrong + token[place + 1 :])
    assert not is_token(token[:-1])
    assert not is_token("")


def test_no_two_secrets_are_the_same_and_the_database_has_no_secret():
    assert len({new_secret() for _ in range(100)}) == 100
    assert len({new_token() for _ in range(100)}) == 100
    assert new_token() not in digest(new_token())
    assert digest("a") == "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
