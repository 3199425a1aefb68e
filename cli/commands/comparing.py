"""Runs beside each other."""

from __future__ import annotations

import click

from cli import comparison
from cli.client import Client
from cli.commands.arguments import as_json, job_ids, with_client
from cli.render import text
from cli.render.comparison import side_by_side


@click.command()
@job_ids
@as_json
@with_client
def compare(client: Client, job_ids: tuple[int, ...], as_json: bool) -> None:
    """Show what differs between runs, and what came of it, with 95% intervals."""
    chosen = list(dict.fromkeys(job_ids))
    if not comparison.FEWEST <= len(chosen) <= comparison.MOST:
        raise click.UsageError(f"Name from 2 to {comparison.MOST} runs.")
    compared = comparison.fetch(client, chosen)
    if as_json:
        click.echo(text.as_json(_content(compared)))
        return
    text.console().print(side_by_side(compared))
    if sentence := comparison.verdict(compared):
        click.echo(sentence)
    click.echo(f"Image by image: {client.url}/compare?run={','.join(map(str, chosen))}")


def _content(compared: list[comparison.Compared]) -> dict[str, object]:
    different = comparison.differences([each.job["spec"] for each in compared])
    return {
        "runs": [each.job for each in compared],
        "differences": dict(different),
        "intervals": [
            [each.interval.low, each.interval.high] if each.interval else None for each in compared
        ],
        "verdict": comparison.verdict(compared),
    }


COMMANDS = (compare,)
