"""Text within text: as it is, on both databases."""

import pytest
from sqlalchemy import select

from core.database.models import Job
from core.database.search import holds
from core.jobs import lifecycle
from core.jobs.actors import LOCAL_OWNER
from core.spec import presets


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("50%", ["50% dropout"]),
        ("_", ["a_b"]),
        ("ä", ["größe ä"]),
        ("ö", ["größe ä"]),
        ("", ["50% dropout", "a_b", "größe ä"]),
        ("%", ["50% dropout"]),
        ("nothing", []),
    ],
)
def test_a_name_is_found_by_what_it_holds_and_nothing_stands_for_others(database, text, found):
    for name in ("50% dropout", "a_b", "größe ä"):
        lifecycle.submit(database, LOCAL_OWNER, name=name, spec=presets.resolve("quick", {}))

    with database.reading() as session:
        names = session.scalars(
            select(Job.name).where(holds(Job.folded_name, text)).order_by(Job.id)
        ).all()

    assert names == found
