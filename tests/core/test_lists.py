"""The list of jobs: filtered, sorted and paged, each row once and at a cost that does not grow."""

import sys

import pytest
from sqlalchemy import insert, select, text, update

from core import queries
from core.database.clock import now
from core.database.models import MEASURED, Job, JobTag
from core.errors import InvalidInput
from core.jobs import deletion, lifecycle
from core.jobs.actors import LOCAL_OWNER, Actor
from core.queries import SORTS, Selection, clauses, read_conditions
from core.spec import presets
from tests.core.many import costly, learn, multiply, plans

RATE = "optimizer.learning_rate"
ADA = Actor("user", "7", "Ada", "administrator")


def submit(database, name="job", actor=LOCAL_OWNER, **options):
    parts = ("dataset", "model", "optimizer")
    changes = {key: options.pop(key) for key in parts if key in options}
    spec = presets.resolve("quick", changes)
    is_deleted = options.pop("deleted", False)
    job = lifecycle.submit(database, actor, name=name, spec=spec, **options)
    if is_deleted:
        deletion.delete(database, job.id, actor, 60)
    return job.id


def listed(database, limit=2, **chosen):
    """The jobs of every page of a list."""
    found, cursor = [], ""
    while cursor is not None:
        with database.reading() as session:
            page = queries.jobs(session, Selection(**chosen), limit, cursor)
        assert len(page.items) <= limit
        found += [job.id for job, _ in page.items]
        cursor = page.next
    return found


def measure(database, values, column="test_accuracy"):
    with database.writing() as session:
        for job_id, value in values.items():
            session.execute(update(Job).where(Job.id == job_id).values({column: value}))


@pytest.fixture
def some(database):
    """Jobs that differ in whatever a list is filtered by."""
    made = {
        "plain": submit(database),
        "digits": submit(database, dataset="digits"),
        "mlp": submit(database, model={"kind": "mlp"}),
        "preset": submit(database, preset="quick"),
        "ada": submit(database, actor=ADA),
        "tagged": submit(database, tags=["thesis", "night"]),
        "named": submit(database, name="A 100%_Sure Name"),
    }
    measure(database, dict.fromkeys(made.values(), 0.5), "test_loss")
    return made


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"dataset": "digits"}, ["digits"]),
        ({"model": "mlp"}, ["mlp"]),
        ({"preset": "quick"}, ["preset"]),
        ({"owner": "Ada"}, ["ada"]),
        ({"tag": "night"}, ["tagged"]),
        ({"tag": "thesis", "owner": "owner"}, ["tagged"]),
        ({"tag": "thesis", "owner": "Ada"}, []),
        ({"text": "sure"}, ["named"]),
        ({"text": "0%_S"}, ["named"]),
        ({"text": "_"}, ["named"]),
        ({"text": "JOB", "dataset": "digits", "states": ["queued"]}, ["digits"]),
        ({"states": ["running", "failed"]}, []),
        ({"dataset": "digits", "model": "mlp"}, []),
    ],
)
@pytest.mark.parametrize("sort", ["", "-test_loss"])
def test_a_list_has_what_is_asked_for(database, some, chosen, found, sort):
    assert listed(database, sort=sort, **chosen) == [some[name] for name in found]


def test_jobs_in_several_states_come_newest_first(database, some):
    for name in ("digits", "ada"):
        lifecycle.cancel(database, some[name], LOCAL_OWNER)
    lifecycle.pause(database, some["mlp"], LOCAL_OWNER)

    both = listed(database, states=["cancelled", "queued"])

    assert both == [job_id for job_id in sorted(some.values())[::-1] if job_id != some["mlp"]]
    assert listed(database, states=["cancelled"]) == [some["ada"], some["digits"]]


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_a_sorted_list_visits_every_job_that_has_a_value_once(database, limit):
    ids = [submit(database) for _ in range(7)]
    values = dict(zip(ids, (0.5, None, 0.25, 0.5, 1 / 3, None, 0.75), strict=True))
    measure(database, values)

    def order(job_id):
        return values[job_id], job_id

    having = sorted((job_id for job_id in ids if values[job_id] is not None), key=order)
    assert listed(database, limit, sort="test_accuracy") == having
    assert listed(database, limit, sort="-test_accuracy") == having[::-1]
    assert listed(database, limit, sort="-test_accuracy", tag="none has it") == []


