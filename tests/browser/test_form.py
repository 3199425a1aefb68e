"""The form of a new run in a real browser: its kinds, its presets, and the form without script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("browser"),
]


def named(page, name):
    return page.locator(f'[name="{name}"]').last


def unfold(page, *sections):
    """Show all fields, and open some of their sections."""
    if page.locator("#all-fields").get_attribute("open") is None:
        page.locator("#all-fields > summary").click()
    for section in sections:
        page.locator(f"#section-{section} > summary").click()


def set_queue(page, queue):
    unfold(page, "scheduling")
    page.get_by_label("Queue", exact=True).fill(queue)


def test_only_the_fields_of_the_chosen_kind_are_shown_and_sent(page, site):
    page.goto("/jobs/new?preset=quick")
    unfold(page, "optimizer")
    expect(named(page, "optimizer.sgd.momentum")).to_be_visible()
    expect(named(page, "optimizer.adam.learning_rate")).to_be_hidden()

    page.get_by_label("Kind of optimizer").select_option("adam")

    expect(named(page, "optimizer.sgd.momentum")).to_be_hidden()
    expect(named(page, "optimizer.sgd.momentum")).to_be_disabled()
    named(page, "optimizer.adam.learning_rate").fill("0.002")
    page.get_by_label("Name", exact=True).fill("adam")
    set_queue(page, "nobody")
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url(re.compile(r"/jobs/\d+$"))
    job = site.job(int(page.url.rpartition("/")[2]))
    assert job["spec"]["optimizer"] == {
        "kind": "adam",
        "learning_rate": 0.002,
        "weight_decay": 0.0,
    }


def test_a_preset_fills_the_form_at_once_and_keeps_the_name(page):
    page.goto("/jobs/new?preset=quick")
    page.get_by_label("Name", exact=True).fill("mine")

    page.locator('[data-preset="tutorial"]').click()

    expect(named(page, "epochs")).to_have_value("10")
    unfold(page, "schedule")
    expect(page.get_by_label("Kind of learning rate schedule")).to_have_value("constant")
    expect(page.get_by_label("Name", exact=True)).to_have_value("mine")
    expect(page.locator(".preset[aria-current]")).to_contain_text("Tutorial")
    assert page.url.endswith("/jobs/new?preset=tutorial")


def test_what_differs_from_the_preset_is_marked_and_counted(page):
    page.goto("/jobs/new?preset=tutorial")
    expect(page.locator("#changes")).to_be_empty()

    named(page, "epochs").fill("11")
    unfold(page, "model")
    page.locator('[name="model.cnn.kernel_size"][value="3"]').check(force=True)

    expect(page.locator("#changes")).to_have_text("2 fields differ from “Tutorial”.")
    expect(page.locator('[data-field="epochs"][data-changed]')).to_have_count(1)
    named(page, "epochs").fill("10.0")
    expect(page.locator("#changes")).to_have_text("1 field differs from “Tutorial”.")
    page.locator("#notes-model\\.cnn\\.kernel_size").get_by_role("button").click()
    expect(page.locator("#changes")).to_be_empty()


def test_an_error_leads_to_its_field(page):
    page.goto("/jobs/new")
    page.get_by_label("Name", exact=True).fill("x")
    named(page, "epochs").fill("none")
    page.get_by_role("button", name="Start run").click()
    expect(page.locator("#mistakes")).to_be_focused()

    page.locator("#mistakes").get_by_role("link", name="Epochs").click()

    expect(named(page, "epochs")).to_be_focused()


def test_without_script_the_fields_of_the_chosen_kind_are_shown_and_the_form_works(open_page, site):
    page = open_page(java_script_enabled=False)
    page.goto("/jobs/new?preset=quick")
    expect(named(page, "optimizer.adamw.learning_rate")).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("by hand")
    unfold(page, "optimizer")
    set_queue(page, "nobody")
    named(page, "optimizer.sgd.learning_rate").fill("not sent")
    page.get_by_label("Kind of optimizer").select_option("adamw")
    expect(named(page, "optimizer.adamw.learning_rate")).to_be_visible()
    expect(named(page, "optimizer.sgd.learning_rate")).to_be_hidden()

    page.get_by_role("button", name="Start run").last.click()

    page.wait_for_url(re.compile(r"/jobs/\d+$"))
    expect(page.get_by_role("heading", name="by hand")).to_be_visible()
    assert site.job(int(page.url.rpartition("/")[2]))["spec"]["optimizer"]["kind"] == "adamw"


def test_without_script_enter_queues_the_run_and_a_button_works_the_network_out(open_page, site):
    page = open_page(java_script_enabled=False)
    page.goto("/jobs/new?preset=quick")
    page.get_by_label("Name", exact=True).fill("entered")
    set_queue(page, "nobody")
    page.get_by_label("Network", exact=True).select_option("mlp")
    page.get_by_role("button", name="Recalculate").click()
    expect(page.locator("#network")).to_contain_text("Flatten")
    expect(page.get_by_label("Name", exact=True)).to_have_value("entered")

    page.get_by_label("Name", exact=True).press("Enter")

    page.wait_for_url(re.compile(r"/jobs/\d+$"))
    assert site.job(int(page.url.rpartition("/")[2]))["spec"]["model"]["kind"] == "mlp"


def test_the_blocks_of_the_network_follow_what_is_chosen(page):
    page.goto("/jobs/new?preset=tutorial")
    network = page.locator("#network")
    expect(network).to_contain_text("8 × 28 × 28")
    unfold(page, "model")

    named(page, "model.cnn.channels").fill("7, 9")
    expect(network).to_contain_text("7 × 28 × 28")
    page.get_by_label("Dataset", exact=True).select_option("digits")
    expect(network).to_contain_text("7 × 8 × 8")
    named(page, "model.cnn.channels").fill("7, x")
    expect(network).to_contain_text("cannot be built yet. Channels: ")
    named(page, "model.cnn.channels").fill("8, 16, 32")
    expect(network).to_contain_text("8 × 8 × 8")


def test_the_facts_of_the_chosen_dataset_stand_beside_it(page):
    page.goto("/jobs/new?preset=tutorial")
    mnist, digits = (page.locator(f'dl[data-choice="{name}"]') for name in ("mnist", "digits"))
    expect(mnist).to_contain_text("60,000 to train on")
    expect(mnist).to_be_visible()

    page.get_by_label("Dataset", exact=True).select_option("digits")

    expect(digits).to_be_visible()
    expect(mnist).to_be_hidden()


def test_a_folded_section_tells_what_is_set_in_it_while_it_is_set(page):
    page.goto("/jobs/new?preset=tutorial")
    unfold(page)
    section = page.locator("#section-regularization")
    expect(section.locator(".summary")).to_be_empty()
    expect(section.locator(".contents")).to_be_visible()

    section.locator("summary").click()
    named(page, "regularization.label_smoothing").fill("0.1")
    named(page, "regularization.gradient_clip").fill("5")
    page.locator('[name="regularization.mix"][value="mixup"]').check(force=True)

    summary = "label smoothing 0.1, mix images mixup, gradient clipping 5"
    expect(section.locator(".summary")).to_have_text(summary)
    expect(page.locator("#changes")).to_have_text("3 fields differ from “Tutorial”.")
    files = page.locator("#section-publishing")
    files.locator("summary").click()
    named(page, "publishing.onnx").uncheck()
    expect(files.locator(".summary")).to_have_text("no ONNX")


def test_what_a_folded_section_tells_is_the_same_from_the_server(page):
    page.goto("/jobs/new?preset=tutorial")
    unfold(page, "stopping")
    named(page, "stopping.patience").fill("3")
    summary = page.locator("#section-stopping .summary")
    expect(summary).to_have_text("patience 3")

    page.get_by_role("button", name="Start run").click()

    expect(page.locator("#mistakes")).to_contain_text("validation split")
    expect(summary).to_have_text("patience 3")
    expect(named(page, "stopping.patience")).to_be_visible()


def test_an_old_run_is_run_again_with_changes(page, site):
    job = site.submit(name="once", queue="nobody", spec={"epochs": 7})
    page.goto(f"/jobs/{job}")

    page.get_by_role("link", name="Clone run").click()

    expect(named(page, "epochs")).to_have_value("7")
    expect(page.get_by_label("Name", exact=True)).to_have_value("once")
    page.locator('[data-preset="quick"]').click()
    expect(named(page, "epochs")).to_have_value("1")
    page.locator('[data-preset=""]').click()
    expect(named(page, "epochs")).to_have_value("7")


def test_a_field_is_found_by_what_it_says_and_a_wrong_one_is_told_at_once(page):
    page.goto("/jobs/new?preset=quick")
    unfold(page)
    page.get_by_label("Search among the fields").fill("patience")
    expect(named(page, "stopping.patience")).to_be_visible()
    expect(page.locator("#section-compute")).to_be_hidden()
    expect(page.locator("#found")).to_have_text("1 field")

    named(page, "stopping.patience").fill("3")

    expect(page.locator("#notes-stopping\\.patience")).to_contain_text("validation split")
    expect(named(page, "stopping.patience")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Search among the fields").fill("")
    expect(page.locator("#section-compute")).to_be_visible()
    named(page, "data.validation").fill("0,1")
    expect(page.locator("#notes-stopping\\.patience .error")).to_have_count(0)
    expect(page.locator(".commands")).to_contain_text("--data.validation 0.1")


def test_several_seeds_are_several_runs_of_one_list(page, site):
    page.goto("/jobs/new?preset=digits_seconds")
    page.get_by_label("Name", exact=True).fill("seeded")
    set_queue(page, "nobody")
    page.get_by_label("Seeds", exact=True).fill("0-2")
    page.get_by_role("button", name="Start 3 runs").click()
    page.wait_for_url(re.compile(r"/\?tag=seeds-\d+$"))
    expect(page.get_by_text("seeded (seed 2)")).to_be_visible()
