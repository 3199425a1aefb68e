"""Views of the list that are kept under a name: each owner has their own."""

import pytest

from core import saved_filters
from core.errors import Conflict, NotFound


def names(database, owner="owner"):
    with database.reading() as session:
        return [(each.name, each.query) for each in saved_filters.of_owner(session, owner)]


def test_a_filter_is_kept_under_its_name_and_a_second_one_of_it_replaces_it(database):
    saved_filters.save(database, "owner", "b", "sort=epochs")
    first = saved_filters.save(database, "owner", "a", "state=queued")
    again = saved_filters.save(database, "owner", "a", "state=failed")

    assert again.id == first.id
    assert names(database) == [("a", "state=failed"), ("b", "sort=epochs")]


def test_nobody_sees_or_removes_the_filter_of_another(database):
    kept = saved_filters.save(database, "Ada", "mine", "")

    assert names(database) == []
    with pytest.raises(NotFound):
        saved_filters.remove(database, "owner", kept.id)
    saved_filters.remove(database, "Ada", kept.id)
    assert names(database, "Ada") == []


def test_so_many_filters_can_be_kept_and_no_more(database, monkeypatch):
    monkeypatch.setattr(saved_filters, "MOST", 1)
    saved_filters.save(database, "owner", "a", "")

    with pytest.raises(Conflict, match="1 saved filters"):
        saved_filters.save(database, "owner", "b", "")
    saved_filters.save(database, "owner", "a", "state=queued")
