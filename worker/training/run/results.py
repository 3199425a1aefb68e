"""The results of a finished run: its evaluation on the test set, and its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor, nn

from core.datasets.builtin import DATASETS
from core.protocol.reports import Evaluated, Finished
from worker.training.outputs import evaluation, exports
from worker.training.run import log_messages
from worker.training.run.context import RunContext
from worker.training.run.reporting import Reporter
from worker.training.run.setup import Components, RunData
from worker.training.run.snapshot_file import Measured, Progress
from worker.training.run.state import RunState
from worker.training.team import Team

EXAMPLES = 256
"""Test images that an exported network is checked with."""


def write_results(
    context: RunContext,
    data: RunData,
    components: Components,
    state: RunState,
    reporter: Reporter,
    before_batch: Callable[[], None],
) -> nn.Module:
    """Evaluate the weights to publish, write their files, and report both.

    Args:
        context: of the run.
        data: its data.
        components: trained to the end.
        state: at the end.
        reporter: takes the reports; `Finished` is the last.
        before_batch: called before each batch of an evaluation; may raise to end it.

    Returns:
        The network with the published weights.
    """
    network, published = components.evaluated_network, state.progress.last
    if state.best_weights is not None and state.progress.best is not None:
        published = state.progress.best
        network.load_state_dict(state.best_weights)
    if published.epoch != state.progress.last.epoch:
        reporter.log(log_messages.published(published, state.progress.last))
    team = components.sharding.team
    scores = _test_scores(network, data, state, published.epoch, before_batch, team)
    evaluated = evaluation.evaluate(
        scores, data.test.labels, data.test.pixels, DATASETS[context.spec.dataset]
    )
    reporter.send(Evaluated(content=evaluated.content()))
    examples = torch.arange(min(EXAMPLES, len(data.test)), device=context.device)
    weights_sha256, files = exports.write_all(
        network,
        context.spec,
        context.scratch,
        _results(context, components, published, state.progress),
        data.test.batch(examples)[0],
        reporter.warn,
    )
    reporter.send(
        Finished(
            epoch=published.epoch,
            reason=state.progress.stop_reason,
            weights_sha256=weights_sha256,
            files=files,
        )
    )
    return network


def _test_scores(
    network: nn.Module,
    data: RunData,
    state: RunState,
    epoch: int,
    before_batch: Callable[[], None],
    team: Team,
) -> Tensor:
    """The scores of the test set after an epoch: those of its evaluation, where they are known."""
    if state.test_scores is not None and state.test_scores[0] == epoch:
        return state.test_scores[1]
    return evaluation.predict(network, data.test, before_batch, team, state.room)


def _results(
    context: RunContext, components: Components, published: Measured, progress: Progress
) -> exports.Results:
    return exports.Results(
        epoch=published.epoch,
        epochs=progress.epochs,
        train_loss=published.train_loss,
        validation_loss=published.validation_loss,
        validation_accuracy=published.validation_accuracy,
        test_loss=published.test_loss,
        test_accuracy=published.test_accuracy,
        device=log_messages.device_name(context.device),
        precision=components.stepper.precision,
        threads=components.sharding.threads,
        initial_sha256=context.initial_sha256,
        reason=progress.stop_reason.text if progress.stop_reason else None,
        last=asdict(progress.last) if progress.last.epoch != published.epoch else None,
    )
