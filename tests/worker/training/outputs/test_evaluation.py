"""Measuring a network: its scores, and what they are worth."""

import base64
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from core import predictions
from core.database.models import Evaluation
from core.datasets.builtin import DATASETS
from webui.api.shapes import EvaluationShape
from worker.training.data import datasets
from worker.training.outputs import evaluation
from worker.training.outputs.evaluation import NonFiniteScores, Room, evaluate, predict

DIGITS = DATASETS["digits"]


def blank(count, dataset=DIGITS):
    return torch.zeros(count, dataset.channels, dataset.size, dataset.size, dtype=torch.uint8)


def result_of(scores, labels, pixels=None, dataset=DIGITS):
    pixels = blank(len(labels), dataset) if pixels is None else pixels
    return evaluate(torch.tensor(scores), torch.tensor(labels), pixels, dataset)


def sure_of(found, probability=0.9):
    """Scores of ten classes, whose softmax gives one of them a probability."""
    rest = (1 - probability) / 9
    return [float(np.log(probability if place == found else rest)) for place in range(10)]


def random_evaluation(count=2000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(9, (count,), generator=generator)  # none is a nine
    scores = torch.randn(count, 10, generator=generator)
    scores[torch.arange(count), labels] += 2
    return scores, labels, evaluate(scores, labels, blank(count), DIGITS)


@pytest.fixture
def network():
    return nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(64, 10))


def test_the_scores_are_those_of_the_network_at_rest_and_its_mode_stays(
    data_folder, network, monkeypatch
):
    monkeypatch.setattr(evaluation, "BATCH", 7)
    _, images = datasets.load("digits", data_folder)
    network.train()

    scores = predict(network, images)

    assert network.training
    assert network[1].training
    assert (scores.dtype, scores.shape) == (torch.float32, (360, 10))
    network.eval()
    torch.testing.assert_close(scores, network(images.batch(torch.arange(360))[0]).detach())


def test_an_evaluation_may_be_ended_before_any_batch(data_folder, network):
    def stop():
        raise KeyboardInterrupt

    _, images = datasets.load("digits", data_folder)
    network.train()

    with pytest.raises(KeyboardInterrupt):
        predict(network, images, stop)

    assert network.training


def test_accuracy_loss_and_confusion_are_those_of_other_libraries():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, labels, result = random_evaluation()

    found, probabilities = scores.argmax(1), scores.double().softmax(1)
    assert result.count == 2000
    assert result.accuracy == metrics.accuracy_score(labels, found)
    expected = metrics.log_loss(labels, probabilities, labels=range(10))
    assert result.loss == pytest.approx(expected)
    matrix = metrics.confusion_matrix(labels, found, labels=range(10))
    assert result.confusion == matrix.tolist()


def test_precision_recall_and_f1_are_those_of_another_library():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, labels, result = random_evaluation()

    expected = metrics.precision_recall_fscore_support(
        labels, scores.argmax(1), labels=range(10), zero_division=0.0
    )
    for place, each in enumerate(result.classes):
        assert each.name == DIGITS.classes[place]
        measured = (each.precision, each.recall, each.f1, each.support)
        assert measured == pytest.approx([column[place] for column in expected])
    assert result.classes[9].support == 0


def test_what_is_undefined_of_a_class_is_nought():
    result = result_of([sure_of(0), sure_of(0)], [0, 1])

    one, two = result.classes[1], result.classes[2]
    assert (one.support, one.precision, one.recall, one.f1) == (1, 0.0, 0.0, 0.0)
    assert (two.support, two.precision, two.recall, two.f1) == (0, 0.0, 0.0, 0.0)


def test_calibration_compares_how_sure_with_how_right():
    scores = [sure_of(0, 0.95)] * 4 + [sure_of(0, 0.5)] * 2

    calibration = result_of(scores, [0, 0, 0, 1, 0, 0]).calibration

    filled = {at: each for at, each in enumerate(calibration.bins) if each.count}
    assert list(filled) == [7, 14]
    assert filled[14].confidence == pytest.approx(0.95)
    assert (filled[14].count, filled[14].accuracy) == (4, 0.75)
    assert (filled[7].count, filled[7].accuracy) == (2, 1.0)
    expected = (4 * 0.2 + 2 * 0.5) / 6
    assert calibration.expected_calibration_error == pytest.approx(expected)


def test_the_bins_cover_all_probabilities_and_empty_ones_claim_nothing():
    bins = result_of([[1000.0] + [0.0] * 9], [0]).calibration.bins

    assert (bins[0].lower, bins[-1].upper, len(bins)) == (0.0, 1.0, 15)
    assert [each.upper for each in bins[:-1]] == [each.lower for each in bins[1:]]
    assert (bins[-1].count, bins[-1].confidence, bins[-1].accuracy) == (1, 1.0, 1.0)
    assert {(each.confidence, each.accuracy) for each in bins[:-1]} == {(None, None)}


