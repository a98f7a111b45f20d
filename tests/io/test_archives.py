"""Archives that want harm are refused before anything is written, and good ones arrive byte by byte."""

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from segassay.errors import DataError
from segassay.io import archives
from segassay.io.archives import open_archive, unpack_archive


def pack(path: Path, *entries: str | zipfile.ZipInfo, content: bytes = b"x", compressed: bool = False) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED) as archive:
        for entry in entries:
            archive.writestr(entry, content)
    return path


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def test_a_good_archive_is_opened_and_unpacked(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "a.zip", "net/configs/a.json", "net/models/ü.pt", "net/empty/", "net/.hidden", content=b"123"
    )
    with open_archive(path) as archive:
        assert archive.read("net/configs/a.json") == b"123"
    folder = unpack_archive(path, tmp_path / "new" / "out")
    found = sorted(place.relative_to(folder).as_posix() for place in folder.rglob("*") if place.is_file())
    assert found == ["net/.hidden", "net/configs/a.json", "net/models/ü.pt"]
    assert (folder / "net/empty").is_dir()
    with pytest.raises(FileExistsError):
        unpack_archive(path, folder)
    assert (folder / "net/.hidden").read_bytes() == b"123"


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        (["../evil"], "leaves the folder"),
        (["a/../../evil"], "leaves the folder"),
        (["a\\..\\..\\evil"], "leaves the folder"),
        (["./"], "leaves the folder"),
        (["/etc/evil"], "is an absolute name"),
        (["\\evil"], "is an absolute name"),
        (["C:\\evil"], "is an absolute name"),
        (["c:evil"], "is an absolute name"),
        (["a/con:stream"], "characters that no file name should have"),
        (["a/evil. "], "characters that no file name should have"),
        (["a/new\nline"], "characters that no file name should have"),
        ([special("link", stat.S_IFLNK | 0o777)], "is a link"),
        ([special("pipe", stat.S_IFIFO | 0o666)], "is no file"),
        (["model.pt", "Model.PT"], "are one name on many computers"),
        (["m\u00fc.pt", "mu\u0308.pt"], "are one name on many computers"),
        (["a/b.pt", "a//./b.pt"], "are one name on many computers"),
        (["a", "a/b"], "'a' is a file and a folder"),
    ],
)
def test_an_archive_with_a_bad_name_is_refused_as_a_whole(
    tmp_path: Path, entries: list[str | zipfile.ZipInfo], why: str
) -> None:
    path = pack(tmp_path / "a.zip", "good.txt", *entries)
    with pytest.raises(DataError, match=rf"a\.zip is refused: .*{why}.*; ask who made it"):
        unpack_archive(path, tmp_path / "out")
    assert [place.name for place in tmp_path.iterdir()] == ["a.zip"]


def test_bombs_are_refused_by_what_they_would_become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = pack(tmp_path / "bomb.zip", "zeros", content=bytes(1 << 27), compressed=True)
    with pytest.raises(DataError, match=r"times as large, and the limit is 500 times"), open_archive(bomb):
        pass
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 100)
    with pytest.raises(DataError, match="and the limit is 0 GiB"), open_archive(bomb):
        pass
    many = pack(tmp_path / "many.zip", *[f"{number}" for number in range(20)], content=b"")
    monkeypatch.setattr(archives, "MAX_FILES", 19)
    with pytest.raises(DataError, match="it holds 20 files, and the limit is 19"), open_archive(many):
        pass


def test_an_archive_that_lies_about_its_sizes_is_not_followed(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", "zeros", content=bytes(1 << 20), compressed=True)
    data = bytearray(path.read_bytes())
    place = data.rindex(b"PK\x01\x02") + 24  # the size in the list of entries
    data[place : place + 4] = struct.pack("<I", 10)
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="is damaged"):
        unpack_archive(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_damaged_or_no_archive_is_one_message(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", "weights", content=b"123456789")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"56789", b"56780", 1))
    with pytest.raises(DataError, match=r"is damaged \(Bad CRC-32 for file 'weights'\); copy or download it again"):
        unpack_archive(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    path.write_bytes(data[:-5])
    with pytest.raises(DataError, match="is no zip archive, or a damaged one"), open_archive(path):
        pass
    with pytest.raises(DataError, match=r"gone\.zip cannot be read"), open_archive(tmp_path / "gone.zip"):
        pass


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", "secret")
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="'secret' is encrypted"), open_archive(path):
        pass