@pytest.mark.parametrize("sort", [sort for sort in SORTS if sort])
def test_a_list_can_be_sorted_by_any_measurement(database, sort):
    ids = [submit(database) for _ in range(3)]
    measure(database, dict(zip(ids, (2.0, 1.0, 3.0), strict=True)), sort.removeprefix("-"))

    rising = [ids[1], ids[0], ids[2]]
    assert listed(database, sort=sort) == (rising[::-1] if sort.startswith("-") else rising)


def test_a_tag_that_many_have_is_sorted_as_one_that_few_have(database, monkeypatch):
    ids = [submit(database, tags=["t"]) for _ in range(4)]
    measure(database, {job_id: job_id for job_id in ids[:3]})
    submit(database)
    few = listed(database, sort="-test_accuracy", tag="t")

    monkeypatch.setattr(sys.modules["core.queries.jobs"], "RARE", 2)

    assert listed(database, sort="-test_accuracy", tag="t") == few == ids[2::-1]


@pytest.mark.parametrize(
    "cursor", ["x", "1", ":", "x:1", ":x", "0x1p99999:1", "0x1p0:1:2", "1.2", ":1"]
)
def test_a_made_up_cursor_of_a_sorted_list_is_refused(database, cursor):
    with database.reading() as session, pytest.raises(InvalidInput, match="cursor"):
        queries.jobs(session, Selection(sort="test_loss"), 3, cursor)


def test_the_jobs_of_a_list_are_counted_up_to_a_bound(database, some):
    with database.reading() as session:
        all_of_them = queries.count_of_jobs(session, Selection(sort="-test_loss"), 1000)
        assert all_of_them == len(listed(database))
        assert queries.count_of_jobs(session, Selection(), 2) == 3


def test_an_unknown_order_is_refused_with_those_that_there_are(database):
    with database.reading() as session, pytest.raises(InvalidInput, match="-test_accuracy"):
        queries.jobs(session, Selection(sort="beauty"))


def test_a_tag_that_is_given_twice_is_kept_once(database):
    job_id = submit(database, tags=["b", "a", "b"])

    with database.reading() as session:
        assert queries.job(session, job_id)[0].tags == ["b", "a"]


RATES = (0.1, 0.02, 0.1, 0.5, 0.003)


@pytest.fixture
def rated(database):
    """Jobs with several learning rates, in their order, beside one that was deleted."""
    made = [submit(database, optimizer={"kind": "sgd", "learning_rate": rate}) for rate in RATES]
    submit(database, optimizer={"kind": "sgd"}, deleted=True)
    return [job_id for _, job_id in sorted(zip(RATES, made, strict=True))]


@pytest.mark.parametrize("limit", [1, 2, 50])
@pytest.mark.parametrize("few", [1, 2000])
def test_a_list_can_be_sorted_by_a_hyperparameter(database, rated, limit, few, monkeypatch):
    monkeypatch.setattr(sys.modules["core.queries.jobs"], "RARE", few)
    monkeypatch.setattr(clauses, "RARE", few)

    assert listed(database, limit, sort=RATE) == rated
    assert listed(database, limit, sort=f"-{RATE}") == rated[::-1]
    assert listed(database, limit, sort=f"-{RATE}", states=["queued"], text="JOB") == rated[::-1]
    assert listed(database, limit, sort=RATE, dataset="digits") == []