def test_the_calibration_error_is_that_of_the_definition():
    scores, labels, result = random_evaluation()

    confidence, found = scores.double().softmax(1).max(1)
    error = 0.0
    for lower in np.arange(15) / 15:
        inside = (confidence > lower) & (confidence <= lower + 1 / 15)
        if inside.any():
            right = (found == labels)[inside].double().mean()
            error += (right - confidence[inside].mean()).abs() * inside.sum() / len(labels)
    assert result.calibration.expected_calibration_error == pytest.approx(float(error))


def test_the_most_confident_mistakes_come_first():
    surety = [0.6, 0.99, 0.7, 0.8]

    mistakes = result_of([sure_of(3, each) for each in surety], [1, 2, 3, 4]).mistakes

    assert [(each.index, each.label, each.predicted) for each in mistakes] == [
        (1, 2, 3),
        (3, 4, 3),
        (0, 1, 3),
    ]
    assert [each.confidence for each in mistakes] == pytest.approx([0.99, 0.8, 0.6])


def test_at_most_a_hundred_mistakes_are_kept():
    assert len(random_evaluation()[2].mistakes) == 100


def test_no_mistakes_are_no_fault():
    assert result_of([sure_of(3)], [3]).mistakes == []


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10"])
def test_a_mistake_shows_its_image_in_its_size_and_full_brightness(name):
    dataset = DATASETS[name]
    generator = torch.Generator().manual_seed(0)
    shape = blank(3, dataset).shape
    pixels = torch.randint(dataset.largest_pixel + 1, shape, generator=generator).byte()
    pixels[0, 0, 0, 0] = dataset.largest_pixel

    [mistake, _, _] = result_of([sure_of(3)] * 3, [1] * 3, pixels, dataset).mistakes

    picture = Image.open(io.BytesIO(base64.b64decode(mistake.image)))
    assert picture.format == "PNG"
    assert picture.mode == ("RGB" if dataset.channels == 3 else "L")
    assert picture.size == (dataset.size, dataset.size)
    seen = np.asarray(picture).reshape(dataset.size, dataset.size, -1)
    expected = pixels[0].permute(1, 2, 0).numpy() * (255 / dataset.largest_pixel)
    assert np.abs(seen - expected).max() <= 0.5
    assert seen[0, 0, 0] == 255


def test_what_each_image_was_taken_for_is_kept():
    result = result_of([sure_of(3), sure_of(1), sure_of(3)], [3, 1, 0])

    assert list(predictions.unpack(result.labels)) == [3, 1, 0]
    assert list(predictions.unpack(result.predictions)) == [3, 1, 3]
    [confidence] = set(predictions.unpack(result.confidences))
    assert confidence / predictions.SURE == pytest.approx(0.9, abs=1e-4)


def test_its_content_is_plain_json_and_small():
    *_, result = random_evaluation()

    content = result.content()

    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert set(content) == {
        "count",
        "accuracy",
        "loss",
        "confusion",
        "classes",
        "calibration",
        "mistakes",
        "labels",
        "predictions",
        "confidences",
    }
    assert set(content["calibration"]["bins"][0]) == {
        "lower",
        "upper",
        "count",
        "confidence",
        "accuracy",
    }
    assert len(json.dumps(content)) < 300_000


def test_the_api_sends_the_content_as_it_is():
    content = random_evaluation()[-1].content()

    sent = EvaluationShape.of(Evaluation(attempt=1, content=content)).as_json()

    assert json.dumps(sent) == json.dumps({"attempt": 1} | content)


def test_scores_as_large_as_can_be_give_finite_numbers():
    largest = torch.finfo(torch.float32).max

    content = result_of([[-largest, largest] + [0.0] * 8], [0]).content()

    assert content["loss"] == pytest.approx(2 * largest)
    json.dumps(content, allow_nan=False)


@pytest.mark.parametrize("score", [torch.nan, torch.inf, -torch.inf])
def test_scores_that_are_no_numbers_are_refused(score):
    with pytest.raises(NonFiniteScores, match="NaN or infinite"):
        result_of([[score] + [0.0] * 9], [1])


def test_images_are_looked_at_in_fewer_where_the_memory_is_full(data_folder):
    _, images = datasets.load("digits", data_folder)
    seen = []

    class Small(torch.nn.Module):
        def forward(self, pixels):
            if len(pixels) > 20:
                raise torch.OutOfMemoryError
            seen.append(len(pixels))
            return pixels.flatten(1)[:, :10]

    scores = predict(Small(), images)

    assert len(scores) == len(images) == sum(seen)
    assert 10 < max(seen) <= 20  # halved until it fits


def test_a_size_that_did_not_fit_is_not_tried_again(data_folder, monkeypatch):
    """Neither for the next images of an evaluation, nor in the next evaluation of the run."""
    monkeypatch.setattr(evaluation, "BATCH_ON_CPU", 100)
    _, images = datasets.load("digits", data_folder)
    tried = []

    class Small(torch.nn.Module):
        def forward(self, pixels):
            tried.append(len(pixels))
            if len(pixels) > 20:
                raise torch.OutOfMemoryError
            return pixels.flatten(1)[:, :10]

    room = Room()
    first = predict(Small(), images, room=room)

    assert [each for each in tried if each > 20] == [100, 50, 25]
    assert room == Room(13)
    tried.clear()
    assert torch.equal(predict(Small(), images, room=room), first)
    assert max(tried) == 13
