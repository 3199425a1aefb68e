"""The languages in which people read Trainyard, and its texts in each of them."""

from core.languages.chosen import ENGLISH, LANGUAGES, chosen, speaking
from core.languages.texts import gettext, ngettext, texts_of_scripts

__all__ = [
    "ENGLISH",
    "LANGUAGES",
    "chosen",
    "gettext",
    "ngettext",
    "speaking",
    "texts_of_scripts",
]
