"""Conditions on the values of runs, as people write them, and the lists that they make."""

import pytest
from sqlalchemy import update

from core import queries
from core.database.models import Job
from core.errors import InvalidInput
from core.jobs import deletion, lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.queries import Condition, Selection, clauses, read_conditions
from core.spec import presets


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("test_accuracy > 0.98", Condition("test_accuracy", ">", 0.98)),
        ("test_accuracy>=98.5%", Condition("test_accuracy", ">=", 0.985)),
        ("epochs == 5", Condition("epochs", "=", 5.0)),
        ("  optimizer.learning_rate  <= 1e-3 ", Condition("optimizer.learning_rate", "<=", 1e-3)),
        ("optimizer.kind = adamw", Condition("optimizer.kind", "=", "adamw")),
        ("optimizer.kind != 'sgd'", Condition("optimizer.kind", "!=", "sgd")),
        ('dataset = "mnist"', Condition("dataset", "=", "mnist")),
        ("model.batch_norm = True", Condition("model.batch_norm", "=", 1.0)),
        ("model.channels = 8,16", Condition("model.channels", "=", "8, 16")),
        ("duration < 60", Condition("duration", "<", 60.0)),
    ],
)
def test_a_condition_is_read_as_people_write_it(text, condition):
    assert read_conditions(text) == (condition,)


@pytest.mark.parametrize("joined", ["and", "AND", " && ", "\nand\t"])
def test_conditions_are_joined_by_and(joined):
    found = read_conditions(f"epochs = 5 {joined} test_loss < 1")

    assert found == (Condition("epochs", "=", 5.0), Condition("test_loss", "<", 1.0))


def test_nothing_is_no_condition():
    assert read_conditions("  ") == ()


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("good", "input.condition", "good"),
        ("epochs =" + " " * 900 + "!", "input.condition", "!"),
        (" " * 100_000 + "x", "input.characters", "1000"),
        ("epochs =", "input.condition", "epochs ="),
        ("epochs = nan", "input.condition", "nan"),
        ("epochs = 1 or epochs = 2 and", "input.condition", "and"),
        ("test_acuracy > 0.9", "input.condition_name", "test_accuracy"),
        ("xyz = 1", "input.condition_name", "optimizer.learning_rate"),
        ("optimizer.kind < sgd", "input.condition_order", "optimizer.kind"),
        (" and ".join(["epochs = 1"] * 11), "input.too_many", "10"),
        ("dataset = " + "x" * 1000, "input.characters", "1000"),
    ],
)
def test_what_is_no_condition_is_refused_with_what_would_be(text, code, says):
    with pytest.raises(InvalidInput) as refused:
        read_conditions(text)

    [error] = refused.value.errors
    assert (error.field, error.reason.code) == ("filter", code)
    assert says in error.message


def submit(database, **changes):
    return lifecycle.submit(
        database, LOCAL_OWNER, name="run", spec=presets.resolve("quick", changes), tags=["some"]
    ).id


@pytest.fixture
def runs(database):
    made = {
        "sgd": submit(database, optimizer={"kind": "sgd", "learning_rate": 0.1}, epochs=5),
        "adamw": submit(database, optimizer={"kind": "adamw", "learning_rate": 0.001}, epochs=5),
        "long": submit(database, optimizer={"kind": "adamw", "learning_rate": 0.01}, epochs=50),
        "mlp": submit(database, model={"kind": "mlp", "hidden": [64, 32]}, epochs=3),
    }
    with database.writing() as session:
        for name, accuracy in (("sgd", 0.97), ("adamw", 0.99), ("long", 0.985)):
            accurate = update(Job).where(Job.id == made[name])
            session.execute(accurate.values(test_accuracy=accuracy, test_loss=0.5))
    return made


LISTS = [
    ("test_accuracy > 0.98", {"adamw", "long"}),
    ("test_accuracy >= 98.5%", {"adamw", "long"}),
    ("test_accuracy < 98%", {"sgd"}),
    ("test_accuracy = 0.97", {"sgd"}),
    ("test_accuracy != 0.97", {"adamw", "long", "mlp"}),
    ("test_accuracy = good", set()),
    ("test_accuracy != good", {"sgd", "adamw", "long", "mlp"}),
    ("optimizer.kind = adamw", {"adamw", "long"}),
    ("optimizer.kind = 0", set()),
    ("optimizer.learning_rate <= 0.01 and epochs < 10", {"adamw"}),
    ("optimizer.kind = adamw and epochs != 50", {"adamw"}),
    ("model.hidden = 64, 32", {"mlp"}),
    ("model.hidden != 64, 32", {"sgd", "adamw", "long"}),
    ("test_accuracy > 0.98 and optimizer.kind = sgd", set()),
]


@pytest.mark.parametrize("rare", [clauses.RARE, 0], ids=["few", "many"])
@pytest.mark.parametrize(("text", "expected"), LISTS, ids=[text for text, _ in LISTS])
def test_a_list_has_the_runs_that_meet_all_conditions(
    database, runs, text, expected, rare, monkeypatch
):
    monkeypatch.setattr(clauses, "RARE", rare)
    asked = {"conditions": read_conditions(text)}
    ids = {runs[name] for name in expected}

    for more in ({}, {"tag": "some"}, {"states": ("queued",)}, {"dataset": "mnist"}):
        assert listed(database, **asked, **more) == sorted(ids, reverse=True), more
    assert set(listed(database, **asked, sort="optimizer.learning_rate")) == ids
    measured = {runs[name] for name in expected - {"mlp"}}
    assert set(listed(database, **asked, sort="-test_accuracy")) == measured
    with database.reading() as session:
        selection = Selection(**asked)
        assert queries.count_of_jobs(session, selection, 100) == len(ids)
        assert sum(queries.counts_of_states(session, selection, 100).values()) == len(ids)
        groups = queries.groups(session, selection, 10, "").items
    assert {job.id for group in groups for job, _ in group} == ids


def listed(database, **chosen):
    """The jobs of every page of a list, of one each."""
    found, cursor = [], ""
    while cursor is not None:
        with database.reading() as session:
            page = queries.jobs(session, Selection(**chosen), 1, cursor)
        found += [job.id for job, _ in page.items]
        cursor = page.next
    return found


@pytest.mark.parametrize("text", ["test_accuracy > 0.98", "optimizer.kind = adamw"])
def test_deleted_runs_are_found_by_conditions_too(database, runs, text):
    deletion.delete(database, runs["long"], LOCAL_OWNER, 60)
    conditions = read_conditions(text)

    assert listed(database, conditions=conditions) == [runs["adamw"]]
    assert listed(database, conditions=conditions, deleted=True) == [runs["long"]]
