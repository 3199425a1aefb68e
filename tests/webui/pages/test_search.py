"""The search over everything."""

from __future__ import annotations

from core import queries
from core.jobs import deletion, editing
from core.jobs.actors import LOCAL_OWNER
from tests.core.many import costly, learn, multiply, plans
from tests.webui.pages.conftest import get


def found(client, text):
    page = get(client, f"/search?q={text}")
    return {link.attributes["href"] for link in page.all("a")}


def test_a_run_is_found_by_name_number_and_notes(client, database, submitted):
    first, other = submitted("Sunflower"), submitted("tulip")
    editing.edit(database, other.id, LOCAL_OWNER, notes="as bright as a SUNFLOWER")

    assert {f"/jobs/{first.id}", f"/jobs/{other.id}"} <= found(client, "sunflower")
    assert f"/jobs/{other.id}" in found(client, f"%23{other.id}")
    assert f"/jobs/{other.id}" not in found(client, "nothing like it")


def test_a_form_of_the_search_leads_to_the_only_hit_or_the_run_of_that_number(client, submitted):
    first = submitted("Sunflower")
    submitted(f"after #{first.id} and #{first.id}1")

    for text in ("sunfl", f"%23{first.id}"):
        answer = client.get(f"/search?q={text}&open=1")
        assert answer.headers["Location"] == f"/jobs/{first.id}"
    assert client.get("/search?q=s&open=1").status_code == 200
    assert client.get("/search?q=sunfl").status_code == 200


def test_a_deleted_run_is_found_by_nothing(client, database, submitted):
    job = submitted("Sunflower")
    editing.edit(database, job.id, LOCAL_OWNER, notes="yellow")
    deletion.delete(database, job.id, LOCAL_OWNER, undo_s=60.0)

    for text in ("sunflower", str(job.id), "yellow"):
        assert f"/jobs/{job.id}" not in found(client, text)


def test_tags_presets_datasets_workers_and_pages_are_found(client, database, submitted, worker_id):
    job = submitted()
    editing.edit(database, job.id, LOCAL_OWNER, tags=["night shift"])

    assert "/?tag=night+shift" in found(client, "night")
    assert "/jobs/new?preset=quick" in found(client, "quick")
    assert "/?dataset=fashion_mnist" in found(client, "fashion")
    assert f"/workers#worker-{worker_id}" in found(client, "worker-one")
    assert "/storage" in found(client, "storage")


def test_where_more_are_found_than_shown_a_link_leads_to_all_and_says_how_many(client, submitted):
    for number in range(32):
        submitted(f"thesis {number}", tags=["thesis"] if number else [])

    page = get(client, "/search?q=thesis")
    links = {link.attributes["href"]: link.text for link in page.all("a")}

    assert links["/?text=thesis"] == "All runs whose name has “thesis”"
    abouts = [each.text for each in page.all("li")]
    assert "All runs whose name has “thesis” 32 runs" in abouts
    assert "thesis 31 runs with this tag" in abouts
    assert "/?text=thesis+7" not in found(client, "thesis 7")


def test_the_runs_of_a_tag_are_found_by_it(client, database, submitted):
    tagged, other = submitted("first"), submitted("second")
    editing.edit(database, tagged.id, LOCAL_OWNER, tags=["homework"])

    addresses = found(client, "homework")

    assert {"/?tag=homework", f"/jobs/{tagged.id}"} <= addresses
    assert f"/jobs/{other.id}" not in addresses


def test_what_is_suggested_is_a_list_of_options(client, submitted):
    submitted("<b>bold</b>")

    html = client.get("/search?q=bold&part=1").text

    assert 'role="option" id="suggestion-0"' in html
    assert "&lt;b&gt;bold&lt;/b&gt;" in html


def test_where_nothing_is_found_the_page_says_so_and_leads_on(client):
    page = get(client, "/search?q=zzz%00%25")

    assert "Nothing holds “zzz%”" in page.text
    assert "Runs are found by their name" in get(client, "/search").text


def test_a_search_reads_indexes_and_few_rows(database, submitted):
    job = submitted("a run")
    editing.edit(database, job.id, LOCAL_OWNER, notes="x", tags=["y"])
    multiply(database, 3000)
    with database.writing() as session:
        session.connection().exec_driver_sql("UPDATE jobs SET notes = '' WHERE id > 9")
    learn(database)

    def look():
        with database.reading() as session:
            assert queries.search(session, "zebra", 5).runs == []

    read = plans(database, look)

    costs = [step for plan in read for step in costly(plan)]
    assert [
        step for step in costs if "ix_jobs_noted" not in step and "ix_jobs_list" not in step
    ] == []
    assert any("ix_jobs_noted" in plan for plan in read)
