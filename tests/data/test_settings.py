"""dataset.yaml: what it may say, and one clear problem for everything else."""

from pathlib import Path

import pytest

from segassay.data.settings import DatasetFile, inside, read_dataset_file


def read(folder: Path, text: str | bytes) -> tuple[DatasetFile | None, list[str]]:
    """Settings and problems of a dataset.yaml with this content."""
    path = folder / "dataset.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    settings, problems = read_dataset_file(path)
    assert all(problem.file == str(path) and problem.level == "error" and problem.action for problem in problems)
    return settings, [str(problem).removeprefix(f"{path}: ") for problem in problems]


def test_every_key_of_the_contract_is_known_and_no_other() -> None:
    contract = (
        "name images image_suffix raters mask_prefix mask_suffix foreground classes ignore_value invert reference "
        "ignore ignore_suffix region_masks experiment control_group measurements endpoints equivalence_margin "
        "objects min_object_size spacing_um channels segment_channels intensity_channel"
    )
    assert list(DatasetFile.model_fields) == contract.split()
    assert DatasetFile().equivalence_margin == 0.1


def test_numbers_are_text_where_text_is_expected(tmp_path: Path) -> None:
    text = "name: 0144\ncontrol_group: no\nraters: {007: labels/a, 1:30: labels/b}\nmin_object_size: 30\n"
    settings, problems = read(
        tmp_path, text + "spacing_um: [0.62, 5e-1]\nequivalence_margin: .2\nreference:\nignore: ~\n"
    )
    assert problems == []
    assert settings is not None
    assert (settings.name, settings.control_group) == ("0144", "no")
    assert settings.raters == {"007": "labels/a", "1:30": "labels/b"}
    assert (settings.min_object_size, settings.spacing_um, settings.equivalence_margin) == (30, (0.62, 0.5), 0.2)
    assert (settings.reference, settings.ignore) == (None, None)


def test_missing_and_empty_files_say_nothing(tmp_path: Path) -> None:
    assert read_dataset_file(tmp_path / "dataset.yaml") == (DatasetFile(), [])
    assert read(tmp_path, "# nothing yet\n") == (DatasetFile(), [])
    assert read(tmp_path, b"\xef\xbb\xbfname: bom\n") == (DatasetFile(name="bom"), [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("min_object_size: -1", "min_object_size is '-1'; expected a whole number of pixels, 0 or more"),
        ("min_object_size: 2.5", "min_object_size is '2.5'; expected a whole number"),
        ("min_object_size: yes", "min_object_size is 'yes'; expected a whole number"),
        ("min_object_size: [1]", "min_object_size is ['1']; expected a whole number"),
        ("min_object_size:", "min_object_size is None; expected a whole number"),
        ("spacing_um: [0.5, -0.5]", "spacing_um is ['0.5', '-0.5']; expected two or three numbers of micrometres"),
        ("spacing_um: [1.0e-310, 1.0e+308]", "expected two or three numbers of micrometres from 1e-6 to 1e6, such as"),
        ("spacing_um: [0.5, 1000001]", "expected two or three numbers of micrometres from 1e-6 to 1e6, such as"),
        ("spacing_um: [0.5, .nan]", "spacing_um is ['0.5', '.nan']; expected two or three numbers"),
        ("spacing_um: [0.5, inf]", "spacing_um is ['0.5', 'inf']; expected two or three numbers"),
        ("spacing_um: 0.5", "spacing_um is '0.5'; expected two or three numbers"),
        ("spacing_um: [1]", "spacing_um is ['1']; expected two or three numbers"),
        ("spacing_um: [1, 1, 1, 1]", "expected two or three numbers"),
        ("equivalence_margin: 0", "equivalence_margin is '0'; expected a number above 0"),
        ("equivalence_margin: 10 %", "equivalence_margin is '10 %'; expected a number above 0"),
        (
            "intensity_channel: {red: 1}",
            "intensity_channel is {'red': '1'}; expected names of channels, such as",
        ),
        ("intensity_channel: []", "intensity_channel is []; expected names of channels"),
        ("channels: DAPI", "channels is 'DAPI'; expected a list of names, one for each channel"),
        ("channels: []", "channels is []; expected a list of names"),
        ("segment_channels: []", "segment_channels is []; expected names of channels"),
        ("channels: [DAPI, DAPI]", "channels 'DAPI', 'DAPI' are the same; give each channel a name of its own"),
        ("channels: [cFOS, CFOS]", "channels 'cFOS', 'CFOS' differ in capitals alone"),
        ("channels: [DAPI, '=1+1']", "the channel '=1+1' has a name that no column can have"),
        ("channels: [DAPI, '@SUM(A1)']", "the channel '@SUM(A1)' has a name that no"),
        ('channels: [DAPI, "a\\nb"]', "the channel 'a\\nb' has a name that no"),
        ('channels: [DAPI, "a\\u202eb"]', "has a name that no"),
        ("channels: [DAPI, a/b]", "the channel 'a/b' has a name that no"),
        ("channels: [DAPI, '']", "the channel '' has a name that no"),
        ("channels: [DAPI, ' cFOS ']", "the channel ' cFOS ' has a name that no"),
        ("name: [a]", "name is ['a']; expected a text of at most 255 letters; correct name, or leave it out"),
        ("raters: [a, b]", "raters is ['a', 'b']; expected a pattern of folders such as labels/*, or a mapping"),
        ("raters: {Ben: }", "raters is {'Ben': None}; expected a pattern"),
        ("raters: {Ben: [x]}", "raters is {'Ben': ['x']}; expected a pattern"),
        ("min_objct_size: 3", "unknown key 'min_objct_size'; did you mean 'min_object_size'?"),
        ("7: seven", "unknown key '7'"),
        ("[a]: x", "cannot be read"),
        ("<<: {name: x}", "unknown key '<<'"),
        ("name: a\nname: b", "cannot be read: the key 'name' is repeated here"),
        ('name: a\n"name": b', "the key 'name' is repeated here"),
        ("raters: {a: labels/a, a: labels/b}", "the key 'a' is repeated here"),
        ("name: &x a\ncontrol_group: *x", "cannot be read: aliases are not allowed"),
        ("name: [", "cannot be read"),
        ("name: a\nname", "cannot be read"),
        ("name: a\n\tx: b", "cannot be read"),
        ("- a list", "expected settings, got a list; write one line `key: value` for each"),
        (f"name: {'x' * 3000}", "expected a text of at most 255 letters; correct name"),
        ("just words", "expected settings, got a text"),
        ("name: a\n---\nname: b", "cannot be read"),
        ("!!python/object/apply:os.system ['touch broken']", "cannot be read"),
        ("name: !!python/name:os.system", "cannot be read"),
        ("name: !!int x", "cannot be read"),
        ("[" * 500, "cannot be read: line 1: more than 50 nested lists or mappings"),
        (b"name: \xe4", "cannot be read"),
        (b"name: \x00", "cannot be read"),
        ("name: Mäuse".encode("utf-16"), "cannot be read"),
    ],
)
def test_one_problem_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    _, (line,) = read(tmp_path, text)
    assert message in line
    assert "\n" not in line
    assert len(line) < 500


