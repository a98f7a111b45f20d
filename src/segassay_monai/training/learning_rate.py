"""Find a learning rate: raise it step by step in a short training, and find where the loss falls fastest.

network, optimizer, loss, tiles of a training -> range_test -> suggest -> learning_rates.csv, learning_rate.png, MLflow
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from monai.optimizers import LearningRateFinder
from rich.console import Console
from scipy.ndimage import gaussian_filter1d
from torch import nn
from torch.utils.data import DataLoader

from segassay import tracking
from segassay.errors import DataError
from segassay.figures.style import ACCENT, PALE, encode_figure, plot_style
from segassay.io.csv_tables import csv_text
from segassay.io.outputs import prepare_output, publish_output, whole_or_nothing
from segassay.io.progress import show_progress
from segassay.io.yaml_files import read_yaml
from segassay_monai.bundle.paths import config_path
from segassay_monai.bundle.workflow import running_config
from segassay_monai.ensemble.members import Member
from segassay_monai.training.resume import reseed
from segassay_monai.training.train import run_params, run_tags

__all__ = ["draw_curve", "find_learning_rate", "range_test", "smooth", "suggest"]

logger = logging.getLogger("segassay")

LOWEST, HIGHEST = 1e-6, 10.0


def find_learning_rate(
    *,
    member: Member,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    tiles: DataLoader,
    n_steps: int,
    output_dir: str | Path,
    overwrite: bool,
    experiment: str,
) -> float:
    """Propose a learning rate for a member; write and draw the loss curve, and log it as an MLflow run.

    Args:
        member: The member to train; its seed is the only source of randomness.
        network: Network of the training.
        optimizer: Optimizer of the training.
        loss_function: Loss of the training.
        tiles: Tiles of the training.
        n_steps: Number of steps of the test.
        output_dir: Folder to write; if it is the default folder of the member, `_find_lr` is added to its name.
        overwrite: Whether the folder may be replaced.
        experiment: MLflow experiment.

    Returns:
        The proposed rate.

    Raises:
        DataError: If the loss does not fall at any rate; the curve is written nevertheless.
    """
    work_dir = prepare_output(_own_folder(output_dir), overwrite)
    logger.info(f"{member.name}: {n_steps} steps at rates from {LOWEST:g} to {HIGHEST:g}")
    tags, params = run_tags(member, kind="find_lr"), run_params(member)
    with whole_or_nothing(work_dir), tracking.run(experiment, f"find_lr {member.name}", tags=tags, params=params):
        reseed(member.seed, 1, dataset=tiles.dataset)
        curve = range_test(network, optimizer, loss_function, tiles, n_steps)
        curve["smoothed_loss"] = smooth(curve["loss"].to_numpy())
        suggestion = suggest(curve)
        figure = draw_curve(curve, suggestion, title=f"{member.name}, fold {member.fold}")
        (work_dir / "learning_rates.csv").write_bytes(csv_text(curve).encode())
        (work_dir / "learning_rate.png").write_bytes(encode_figure(figure, "png"))
        tracking.log_files(work_dir)
        for step, (rate, loss, smoothed) in enumerate(curve.itertuples(index=False), start=1):
            tracking.log_metrics(
                {"find_lr/learning_rate": rate, "find_lr/loss": loss, "find_lr/smoothed_loss": smoothed}, step
            )
        tracking.log_metrics({"find_lr/suggestion": math.nan if suggestion is None else suggestion})
    final = publish_output(work_dir)
    logger.info(f"written: {final}")
    if suggestion is None:
        what = "shows a loss that does not fall at any rate, so none can be proposed"
        action = "give more --lr_steps, or check the masks with `segassay check`"
        raise DataError.of(final / "learning_rate.png", what, action)
    Console().print(f"--learning_rate {suggestion:g}", highlight=False)
    return suggestion


def _own_folder(output_dir: str | Path) -> Path:
    """The given folder; by default one next to that of the member."""
    default = read_yaml(config_path("train.yaml"))["output_dir"]
    is_default = running_config()["output_dir"] == default
    return Path(f"{output_dir}_find_lr") if is_default else Path(str(output_dir))


class _Undefined(Exception):
    """The loss is NaN or infinite, so further steps are useless."""


def range_test(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    tiles: DataLoader,
    n_steps: int,
) -> pd.DataFrame:
    """Train for some steps while the rate rises from 1e-6 to 10 by a constant factor.

    The test ends early when the loss exceeds five times the lowest one, or is NaN or infinite. Network and optimizer
    are restored; no file is written.

    Args:
        network: The network to train.
        optimizer: Its optimizer, without a schedule.
        loss_function: Takes the network's output and the label of a batch.
        tiles: Batches with `image` and `label`; read again from the start if there are too few.
        n_steps: Number of steps, 2 or more.

    Returns:
        One row per step: `learning_rate`, `loss`.

    References:
        Smith (2017), WACV, doi:10.1109/WACV.2017.58.
    """
    losses: list[float] = []
    with show_progress(n_steps, doing="raising the rate", done="raised the rate", what="times") as step:

        def criterion(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
            loss = loss_function(output, label)
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise _Undefined
            step("")
            return loss

        finder = LearningRateFinder(network, optimizer, criterion, memory_cache=True, verbose=False)  # type: ignore[arg-type]
        try:
            finder.range_test(tiles, start_lr=LOWEST, end_lr=HIGHEST, num_iter=n_steps, smooth_f=0.3)
        except _Undefined:
            finder.reset()
    rates = finder.history["lr"]
    return pd.DataFrame({"learning_rate": rates, "loss": losses[: len(rates)]})


def smooth(losses: np.ndarray) -> np.ndarray:
    """Smooth the losses with a symmetric Gaussian, so that a fall stays at its rate.

    Losses above twice the first one are clipped to it: the last steps diverge and would hide the steps before.

    Args:
        losses: `(n_steps,)`.

    Returns:
        The same shape; the Gaussian is wider for more steps.
    """
    return gaussian_filter1d(np.minimum(losses, 2 * losses[0]), sigma=len(losses) / 25, mode="nearest")


def suggest(curve: pd.DataFrame) -> float | None:
    """Learning rate at which the loss falls fastest, before its minimum.

    Args:
        curve: `learning_rate`, `loss` and `smoothed_loss`, one row per step.

    Returns:
        The rate, to two digits; `None` if the loss falls by at most three times its scatter.

    Example:
        >>> rates = np.geomspace(1e-5, 1, 51)
        >>> curve = pd.DataFrame({"learning_rate": rates, "loss": 1 / (1 + (rates / 0.01) ** 2)})
        >>> suggest(curve.assign(smoothed_loss=curve["loss"]))
        0.01
    """
    smoothed = curve["smoothed_loss"].to_numpy()
    lowest = int(smoothed.argmin())
    scatter = float((curve["loss"] - curve["smoothed_loss"])[: max(lowest + 1, 10)].std(ddof=0))
    if lowest == 0 or smoothed[0] - smoothed[lowest] <= 3 * scatter:
        return None
    fastest = int(np.gradient(smoothed)[: lowest + 1].argmin())
    return float(f"{curve['learning_rate'].iloc[fastest]:.2g}")


def draw_curve(curve: pd.DataFrame, suggestion: float | None, *, title: str) -> Figure:
    """Draw the loss against the learning rate, with the proposed rate marked.

    Args:
        curve: As for `suggest`.
        suggestion: From `suggest`.
        title: Heading.
    """
    with plot_style():
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(curve["learning_rate"], curve["loss"], color=PALE, linewidth=0.8, alpha=0.6, label="each step")
        axes.plot(curve["learning_rate"], curve["smoothed_loss"], color=ACCENT, linewidth=2, label="smoothed")
        if suggestion is not None:
            axes.axvline(suggestion, color="0.3", linestyle="--", linewidth=1)
            place = blended_transform_factory(axes.transData, axes.transAxes)
            axes.text(suggestion, 0.97, f"  {suggestion:g}", va="top", transform=place)
        top = 1.3 * max(curve["loss"][:5].max(), curve["smoothed_loss"].min())
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss", ylim=(0, top))
        axes.set_title(title, loc="left")
        axes.legend(frameon=False, loc="lower left")
        axes.spines[["top", "right"]].set_visible(False)
    return figure
