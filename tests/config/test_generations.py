"""Two generations on the disk: whatever goes wrong in whatever step, one version is found."""

import shutil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.generations import (
    ATTEMPTS_MAX,
    BYTES_MAX,
    Disk,
    Generations,
    digest_of,
)
from config.in_force import in_force
from config.load import load
from config.platform import ServerWord
from tests.small_disk import fill, small_disk


def word(version, days=None):
    return ServerWord(version, {"session.claim_days": version if days is None else days})


def apply(generations, version, *, keep=True):
    generations.stage(word(version), 0.0)
    generations.promote()
    if keep:
        generations.keep()


def version_of(directory):
    current = Generations(directory).current
    return 0 if current is None else current.version


def started(directory):
    """What a daemon would run with."""
    generations = Generations(directory)
    generations.begin()
    return in_force(generations, lambda *, server: load(server=server))


class PowerCut(BaseException):
    """Nothing after this happens."""


class FailingDisk(Disk):
    """The power goes away before, in or after the n-th step; nothing waits for a real disk."""

    def __init__(self, left, how="before"):
        self.left, self.how = left, how

    def _step(self, path, content):
        self.left -= 1
        if self.left == 0 and self.how == "before":
            raise PowerCut
        if self.left == 0 and self.how == "in" and content:  # half of it, beside its place
            path.with_suffix(".new").write_bytes(content[: len(content) // 2])
            raise PowerCut

    def write(self, path, content):
        self._step(path, content)
        path.with_suffix(".new").write_bytes(content)
        path.with_suffix(".new").replace(path)
        self._after()

    def rename(self, old, new):
        self._step(new, b"")
        old.replace(new)
        self._after()

    def _after(self):
        if self.left == 0 and self.how == "after":
            raise PowerCut


class UnsureDisk(Disk):
    """The n-th step is taken, and its sync fails."""

    def __init__(self, left):
        self.left = left

    def rename(self, old, new):
        super().rename(old, new)
        self.left -= 1
        if self.left == 0:
            raise OSError(5, "Input/output error")


class FullDisk(Disk):
    """Renaming goes, writing does not."""

    def write(self, path, content):
        raise OSError(28, "No space left on device")


# -- the way of a version ---------------------------------------------------------------------


def test_nothing_there_is_no_version_and_no_trouble(tmp_path):
    found = Generations(tmp_path / "settings")
    assert (found.current, found.candidates(), found.troubles) == (None, (), ())
    assert not (tmp_path / "settings").exists()


def test_a_version_is_staged_then_current_then_kept(tmp_path):
    generations = Generations(tmp_path)
    generations.stage(word(1), 5.0, ("/vision/camera",))
    assert version_of(tmp_path) == 0
    assert generations.promote().state == "watching"
    assert version_of(tmp_path) == 1
    generations.keep()
    read = Generations(tmp_path).current
    assert (read.version, read.state, read.unwell) == (1, "kept", ("/vision/camera",))
    assert read.digest == digest_of(word(1).settings)


def test_the_previous_one_is_the_last_that_was_kept(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    apply(generations, 2, keep=False)
    apply(generations, 3, keep=False)
    assert [one.version for one in Generations(tmp_path).candidates()] == [3, 1]
    generations.roll_back("it does harm", 9.0)
    assert version_of(tmp_path) == 1
    assert Generations(tmp_path).denial(3, digest_of(word(3).settings)).reason == "it does harm"
    assert not Generations(tmp_path).is_denied(3, digest_of(word(3, 9).settings))


def test_the_first_version_rolls_back_to_the_machines_own_layers(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1, keep=False)
    assert generations.roll_back("harm", 0.0) is None
    assert version_of(tmp_path) == 0


def test_what_was_staged_is_forgotten_by_a_start(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    generations.stage(word(2), 0.0)
    assert started(tmp_path).generation.version == 1
    assert not (tmp_path / "staged.json").exists()


def test_two_deaths_on_trial_are_one_too_many(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    apply(generations, 2, keep=False)  # and the daemon dies: once
    assert started(tmp_path).generation.version == 2  # and again
    found = started(tmp_path)
    assert found.generation.version == 1
    assert "died 2 times" in Generations(tmp_path).denied[-1].reason


def test_an_orderly_end_on_trial_is_no_death(tmp_path):
    apply(Generations(tmp_path), 1, keep=False)
    for _ in range(3 * ATTEMPTS_MAX):
        generations = Generations(tmp_path)
        generations.begin()
        assert generations.current.version == 1
        generations.end()


def test_one_that_was_kept_is_not_counted_any_more(tmp_path):
    apply(Generations(tmp_path), 1)
    for _ in range(3 * ATTEMPTS_MAX):
        assert started(tmp_path).generation.version == 1


def test_the_list_of_the_denied_has_an_end(tmp_path):
    generations = Generations(tmp_path)
    for version in range(1, 50):
        apply(generations, version, keep=False)
        generations.roll_back("harm", 0.0)
    assert len(Generations(tmp_path).denied) < 40
    assert Generations(tmp_path).is_denied(49, digest_of(word(49).settings))


# -- the power goes away ----------------------------------------------------------------------


def history(generations, rng):
    """Some days of a machine; what has been promised by the end of each step."""
    for version in range(1, 7):
        generations.stage(word(version), 0.0)
        yield
        generations.promote()
        yield
        chance = rng.random()
        if chance < 0.4:
            generations.keep()
        elif chance < 0.7:
            generations.roll_back("harm", 0.0)
        yield


@pytest.mark.parametrize("how", ["before", "in", "after"])
@pytest.mark.parametrize("seed", range(3))
def test_the_power_goes_away_in_every_single_step(tmp_path, how, seed):
    """Before and after each step it is one version, that of before or that of after, and whole."""
    cut = 0
    while True:
        cut += 1
        directory = tmp_path / f"{cut}"
        disk = FailingDisk(cut, how)
        generations = Generations(directory, disk)
        believed = [0]
        try:
            for _ in history(generations, Random(seed)):
                current = generations.current
                believed.append(0 if current is None else current.version)
        except PowerCut:
            pass
        else:
            if disk.left > 0:  # it has never come to that step
                assert cut > 15
                return
            continue  # a renaming has no middle
        found = started(directory)
        now = 0 if found.generation is None else found.generation.version
        assert found.loaded.settings.session.claim_days == (now or 30)
        assert found.troubles == ()
        # At most the one that was under way when it happened, or the last that had been kept.
        assert now in {*believed, believed[-1] + 1, max(believed) + 1}
        denied = {one.version for one in Generations(directory).denied}
        assert now not in denied
        shutil.rmtree(directory)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_deaths_at_random_moments_never_leave_a_denied_or_a_torn_version(tmp_path_factory, seed):
    rng = Random(seed)
    directory = tmp_path_factory.mktemp("settings")
    kept, denied = {0}, set()
    version = 0
    for _ in range(8):
        disk = FailingDisk(rng.randint(1, 12), rng.choice(["before", "in", "after"]))
        generations = Generations(directory, disk)
        try:
            generations.begin()
            for _ in range(rng.randint(0, 3)):
                version += 1
                generations.stage(word(version), 0.0)
                generations.promote()
                if rng.random() < 0.5:
                    generations.keep()
                    kept.add(version)
                else:
                    denied.add(version)
                    generations.roll_back("harm", 0.0)
        except PowerCut:
            kept.add(version)  # it may have come through
        current = Generations(directory).current
        now = 0 if current is None else current.version
        assert now <= version
        assert now not in denied - kept
    shutil.rmtree(directory)


# -- damage -----------------------------------------------------------------------------------


def test_every_flipped_byte_of_the_current_one_is_noticed(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    apply(generations, 2)
    file = tmp_path / "current.json"
    whole = file.read_bytes()
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << (at % 8))]) + whole[at + 1 :])
        found = Generations(tmp_path)
        assert found.current.version == 1, at
        assert "current.json" in found.troubles[0]


@pytest.mark.parametrize("content", [b"", b"\n", b"{}", b"x" * (BYTES_MAX + 5), b"\xff\xfe\n{}"])
def test_garbage_in_both_leaves_the_machines_own_layers(tmp_path, content):
    generations = Generations(tmp_path)
    apply(generations, 1)
    apply(generations, 2)
    for name in ("current", "previous"):
        (tmp_path / f"{name}.json").write_bytes(content)
    found = started(tmp_path)
    assert found.generation is None
    assert len(found.troubles) == 2
    assert found.loaded.settings == load().settings


def test_a_truncated_file_at_every_length_is_noticed(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    apply(generations, 2)
    whole = (tmp_path / "current.json").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "current.json").write_bytes(whole[:length])
        assert version_of(tmp_path) == 1


def test_a_damaged_current_one_does_not_push_out_the_previous_one(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    apply(generations, 2)
    (tmp_path / "current.json").write_bytes(b"garbage")
    generations = Generations(tmp_path)
    generations.begin()
    apply(generations, 3, keep=False)
    generations.roll_back("harm", 0.0)
    assert version_of(tmp_path) == 1


def test_a_directory_in_the_place_of_a_file_is_trouble_and_no_end(tmp_path):
    (tmp_path / "current.json").mkdir()
    assert started(tmp_path).troubles


def test_a_version_that_fits_no_more_gives_way_to_the_one_before(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    generations.stage(ServerWord(2, {"session.claim_dys": 4}), 0.0)  # of a program we once had
    generations.promote()
    generations.keep()
    found = started(tmp_path)
    assert found.generation.version == 1
    assert "version 2 does not fit" in found.troubles[0]


# -- a full disk ------------------------------------------------------------------------------


def test_a_full_disk_refuses_to_stage_and_nothing_has_happened(tmp_path):
    with small_disk(tmp_path / "disk", "64k") as disk:
        generations = Generations(disk / "settings")
        apply(generations, 1)
        fill(disk)
        with pytest.raises(OSError, match="space"):
            generations.stage(word(2), 0.0)
        assert generations.staged is None
        assert version_of(disk / "settings") == 1


def test_a_full_disk_does_not_keep_a_roll_back(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    apply(generations, 2, keep=False)
    full = Generations(tmp_path, FullDisk())
    full.roll_back("harm", 0.0)
    assert full.current.version == 1
    again = Generations(tmp_path)
    assert again.current.version == 1
    assert again.is_denied(2, digest_of(word(2).settings))


def test_a_start_that_cannot_be_counted_is_not_tried(tmp_path):
    generations = Generations(tmp_path)
    apply(generations, 1)
    apply(generations, 2, keep=False)
    full = Generations(tmp_path, FullDisk())
    full.begin()
    assert full.current.version == 1
    assert "cannot be counted" in full.troubles[0]
    assert version_of(tmp_path) == 2  # with room again it gets its chance


@pytest.mark.parametrize("step", range(1, 8))
def test_after_a_sync_that_failed_memory_and_disk_say_the_same(tmp_path, step):
    generations = Generations(tmp_path)
    apply(generations, 1)
    unsure = Generations(tmp_path, UnsureDisk(step))
    steps = (
        lambda: unsure.stage(word(2), 0.0),
        unsure.promote,
        unsure.keep,
        lambda: unsure.stage(word(3), 0.0),
        unsure.promote,
        lambda: unsure.roll_back("no", 0.0),
    )
    for one in steps:
        try:
            one()
        except OSError:
            assert [each.version for each in unsure.candidates()] == [
                each.version for each in Generations(tmp_path).candidates()
            ]
            break
    # Whatever was found: the next version finds its way, and back.
    apply(unsure, 9, keep=False)
    assert (unsure.current.version, version_of(tmp_path)) == (9, 9)
    before = unsure.candidates()[1].version
    assert before in (1, 2)
    unsure.roll_back("no", 0.0)
    assert (unsure.current.version, version_of(tmp_path)) == (before, before)


def test_what_cannot_be_forgotten_does_not_keep_a_start_from_being_counted(tmp_path):
    apply(Generations(tmp_path), 1)
    apply(Generations(tmp_path), 2, keep=False)
    (tmp_path / "staged.json").mkdir()  # which nobody can unlink
    for _ in range(ATTEMPTS_MAX - 1):
        assert Generations(tmp_path).begin() == ""
    assert "died" in Generations(tmp_path).begin()
    assert version_of(tmp_path) == 1
