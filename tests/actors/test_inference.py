"""Inference in a process of its own: decisions in time, proofs, newcomers, evidence."""

import hashlib
import json
import mmap
import os
import pickle
import signal
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from actors.camera import FRAMES
from actors.inference import Inference
from config.settings import InferenceSettings
from models.vision import load_manifest, open_detector
from models.vision.ring import RingWriter
from models.world.catalogue import load_catalogue
from protocol.service import CycleChanged
from protocol.storage import DepositRecord
from protocol.vision import (
    Classified,
    Classify,
    ClassifyFailed,
    Concluded,
    EvidenceKept,
    Examine,
    Examined,
    ModelInUse,
    ProveModel,
    UseModel,
)
from supervisors import ChildSpec, Limits, RequestFailed
from supervisors.clock import SystemClock
from supervisors.testing import eventually
from tests.actors.models import SHIPPED, change_manifest, make_model, weights_of
from tests.actors.ring import area, formatting
from tests.actors.runtime import listener, tree

SLOTS = 4
AREA = area(SLOTS)
formatted = formatting(SLOTS)
Heard = listener(Classified, ClassifyFailed, EvidenceKept, Examine)
BACK_S = 10.0
"""Within which the old model has to serve again."""


class Eyes:
    """Inference with a deposit that asks it, and a ring that the test writes."""

    def __init__(self, sup, events, heard):
        self.sup, self.events, self.heard = sup, events, heard
        self.writer = RingWriter(mmap.mmap(sup.system.shares.fd(FRAMES), 0))

    # -- pictures -------------------------------------------------------------------------------

    def now_ns(self):
        return self.sup.system.clock.monotonic_ns()

    def publish(self, name, count=3):
        frame = cv2.imread(str(load_catalogue().find(name)[0].picture))
        return tuple(self.writer.publish(frame, self.now_ns()) for _ in range(count))

    # -- talking --------------------------------------------------------------------------------

    def envelope(self, message):
        envelope = self.sup.system.envelope(0, "/inference", message)
        envelope.source = "/heard"
        return envelope

    def tell(self, message):
        self.sup.system.route(self.envelope(message))

    def ask(self, message):
        self.tell(message)
        eventually(lambda: self.heard)
        return self.heard.pop(0)

    def decide(self, name="007_0036", deposit="m-1-1"):
        return self.ask(Classify(deposit, self.publish(name)))

    def use(self, directory="", **more):
        message = UseModel(str(directory), **more)
        return self.sup.request("inference", message, timeout_s=40, reply=ModelInUse)

    def trial(self):
        """Pid of the process in which a newcomer misbehaves by now."""
        task = Path(f"/proc/{self.row.running.pid}/task/{self.row.running.pid}/children")
        eventually(lambda: "golden" in self.facts.get("newcomer", ""), 30.0)
        (pid,) = task.read_text().split()
        return int(pid)

    # -- looking at it --------------------------------------------------------------------------

    @property
    def row(self):
        return self.sup.rows["inference"]

    @property
    def facts(self):
        running = self.row.running
        return {} if running is None else running.vitals.facts

    def until_incarnation(self, number):
        eventually(lambda: (ref := self.sup.ref("inference")) and ref.incarnation >= number, BACK_S)
        eventually(lambda: self.facts.get("model"), BACK_S)


@contextmanager
def eyes(tmp_path, *, detail="", evidence="", evidence_to="", store=True, **limits):
    heard = []
    args = {
        "limits": InferenceSettings(**limits),
        "store": str(tmp_path / "models") if store else "",
        "evidence": str(evidence),
        "detail": detail,
        "evidence_to": evidence_to,
        "allows_faults": True,
    }
    child = ChildSpec(
        "inference",
        Inference,
        args=args,
        host="process",
        shares=(FRAMES,),
        start_timeout_s=30,
        limits=Limits(memory_mb=limits.get("memory_mb_max", 2048)),
    )
    listening = ChildSpec("heard", Heard, args={"heard": heard})
    with tree(listening, child, shares=(AREA,)) as (sup, events):
        yield Eyes(sup, events, heard)


def is_alive(pid):
    return Path(f"/proc/{pid}").exists()


