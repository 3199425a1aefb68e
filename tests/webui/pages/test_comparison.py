"""What is said of runs beside each other."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace

import pytest

from core import predictions
from core.jobs.lifecycle import name_for_seed
from core.languages.chosen import speaking
from core.spec.presets import resolve
from webui.pages.comparison import Contestant, differences, groups, only_wrong, summary, verdicts
from webui.pages.seed_names import name_without_seed

VALIDATED = {"data": {"validation": 0.1}}
LABELS = [0] * 100


def spec(**changes):
    return resolve("quick", changes).model_dump(mode="json")


def contestant(job_id, wrong, *, packed=True, **changes):
    """A run that is wrong on some of 100 test images."""
    predicted = [1 if place in wrong else 0 for place in range(100)]
    content = {"count": 100, "accuracy": 1 - len(set(wrong)) / 100}
    if packed:
        content |= {"labels": predictions.pack(LABELS), "predictions": predictions.pack(predicted)}
    whole = spec(**{**VALIDATED, "epochs": job_id, **changes})
    return Contestant(job_id, f"run {job_id}", whole, content["accuracy"], content)


def said(*contestants):
    found = [(each.code, str(each)) for each in verdicts(contestants)]
    return [(code, text.replace("\u2068", "").replace("\u2069", "")) for code, text in found]


def test_only_fields_that_differ_are_shown_in_words():
    found = differences([spec(), spec(epochs=3), spec(batch_size=64)])

    assert [each.title.partition(": ")[2] for each in found] == ["Batch size", "Epochs"]
    assert [list(each.values) for each in found] == [["128", "128", "64"], ["1", "3", "1"]]
    assert differences([spec(), spec()]) == []


def test_another_kind_is_a_difference_and_a_field_that_only_one_has_too():
    found = {
        each.title: list(each.values)
        for each in differences([spec(), spec(optimizer={"kind": "adam", "learning_rate": 0.01})])
    }

    assert found["Optimizer"] == ["SGD", "Adam"]
    assert found["Optimizer: Momentum"] == ["0.9", ""]


def test_runs_that_differ_by_their_seeds_alone_are_a_group():
    first, other, second = (
        contestant(1, range(2), epochs=5, seed=1),
        contestant(2, range(3), epochs=6),
        contestant(3, range(4), epochs=5, seed=2),
    )

    assert [
        [each.job_id for each in group.members] for group in groups([first, other, second])
    ] == [
        [1, 3],
        [2],
    ]


def test_runs_are_compared_image_by_image_and_the_better_one_is_named():
    [(code, text)] = said(contestant(1, range(20)), contestant(2, range(1)))

    assert code == "comparison.image_by_image"
    assert text.startswith(
        "run 2 (#2) is better by more than chance: of 100 test images run 2 (#2) alone is right on "
        "19, run 1 (#1) alone on 0 (p = "
    )
    assert "corrected" not in text


def test_a_difference_that_chance_explains_is_called_noise():
    [(code, text)] = said(contestant(1, range(8)), contestant(2, range(6, 12)))

    assert code == "comparison.image_by_image_noise"
    assert "p = 0.754" in text


def test_several_comparisons_are_corrected():
    found = said(contestant(1, range(20)), contestant(2, range(1)), contestant(3, range(10)))

    assert len(found) == 3
    assert all("corrected (Holm) for 3 comparisons" in text for _, text in found)


def test_of_many_runs_each_is_compared_with_the_best():
    runs = [contestant(job_id, range(job_id)) for job_id in range(1, 9)]

    found = said(*runs)

    assert len(found) == 7
    assert all("images run 1 (#1) alone" in text for _, text in found)
    assert all("corrected (Holm) for 28 comparisons" in text for _, text in found)
    assert str(summary(verdicts(runs))) in (
        "No run is better than another by more than chance.",
        "More than chance: 1 of 7 comparisons.",
    )


def test_several_verdicts_are_summed_up_and_one_is_not():
    alike = [contestant(1, range(20)), contestant(2, range(1, 21)), contestant(3, range(2, 22))]

    assert str(summary(verdicts(alike))) == "No run is better than another by more than chance."
    assert summary(verdicts(alike[:2])) is None


@pytest.mark.parametrize(
    ("wrong", "code"),
    [(range(60), "comparison.intervals_apart"), (range(8), "comparison.intervals_overlap")],
)
def test_runs_without_predictions_are_compared_by_their_intervals(wrong, code):
    [(found, _)] = said(contestant(1, wrong, packed=False), contestant(2, range(5)))

    assert found == code


def test_equal_predictions_are_told():
    [(code, _)] = said(contestant(1, range(5)), contestant(2, range(5)))

    assert code == "comparison.same_predictions"


def test_one_run_made_twice_is_named_as_such():
    same = [contestant(number, range(5), epochs=3, seed=1) for number in (4, 7)]

    codes = [code for code, _ in said(*same, contestant(9, range(5), epochs=3, seed=2))]
    texts = [text for code, text in said(*same) if code == "comparison.identical"]

    assert codes.count("comparison.identical") == 1
    assert texts[0].startswith("#4, #7: one run made several times.")


def test_seeds_of_one_group_are_no_comparison_and_that_is_said():
    runs = [contestant(each, range(each), epochs=5, seed=each) for each in (1, 2, 3)]

    [(code, text)] = said(*runs)

    assert code == "comparison.one_group"
    assert text.startswith("run (#1 and 2 more): mean 98.00%, standard deviation 1.00%, 3 seeds.")
    assert "nothing to compare" in text


def test_a_verdict_names_a_seed_in_the_language_of_its_reader():
    runs = [
        replace(contestant(number, range(9 * number)), name=f"net (seed {number})")
        for number in (1, 2)
    ]
    runs = [replace(each, spec=each.spec | {"seed": each.job_id}) for each in runs]

    with speaking("zh"):
        [(_, text), *_] = said(*runs)

    assert "种子 1" in text
    assert "seed" not in text


def test_a_group_is_called_without_the_seeds_of_its_runs():
    runs = [
        replace(contestant(seed + 1, [], epochs=1, seed=seed), name=f"grid 27 (seed {seed})")
        for seed in range(3)
    ]
    [group] = groups(runs)

    assert str(group.called).replace("\u2068", "").startswith("grid 27\u2069 (#1 and 2 more)")


@pytest.mark.parametrize(
    ("names", "together"),
    [
        ([name_for_seed("grid 27", seed) for seed in range(3)], "grid 27"),
        (["net-seed1", "net-seed2"], "net"),
        (["one", "one"], "one"),
        (["wide cnn a", "wide cnn b"], "wide cnn"),
        (["first", "other"], "first"),
        (["renamed", "grid (seed 1)", "grid (seed 2)"], "grid"),
        (["grid again", "grid (seed 1)", "grid (seed 2)"], "grid"),
        (["mine", "yours", "grid (seed 1)", "grid (seed 2)"], "grid"),
        (["seed 1", "seed 2"], "seed 1"),
    ],
)
def test_runs_are_called_together_what_they_have_in_common(names, together):
    assert name_without_seed(names) == together


def test_runs_on_other_images_are_not_compared():
    other = contestant(3, range(5), dataset="digits")

    assert [code for code, _ in said(contestant(1, range(5)), other)] == [
        "comparison.other_datasets"
    ]
    found = said(contestant(1, range(5)), contestant(2, range(5)), other)
    assert [code for code, _ in found] == [
        "comparison.same_predictions",
        "comparison.other_datasets",
    ]


@pytest.mark.parametrize(
    ("seeds", "apart", "code"),
    [(3, 30, "few_seeds"), (5, 30, "seeds"), (5, 0, "seeds_noise")],
)
def test_seeds_are_compared_as_groups(seeds, apart, code):
    runs = [
        contestant(
            10 * epochs + seed,
            range(seed + 1 + (apart if epochs == 2 else 0)),
            epochs=epochs,
            seed=seed,
        )
        for epochs in (1, 2)
        for seed in range(seeds)
    ]

    [(found, _)] = said(*runs)

    assert found == f"comparison.{code}"


def test_a_run_that_was_made_again_with_the_same_seed_is_no_other_seed():
    runs = [
        contestant(10 * epochs + copy, range(5 * epochs), epochs=epochs, seed=0)
        for epochs in (1, 2)
        for copy in range(4)
    ]

    assert all("seeds" not in code for code, _ in said(*runs))
    [first, _] = groups(runs)
    assert (len(first.members), list(first.accuracies), first.interval) == (4, [0.95], None)


def test_several_groups_need_more_seeds_and_the_sentence_says_how_many():
    runs = [
        contestant(10 * epochs + seed, range(20 * epochs + seed), epochs=epochs, seed=seed)
        for epochs in (1, 2, 3)
        for seed in range(4)
    ]

    assert {code for code, _ in said(*runs)} == {"comparison.few_seeds"}
    assert all("With 5 of each it can be told" in text for _, text in said(*runs))


def test_groups_of_unequal_size_are_told_apart_where_they_can_be():
    runs = [
        contestant(10 * epochs + seed, range(30 * epochs + seed), epochs=epochs, seed=seed)
        for epochs, seeds in ((1, 3), (2, 4))
        for seed in range(seeds)
    ]

    [(code, text)] = said(*runs)

    assert code == "comparison.seeds"
    assert "run (#10 and 2 more) (69.00%, 3 seeds)" in text
    assert "p = 0.0286" in text


def test_two_single_runs_beside_seeds_are_compared_image_by_image():
    seeds = [contestant(10 + seed, range(10 + seed), epochs=1, seed=seed) for seed in range(2)]
    better, worse = contestant(2, []), contestant(3, range(40))
    [(alone, _)] = said(better, worse)

    found = [
        code for code, text in said(*seeds, better, worse) if "(#2)" in text and "(#3)" in text
    ]

    assert alone == "comparison.image_by_image"
    assert found == ["comparison.image_by_image"]


def test_what_cannot_be_told_is_not_summed_up_as_chance():
    runs = [
        contestant(10 * epochs + seed, range(20 * epochs + seed), epochs=epochs, seed=seed)
        for epochs in (1, 2, 3)
        for seed in range(2)
    ]

    assert "in 3 of 3 comparisons there are too few seeds to tell" in str(summary(verdicts(runs)))


def test_one_run_that_was_made_twice_is_compared_once():
    same = [contestant(number, range(5), epochs=3, seed=1) for number in (4, 7)]

    found = said(*same, contestant(9, range(8)))

    [pair] = [text for code, text in found if "image_by_image" in code]
    assert "corrected" not in pair


def test_a_single_run_beside_seeds_is_not_passed_over():
    runs = [contestant(10 + seed, range(10 + seed), epochs=1, seed=seed) for seed in range(2)]

    [(code, text)] = said(*runs, contestant(2, []))

    assert code == "comparison.few_seeds"
    assert text.startswith("run 2 (#2) (100.00%, 1 seed) against")


def test_an_interval_of_seeds_is_a_share():
    [group] = groups([contestant(seed, range(seed), epochs=1, seed=seed) for seed in (1, 3)])

    assert group.interval.high == 1


def test_the_same_labels_packed_otherwise_are_the_same_images():
    one, other = contestant(1, range(5)), contestant(2, range(3))
    raw = zlib.decompress(base64.b64decode(other.content["labels"]))
    other.content["labels"] = base64.b64encode(zlib.compress(raw, 1)).decode()

    [(code, _)] = said(one, other)

    assert code.startswith("comparison.image_by_image")


def test_a_stored_spec_that_lacks_a_later_field_is_the_same_experiment():
    one, other = contestant(1, [], epochs=1, seed=1), contestant(2, [], epochs=1, seed=2)
    del other.spec["regularization"]

    assert len(groups([one, other])) == 1
    assert [each.title for each in differences([one.spec, other.spec])] == ["Training: Seed"]


def test_images_that_one_run_alone_gets_wrong_are_found():
    one, other = contestant(1, [3, 5, 7]), contestant(2, [5])
    for each in (one, other):
        each.content["classes"] = [{"name": "cat"}, {"name": "dog"}]
        each.content["mistakes"] = [
            {"index": index, "label": 0, "predicted": 1, "confidence": 0.9, "image": "PNG"}
            for index in (7, 5, 3)
        ]
    other.content["mistakes"] = other.content["mistakes"][1:2]

    assert [(each.index, each.true, each.predicted) for each in only_wrong(one, other, 9)] == [
        (7, "cat", "dog"),
        (3, "cat", "dog"),
    ]
    assert [each.index for each in only_wrong(one, other, 1)] == [7]
    assert only_wrong(other, one, 9) == []
    del other.content["predictions"]
    assert only_wrong(one, other, 9) == []


def test_who_chooses_by_the_test_set_is_warned():
    plain = {"data": {"validation": 0}}

    codes = [code for code, _ in said(contestant(1, [], **plain), contestant(2, [3], **plain))]

    assert codes[-1] == "comparison.chosen_by_test"


def test_a_run_that_was_not_evaluated_is_left_out():
    waiting = Contestant(9, "waiting", spec(), None, None)

    assert said(waiting, contestant(1, [])) == []
    assert waiting.interval is None
