"""Pictures that a telephone reads (QR codes), drawn here as SVG: no other host learns of them."""

from __future__ import annotations

import segno
from markupsafe import Markup


def qr_code(text: str, label: str) -> Markup:
    """A text as a picture, with what it is called for those who do not see it."""
    drawn = segno.make(text, error="m", micro=False)
    inner = drawn.svg_inline(border=4, omitsize=True, svgclass="qr", dark="#000", light="#fff")
    return Markup('<div class="qr" role="img" aria-label="{}">{}</div>').format(
        label,
        Markup(inner),  # noqa: S704  (of segno's own making: paths and numbers)
    )
