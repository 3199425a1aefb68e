"""What holds for every page: escaped, without inline script, protected, with all its files."""

from __future__ import annotations

import json

import pytest

from core import queries
from core.errors import DatabaseUnavailable
from tests.webui import addresses
from tests.webui.pages.conftest import Page, get


def test_no_id_is_used_twice(client, app, succeeded):
    for address in addresses.of_pages(app) | {f"/jobs/{succeeded()}"}:
        ids = [e.attributes["id"] for e in get(client, address).elements if "id" in e.attributes]
        assert len(ids) == len(set(ids)), address


def test_no_id_is_used_twice_where_there_are_accounts(place):
    place.join("ada", "administrator")
    for client in (place.app.test_client(), place.browser("ada")):
        for address in addresses.of_pages(place.app) | addresses.OF_ACCOUNTS:
            page = Page(client.get(address, follow_redirects=True).text)
            ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
            assert len(ids) == len(set(ids)), address


def test_the_address_of_an_act_that_is_opened_leads_to_its_page(place):
    place.join("ada", "administrator")
    ada = place.browser("ada")
    job_id = ada.post("/api/v1/jobs", json={"name": "x"}).json["id"]
    acts = addresses.of_acts_alone(place.app)
    assert {"/people/invitations", "/account/tokens", "/account/webhooks"} <= acts
    for rule in acts:
        address = addresses.filled(rule, job_id)
        answer = ada.get(address)
        assert answer.status_code == 303, address
        opened = ada.get(answer.headers["Location"], follow_redirects=True)
        assert opened.status_code == 200, (address, answer.headers["Location"])
        assert opened.text  # read to its end: the list comes in pieces, and ends with its request


def test_a_stranger_who_opens_the_address_of_an_act_logs_in_first(place, visitor):
    answer = visitor.get("/people/invitations")

    assert (answer.status_code, answer.headers["Location"]) == (
        303,
        "/login?next=%2Fpeople%2Finvitations",
    )


@pytest.mark.parametrize(
    "address", ["/jobs", *(f"/jobs/1/{each}" for each in ("cancel", "pause", "resume", "retry"))]
)
def test_a_post_without_a_token_is_refused(client, submitted, database, address):
    submitted()
    assert client.post(address, data={"name": "x", "preset": "quick"}).status_code == 400
    with database.reading() as session:
        jobs = queries.jobs(session).items
    assert [job.desired for job, _ in jobs] == ["run"]


MARKUP = "<script>alert('x')</script> & <b>bold</b>"


def test_a_name_with_markup_is_shown_as_text(client, succeeded):
    job_id = succeeded(MARKUP)
    for address in ("/", f"/jobs/{job_id}", f"/jobs/{job_id}?part=1", f"/jobs/new?from={job_id}"):
        page = Page(client.get(address).text)
        assert not [script for script in page.all("script") if script.text.startswith("alert")]
        assert any(MARKUP in element.text for element in page.elements)


def test_a_line_of_the_log_is_shown_as_text(client, running):
    job_id, _ = running(line=MARKUP + " \x1b[31mred\x07")
    line = get(client, f"/jobs/{job_id}").one("div", **{"class": "line"})
    assert MARKUP in line.text
    assert "\x1b" not in line.text
    assert "␛[31mred␇" in line.text


def test_a_name_cannot_end_the_data_of_the_page(client, submitted):
    job = submitted("</script><script>alert(1)</script>")
    page = get(client, f"/jobs/{job.id}")
    assert json.loads(page.one("script", id="run-data").text)["job"]["name"] == job.name


def test_no_page_has_script_of_its_own(client, app):
    for address in addresses.of_pages(app) | {"/nowhere"}:
        answer = client.get(address)
        page = Page(answer.text)
        for script in page.all("script"):
            assert script.attributes.get("type") in ("module", "application/json"), address
            assert not script.text.strip() or script.attributes["type"] == "application/json"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert not [name for e in page.elements for name in e.attributes if name.startswith("on")]


def test_every_file_that_a_page_names_exists(client, app, succeeded):
    for address in addresses.of_pages(app) | {f"/jobs/{succeeded()}"}:
        page = get(client, address)
        links = [e.attributes["href"] for e in page.all("link")]
        files = [each for each in links if not each.startswith("#")]  # a part of the page itself
        files += [e.attributes["src"] for e in page.all("script") if "src" in e.attributes]
        for file in files:
            answer = client.get(file)
            assert answer.status_code == 200, file
            answer.close()


@pytest.mark.parametrize(("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("x", None)])
def test_the_theme_that_was_chosen_is_remembered(client, cookie, theme):
    client.set_cookie("theme", cookie)
    assert get(client, "/").one("html").attributes.get("data-theme") == theme


def test_the_error_page_needs_no_database(client, context, monkeypatch):
    def away(*_):
        raise DatabaseUnavailable("The database does not answer.")

    monkeypatch.setattr(type(context.database), "reading", away)
    page = get(client, "/", 503)
    assert "The database does not answer." in page.text