def slow_from(model):
    """Limits between this machine's pace with a model and that of a `slow` one."""
    picture, clock, took_s = np.zeros((336, 448, 3), np.uint8), SystemClock(), []
    with closing(open_detector(model)) as detector:
        for _ in range(9):
            began_s = clock.monotonic()
            detector.detect(picture)
            took_s.append(clock.monotonic() - began_s)
    limit_s = 16 * min(took_s)  # a busy machine takes several times as long as a calm one
    return {"picture_s_max": limit_s, "deadline_s": 1.2 * limit_s}


def shelf_text(tmp_path):
    path = tmp_path / "models" / "shelf.json"
    return path.read_text() if path.exists() else ""


def shelf(tmp_path):
    return json.loads(shelf_text(tmp_path))


def test_a_burst_is_judged_by_all_of_its_pictures(tmp_path):
    with eyes(tmp_path) as machine:
        answer = machine.decide("007_0036")
        assert isinstance(answer, Classified), answer
        assert answer.decision == "accept"
        assert answer.votes == ("accept", "accept", "accept")
        assert answer.model == SHIPPED.name
        assert machine.decide("007_0000").decision == "reject"


def test_a_newcomer_that_proves_itself_serves(tmp_path):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path) as machine:
        answer = machine.use(new)
        assert (answer.model, answer.refused) == ("new", "")
        assert answer.directory == str(tmp_path / "models" / "new")
        assert machine.decide().model == "new"
        assert shelf(tmp_path)["current"] == "new"
        assert machine.facts["proof"] == f"{len(load_manifest(new).golden)} golden pictures"


# ----- The decision ---------------------------------------------------------------------------


def test_a_frame_that_is_gone_is_no_answer_and_no_crash(tmp_path):
    with eyes(tmp_path) as machine:
        frames = machine.publish("007_0036")
        machine.publish("007_0036", SLOTS)
        assert "overwritten" in machine.ask(Classify("m-1-1", frames)).why
        nonsense = msgspec.structs.replace(frames[0], slot=99)
        assert isinstance(machine.ask(Classify("m-1-1", (nonsense,))), ClassifyFailed)
        assert isinstance(machine.ask(Classify("m-1-1", ())), ClassifyFailed)
        assert machine.decide().decision == "accept"
        assert machine.sup.ref("inference").incarnation == 1


def test_a_picture_from_before_the_burst_was_asked_for_decides_nothing(tmp_path):
    with eyes(tmp_path) as machine:
        old = machine.publish("007_0036", 1)
        asked_ns = machine.now_ns()
        frames = (*old, *machine.publish("007_0036", 2))
        assert "stale" in machine.ask(Classify("m-1-1", frames, asked_ns)).why
        assert machine.ask(Classify("m-1-1", frames[1:], asked_ns)).decision == "accept"


def test_the_time_counts_from_the_question_not_from_its_turn(tmp_path):
    with eyes(tmp_path, deadline_s=1.0) as machine:
        envelope = machine.envelope(Classify("m-1-1", machine.publish("007_0036")))
        envelope.sent_ns -= 1_100_000_000
        machine.sup.system.route(envelope)
        eventually(lambda: machine.heard)
        assert "too slow: 0 of 3" in machine.heard.pop().why
        eventually(lambda: "too slow" in machine.facts.get("trouble", ""))
        assert machine.decide().decision == "accept"
        eventually(lambda: "trouble" not in machine.facts)


def test_a_detector_that_hangs_over_a_decision_is_replaced(tmp_path):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path, deadline_s=0.6, probation_s=0) as machine:
        machine.tell(CycleChanged(busy=False))
        machine.use(new, fault="hang", when="service")
        machine.tell(Classify("m-1-1", machine.publish("007_0036")))
        machine.until_incarnation(2)
        assert machine.decide().decision == "accept"


def test_who_looks_closer_is_told_after_the_answer(tmp_path):
    with eyes(tmp_path, detail="/heard") as machine:
        frames = machine.publish("007_0036")
        answer = machine.ask(Classify("m-1-1", frames))
        eventually(lambda: machine.heard)
        assert machine.heard.pop() == Examine("m-1-1", frames[2], answer.detections)


# ----- Proof ----------------------------------------------------------------------------------


def test_a_model_without_golden_pictures_serves_if_it_is_configured_and_says_so(tmp_path):
    bare = make_model(tmp_path / "bare", golden=False)
    with eyes(tmp_path, model=str(bare)) as machine:
        assert (machine.facts["model"], machine.facts["proof"]) == ("bare", "unproven")