def test_a_list_can_be_sorted_by_a_choice_and_by_a_text(database):
    deep = submit(database, model={"kind": "mlp", "hidden": [512, 64]})
    flat = submit(database, model={"kind": "mlp", "hidden": [128]})
    other = submit(database)

    assert listed(database, sort="model.kind") == [other, deep, flat]
    assert listed(database, sort="model.hidden") == [flat, deep]
    assert listed(database, sort="-model.hidden", deleted=True) == []


def test_a_list_can_be_sorted_from_its_oldest_job(database, some):
    ids = sorted(some.values())

    assert listed(database, sort="created") == ids
    assert listed(database, sort="-created") == listed(database) == ids[::-1]
    assert listed(database, sort="created", states=["queued", "failed"]) == ids


def test_a_run_that_has_ended_can_be_sorted_by_how_long_it_took(database):
    waits, ended = submit(database), submit(database)
    with database.writing() as session:
        times = {"started_at": now(-90), "state": "paused", "desired": "pause"}
        session.execute(update(Job).where(Job.id == ended).values(times))
    lifecycle.cancel(database, ended, LOCAL_OWNER)
    lifecycle.cancel(database, waits, LOCAL_OWNER)  # it never ran, so it took no time

    assert listed(database, sort="-duration") == [ended]


def test_a_list_can_be_sorted_by_name_by_state_and_by_when_runs_ended(database):
    ids = [submit(database, name) for name in ("b: 2", "A", "c", "a")]
    lifecycle.pause(database, ids[2], LOCAL_OWNER)
    for job_id in (ids[3], ids[0]):
        lifecycle.cancel(database, job_id, LOCAL_OWNER)

    for limit in (1, 2, 50):
        assert listed(database, limit, sort="name") == [ids[1], ids[3], ids[0], ids[2]]
        assert listed(database, limit, sort="-name", text="a") == [ids[3], ids[1]]
        assert listed(database, limit, sort="finished") == [ids[3], ids[0]]
        assert listed(database, limit, sort="-finished") == [ids[0], ids[3]]
        assert listed(database, limit, sort="state") == [ids[1], ids[2], ids[3], ids[0]]
        assert listed(database, limit, sort="-state") == [ids[3], ids[0], ids[2], ids[1]]
    assert listed(database, sort="state", states=["cancelled", "paused"]) == [
        *(ids[2], ids[3], ids[0])
    ]


@pytest.mark.parametrize(
    ("sort", "cursor"),
    [("state", "x:1"), ("state", "queued:x"), ("finished", "2026-01-01:1"), ("name", "a")],
)
def test_a_made_up_cursor_of_these_orders_is_refused(database, sort, cursor):
    with database.reading() as session, pytest.raises(InvalidInput, match="cursor"):
        queries.jobs(session, Selection(sort=sort), 3, cursor)


@pytest.mark.parametrize("sort", ["", "created", "-test_loss", "name", "-state", f"-{RATE}"])
def test_the_page_before_is_found_from_any_page(database, sort):
    ids = [submit(database, f"job {number}") for number in range(7)]
    measure(database, {job_id: job_id % 3 for job_id in ids}, "test_loss")
    lifecycle.cancel(database, ids[2], LOCAL_OWNER)
    selection, cursors = Selection(sort=sort), [""]

    with database.reading() as session:
        while (following := queries.jobs(session, selection, 2, cursors[-1]).next) is not None:
            cursors.append(following)
        before = [queries.cursor_before(session, selection, 2, each) for each in cursors[1:]]

    assert len(cursors) == 4
    assert before == cursors[:-1]


def test_the_states_of_a_list_are_counted_up_to_a_bound(database, some):
    lifecycle.cancel(database, some["ada"], LOCAL_OWNER)
    lifecycle.cancel(database, some["digits"], LOCAL_OWNER)

    def counts(most=1000, **chosen):
        with database.reading() as session:
            found = queries.counts_of_states(session, Selection(**chosen), most)
        return {state: count for state, count in found.items() if count}

    assert counts() == {"queued": len(some) - 2, "cancelled": 2}
    assert counts(states=["queued"], sort="-test_loss") == counts()
    assert counts(owner="Ada", states=["queued"]) == {"cancelled": 1}
    assert counts(most=1) == {"queued": 2, "cancelled": 2}
    assert counts(most=1, text="job") == {}


