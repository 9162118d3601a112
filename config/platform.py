"""What the platform may set: a closed rule for every key.

    free       anything that the key takes
    at most    up to what the machine's own layers say, never more
    at least   down to what they say, never less
    never      not the platform's to say

The guard's numbers are bounds of what moves beside people's hands. Whoever holds the platform's
keys may make them tighter and never wider than somebody at the machine has allowed. Addresses,
secrets, pins and paths stay with the machine: a wrong one locks the platform out for good, and a
path or the command of a camera would be a way in. A key that stands nowhere here is a `never`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from config.errors import Problem
from config.keys import keys, public, shown
from config.layers import Layer
from config.settings import Settings, value_of


class ServerWord(NamedTuple):
    """What the platform says: version `version`, with dotted keys."""

    version: int
    settings: Mapping[str, Any]


class Rule(NamedTuple):
    """What the platform may do with a key, and why not more."""

    kind: Literal["free", "at_most", "at_least", "never"]
    why: str = ""


_IDENTITY = "it says who this machine is and which body it has"
_WAY = "a wrong way, secret or pin would lock the platform itself out, with nobody to mend it"
_PATH = "a path on the machine, or a command: only somebody at the machine says that"
_BODY = "it was measured or wired at this very machine"
_NET = "it is what a change of the platform's is watched and taken back by"
_LIMIT = "it says what the machine does at the platform's word, and how often"
_GUARD = "it bounds what moves, and the platform may only make it tighter"

_NEVER: Mapping[str, str] = {
    _IDENTITY: "machine.hardware_id machine.profile",
    _WAY: "uplink.server_url uplink.tunnel_url uplink.local_url uplink.allow_plain_http"
    " uplink.api_key_file uplink.enrolment_token_file uplink.ca_file uplink.pins"
    " uplink.pins_report_only",
    _PATH: "camera.source inference.model detail.outline_model detail.articles"
    " motor.guard_socket sensors.sysfs_root",
    _BODY: "motor.guard motor.gpio_lines motor.gate_gpio_lines motor.heartbeat_gpio_line"
    " motor.gate_open_gpio_line motor.gate_closed_gpio_line motor.gate_beam_gpio_line"
    " motor.encoder_gpio_line motor.door_gpio_line motor.estop_gpio_line"
    " sensors.gpio_lines.entry sensors.gpio_lines.inside sensors.gpio_lines.exit"
    " sensors.gpio_lines.drop sensors.load_cell_zero_counts sensors.load_cell_g_per_count"
    " bin.depth_m deposit.belt_m_per_s",
    _NET: "uplink.settings_watch_s uplink.settings_wait_s_max uplink.settings_poll_s",
    _LIMIT: "uplink.reboot uplink.commands_at_once_max uplink.commands_per_s",
}

# A lease, a look, a run, a jog that is longer; a current, a time or a count that is higher before
# the guard takes it for a stall, a jam, or a motor that is not off: each lets more happen.
_AT_MOST = (
    "motor.lease_s motor.renew_s motor.tick_s motor.idle_tick_s motor.transport_s motor.run_s_max"
    " motor.gate_run_s_max motor.belt_stall_a motor.gate_stall_a motor.stall_s motor.inrush_s"
    " motor.off_current_a motor.settle_s motor.run_down_s motor.jams_max motor.gate_beam_stuck_s"
    " motor.jog_s_max motor.duty_percent_max"
)
# A motor gets less rest, a contact counts sooner as closed, a weak supply passes.
_AT_LEAST = (
    "motor.dead_time_s motor.dead_time_still_s motor.supply_v_min motor.contact_release_s"
    " motor.still_s motor.duty_window_s"
)

_FREE: Mapping[str, str] = {
    "camera": "width_px_max height_px_max ring_slots width_px height_px frames_per_s latency_s"
    " burst_frames burst_interval_s capture_retries capture_timeout_s stall_timeout_s"
    " open_timeout_s stuck_timeout_s reopen_s idle_sleep_s presence_period_s check_period_s"
    " black_level_percent over_exposed_percent frozen_percent frozen_frames frozen_coded_s"
    " torn_percent torn_frames_max torn_window_s blurred_percent blurred_refuse_percent"
    " spot_level_percent dirty_looks dirty_percent dirty_refuse_percent alarm_frames",
    "inference": "threads deadline_s backend picture_s_max load_timeout_s build_timeout_s"
    " memory_mb_max canary_period_s golden_period_s probation_s evidence_mb evidence_days"
    " evidence_reserve_mb",
    "detail": "outline barcode items_max timeout_s",
    "deposit": "boot_timeout_s selftest_timeout_s gate_timeout_s infeed_timeout_s"
    " capture_timeout_s frame_age_s_max decide_timeout_s transport_timeout_s drop_timeout_s"
    " run_on_s confirm_timeout_s return_timeout_s retries_max recover_timeout_s reverse_s"
    " unproven_max retry_fault_s fault_retries_max length_m_max length_m_min length_tolerance_m"
    " mass_g_min mass_g_max mass_tolerance_g empty_scale_g_max needs_scale weigh_timeout_s"
    " looks_max tare_period_s try_again_s motor_answer_s",
    "fraud": "items_per_minute_max voids_max voids_window_s lockout_s memory_s same_length_m"
    " same_mass_g",
    "bin": "warn_percent full_percent reopen_percent",
    "sensors": "debounce_s release_s drop_debounce_s poll_s beam_stuck_s beam_blips_max"
    " beam_blips_s scale_period_s scale_window_s scale_spread_g_max tare_drift_g_max"
    " frozen_readings bin_period_s bin_readings climate_period_s",
    "session": "guests idle_timeout_s warn_s expiry_s claim_days",
    "storage": "map_mb map_mb_max group_commit_max reserve_percent event_quota_percent"
    " status_quota_percent telemetry_quota_percent media_quota_percent",
    "uplink": "heartbeat_s telemetry_s connect_timeout_s probe_s return_after_s call_timeout_s"
    " retry_after_s_max command_poll_s engine_port upload_kb_per_s evidence",
    "health": "period_s cpu_alarm_percent cpu_clear_percent memory_alarm_percent"
    " memory_clear_percent disk_alarm_percent disk_clear_percent temperature_alarm_c"
    " temperature_clear_c",
    "logging": "level rotate_mb files",
}


def rules() -> dict[str, Rule]:
    """Give the rule of every key that has one."""
    found = {name: Rule("never", why) for why, names in _NEVER.items() for name in names.split()}
    found |= {name: Rule("at_most", _GUARD) for name in _AT_MOST.split()}
    found |= {name: Rule("at_least", _GUARD) for name in _AT_LEAST.split()}
    for section, names in _FREE.items():
        found |= {f"{section}.{name}": Rule("free") for name in names.split()}
    return found


def rule_of(key: str) -> Rule:
    """Give the rule of a key; what nobody has thought about is not the platform's."""
    return rules().get(key, Rule("never", "nobody has decided yet that the platform may set it"))


def overstepped(layer: Layer, local: Settings) -> Iterator[Problem]:
    """Find what the platform's layer says and may not.

    Args:
        local: what all other layers give.
    """
    known = rules()
    for key, said in layer.says.items():
        if key in keys():
            rule = known.get(key) or rule_of(key)
            text = _objection(rule, said.value, value_of(local, key))
            if text:
                given = shown(public(key, said.value))
                yield Problem(
                    layer=layer.name,
                    origin=said.origin,
                    key=key,
                    text=text,
                    given=given,
                    forbidden=True,
                )


def _objection(rule: Rule, value: Any, bound: Any) -> str:
    if rule.kind == "never" and value != bound:
        return f"not the platform's to set: {rule.why}"
    if rule.kind == "at_most" and value > bound:
        return f"{shown(value)} is above {shown(bound)}, which this machine allows: {rule.why}"
    if rule.kind == "at_least" and value < bound:
        return f"{shown(value)} is below {shown(bound)}, which this machine allows: {rule.why}"
    return ""