def test_a_configured_model_that_answers_wrongly_is_waited_for(tmp_path):
    wrong = make_model(tmp_path / "wrong")
    entries = json.loads((wrong / "manifest.json").read_text())["golden"]
    change_manifest(wrong, golden=[{**one, "decision": "accept"} for one in entries])
    with eyes(tmp_path, model=str(wrong)) as machine:
        assert (machine.row.state.value, machine.row.restarts) == ("waiting", 0)
        assert "is judged" in machine.row.waiting_for


def test_what_served_before_stands_in_for_a_configured_model_that_is_damaged(tmp_path):
    good, bad = make_model(tmp_path / "good"), make_model(tmp_path / "bad")
    flip(weights_of(bad))
    with eyes(tmp_path, model=str(good)) as machine:
        assert machine.facts["model"] == "good"
    with eyes(tmp_path, model=str(bad)) as machine:
        assert machine.decide().model == "good"
        assert "SHA-256" in machine.facts["trouble"]


def test_a_canary_is_shown_while_nobody_is_served(tmp_path):
    with eyes(tmp_path, canary_period_s=1) as machine:
        eventually(lambda: machine.facts.get("canary") == "ok")
        assert machine.facts["canary_ms"] > 0
        assert machine.facts["canary_at_s"] > 0


def test_no_canary_is_shown_while_an_item_is_dealt_with(tmp_path):
    with eyes(tmp_path, canary_period_s=1) as machine:
        machine.tell(CycleChanged(busy=True))
        began_s = machine.sup.system.clock.monotonic()
        eventually(lambda: machine.sup.system.clock.monotonic() > began_s + 1.2)
        assert "canary" not in machine.facts
        machine.tell(CycleChanged(busy=False))
        eventually(lambda: machine.facts.get("canary") == "ok")


def test_a_detector_that_sees_wrongly_is_replaced_after_two_canaries(tmp_path):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path, canary_period_s=1, probation_s=0) as machine:
        machine.use(new, fault="wrong", when="service")
        machine.until_incarnation(2)
        missed = machine.events.named("canary_missed")
        assert [one["misses"] for one in missed][-2:] == [1, 2]
        assert machine.decide().decision == "accept"


def test_the_golden_test_can_be_asked_for(tmp_path):
    with eyes(tmp_path) as machine:
        machine.sup.request("inference", ProveModel())
        assert machine.events.named("model_proven") == [{"model": SHIPPED.name}]
        machine.tell(CycleChanged(busy=True))
        with pytest.raises(RequestFailed, match="busy"):
            machine.sup.request("inference", ProveModel())


# ----- Newcomers that do not get to serve -----------------------------------------------------


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(directory):
    path = weights_of(directory)
    path.write_bytes(path.read_bytes()[:-1000])


