"""Trying a network in the browser: its numbers are torch's, and whatever is drawn is seen."""

from __future__ import annotations

import re
from itertools import product

import httpx
import pytest
import torch
from playwright.sync_api import expect

import trainyard
from tests.browser.test_pages import QUICK
from worker.training.data import datasets
from worker.training.outputs.feature_maps import Tapped

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.xdist_group("browser"),
]

RESULT = '[data-of="result"]'
PREDICTED = re.compile(r"^\d, \d+\.\d\d%$")
ONE = [(0.5, 0.15), (0.5, 0.4), (0.5, 0.6), (0.5, 0.85)]

SCORES = """
async ([images, addresses, info]) => {
  const { Model } = await import("/static/js/tryout/model.js");
  const model = await Model.load(addresses);
  return (await model.scores(new Float32Array(images), info)).map((row) => [...row]);
}
"""
MAPS = """
async ([image, addresses, info]) => {
  const { loadWithMaps } = await import("/static/js/tryout/feature_maps.js");
  const network = await loadWithMaps(addresses, () => {});
  const maps = await network.maps(new Float32Array(image), info);
  return maps.map(({ values, dims }) => ({ values: [...values], dims: [...dims] }));
}
"""
SEEN = """
() => {
  const canvas = document.querySelector('[data-of="seen"]');
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, at) => at % 4 === 0).map((value) => value / 255);
}
"""
FRAMED = """
async ([strokes, size, framing]) => {
  const { framed } = await import("/static/js/tryout/frame.js");
  const { Sketch } = await import("/static/js/tryout/subjects.js");
  const sketch = new Sketch(280);
  sketch.strokes = strokes;
  return [...framed(sketch, { size, framing })];
}
"""
MNIST = {"box": 20, "center": "mass", "stroke": 2.75}


@pytest.fixture(scope="module")
def run(site):
    """A run of the digits that has published its network."""
    job_id = site.submit(name="tried", spec={**QUICK, "data": {"validation": 0}})
    site.wait_for(job_id, "succeeded")
    return job_id


@pytest.fixture
def tried(page, run):
    page.goto(f"/jobs/{run}/try")
    return page


def draw(page, points):
    box = page.locator(".pad").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()


def network_of(site, run, tmp_path):
    files = httpx.get(f"{site.url}/api/v1/jobs/{run}/artifacts").json()["items"]
    [file] = [each for each in files if each["format"] == "pt"]
    path = tmp_path / "network.pt"
    path.write_bytes(httpx.get(f"{site.url}/api/v1/artifacts/{file['id']}/download").content)
    return trainyard.load(path)


@torch.inference_mode()
def test_the_scores_in_the_browser_are_those_of_torch(tried, site, run, tmp_path):
    network = network_of(site, run, tmp_path)
    _, test = datasets.load("digits", site.home / "data")
    images, _ = test.batch(torch.arange(64))
    data = tried.evaluate("JSON.parse(document.getElementById('tryout-data').textContent)")

    values = images.contiguous().flatten().tolist()
    found = tried.evaluate(SCORES, [values, data["addresses"], data["info"]])

    expected = network(images)
    allowed = 1e-4 * max(1, expected.abs().max().item())
    torch.testing.assert_close(torch.tensor(found), expected, rtol=0, atol=allowed)


@torch.inference_mode()
def test_the_feature_maps_in_the_browser_are_those_of_torch(tried, site, run, tmp_path):
    network = network_of(site, run, tmp_path)
    _, test = datasets.load("digits", site.home / "data")
    image, _ = test.batch(torch.arange(1))
    data = tried.evaluate("JSON.parse(document.getElementById('tryout-data').textContent)")

    found = tried.evaluate(MAPS, [image.flatten().tolist(), data["addresses"], data["info"]])

    expected = Tapped(network)(image)[1:]
    assert len(found) == len(expected) > 0
    for maps, of_torch in zip(found, expected, strict=True):
        assert maps["dims"] == list(of_torch.shape[1:])
        values = torch.tensor(maps["values"]).view_as(of_torch)
        allowed = 1e-4 * max(1, of_torch.abs().max().item())
        torch.testing.assert_close(values, of_torch, rtol=0, atol=allowed)

    tried.locator("[data-example]").first.click()
    tried.get_by_label("Show the feature maps").check()
    expect(tried.get_by_role("img", name="Map 1 of layer 1")).to_be_visible()


def test_what_is_drawn_is_predicted_and_can_be_taken_back(tried):
    expect(tried.locator(RESULT)).to_be_empty()
    draw(tried, ONE)

    expect(tried.locator(RESULT)).to_have_text(PREDICTED)
    expect(tried.locator("[data-highest]")).to_have_count(1)
    expect(tried.locator('[data-of="covered"]')).to_have_attribute("data-state", "drawn")
    assert max(tried.evaluate(SEEN)) > 0.5

    tried.get_by_role("button", name="Undo").click()
    expect(tried.locator(RESULT)).to_be_empty()
    expect(tried.locator("[data-highest]")).to_have_count(0)
    draw(tried, ONE)
    expect(tried.locator(RESULT)).to_have_text(PREDICTED)
    tried.keyboard.press("Escape")
    expect(tried.locator(RESULT)).to_be_empty()


def test_what_is_cleared_or_undone_in_the_middle_of_a_stroke_is_given_up(tried):
    box = tried.locator(".pad").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for way in ("Escape", "Control+z"):
        tried.mouse.move(*middle)
        tried.mouse.down()
        tried.mouse.move(middle[0] + 40, middle[1])
        tried.keyboard.press(way)
        tried.mouse.move(middle[0] + 80, middle[1])
        tried.mouse.up()

        expect(tried.locator(RESULT)).to_be_empty()
    draw(tried, ONE)
    expect(tried.locator(RESULT)).to_have_text(PREDICTED)


