"""Pictures from files: what the camera's settings name is looked at when the camera starts."""

import os
import shutil

import pytest

from actors.drivers import make
from actors.drivers.pictures import PicturesError, SourceMissing, read_picture
from config.settings import CameraSettings
from models.world.catalogue import default_chamber_directory

OPEN = "actors.drivers.files:open_files"
LIMITS = CameraSettings()
PICTURE = default_chamber_directory() / "images" / "007_0001.jpg"


def recording(where):
    return make(OPEN, str(where), LIMITS)


def test_a_directory_of_pictures(tmp_path):
    shutil.copy(PICTURE, tmp_path)
    source = recording(tmp_path)
    source.open()
    shot = source.read(7)
    assert shot.t_mono_ns == 7
    assert abs(shot.frame.astype(int) - read_picture(PICTURE)).mean() < 3
    assert source.name == f"PictureDirectory {tmp_path}"
    source.close()


def test_it_goes_on_where_it_was_closed(tmp_path):
    for number in (1, 2):
        shutil.copy(PICTURE.with_name(f"007_000{number}.jpg"), tmp_path)
    source = recording(tmp_path)
    source.open()
    first = source.read(1).frame
    source.close()
    source.open()
    second = source.read(2).frame
    assert abs(first.astype(int) - second).mean() > 5


def test_what_was_missing_may_come(tmp_path):
    source = recording(tmp_path / "stick")
    assert not source.is_there()
    with pytest.raises(SourceMissing, match="name a directory of pictures or a video file"):
        source.open()
    (tmp_path / "stick").mkdir()
    shutil.copy(PICTURE, tmp_path / "stick")
    assert source.is_there()
    source.open()
    assert source.read(1) is not None


@pytest.mark.parametrize("device", ["/dev/null", "pipe"])
def test_a_device_is_not_opened(tmp_path, device):
    if device == "pipe":
        device = str(tmp_path / "pipe")
        os.mkfifo(device)
    with pytest.raises(SourceMissing, match="is a device, and no camera"):
        recording(device).open()


def test_a_file_that_is_no_video(tmp_path):
    with pytest.raises(PicturesError, match="no video that OpenCV can read"):
        recording(default_chamber_directory() / "items.csv").open()
