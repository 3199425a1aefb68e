"""Mail reaches a server of SMTP, in the language of whoever gets it."""

import email
from email import policy

import pytest

from core.errors import InvalidInput
from core.notifications import choices, mail
from core.notifications.addresses import Refused
from core.notifications.choices import Choices
from tests.core.notifications.conftest import OWNER, deliveries, make_due


def parsed(text):
    return email.message_from_string(text, policy=policy.default)


def test_a_failure_is_told_by_mail(database, by_mail, fail, deliver, mail_server):
    job_id = fail()

    deliver()

    [found] = map(parsed, mail_server.got)
    assert found["To"] == "ada@lab.example"
    assert found["From"] == "trainyard@lab.example"
    assert found["Subject"] == "job failed (no <data>)."
    assert f"https://trains.example/jobs/{job_id}" in found.get_content()
    assert found["Auto-Submitted"] == "auto-generated"


def test_mail_is_written_in_the_language_of_whoever_gets_it(database, fail, deliver, mail_server):
    choices.choose(
        database, OWNER, Choices({"failed": ["mail"]}, mail="ada@lab.example", language="zh")
    )
    fail()
    deliver()

    assert "失败" in parsed(mail_server.got[0])["Subject"]


def test_mail_that_is_refused_is_sent_again_with_its_id(
    database, by_mail, fail, deliver, mail_server
):
    mail_server.refuses = True
    fail()
    deliver()
    [delivery] = deliveries(database)
    assert (delivery.state, "550 nobody of this name" in delivery.answer) == ("waiting", True)

    mail_server.refuses = False
    make_due(database)
    deliver()

    assert deliveries(database)[0].state == "delivered"


def test_a_server_that_is_away_is_named(mail_server):
    made = mail.letter("a@b.example", "c@d.example", "s", "t", "1")

    with pytest.raises(Refused, match="no answer"):
        mail.send("smtp://127.0.0.1:1", made)


def test_a_subject_stays_on_its_line():
    made = mail.letter("a@b.example", "c@d.example", "one\r\nBcc: eve@evil.example", "t", "1")

    assert made["Bcc"] is None
    assert made["Subject"] == "one Bcc: eve@evil.example"


@pytest.mark.parametrize(
    "text", ["", "ada", "ada@lab", "a@b.example,c@d.example", "a@b.example\nBcc: x", "ä@b.example"]
)
def test_what_is_no_address_is_refused(database, text):
    assert not mail.is_address(text)
    with pytest.raises(InvalidInput):
        choices.choose(database, OWNER, Choices({"failed": ["mail"]}, mail=text))
