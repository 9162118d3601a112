"""The device key: made once, kept, and never overwritten."""

import stat

import pytest

from actors.session.keys import KeyUnusable, device_key, read_key


def test_it_is_made_once_and_readable_by_its_owner_only(tmp_path):
    file = tmp_path / "keys" / "device.key"
    made = device_key(file)
    assert device_key(file) == made
    assert read_key(file) == made.key
    assert len(made.key) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [found.name for found in file.parent.iterdir()] == ["device.key"]


def test_two_machines_have_two_keys(tmp_path):
    assert device_key(tmp_path / "a" / "k").key != device_key(tmp_path / "b" / "k").key


@pytest.mark.parametrize("place", range(0, 90, 3))
def test_a_flipped_bit_anywhere_is_noticed_and_the_file_kept(tmp_path, place):
    file = tmp_path / "keys" / "device.key"
    first = device_key(file).key
    content = bytearray(file.read_bytes())
    content[min(place, len(content) - 2)] ^= 1
    file.write_bytes(content)
    with pytest.raises(KeyUnusable, match=r"device\.key"):
        read_key(file)
    second = device_key(file)
    assert second.key != first
    assert second.damaged == ("device.key.damaged-1",)
    assert (file.parent / "device.key.damaged-1").read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"\0" * 120, b"rvm-edge device key 1: \n", b"\xff" * 9])
def test_every_further_damage_gets_a_name_of_its_own(tmp_path, content):
    file = tmp_path / "keys" / "device.key"
    file.parent.mkdir()
    for number in (1, 2, 3):
        file.write_bytes(content + b"%d" % number)
        found = device_key(file)
        assert found.damaged[-1] == f"device.key.damaged-{number}"
        assert (file.parent / found.damaged[-1]).read_bytes() == content + b"%d" % number


def test_what_a_power_cut_left_beside_it_does_not_matter(tmp_path):
    file = tmp_path / "keys" / "device.key"
    file.parent.mkdir()
    file.with_suffix(".new").write_bytes(b"half")
    made = device_key(file)
    assert read_key(file) == made.key


def test_reading_makes_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_key(tmp_path / "device.key")
    assert list(tmp_path.iterdir()) == []
