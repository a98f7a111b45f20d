"""Settings of a simulation: what a file may say, and that anything else is one clear message."""

import dataclasses
import json
import math
from pathlib import Path

import pytest

from segassay.errors import UsageError
from segassay.simulation.settings import DEFAULT_RATERS, Effect, RaterHabit, Region, Simulation, keep_effect
from segassay.simulation.settings_file import read_simulation

PLAIN = RaterHabit("plain")


def read(tmp_path: Path, text: str, name: str = "settings.yaml") -> Simulation:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_simulation(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (64,)},
        {"shape": (0, 64)},
        {"n_cases": 0},
        {"images_per_subject": 0},
        {"groups": {}},
        {"groups": {"": Effect()}},
        {"regions": {"a": Region(groups={"nobody": Effect()})}},
        {"bright_fraction": 1.5},
        {"crowding": -0.1},
        {"n_nuclei": -1},
        {"n_nuclei": math.inf},
        {"radius_px": (5.0, 4.0)},
        {"blur_px": (0.0, 1.0)},
        {"gain": 0.0},
        {"spacing_um": (1.0, 1.0, 1.0)},
        {"spacing_um": 0.0},
        {"dtype": "float32"},
        {"raters": ()},
        {"raters": (PLAIN, PLAIN)},
        {"raters": (RaterHabit("truth"),)},
        {"seed": -1},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(wrong: dict):
    with pytest.raises(UsageError, match=f"{next(iter(wrong)).rstrip('s')}.*got"):
        Simulation(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../up"},
        {"name": ".."},
        {"name": ""},
        {"name": "a:b"},
        {"miss_rate": 1.5},
        {"merge_rate": -0.1},
        {"missing_cases": 2},
        {"repeated_cases": -1},
        {"false_positives": -1},
        {"jitter_px": -1},
        {"n_sessions": 0},
    ],
    ids=str,
)
def test_impossible_habits_are_refused(wrong: dict):
    with pytest.raises(UsageError, match="got"):
        RaterHabit(**{"name": "anna", **wrong})


def test_impossible_effects_are_refused():
    for make in (
        lambda: Effect(count=-1),
        lambda: Effect(intensity=0),
        lambda: Effect(size=0),
        lambda: Region(density=-1),
    ):
        with pytest.raises(UsageError, match="factor"):
            make()


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("both", (1.6, 1.2, 1.5, 1.4)),
        ("count", (1.6, 1.0, 1.0, 1.0)),
        ("intensity", (1.0, 1.2, 1.0, 1.0)),
        ("size", (1.0, 1.0, 1.5, 1.0)),
        ("marker", (1.0, 1.0, 1.0, 1.4)),
        ("none", (1.0, 1.0, 1.0, 1.0)),
    ],
)
def test_effects_can_be_left_out(which: str, expected: tuple[float, float, float, float]):
    settings = Simulation(
        groups={"control": Effect(), "treated": Effect(1.6, 1.2, 1.5, 1.4)},
        regions={"a": Region(density=2, groups={"treated": Effect(3, 4)})},
    )
    kept = keep_effect(settings, which)
    assert dataclasses.astuple(kept.effect("treated")) == expected
    own = kept.effect("treated", "a")
    assert (own.count == 3, own.intensity == 4) == (which in ("both", "count"), which in ("both", "intensity"))
    assert kept.regions["a"].density == 2


def test_an_unknown_effect_is_refused():
    with pytest.raises(UsageError, match="expected one of both, count, intensity, size, marker, none"):
        keep_effect(Simulation(), "all")


def test_a_file_says_what_it_wants_and_the_rest_is_default(tmp_path: Path):
    settings = read(
        tmp_path,
        """
        shape: [16, 64, 64]
        spacing_um: [1.5, 0.5, 0.5]
        groups: {wild_type: {}, knockout: {count: 0.5}}
        regions: {CA1: {}, DG: {density: 2, groups: {knockout: {intensity: 0.7}}}}
        raters:
        - {name: anna, miss_rate: 0.2}
        - {name: ben, dilation_px: -1, repeated_cases: 1, n_sessions: 3}
        """,
    )
    assert settings == Simulation(
        shape=(16, 64, 64),
        spacing_um=(1.5, 0.5, 0.5),
        groups={"wild_type": Effect(), "knockout": Effect(count=0.5)},
        regions={"CA1": Region(), "DG": Region(density=2, groups={"knockout": Effect(intensity=0.7)})},
        raters=(
            RaterHabit("anna", miss_rate=0.2),
            RaterHabit("ben", dilation_px=-1, repeated_cases=1, n_sessions=3),
        ),
    )


