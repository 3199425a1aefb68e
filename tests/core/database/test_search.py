"""Text within text: as it is, on both databases."""

import pytest
from sqlalchemy import select

from core.database.models import Job
from core.database.search import holds, holds_in_any_case
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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("äöü", ["Größe ÄÖÜ"]),
        ("GRÖSSE", []),
        ("GRÖ", ["Größe ÄÖÜ"]),
        ("größe", ["Größe ÄÖÜ"]),
        ("ОШИБКА", ["Ошибка 中"]),
        ("中", ["Ошибка 中"]),
        ("İ", ["İ, 50%"]),
        ("Ǆ", ["ǅ"]),
        ("50%", ["İ, 50%"]),
    ],
)
def test_letters_of_any_alphabet_are_found_in_either_case(database, text, found):
    for name in ("Größe ÄÖÜ", "Ошибка 中", "İ, 50%", "ǅ"):
        lifecycle.submit(database, LOCAL_OWNER, name=name, spec=presets.resolve("quick", {}))

    with database.reading() as session:
        names = session.scalars(
            select(Job.name).where(holds_in_any_case(Job.name, text)).order_by(Job.id)
        ).all()

    assert names == found


def test_a_long_text_of_many_letters_is_looked_for_too(database):
    letters = "".join(map(chr, range(0x400, 0x400 + 300)))
    with database.reading() as session:
        assert (
            session.scalars(select(Job.id).where(holds_in_any_case(Job.name, letters))).all() == []
        )
