"""The augmentations: how each training image is varied."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from core.spec.hyperparameters.base import Section

_SHIFT: dict[str, Any] = {
    "ge": 0,
    "le": 16,
    "title": "Shift",
    "description": "Pixels to each side, at most.",
}


_ROTATION: dict[str, Any] = {
    "ge": 0,
    "le": 180,
    "title": "Rotation",
    "description": "Degrees to each side, at most.",
}


_SCALE: dict[str, Any] = {
    "ge": 0,
    "le": 0.5,
    "title": "Scale",
    "description": "Larger or smaller by this share, at most.",
}


_SHEAR: dict[str, Any] = {
    "ge": 0,
    "le": 45,
    "title": "Shear",
    "description": "Degrees to each side, at most.",
}


_FLIP: dict[str, Any] = {"title": "Flip", "description": "Every other image is mirrored."}


_CROP: dict[str, Any] = {
    "ge": 0,
    "le": 16,
    "title": "Crop",
    "description": "Pixels of empty margin added around an image, before one of its size is cut "
    "out.",
}


_ERASE: dict[str, Any] = {
    "ge": 0,
    "le": 0.9,
    "title": "Erase",
    "description": "Side of a square that is blanked, as a share of the image's. 0: none.",
}


_COLOR: dict[str, Any] = {
    "ge": 0,
    "le": 1,
    "title": "Color",
    "description": "Change of brightness, contrast and saturation, at most.",
}


class NoAugmentation(Section):
    """Every image as it is."""

    kind: Literal["none"] = "none"


class Handwriting(Section):
    """For digits and letters: shifted, turned, scaled and slanted a little; never mirrored."""

    kind: Literal["handwriting"] = "handwriting"
    shift: float = Field(2.0, **_SHIFT)
    rotation: float = Field(10.0, **_ROTATION)
    scale: float = Field(0.1, **_SCALE)
    shear: float = Field(5.0, **_SHEAR)
    erase: float = Field(0.0, **_ERASE)


class Clothes(Section):
    """For Fashion-MNIST: mirrored, cut out of a margin, a piece blanked."""

    kind: Literal["clothes"] = "clothes"
    flip: bool = Field(True, **_FLIP)
    crop: int = Field(2, **_CROP)
    rotation: float = Field(0.0, **_ROTATION)
    scale: float = Field(0.0, **_SCALE)
    erase: float = Field(0.25, **_ERASE)


class Photos(Section):
    """For color photographs: mirrored, cut out of a margin, colors changed, a piece blanked."""

    kind: Literal["photos"] = "photos"
    flip: bool = Field(True, **_FLIP)
    crop: int = Field(4, **_CROP)
    rotation: float = Field(0.0, **_ROTATION)
    scale: float = Field(0.0, **_SCALE)
    erase: float = Field(0.25, **_ERASE)
    color: float = Field(0.2, **_COLOR)


Augmentation = Annotated[
    NoAugmentation | Handwriting | Clothes | Photos,
    Field(discriminator="kind", title="Augmentation"),
]