def test_every_default_survives_a_file(tmp_path: Path):
    content = json.dumps(dataclasses.asdict(Simulation()))
    assert read(tmp_path, content) == read(tmp_path, content, "a.json") == Simulation()
    assert read(tmp_path, "seed: 3").raters == DEFAULT_RATERS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n_case: 3", "unknown key 'n_case'; did you mean 'n_cases'?"),
        ("raters: [{name: a, dilation: 2}]", "unknown key 'raters.0.dilation'; did you mean 'dilation_px'?"),
        ("regions: {a: {densty: 2}}", "unknown key 'regions.a.densty'; did you mean 'density'?"),
        ("groups: {a: {cuont: 2}}", "unknown key 'groups.a.cuont'; did you mean 'count'?"),
        ("regions: {a: {groups: {control: {cuont: 2}}}}", "did you mean 'count'?"),
        ("groups: {a: 1.5}", "groups.a is 1.5; expected a mapping such as {count: 1.6}"),
        ("raters: [anna]", "raters.0 is 'anna'; expected a mapping such as {name: anna}"),
        ("raters: [{miss_rate: 0.1}]", "raters.0.name is missing"),
        ("raters: [{name: a, miss_rate: high}]", "raters.0.miss_rate is 'high'; input should be a valid number"),
        ("raters: [{name: a, miss_rate: 3}]", "miss_rate must be within 0 and 1, got 3"),
        ("raters: []", "raters must name at least one rater"),
        ("raters: [{name: ../x}]", "raters need names that are valid folder names, got ../x"),
        ("spacing_um: [a, b]", "spacing_um: expected one number, or a list of one per axis"),
        ("radius_px: [4]", "radius_px.1 is missing"),
        ("shape: [.inf, 3]", "shape.0 is inf; input should be a finite number"),
        ("n_nuclei: .nan", "n_nuclei is nan; input should be a finite number"),
        ("seed: -1", "seed must be 0 or more, got -1"),
        ("seed: 1.5", "seed is 1.5"),
        ("dtype: float", "dtype must be uint8 or uint16, got float"),
        ("regions: {r: {groups: {foo: {count: 2}}}}", "regions may only name groups of the experiment, got ['foo']"),
        ("[1, 2", "cannot be read as YAML"),
        ("- 1", "expected lines of the form `n_cases: 12`, got [1]"),
        ("", "expected lines of the form `n_cases: 12`, got None"),
        ("1: 2", "unknown key '1'"),
        ("\x00", "cannot be read as YAML"),
    ],
)
def test_a_broken_file_is_one_clear_message(tmp_path: Path, text: str, expected: str):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(str(tmp_path / "settings.yaml"))
    assert len(message.splitlines()) == 1


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "sede: 1\nn_cases: many")
    assert len(str(caught.value).splitlines()) == 2


def test_settings_cannot_run_code(tmp_path: Path):
    with pytest.raises(UsageError, match="could not determine a constructor"):
        read(tmp_path, f"!!python/object/apply:os.system ['touch {tmp_path / 'ran'}']")
    assert not (tmp_path / "ran").exists()


def test_a_missing_or_broken_file_is_named(tmp_path: Path):
    with pytest.raises(UsageError, match=r"nowhere\.yaml cannot be read: No such file"):
        read_simulation(tmp_path / "nowhere.yaml")
    with pytest.raises(UsageError, match=r"cannot be read: Is a directory"):
        read_simulation(tmp_path)
    with pytest.raises(UsageError, match=r"simulation\.json cannot be read as YAML"):
        read(tmp_path, '{"settings": ', "simulation.json")
