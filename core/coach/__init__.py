"""The coach: rules over the curves of a run, pure functions that know no database.

Each is silent rather than wrong. What they say, how often they are right, and why the rule on the
learning rate is the way it is: `docs/explanation/coach.md`.
"""

from core.coach.advice import Advice, Bar, Curves, Errors, Evidence, Intervals, Series
from core.coach.coach import advise
from core.coach.likeness import most_alike
from core.coach.rates import is_guessing, unusual_rate, usual_rate
from core.coach.run import Earlier, Epochs, Run, Samples, Sibling

__all__ = [
    "Advice",
    "Bar",
    "Curves",
    "Earlier",
    "Epochs",
    "Errors",
    "Evidence",
    "Intervals",
    "Run",
    "Samples",
    "Series",
    "Sibling",
    "advise",
    "is_guessing",
    "most_alike",
    "unusual_rate",
    "usual_rate",
]