class Explode:
    """A pickle that would run a command."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def replace_by_pickle(directory):
    """A pickle in place of the weights, with a manifest that vouches for it."""
    content = pickle.dumps(Explode(directory.parent / "exploded"))
    (directory / "model.pt").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    weights = {"file": "model.pt", "format": "pt", "size_bytes": len(content), "sha256": digest}
    change_manifest(directory, weights=weights)


def expect_wrongly(directory):
    entries = json.loads((directory / "manifest.json").read_text())["golden"]
    change_manifest(directory, golden=[{**one, "decision": "accept"} for one in entries])


DAMAGES = {
    "flipped": (lambda directory: flip(weights_of(directory)), "SHA-256"),
    "truncated": (truncate, "bytes"),
    "renamed": (
        lambda directory: weights_of(directory).rename(directory / "other.onnx"),
        "cannot read",
    ),
    "pickle under its name": (
        lambda directory: weights_of(directory).write_bytes(
            pickle.dumps(Explode(directory.parent / "exploded"))
        ),
        "bytes",
    ),
    "vouched pickle": (replace_by_pickle, ""),
    "no manifest": (lambda directory: (directory / "manifest.json").unlink(), "manifest.json"),
    "golden picture flipped": (lambda directory: flip(directory / "golden/accept.png"), "SHA-256"),
    "golden test": (expect_wrongly, "is judged"),
    "no golden pictures": (lambda directory: change_manifest(directory, golden=[]), "no golden"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newcomer_is_never_loaded(tmp_path, damage):
    act, word = DAMAGES[damage]
    new = make_model(tmp_path / "new")
    act(new)
    with eyes(tmp_path) as machine:
        answer = machine.use(new)
        assert word in answer.refused
        assert answer.model == SHIPPED.name
        assert machine.decide().model == SHIPPED.name
        eventually(lambda: word in machine.facts.get("trouble", ""))
        assert machine.sup.ref("inference").incarnation == 1
        assert not (tmp_path / "exploded").exists()


FAULTS = {
    "slow": ("slow", {}),  # its limits depend on the machine: `slow_from`
    "hang": ("hangs", {"deadline_s": 0.6, "picture_s_max": 0.4}),
    "crash": ("crashed", {}),
    "oom": ("eats memory", {"memory_mb_max": 400, "deadline_s": 10.0}),
    "wrong": ("golden/", {}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_newcomer_that_misbehaves_in_its_trial_is_denied(tmp_path, fault):
    word, limits = FAULTS[fault]
    new = make_model(tmp_path / "new")
    if fault == "slow":  # beside a busy machine slower still, and a hang is not what it should be
        limits = {**slow_from(new), "deadline_s": 10.0}
    with eyes(tmp_path, **limits) as machine:
        answer = machine.use(new, fault=fault)
        assert word in answer.refused
        assert machine.decide().model == SHIPPED.name
        eventually(lambda: word in machine.facts.get("trouble", ""))
        (denial,) = shelf(tmp_path)["denied"].values()
        assert denial["name"] == "new"
        with pytest.raises(RequestFailed, match="--again"):
            machine.use(new)
        assert machine.use(new, again=True).model == "new"
        assert shelf(tmp_path)["denied"] == {}
        eventually(lambda: "trouble" not in machine.facts)
        assert machine.sup.ref("inference").incarnation == 1


@pytest.mark.parametrize("fault", ["hang", "crash", "oom"])
def test_what_kills_the_process_while_it_is_put_into_service_gives_way(tmp_path, fault):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path, memory_mb_max=400) as machine:
        machine.tell(UseModel(str(new), fault=fault, when="adoption"))
        eventually(lambda: '"adopt"' in shelf_text(tmp_path), 30.0)
        began_s = machine.sup.system.clock.monotonic()
        machine.until_incarnation(2)
        assert machine.decide().model == SHIPPED.name
        assert machine.sup.system.clock.monotonic() - began_s < BACK_S
        assert "put into service" in machine.facts["trouble"]
        assert shelf(tmp_path)["current"] == ""
        assert len(shelf(tmp_path)["denied"]) == 1


@pytest.mark.parametrize("fault", ["slow", "hang", "crash", "oom", "wrong"])
def test_what_misbehaves_in_its_first_time_of_service_gives_way(tmp_path, fault):
    new = make_model(tmp_path / "new")
    limits = slow_from(new) if fault == "slow" else {}
    with eyes(tmp_path, memory_mb_max=400, **limits) as machine:
        machine.use(new, fault=fault, when="service")
        began_s = machine.sup.system.clock.monotonic()
        machine.until_incarnation(2)
        assert machine.facts["model"] == SHIPPED.name
        assert machine.sup.system.clock.monotonic() - began_s < BACK_S
        assert machine.facts["trouble"]
        assert shelf(tmp_path)["current"] == ""
        assert len(shelf(tmp_path)["denied"]) == 1


# ----- The way of a newcomer ------------------------------------------------------------------


def test_the_process_of_a_trial_may_be_killed_or_frozen(tmp_path):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path) as machine:
        machine.tell(UseModel(str(new), fault="hang"))
        os.kill(machine.trial(), signal.SIGKILL)
        eventually(lambda: "SIGKILL" in machine.facts.get("trouble", ""))
        machine.tell(UseModel(str(new), fault="hang", again=True))
        os.kill(machine.trial(), signal.SIGSTOP)
        eventually(lambda: "hangs" in machine.facts.get("trouble", ""), 30.0)
        assert machine.decide().model == SHIPPED.name
        assert machine.sup.ref("inference").incarnation == 1


def test_decisions_go_on_while_a_newcomer_is_tried(tmp_path):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path) as machine:
        machine.tell(UseModel(str(new), fault="hang"))
        machine.trial()
        for _ in range(5):
            assert machine.decide().model == SHIPPED.name
        assert "tried" in machine.facts["newcomer"]
        with pytest.raises(RequestFailed, match="busy"):
            machine.use(make_model(tmp_path / "newer"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_trial_dies_with_the_process_that_asked_for_it(tmp_path, number):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path) as machine:
        machine.tell(UseModel(str(new), fault="hang"))
        trial = machine.trial()
        os.kill(machine.row.running.pid, number)
        machine.until_incarnation(2)
        eventually(lambda: not is_alive(trial))
        assert machine.facts["model"] == SHIPPED.name
        assert shelf(tmp_path)["denied"] == {}


def test_no_model_is_exchanged_while_an_item_is_dealt_with(tmp_path):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path) as machine:
        machine.tell(CycleChanged(busy=True))
        machine.tell(UseModel(str(new)))
        eventually(lambda: "waits for the item" in machine.facts.get("newcomer", ""), 30.0)
        assert machine.decide().model == SHIPPED.name
        machine.tell(CycleChanged(busy=False))
        eventually(lambda: machine.facts["model"] == "new")
        assert machine.decide().model == "new"


def test_a_newcomer_serves_on_after_a_restart(tmp_path):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path, probation_s=0) as machine:
        machine.use(new)
        eventually(lambda: machine.events.named("model_settled"))
        os.kill(machine.row.running.pid, signal.SIGKILL)
        machine.until_incarnation(2)
        assert machine.decide().model == "new"
        assert machine.use(SHIPPED).model == SHIPPED.name
    with eyes(tmp_path) as machine:
        assert machine.decide().model == SHIPPED.name
        assert (shelf(tmp_path)["current"], shelf(tmp_path)["previous"]) == ("", "new")


def test_a_stop_in_order_is_no_failure_of_a_model_on_probation(tmp_path):
    new = make_model(tmp_path / "new")
    with eyes(tmp_path) as machine:
        machine.use(new)
    with eyes(tmp_path) as machine:
        assert machine.facts["model"] == "new"
        eventually(lambda: machine.facts.get("newcomer") == "on probation")
        os.kill(machine.row.running.pid, signal.SIGKILL)
        machine.until_incarnation(2)
        assert machine.facts["model"] == SHIPPED.name


def test_a_model_that_was_damaged_in_the_store_gives_way_to_the_one_before_it(tmp_path):
    with eyes(tmp_path, probation_s=0) as machine:
        machine.use(make_model(tmp_path / "first"))
        eventually(lambda: machine.events.named("model_settled"))
        machine.use(make_model(tmp_path / "second"))
    flip(weights_of(tmp_path / "models" / "second"))
    with eyes(tmp_path) as machine:
        assert machine.decide().model == "first"
        assert "SHA-256" in machine.facts["trouble"]


def test_a_model_that_the_settings_name_is_exchanged_there_only(tmp_path):
    pinned, new = make_model(tmp_path / "pinned"), make_model(tmp_path / "new")
    with eyes(tmp_path, model=str(pinned)) as machine:
        with pytest.raises(RequestFailed, match=r"inference\.model"):
            machine.use(new)
        assert machine.decide().model == "pinned"


def test_without_a_store_there_is_nothing_to_exchange(tmp_path):
    with eyes(tmp_path, store=False) as machine:
        with pytest.raises(RequestFailed, match="no_store"):
            machine.use(make_model(tmp_path / "new"))
        assert machine.decide().decision == "accept"


def test_a_store_that_cannot_be_read_is_put_aside(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "shelf.json").write_text("{")
    with eyes(tmp_path) as machine:
        assert machine.decide().model == SHIPPED.name
        assert machine.events.named("model_store_damaged")
        assert (tmp_path / "models" / "shelf.damaged").read_text() == "{"


def test_the_model_that_serves_can_be_confirmed(tmp_path):
    with eyes(tmp_path) as machine:
        machine.use(make_model(tmp_path / "new"), fault="wrong")
        eventually(lambda: "refused" in machine.facts.get("trouble", ""))
        assert machine.use("").refused == ""
        eventually(lambda: "trouble" not in machine.facts)


# ----- Evidence -------------------------------------------------------------------------------


def record(deposit="m-1-1", state="credited"):
    return DepositRecord(deposit, state, "accepted", 1.0, 2.0, mass_g=21.5, evidence="ab" * 32)


def kept(path):
    return json.loads(path.read_text()) if path.exists() else None


def test_a_decision_leaves_its_pictures_its_reasons_and_its_end(tmp_path):
    with eyes(tmp_path, evidence=tmp_path / "evidence") as machine:
        answer = machine.decide()
        machine.decide("007_0000")
        machine.tell(Concluded(record(), {"exit_covered": 812.5}))
        machine.tell(Examined("m-1-1", (), (), 12.0))
        folder = tmp_path / "evidence" / "m-1-1"
        eventually((folder / "examined.json").exists)
        look = kept(folder / "look-1.json")
        assert (look["model"], look["model_sha256"]) == (answer.model, answer.model_sha256)
        assert look["decision"] == "accept"
        assert look["thresholds"] == load_manifest(SHIPPED).thresholds
        assert [picture["vote"] for picture in look["pictures"]] == ["accept"] * 3
        for picture in look["pictures"]:
            content = (folder / picture["file"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == picture["sha256"]
            frame = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            assert frame.shape == (336, 448, 3)
            assert picture["detections"]
        assert kept(folder / "look-2.json")["decision"] == "reject"
        conclusion = kept(folder / "conclusion.json")
        assert conclusion["record"]["state"] == "credited"
        assert conclusion["record"]["mass_g"] == 21.5
        assert conclusion["beams_ms"] == {"exit_covered": 812.5}
        eventually(lambda: machine.facts["evidence"].startswith("1 deposits"))


def test_evidence_that_is_complete_is_told_with_its_place(tmp_path):
    folder = tmp_path / "evidence"
    with eyes(tmp_path, evidence=folder, evidence_to="/heard") as machine:
        machine.decide()
        machine.tell(Concluded(record("never-seen")))
        machine.tell(Concluded(record(state="review")))
        (told,) = eventually(lambda: machine.heard)
        assert told == EvidenceKept(record(state="review"), str(folder / "m-1-1"))
        names = {path.name for path in (folder / "m-1-1").iterdir()}
        assert names >= {"look-1.json", "look-1-1.jpg", "conclusion.json"}


def test_evidence_that_is_too_old_is_thrown_out_at_the_start(tmp_path):
    old = tmp_path / "evidence" / "m-0-1"
    old.mkdir(parents=True)
    (old / "look-1-1.jpg").write_bytes(b"somebody's hand")
    long_ago_s = SystemClock().wall() - 40 * 86_400
    os.utime(old, (long_ago_s, long_ago_s))
    with eyes(tmp_path, evidence=tmp_path / "evidence", evidence_days=30) as machine:
        eventually(lambda: not old.exists())
        machine.decide()
        eventually((tmp_path / "evidence" / "m-1-1" / "look-1.json").exists)


def test_what_waits_to_be_written_is_written_before_the_end(tmp_path):
    with eyes(tmp_path, evidence=tmp_path / "evidence") as machine:
        machine.decide()
    assert kept(tmp_path / "evidence" / "m-1-1" / "look-1.json")["decision"] == "accept"


def test_a_deposit_cannot_name_a_place_elsewhere(tmp_path):
    with eyes(tmp_path, evidence=tmp_path / "evidence") as machine:
        for deposit in ("../elsewhere", "/tmp/elsewhere", "", ".", "a/b"):
            assert machine.decide(deposit=deposit).decision == "accept"
            machine.tell(Concluded(record(deposit)))
        machine.decide(deposit="m-1-2")
        eventually((tmp_path / "evidence" / "m-1-2" / "look-1.json").exists)
        assert [path.name for path in (tmp_path / "evidence").iterdir()] == ["m-1-2"]


def test_without_a_quota_nothing_is_kept(tmp_path):
    with eyes(tmp_path, evidence=tmp_path / "evidence", evidence_mb=0) as machine:
        machine.decide()
    assert not (tmp_path / "evidence").exists()


# ----- The process ----------------------------------------------------------------------------


def test_hundreds_of_decisions_over_kills_leave_nothing_behind(tmp_path):
    with eyes(tmp_path, evidence=tmp_path / "evidence", evidence_mb=1) as machine:
        for round_ in range(4):
            for number in range(25):
                answer = machine.decide(deposit=f"m-{round_}-{number}")
                assert answer.decision == "accept"
            fds = len(os.listdir(f"/proc/{machine.row.running.pid}/fd"))
            for number in range(25):
                machine.decide(deposit=f"n-{round_}-{number}")
            assert len(os.listdir(f"/proc/{machine.row.running.pid}/fd")) <= fds + 1
            os.kill(machine.row.running.pid, signal.SIGKILL)
            machine.until_incarnation(round_ + 2)
        size = sum(path.stat().st_size for path in (tmp_path / "evidence").rglob("*.*"))
        assert size < 1_100_000
