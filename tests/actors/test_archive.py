"""The evidence on the disk: whole, within its quota, and never the last straw."""

import json
import os

import numpy as np
import pytest

from actors.inference.archive import PENDING_MAX, Archive
from models.vision.evidence import Look, Picture
from protocol.storage import DepositRecord
from protocol.vision import Barcode, Detection, Examined
from tests.small_disk import fill, small_disk

SEEN = (Detection("mineral", 0.9, (1.0, 2.0, 30.0, 40.0)),)


def look(deposit, number=1, pictures=2):
    shot = Picture("", "", 64, 48, 7, 80.0, 12.0, "accept", "accepted", SEEN)
    return Look(
        deposit=deposit,
        number=number,
        at_s=1.0,
        model="m",
        model_sha256="s" * 64,
        fingerprint="f" * 64,
        backend="onnxruntime",
        thresholds={"mineral": 0.5},
        decision="accept",
        reason="accepted",
        elapsed_ms=40.0,
        pictures=(shot,) * pictures,
    )


def frames(count=2, size=(48, 64)):
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for _ in range(count)]


def keep(archive, deposit, **more):
    assert archive.take(look(deposit, **more), frames())
    archive.write_next()


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "evidence", quota_mb=1, reserve_mb=0)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_a_deposit_has_a_directory_of_its_own(archive, tmp_path):
    keep(archive, "m-1-1")
    keep(archive, "m-1-1", number=2)
    archive.examined(Examined("m-1-1", (), (Barcode("4006381333931", ("zxing",)),), 5.0))
    archive.conclude(
        DepositRecord("m-1-1", "credited", "accepted", 1.0, 2.0), {"drop_covered": 3.0}
    )
    there = tmp_path / "evidence" / "m-1-1"
    assert names(there) == [
        *("conclusion.json", "examined.json"),
        *("look-1-1.jpg", "look-1-2.jpg", "look-1.json"),
        *("look-2-1.jpg", "look-2-2.jpg", "look-2.json"),
    ]
    seen = json.loads((there / "look-1.json").read_text())["pictures"][0]["detections"]
    assert seen == [{"class": "mineral", "confidence": 0.9, "box": [1.0, 2.0, 30.0, 40.0]}]
    codes = json.loads((there / "examined.json").read_text())["barcodes"]
    assert codes[0]["text"] == "4006381333931"


def test_an_end_without_a_look_leaves_nothing(archive, tmp_path):
    archive.conclude(DepositRecord("m-1-9", "void", "x", 1.0, 2.0), {})
    archive.examined(Examined("m-1-9", (), (), 1.0))
    assert not (tmp_path / "evidence").exists()


def test_an_end_that_overtakes_its_look_waits_for_it(archive, tmp_path):
    archive.take(look("m-1-1"), frames())
    archive.conclude(DepositRecord("m-1-1", "credited", "accepted", 1.0, 2.0), {})
    assert {"look-1.json", "conclusion.json"} <= set(names(tmp_path / "evidence" / "m-1-1"))


def test_the_oldest_gives_way_also_that_of_an_earlier_run(tmp_path):
    there = tmp_path / "evidence"
    first = Archive(there, quota_mb=1, reserve_mb=0)
    big = [np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)] * 2
    for number in range(3):
        first.take(look(f"m-1-{number}"), big)
        first.write_next()
        os.utime(there / f"m-1-{number}", ns=(number, number))
    kept = names(there)
    assert kept in (["m-1-1", "m-1-2"], ["m-1-2"])
    second = Archive(there, quota_mb=1, reserve_mb=0)
    second.open()
    assert second.summary.startswith(f"{len(kept)} deposits")
    second.take(look("m-2-1"), big)
    second.write_next()
    assert names(there)[-1] == "m-2-1"
    assert "m-1-1" not in names(there)
    held = sum(path.stat().st_size for path in there.rglob("*.*"))
    assert held <= 1_000_000


def test_what_is_too_old_goes_some_at_a_time_also_that_of_an_earlier_run(tmp_path, monkeypatch):
    monkeypatch.setattr("actors.inference.archive._REMOVED_MAX", 2)
    there = tmp_path / "evidence"
    first = Archive(there, quota_mb=1, reserve_mb=0)
    for number, at_s in enumerate((1.0, 1.79e9, 1.79e9, 1.79e9, 1.81e9)):
        keep(first, f"m-1-{number}")
        os.utime(there / f"m-1-{number}", (at_s, at_s))
    second = Archive(there, quota_mb=1, reserve_mb=0)
    assert second.forget(1.8e9) is True
    assert second.forget(1.8e9) is False
    assert names(there) == ["m-1-0", "m-1-4"], "when the first was written no clock was set"
    assert second.summary.startswith("2 deposits")


def test_what_cannot_be_written_in_time_is_counted(archive):
    for number in range(PENDING_MAX + 3):
        archive.take(look(f"m-1-{number}"), frames())
    assert archive.lost == 3


def test_below_the_reserve_nothing_is_written_and_status_says_so(tmp_path):
    archive = Archive(tmp_path / "evidence", quota_mb=1, reserve_mb=10**9)
    keep(archive, "m-1-1")
    assert "evidence_reserve_mb" in archive.trouble
    assert archive.lost == 1
    assert names(tmp_path / "evidence") == []


def test_a_full_disk_costs_the_evidence_and_nothing_else(tmp_path):
    with small_disk(tmp_path / "disk", "1m") as disk:
        archive = Archive(disk / "evidence", quota_mb=10, reserve_mb=0)
        keep(archive, "m-1-1")
        fill(disk)
        keep(archive, "m-1-2")
        assert "no evidence is kept" in archive.trouble
        assert names(disk / "evidence") == ["m-1-1"]
        archive.conclude(DepositRecord("m-1-1", "credited", "accepted", 1.0, 2.0), {})
        assert all(not name.startswith(".") for name in names(disk / "evidence" / "m-1-1"))
        (disk / "filling").unlink()
        keep(archive, "m-1-3")
        assert archive.trouble == ""
        assert names(disk / "evidence") == ["m-1-1", "m-1-3"]


def test_a_file_in_the_place_of_the_directory_is_told(tmp_path):
    (tmp_path / "evidence").write_text("no directory")
    archive = Archive(tmp_path / "evidence", quota_mb=1, reserve_mb=0)
    keep(archive, "m-1-1")
    assert str(tmp_path / "evidence") in archive.trouble


def test_nothing_is_kept_without_a_quota_or_under_a_strange_name(tmp_path):
    assert not Archive(tmp_path, quota_mb=0, reserve_mb=0).take(look("m-1-1"), frames())
    archive = Archive(tmp_path / "evidence", quota_mb=1, reserve_mb=0)
    assert not archive.take(look("../m-1-1"), frames())
