"""Pictures that need no camera: a directory of them, a video file."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from actors.drivers.pictures import (
    PictureDirectory,
    PictureReader,
    PicturesError,
    PictureUnknown,
    PictureUnreadable,
    SourceMissing,
    VideoFile,
    empty_belt_picture,
    list_pictures,
    read_picture,
)
from models.world.catalogue import default_chamber_directory, load_catalogue

IMAGES = default_chamber_directory() / "images"


def save(path: Path, value: int, shape: tuple[int, ...] = (20, 30, 3)) -> Path:
    assert cv2.imwrite(str(path), np.full(shape, value, np.uint8))
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    directory = tmp_path / "pictures"
    directory.mkdir()
    for value in (10, 20, 30):
        save(directory / f"p{value}.png", value)
    (directory / "notes.txt").write_text("no picture")
    return directory


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "belt.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    assert writer.isOpened()
    for value in (0, 100, 200):
        writer.write(np.full((48, 64, 3), value, np.uint8))
    writer.release()
    return path


# ----- every source ---------------------------------------------------------------------------


@pytest.fixture(params=["directory", "video"])
def source(request: pytest.FixtureRequest) -> Iterator[PictureReader]:
    makers: dict[str, Callable[[], PictureReader]] = {
        "directory": lambda: PictureDirectory(request.getfixturevalue("pictures")),
        "video": lambda: VideoFile(request.getfixturevalue("video")),
    }
    with closing(makers[request.param]()) as made:
        yield made


def test_gives_frames_for_ever(source: PictureReader):
    levels = [round(float(source.read().mean())) for _ in range(7)]
    assert levels[:3] == pytest.approx(sorted(set(levels[:3])))
    assert levels[3:6] == levels[:3]
    assert levels[6] == levels[0]


def test_a_frame_is_the_callers_own(source: PictureReader):
    frame = source.read()
    assert frame.dtype == np.uint8
    assert frame.ndim == 3
    assert frame.shape[2] == 3
    frame[:] = 0


# ----- a directory ----------------------------------------------------------------------------


def test_holds_what_is_shown(pictures):
    source = PictureDirectory(pictures)
    source.show("p20")
    source.read()[:] = 0
    assert (source.read() == 20).all()
    source.show("p30.png")
    assert (source.read() == 30).all()
    source.show(None)
    assert (source.read() == 10).all()


def test_shows_a_picture_from_elsewhere(pictures):
    source = PictureDirectory(pictures)
    source.show(empty_belt_picture())
    assert source.read().shape == (336, 448, 3)


def test_the_empty_belt_is_empty():
    (item,) = load_catalogue().find(empty_belt_picture().name)
    assert item.expected == "empty"


def test_no_picture_of_that_name(pictures):
    source = PictureDirectory(pictures)
    with pytest.raises(PictureUnknown, match="did you mean p20"):
        source.show("p2")
    with pytest.raises(PictureUnknown, match="the first is p10"):
        source.show("zzz")


def test_one_bad_picture_does_not_stop_the_others(pictures):
    (pictures / "p15.png").write_bytes(b"no picture")
    source = PictureDirectory(pictures)
    assert (source.read() == 10).all()
    with pytest.raises(PictureUnreadable, match=r"p15\.png"):
        source.read()
    assert (source.read() == 20).all()


def test_a_picture_that_vanished(pictures):
    source = PictureDirectory(pictures)
    (pictures / "p10.png").unlink()
    with pytest.raises(PictureUnreadable, match="there is no"):
        source.read()


@pytest.mark.parametrize(
    ("name", "says"), [("nowhere", "there is no"), ("file", "look into"), ("empty", "no picture")]
)
def test_nothing_to_show(tmp_path, name, says):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceMissing, match=says):
        PictureDirectory(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into everything")
def test_a_directory_that_is_closed(pictures):
    pictures.chmod(0)
    try:
        with pytest.raises(SourceMissing, match="Permission"):
            PictureDirectory(pictures)
    finally:
        pictures.chmod(0o700)


def test_only_pictures_are_listed_by_name(pictures):
    assert [path.name for path in list_pictures(pictures)] == ["p10.png", "p20.png", "p30.png"]


# ----- one picture ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 4), (1, 1, 3), (1, 4000, 3)])
def test_every_picture_becomes_three_channels(tmp_path, shape):
    frame = read_picture(save(tmp_path / "a.png", 50, shape))
    assert frame.shape == (*shape[:2], 3)
    assert (frame == 50).all()


def test_sixteen_bits_become_eight(tmp_path):
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((5, 5), 0xFFFF, np.uint16))
    assert (read_picture(tmp_path / "a.png") == 255).all()


def a_bomb(path: Path) -> None:
    """Write a few bytes that say they are a picture of 40000 x 40000."""
    path.write_bytes(b"P5\n40000 40000\n255\n" + bytes(1000))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "there is no"),
        (lambda path: path.mkdir(), "no file"),
        (os.mkfifo, "no file"),
        (lambda path: path.touch(), "empty file"),
        (lambda path: path.write_text("hello"), "no picture"),
        (lambda path: path.write_bytes(bytes(100_000)), "no picture"),
        (a_bomb, "cannot be decoded|no picture"),
        (lambda path: path.symlink_to(path), "cannot read|there is no"),
        (lambda path: path.write_bytes((IMAGES / "007_0001.jpg").read_bytes()[:9000]), "a part"),
    ],
)
def test_what_is_no_picture(tmp_path, make, says):
    path = tmp_path / "a.jpg"
    make(path)
    with pytest.raises(PictureUnreadable, match=says) as raised:
        read_picture(path)
    assert str(path) in str(raised.value)


# ----- a video --------------------------------------------------------------------------------


def test_no_video(tmp_path):
    with pytest.raises(SourceMissing, match=r"a\.avi"):
        VideoFile(tmp_path / "a.avi")
    (tmp_path / "b.avi").write_bytes(b"no video")
    with pytest.raises(PictureUnreadable, match=r"b\.avi"):
        VideoFile(tmp_path / "b.avi")


def test_a_video_that_vanishes_while_it_runs(video):
    source = VideoFile(video)
    for _ in range(3):
        source.read()
    video.unlink()
    with pytest.raises(SourceMissing):
        source.read()
    source.close()


def test_a_video_that_comes_back(video, tmp_path):
    source = VideoFile(video)
    for _ in range(3):
        source.read()
    shutil.move(video, tmp_path / "away.avi")
    with pytest.raises(PicturesError):
        source.read()
    shutil.move(tmp_path / "away.avi", video)
    assert source.read().shape == (48, 64, 3)
    source.close()
