"""Which version of a package is installed, of Trainyard itself above all."""

from __future__ import annotations

from importlib import metadata

NOT_INSTALLED = "not installed"


def of_package(name: str) -> str | None:
    """The version of an installed package, or None where it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def own() -> str:
    """The version of Trainyard; it may be used from its folder, without being installed."""
    return of_package("trainyard") or NOT_INSTALLED
