"""Proposing a learning rate: on curves whose answer is known, step by step, and as a run of the bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

from bundles import TINY, bundle, train
from segassay.errors import DataError, UsageError
from segassay.simulation.dataset import Simulation, simulate
from segassay_monai.training.learning_rate import HIGHEST, LOWEST, draw_curve, range_test, smooth, suggest

pytestmark = pytest.mark.usefixtures("unlogged_models")


def curve_of(loss: Any, n_steps: int = 61) -> pd.DataFrame:
    """Curve whose loss is a function of the decade, -6 to 0."""
    decades = np.linspace(-6, 0, n_steps)
    curve = pd.DataFrame({"learning_rate": 10**decades, "loss": loss(decades)})
    return curve.assign(smoothed_loss=smooth(curve["loss"].to_numpy()))


@pytest.mark.parametrize("decade", [-5.0, -3.0, -1.5])
def test_the_rate_at_which_the_loss_falls_fastest_is_proposed(decade: float) -> None:
    curve = curve_of(lambda x: 1 - np.tanh(4 * (x - decade)) + np.exp(8 * (x + 0.6)))
    suggestion = suggest(curve)
    assert suggestion is not None
    assert abs(np.log10(suggestion) - decade) < 0.15
    assert suggestion == float(f"{suggestion:.2g}")


def test_scatter_does_not_move_the_proposal_far() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        suggestion = suggest(curve_of(lambda x: 1 - np.tanh(4 * (x + 3)) + rng.normal(0, 0.1, len(x)), n_steps=101))
        assert suggestion is not None
        assert abs(np.log10(suggestion) + 3) < 0.5


def test_smoothing_delays_nothing() -> None:
    """An average of the steps before alone would see a fall later than it is."""
    np.testing.assert_allclose(smooth(np.arange(50.0)[::-1])[10:40], np.arange(10.0, 40.0)[::-1])


def test_the_loss_that_diverges_at_the_end_hides_nothing() -> None:
    curve = curve_of(lambda x: 1 - np.tanh(4 * (x + 1)) + 1e9 * (x >= 0))
    assert smooth(curve["loss"].to_numpy()).max() < 4
    assert suggest(curve) == pytest.approx(0.1, rel=0.3)


def test_nothing_is_proposed_where_the_loss_never_falls() -> None:
    rng = np.random.default_rng(0)
    assert suggest(curve_of(lambda x: np.exp(x))) is None
    assert suggest(curve_of(np.ones_like)) is None
    assert not any(suggest(curve_of(lambda x: 1 + rng.normal(0, 0.1, len(x)))) for _ in range(50))


def test_the_figure_marks_the_proposal_on_a_logarithmic_axis() -> None:
    axes = draw_curve(curve_of(lambda x: 1 - np.tanh(4 * (x + 3))), 0.0012, title="staple/s0").axes[0]
    assert axes.get_xscale() == "log"
    assert [text.get_text().strip() for text in axes.texts] == ["0.0012"]
    assert np.array(axes.lines[-1].get_xdata())[0] == 0.0012


def tiles(n: int = 4) -> DataLoader:
    ramp = torch.linspace(-1, 1, n)[:, None]
    return DataLoader([{"image": x, "label": 3 * x} for x in ramp], batch_size=2)  # type: ignore[arg-type]


def test_every_step_has_a_higher_rate_and_the_network_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    network = nn.Linear(1, 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.123)
    used: list[float] = []
    optimizer.register_step_pre_hook(lambda optimizer, *_: used.append(optimizer.param_groups[0]["lr"]))
    curve = range_test(network, optimizer, nn.functional.mse_loss, tiles(), 30)
    assert used == list(curve["learning_rate"])
    assert used[0] == LOWEST
    ratios = np.divide(used[1:], used[:-1])
    np.testing.assert_allclose(ratios, (HIGHEST / LOWEST) ** (1 / 29))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert optimizer.param_groups[0]["lr"] == 0.123


def test_the_steps_end_where_the_loss_diverges_or_is_no_number() -> None:
    network = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    steep = range_test(network, optimizer, lambda out, y: 100 * nn.functional.mse_loss(out, y), tiles(), 100)
    assert len(steep) < 100
    assert np.isfinite(steep["loss"]).all()
    before = network.weight.item()
    calls = iter(range(100))

    def undefined_later(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(output, label) * (torch.nan if next(calls) == 7 else 1)

    assert len(range_test(network, optimizer, undefined_later, tiles(), 100)) == 7
    assert network.weight.item() == before


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Simulation(shape=(56, 96), n_cases=6, images_per_subject=1, n_nuclei=5)
    return simulate(tmp_path_factory.mktemp("rates") / "data", settings)


def find(dataset: Path, **settings: Any) -> None:
    bundle("find_lr", "train.yaml", **{"dataset_dir": str(dataset), "lr_steps": 40} | TINY | settings)


@pytest.fixture(autouse=True)
def _own_store(new_store: Callable[[Path], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_store(tmp_path / "store"))


def test_find_lr_writes_a_curve_and_a_figure_logs_both_and_says_what_to_give(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    find(dataset, output_dir=str(tmp_path / "rates"), seed=3)
    assert sorted(path.name for path in (tmp_path / "rates").iterdir()) == ["learning_rate.png", "learning_rates.csv"]
    table = pd.read_csv(tmp_path / "rates" / "learning_rates.csv")
    assert list(table) == ["learning_rate", "loss", "smoothed_loss"]
    assert Image.open(tmp_path / "rates" / "learning_rate.png").width > 600
    (run,) = mlflow.search_runs(experiment_names=["simulation_0"], output_format="list")
    assert run.info.status == "FINISHED"
    tags = ("kind", "strategy", "trained_on", "fold", "seed")
    assert [run.data.tags[name] for name in tags] == ["find_lr", "consensus:staple", "staple", "0", "3"]
    suggestion = run.data.metrics["find_lr/suggestion"]
    assert f"--learning_rate {suggestion:g}" in capsys.readouterr().out.splitlines()
    assert suggestion == suggest(table)
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "find_lr/loss")
    np.testing.assert_allclose([point.value for point in history], table["loss"])
    assert [point.step for point in history] == list(range(1, len(table) + 1))
    assert {item.path for item in client.list_artifacts(run.info.run_id)} == {"learning_rate.png", "learning_rates.csv"}

    find(dataset, output_dir=str(tmp_path / "again"), seed=3)
    for name in ("learning_rates.csv", "learning_rate.png"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "rates" / name).read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        find(dataset, output_dir=str(tmp_path / "rates"), seed=3)


def test_by_default_it_lies_beside_the_member_and_hinders_no_training(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segassay_monai.bundle.paths.models_dir", lambda: tmp_path / "models")
    find(dataset)
    folder = tmp_path / "models" / "simulation_0"
    assert [path.name for path in folder.iterdir()] == ["staple_fold0_seed0_find_lr"]
    train(dataset, folder / "staple_fold0_seed0", epochs=1)
    find(dataset, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ["staple_fold0_seed0", "staple_fold0_seed0_find_lr"]
    assert (folder / "staple_fold0_seed0" / "model.pt").is_file()


def test_images_without_anything_to_learn_are_a_clear_message(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segassay_monai.training.learning_rate.suggest", lambda curve: None)
    with pytest.raises(DataError, match="does not fall at any rate, so none can be proposed"):
        find(dataset, output_dir=str(tmp_path / "rates"))
    assert (tmp_path / "rates" / "learning_rate.png").is_file()
    (run,) = mlflow.search_runs(experiment_names=["simulation_0"], output_format="list")
    assert "find_lr/suggestion" not in run.data.metrics
