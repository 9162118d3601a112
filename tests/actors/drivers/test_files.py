"""Pictures from files: what the camera's settings name is looked at when the camera starts."""

import os
import shutil

import pytest

from actors.drivers import make
from actors.drivers.pictures import PictureDirectory, PicturesError, SourceMissing
from models.world.catalogue import default_chamber_directory

OPEN = "actors.drivers.files:open_files"
PICTURE = default_chamber_directory() / "images" / "007_0001.jpg"


def test_a_directory_of_pictures(tmp_path):
    shutil.copy(PICTURE, tmp_path)
    source = make(OPEN, str(tmp_path))
    assert isinstance(source, PictureDirectory)
    assert source.read().shape == (336, 448, 3)
    source.close()


def test_what_was_missing_may_come(tmp_path):
    with pytest.raises(SourceMissing, match="name a directory of pictures or a video file"):
        make(OPEN, str(tmp_path / "stick"))
    (tmp_path / "stick").mkdir()
    shutil.copy(PICTURE, tmp_path / "stick")
    make(OPEN, str(tmp_path / "stick")).close()


@pytest.mark.parametrize("device", ["/dev/null", "pipe"])
def test_a_device_is_not_opened(tmp_path, device):
    if device == "pipe":
        device = str(tmp_path / "pipe")
        os.mkfifo(device)
    with pytest.raises(SourceMissing, match="no driver for cameras yet"):
        make(OPEN, device)


def test_a_file_that_is_no_video(tmp_path):
    with pytest.raises(PicturesError, match="no video that OpenCV can read"):
        make(OPEN, str(default_chamber_directory() / "items.csv"))
