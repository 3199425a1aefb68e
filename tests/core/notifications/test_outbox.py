"""What is to be told is written with what it tells of, sent until it arrives, and kept."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook as Verifier

from core.database.clock import now
from core.database.models import Delivery, NotificationChoice, Person, Webhook
from core.errors import NotFound
from core.jobs import endings, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.messages import plain
from core.notifications import choices, outbox, sending, webhooks
from core.notifications.choices import Choices
from tests.core.jobs.conftest import claim, submit
from tests.core.many import _noted, costly, learn, multiply, plans
from tests.core.notifications.conftest import OWNER, deliveries, make_due
from tests.services import wait_until


def test_a_failure_is_told_by_a_signed_message(database, hook, fail, deliver, receiver):
    job_id = fail()

    assert deliver() == 1

    [(_, headers, body)] = receiver.got
    payload = Verifier(hook.secret).verify(body, headers)
    assert payload["type"] == "run.failed"
    data = payload["data"]
    assert (data["id"], data["name"], data["owner"], data["state"]) == (
        *(job_id, "job", OWNER, "failed"),
    )
    assert data["address"] == f"https://trains.example/jobs/{job_id}"
    assert data["reason"]["text"] == "no <data>"
    assert len(body) < 20_000
    [delivery] = deliveries(database)
    assert (delivery.state, delivery.status, delivery.answer) == ("delivered", 200, "ok")
    assert deliver() == 0


def test_nothing_is_told_that_was_rolled_back(database, hook):
    job = submit(database)
    with database.writing() as session:
        outbox.note_end(session, job.id, "cancelled")
        session.rollback()

    assert deliveries(database) == []


def test_nothing_is_written_where_nobody_wants_to_know(database, fail):
    with _noted(database) as statements:
        fail()

    asked = [each for each, _ in statements if "notification" in each or "deliver" in each]
    assert len(asked) == 1
    assert deliveries(database) == []


def test_the_end_of_a_run_reads_no_other_run(database, claimant, hook):
    submit(database)
    submit(database)
    lease = claim(database, claimant)
    multiply(database, 3000, "state = 'queued'")
    learn(database)
    failure = endings.Failure("error", plain("x"))

    found = plans(database, lambda: endings.end(database, lease, "failed", failure))

    steps = [step for plan in found for step in costly(plan)]
    assert [step for step in steps if "epochs" not in step] == []  # of which a run has few
    assert len(deliveries(database)) == 1


def test_of_those_who_take_at_once_one_gets_the_messages_of_an_owner(database, hook, fail):
    fail(), fail(), fail()
    ready = threading.Barrier(3)

    def take(_):
        ready.wait()
        return sending.take(database)

    with ThreadPoolExecutor(3) as pool:
        for _ in range(5):
            taken = list(pool.map(take, range(3)))
            make_due(database)
            assert [each is None for each in taken].count(False) == 1


def test_somebody_is_told_of_their_own_runs_alone(database, receiver, fail):
    webhooks.add(database, "eve", receiver.address, "standard", ["ended"], allowed=["127.0.0.1"])

    fail()

    assert deliveries(database) == []


def test_somebody_who_was_shut_out_is_told_nothing(database, hook, fail):
    with database.writing() as session:
        session.add(Person(name=OWNER, role="member", created_at=now(), disabled_at=now()))

    fail()

    assert deliveries(database) == []


def test_a_cancelled_run_has_ended(database, hook, deliver, receiver):
    job = submit(database)

    lifecycle.cancel(database, job.id, LOCAL_OWNER)

    deliver()
    assert [body["type"] for body in receiver.bodies] == ["run.cancelled"]


def test_a_message_that_does_not_arrive_is_sent_again_with_its_id(
    database, hook, fail, deliver, receiver
):
    receiver.answers = [(500, {}, b"broken")]
    fail()

    deliver()
    assert deliver() == 0  # it is not due yet
    make_due(database)
    deliver()

    ids = [headers["webhook-id"] for _, headers, _ in receiver.got]
    assert len(set(ids)) == 1
    assert len(ids) == 2
    [delivery] = deliveries(database)
    assert (delivery.state, delivery.tries) == ("delivered", 2)


def test_a_deliverer_that_is_killed_leaves_its_message_to_another(
    database, hook, fail, deliver, receiver, chosen
):
    fail()
    taken = sending.take(database)
    sending.send(taken, chosen)  # and it dies before it writes that down
    assert deliver() == 0  # while the lease is there

    make_due(database)
    assert deliver() == 1

    ids = {headers["webhook-id"] for _, headers, _ in receiver.got}
    assert (len(receiver.got), len(ids)) == (2, 1)
    sending.write_down(database, taken, sending.Outcome(False, 500))  # it was only slow
    assert deliveries(database)[0].state == "delivered"


def test_two_deliverers_send_a_message_once(database, hook, fail, deliver, receiver):
    for _ in range(3):
        fail()

    threads = [threading.Thread(target=deliver) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deliver()

    assert len(receiver.got) == 3


def test_a_receiver_that_is_slow_holds_up_its_owner_alone(database, hook, fail, deliver, receiver):
    receiver.waits_for = threading.Event()
    fail()
    thread = threading.Thread(target=deliver)
    thread.start()
    wait_until(lambda: receiver.got, "the message arrives")
    with database.writing() as session:
        outbox.put(session, "eve", "ended", "mail", {"type": "test", "data": {}})
        outbox.put(session, OWNER, "ended", "mail", {"type": "test", "data": {}})

    taken = sending.take(database)

    assert taken.delivery.owner == "eve"
    assert sending.take(database) is None
    receiver.waits_for.set()
    thread.join()


def test_a_receiver_says_when_it_wants_to_be_asked_again():
    assert 4.5 <= sending.pause_s(1) <= 5.5
    assert 77_000 <= sending.pause_s(9) <= 96_000
    assert sending.pause_s(1, retry_after_s=600) == 600
    assert sending.pause_s(1, retry_after_s=1e9) == sending.LONGEST_PAUSE_S


def test_a_receiver_that_is_gone_is_disabled_and_its_owner_told(
    database, hook, by_mail, fail, deliver, receiver, mail_server
):
    receiver.answers = [(410, {}, b"")]
    fail()

    deliver()

    with database.reading() as session:
        kept = session.get_one(Webhook, hook.id)
        assert not kept.is_enabled
        assert kept.disabled_reason.code == "webhook.gone"
    assert "Your webhook to 127.0.0.1 is disabled" in mail_server.got[-1]
    fail()
    deliver()
    assert len(receiver.got) == 1


def test_a_receiver_that_never_answers_is_disabled(database, hook, fail, deliver, receiver):
    receiver.answers = [(500, {}, b"broken")] * 20
    fail()

    for _ in range(12):
        deliver()
        make_due(database)

    assert len(receiver.got) == len(sending.SCHEDULE_S) + 1
    assert deliveries(database)[0].state == "failed"
    with database.reading() as session:
        assert session.get_one(Webhook, hook.id).disabled_reason.code == "webhook.never_answered"


def test_a_message_is_sent_again_by_hand(database, hook, fail, deliver, receiver):
    receiver.answers = [(410, {}, b"")]
    fail()
    deliver()
    failed = deliveries(database)[0]
    webhooks.change(database, OWNER, hook.id, is_enabled=True)

    outbox.replay(database, OWNER, failed.id)
    deliver()

    assert deliveries(database)[0].state == "delivered"
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    with pytest.raises(NotFound):
        outbox.replay(database, "eve", failed.id)
    with pytest.raises(NotFound):
        outbox.replay(database, OWNER, 2**70)


def test_a_new_secret_signs_beside_the_former_for_a_day(database, hook, fail, deliver, receiver):
    renewed = webhooks.rotate(database, OWNER, hook.id)
    fail()
    deliver()

    [(_, headers, body)] = receiver.got
    for secret in (hook.secret, renewed.secret):
        assert Verifier(secret).verify(body, headers)
    with database.writing() as session:
        session.execute(update(Webhook).values(former_until=now(-1)))
    fail()
    deliver()
    assert len(receiver.got[-1][1]["webhook-signature"].split()) == 1


def test_a_browser_shows_news_once(database, fail):
    choices.choose(database, OWNER, Choices({"failed": ["browser"]}))
    fail()

    assert outbox.take_news(database, "eve") == []
    [news] = outbox.take_news(database, OWNER)
    assert outbox.take_news(database, OWNER) == []
    assert news.payload["type"] == "run.failed"


def test_old_news_are_not_shown_and_then_forgotten(database, fail):
    choices.choose(database, OWNER, Choices({"failed": ["browser"]}))
    fail()
    with database.writing() as session:
        session.execute(update(Delivery).values(created_at=now(-86_400 * 31)))

    assert outbox.take_news(database, OWNER) == []
    outbox.forget_old(database)
    assert deliveries(database) == []


def test_a_webhook_that_is_removed_takes_its_messages_and_choices_with_it(database, hook, fail):
    fail()

    webhooks.remove(database, OWNER, hook.id)

    assert deliveries(database) == []
    with database.reading() as session:
        assert session.query(NotificationChoice).all() == []


def test_the_log_shows_no_address(database, hook, fail, deliver, capfd):
    fail()
    deliver()

    assert "/hook" not in json.dumps(capfd.readouterr())
