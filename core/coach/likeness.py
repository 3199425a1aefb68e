"""How alike runs are: the fields of their specs that differ, of those that matter."""

from __future__ import annotations

from collections.abc import Mapping

from core.coach.run import whole
from core.spec.facts import flat
from core.spec.spec import Spec

MOST_DIFFERENCES = 2
"""Fields: runs that differ in more are not compared to learn what one of these does."""
WITHOUT_EFFECT = (
    "seed", "device", "devices", "micro_batches", "data.placement", "compute.precision",
    "compute.tf32", "compute.compile", "publishing.weights", "publishing.safetensors",
    "publishing.onnx", "stopping.time_limit_s",
)  # fmt: skip
"""Fields whose effect nobody compares runs for."""


def most_alike(spec: Spec, others: Mapping[int, Spec]) -> list[int]:
    """The run whose spec differs in the fewest fields, in one at least; of several the newest.

    Args:
        spec: of the run that is looked at.
        others: the specs of others, by their numbers.

    Returns:
        Its number; nothing where each of them differs in too many.
    """
    counts = {number: len(differences(spec, other)) for number, other in others.items()}
    alike = {number: count for number, count in counts.items() if 1 <= count <= MOST_DIFFERENCES}
    return sorted(alike, key=lambda number: (alike[number], -number))[:1]


def differences(one: Spec, other: Spec) -> set[str]:
    """The dotted names of the fields that differ, of those that may change what is learned."""
    first, second = flat(whole(one)), flat(whole(other))
    changed = {name for name in first | second if first.get(name) != second.get(name)}
    kinds = {name.rpartition(".")[0] for name in changed if name.endswith(".kind")}
    # another kind has other fields, and counts once
    return {
        name
        for name in changed - set(WITHOUT_EFFECT)
        if name.endswith(".kind") or name.partition(".")[0] not in kinds
    }
