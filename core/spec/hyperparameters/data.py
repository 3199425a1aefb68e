"""Which images a run learns from, and how they are fed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from core import formats
from core.datasets.builtin import DATASETS, DatasetName
from core.languages import gettext
from core.spec.hyperparameters.base import DescribedBy, Description, Section


def _described(name: str) -> Description:
    dataset = DATASETS[name]
    pixels = f"{dataset.size} \N{MULTIPLICATION SIGN} {dataset.size}"
    is_gray = dataset.channels == 1
    train, test = formats.whole(dataset.train_count), formats.whole(dataset.test_count)
    return Description(
        dataset.title,
        (
            (
                gettext("Images"),
                gettext("%(train)s to train on, %(test)s to test on", train=train, test=test),
            ),
            (
                gettext("Pixels"),
                gettext("%(pixels)s, gray", pixels=pixels)
                if is_gray
                else gettext("%(pixels)s, color", pixels=pixels),
            ),
            (
                gettext("Classes"),
                gettext(
                    "%(count)s: %(names)s",
                    count=len(dataset.classes),
                    names=", ".join(dataset.classes),
                ),
            ),
            (gettext("License"), dataset.license),
            (gettext("Source"), dataset.source),
        ),
    )


Dataset = Annotated[DatasetName, DescribedBy(_described)]


class Data(Section):
    """Which of the images are used, and where they are kept."""

    validation: float = Field(
        0.0,
        ge=0,
        le=0.5,
        title="Validation split",
        description="Share of the training images, of each class alike, that is kept apart to "
        "choose by: early stopping and the best epoch need it.",
    )
    subset: int | None = Field(
        None,
        ge=1,
        title="Subset",
        description="Train on the first so many images only, for a quick trial. Empty: on all.",
    )
    normalize: bool = Field(
        False,
        title="Normalize",
        description="Subtract the dataset's mean and divide by its standard deviation.",
    )
    placement: Literal["auto", "device", "stream"] = Field(
        "auto",
        title="Placement",
        description="device: all images lie in the device's memory. stream: batches are loaded as "
        "they are needed. auto: device where they fit. The batches are the same.",
    )