def test_the_runtime_is_fetched_with_the_first_stroke(page, run):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/jobs/{run}/try")
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if "onnxruntime" in url or "/artifacts/" in url] == []

    draw(page, ONE)
    expect(page.locator(RESULT)).to_have_text(PREDICTED)
    assert len([url for url in asked if "onnxruntime" in url or "/artifacts/" in url]) == 3


def test_an_image_of_the_dataset_goes_in_as_it_is(tried, site, run):
    evaluation = httpx.get(f"{site.url}/api/v1/jobs/{run}/evaluation").json()
    mistake = evaluation["mistakes"][0]

    tried.locator("[data-example]").first.click()

    expect(tried.locator(RESULT)).to_have_text(PREDICTED)
    label, share = tried.locator(RESULT).inner_text().rstrip("%").split(", ")
    assert int(label) == mistake["predicted"]
    # an image in the page has 256 levels, the digits have 17
    assert float(share) / 100 == pytest.approx(mistake["confidence"], abs=0.01)


PHOTOGRAPH = """
([ink, paper, type]) => {
  const canvas = new OffscreenCanvas(600, 400);
  const context = canvas.getContext("2d");
  context.fillStyle = paper;
  context.fillRect(0, 0, 600, 400);
  context.strokeStyle = ink;
  context.lineWidth = 30;
  context.stroke(new Path2D("M200 100 L380 100 L290 330"));
  return canvas.convertToBlob().then((blob) => {
    const given = new DataTransfer();
    given.items.add(new File([blob], "seven.png", { type: "image/png" }));
    const name = type === "paste" ? "clipboardData" : "dataTransfer";
    const Event = type === "paste" ? ClipboardEvent : DragEvent;
    window.dispatchEvent(new Event(type, { [name]: given, bubbles: true, cancelable: true }));
  });
}
"""


PAPER, BOARD = ("#223", "#cba"), ("#eee", "#243")


def test_a_photograph_is_framed_as_the_dataset_is_whatever_the_ink(tried):
    for colors, way in product((PAPER, BOARD), ("paste", "drop")):
        tried.keyboard.press("Escape")
        expect(tried.locator(RESULT)).to_be_empty()
        tried.evaluate(PHOTOGRAPH, [*colors, way])

        expect(tried.locator(RESULT)).to_have_text(PREDICTED)
        seen = tried.evaluate(SEEN)
        rows = [seen[8 * n : 8 * n + 8] for n in range(8)]
        assert max(rows[0]) > 0.8, "the writing reaches the top"
        assert max(rows[7]) > 0.3, "and the bottom"
        assert max(row[0] for row in rows[4:]) == 0, "the ground is black"


def test_a_file_that_is_no_picture_is_refused_in_words(tried):
    tried.locator('[data-of="file"]').set_input_files(
        {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
    )

    expect(tried.locator(RESULT)).to_have_text(
        "notes.png is no picture that this browser can read."
    )


def test_a_sketch_has_the_size_and_the_pen_of_the_dataset_however_large_it_is_drawn(tried):
    for scale in (1, 0.3):
        strokes = [[[40 + 120 * scale, 30], [40 + 120 * scale, 30 + 200 * scale]]]

        image = tried.evaluate(FRAMED, [strokes, 28, MNIST])

        rows = [image[28 * n : 28 * n + 28] for n in range(28)]
        inked = [n for n, row in enumerate(rows) if max(row) > 0.5]
        assert len(inked) == pytest.approx(20, abs=1)
        assert sum(rows[14]) == pytest.approx(2.75, abs=0.25)
        middle = sum(at % 28 * value for at, value in enumerate(image)) / sum(image) + 0.5
        assert middle == pytest.approx(14, abs=0.1)


def test_nothing_of_a_sketch_with_a_heavy_head_is_pushed_out_of_the_frame(tried):
    head = [[[20, y], [260, y]] for y in range(20, 80, 8)]
    strokes = [*head, [[140, 30], [140, 260]]]

    by_mass, by_box = (
        tried.evaluate(FRAMED, [strokes, 28, {**MNIST, "center": center}])
        for center in ("mass", "box")
    )

    assert sum(by_mass) == pytest.approx(sum(by_box), rel=0.001)


def test_a_test_image_that_is_tried_says_what_it_shows(tried, site, run):
    mistake = httpx.get(f"{site.url}/api/v1/jobs/{run}/evaluation").json()["mistakes"][0]

    tried.locator("[data-example]").first.click()

    truth = tried.locator('[data-of="truth"]')
    expect(truth).to_have_text(f"Wrong: this test image is {mistake['label']}.")
    expect(tried.get_by_text("Draw here")).to_be_hidden()
    draw(tried, ONE)
    expect(tried.locator(RESULT)).to_have_text(PREDICTED)
    expect(truth).to_be_hidden()
    tried.get_by_role("button", name="Clear").click()
    expect(tried.get_by_text("Draw here")).to_be_visible()


def test_the_file_does_the_same_without_a_server(tried, browser, tmp_path):
    with tried.expect_download() as download:
        tried.get_by_role("link", name="this page as one file").click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    context = browser.new_context(offline=True)
    try:
        alone = context.new_page()
        complaints = []
        alone.on("pageerror", lambda error: complaints.append(str(error)))
        alone.goto(path.as_uri())
        draw(alone, ONE)

        expect(alone.locator(RESULT)).to_have_text(PREDICTED)
        assert complaints == []
    finally:
        context.close()