def test_a_list_has_the_jobs_of_a_time(database):
    ids = [submit(database) for _ in range(5)]
    with database.writing() as session:
        for age, job_id in zip((500, 400, 300, 200, 100), ids, strict=True):
            session.execute(update(Job).where(Job.id == job_id).values(created_at=now(-age)))
    with database.reading() as session:
        moments = list(session.scalars(select(Job.created_at).order_by(Job.id)))

    for sort in ("created", RATE):
        assert listed(database, sort=sort, created_from=moments[1]) == ids[1:]
        assert listed(database, sort=sort, created_to=moments[3]) == ids[:3]
    both = {"created_from": moments[1], "created_to": moments[3]}
    assert listed(database, tag="none", **both) == []
    assert listed(database, states=["queued"], **both) == [ids[2], ids[1]]


@pytest.fixture
def many(database):
    """Thousands of jobs, all with one tag."""
    for number in range(4):
        submit(database, dataset=("mnist", "digits")[number % 2], preset="quick")
    multiply(database, 5000)
    with database.writing() as session:
        rows = session.execute(text("SELECT id FROM jobs"))
        session.execute(insert(JobTag), [{"tag": "all", "job_id": row.id} for row in rows])
        session.execute(
            text(
                "INSERT INTO job_values (job_id, name, number, text) "
                f"SELECT id, '{RATE}', id % 7919, '' FROM jobs WHERE id > 4"
            )
        )
        for name in MEASURED:
            session.execute(update(Job).values({name: (Job.id * 7919 % 10007) / 10007.0}))
    learn(database)


ASKED = [
    {},
    {"states": ["queued"]},
    {"states": ["queued", "running"]},
    {"dataset": "digits"},
    {"owner": "owner"},
    {"dataset": "digits", "preset": "quick"},
    {"text": "nobody is called that"},
    {"tag": "all"},
    {"tag": "all", "dataset": "digits"},
    {"sort": "test_loss"},
    {"sort": "-test_accuracy", "dataset": "digits"},
    {"sort": "-test_accuracy", "states": ["queued"], "text": "job"},
    {"sort": "-test_accuracy", "tag": "all"},
    {"sort": "created", "dataset": "digits"},
    {"sort": RATE},
    {"sort": f"-{RATE}", "dataset": "digits"},
    {"sort": "name", "dataset": "digits"},
    {"sort": "-name", "tag": "all"},
    {"sort": "-finished"},
    {"sort": "state"},
    {"conditions": read_conditions(f"{RATE} > 5")},
    {"conditions": read_conditions(f"{RATE} > 5"), "sort": "-test_accuracy"},
]


def test_no_page_sorts_the_list_or_reads_whole_rows_to_find_its_own(database, many):
    assert_cheap(database)

    # nor where so many are deleted that no page may walk over them
    with database.writing() as session:
        deleted = {"deleted_at": now(), "purge_at": now(60)}
        session.execute(
            update(Job).where(Job.id % 3 > 0).values(state="paused", desired="pause", **deleted)
        )
    learn(database)
    assert_cheap(database)


def assert_cheap(database):
    for chosen in ASKED:

        def read(chosen=chosen):
            with database.reading() as session:
                assert len(queries.jobs(session, Selection(**chosen)).items) in (0, 50)
                assert queries.count_of_jobs(session, Selection(**chosen), 100) in (0, 101)
                queries.counts_of_states(session, Selection(**chosen), 100)

        for plan in plans(database, read):
            walks = [step for step in costly(plan) if not step.startswith("SCAN jobs USING COVER")]
            assert walks == [], chosen
