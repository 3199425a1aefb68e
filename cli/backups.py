"""`trainyard backup` and `trainyard restore FOLDER`: by tables and store, without a server."""

from __future__ import annotations

from pathlib import Path

import click

from cli.render import text
from core import backups, formats, settings
from core.backups import Made, Restored
from core.database.engine import Database
from core.storage import store


def is_folder(argument: str) -> bool:
    """Whether what is to be restored is a backup, and not a run by its number."""
    return not argument.isdecimal() and ("/" in argument or Path(argument).is_dir())


def make(folder: Path, *, as_json: bool) -> bool:
    """Make a backup, and say what is in it; whether it has every file that a run names."""
    chosen = settings.load()
    with Database(chosen.database_address, pool_size=2) as database:
        made = backups.make(
            database, store.connect(chosen.storage_address, chosen.storage_keys), folder.absolute()
        )
    lacking = made.manifest.lacking
    if as_json:
        click.echo(text.as_json(_made(made)))
        return not lacking
    click.echo(
        f"{_content(made)}. New files: {formats.whole(made.copied)}, {formats.size(made.bytes)}. "
        f"To use it where there is nothing yet: trainyard restore {folder}"
    )
    if lacking:
        click.echo(
            "Missing in the file store, or damaged there, so not in the backup: "
            + ", ".join(lacking),
            err=True,
        )
    return not lacking


def restore(folder: Path, *, as_json: bool) -> None:
    """Restore a backup, and say what was restored."""
    chosen = settings.load()
    storage = store.connect(chosen.storage_address, chosen.storage_keys)
    restored = backups.restore(folder.absolute(), chosen.database_address, storage)
    if as_json:
        click.echo(text.as_json(_summary(restored)))
        return
    click.echo(f"Restored: {_content(restored)}. Runs that were running then resume by themselves.")
    if restored.manifest.lacking:
        click.echo(f"Not in the backup: {', '.join(restored.manifest.lacking)}", err=True)


def _content(done: Made | Restored) -> str:
    manifest = done.manifest
    return (
        f"{text.counted(done.rows, 'row')} and {text.counted(manifest.blobs, 'file')} "
        f"({formats.size(manifest.bytes)}) as of {formats.moment(manifest.made_at)}"
    )


def _made(made: Made) -> dict[str, object]:
    return _summary(made) | {"new_blobs": made.copied, "new_bytes": made.bytes}


def _summary(done: Made | Restored) -> dict[str, object]:
    manifest = done.manifest
    return {
        "made_at": manifest.made_at,
        "trainyard": manifest.trainyard,
        "schema": manifest.schema,
        "instance": manifest.instance,
        "rows": done.rows,
        "blobs": manifest.blobs,
        "bytes": manifest.bytes,
        "lacking": manifest.lacking,
    }