def test_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    read(tmp_path, "name: !!python/object/apply:os.mkdir ['broken']")
    assert not (tmp_path / "broken").exists()


def test_a_file_cannot_swell(tmp_path: Path) -> None:
    """Nine aliases of nine aliases: a billion words if they were followed."""
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    _, (line,) = read(tmp_path, "\n".join(["a0: &a0 lol", *levels]))
    assert "aliases are not allowed" in line


def test_dataset_yaml_that_is_a_folder_or_a_broken_link(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for name in ("folder", "link"):
        settings, problems = read_dataset_file(tmp_path / name)
        assert settings is None
        assert "cannot be read" in problems[0].what


@pytest.mark.parametrize("key", ["images", "raters", "reference", "ignore", "region_masks", "experiment"])
@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "labels/../../x",
        "labels/../../x*",
        "a/..",
        "/etc",
        "C:\\x",
        "C:x",
        "..\\x",
        "\\\\host\\share",
        "\\x",
        "",
    ],
)
def test_paths_stay_inside_the_folder(tmp_path: Path, key: str, path: str) -> None:
    _, (line,) = read(tmp_path, f"{key}: '{path}'")
    assert f"{key} is {path!r}; expected a relative path inside the dataset folder" in line


def test_path_of_one_rater_stays_inside_too(tmp_path: Path) -> None:
    _, (line,) = read(tmp_path, "raters: {Anna: labels/anna, Ben: ../ben}")
    assert "raters.Ben is '../ben'" in line


def test_paths_may_be_written_as_on_windows() -> None:
    assert inside(Path("lab"), "labels\\anna\\") == Path("lab/labels/anna")


def test_what_is_right_is_used_though_something_else_is_wrong(tmp_path: Path) -> None:
    settings, problems = read(tmp_path, "nme: x\nmin_object_size: -1\ncontrol_group: H\nequivalence_margin: wide\n")
    assert len(problems) == 3
    assert settings == DatasetFile(control_group="H")


@pytest.mark.parametrize("text", ["images: 3.5\nimages: 4", "raters: [a]", "images: ../x"])
def test_without_images_and_raters_nothing_can_be_said(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text)[0] is None
