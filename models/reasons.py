"""Why something was decided: the codes. The texts for people stand in `models.texts`.

A code never changes its meaning, for it stands in ledgers that are kept for years.
"""

from enum import Enum


class Reason(str, Enum):
    """The code of a refusal, of a record's state, or of a machine that takes nothing."""

    # -- the picture: `models.acceptance`
    ACCEPTED = "accepted"
    NOTHING_SEEN = "nothing_seen"
    NOT_RECOGNISED = "not_recognised"  # something is there, nothing is sure enough
    SEVERAL_ITEMS = "several_items"
    NOT_EMPTY = "not_empty"
    REFUSED_SODA = "refused_soda"
    REFUSED_MILK = "refused_milk"
    REFUSED_YOGURT = "refused_yogurt"
    REFUSED_DISHWASHER = "refused_dishwasher"
    REFUSED_NON_MINERAL = "refused_non_mineral"
    REFUSED_OTHER = "refused_other"  # a class that this program does not know

    # -- scale and beams
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    TOO_LIGHT = "too_light"
    WEIGHT_UNKNOWN = "weight_unknown"
    NO_ITEM = "no_item"  # it never came in

    # -- something of the machine did not do its part: the customer is not to blame
    STALE_PICTURE = "stale_picture"
    CAMERA_FAILED = "camera_failed"
    INFERENCE_FAILED = "inference_failed"
    TOO_SLOW = "too_slow"
    STORAGE_FAILED = "storage_failed"
    GATE_OBSTACLE = "gate_obstacle"
    GATE_STUCK = "gate_stuck"
    JAM = "jam"
    MOTOR_FAILED = "motor_failed"
    SENSOR_FAILED = "sensor_failed"
    TRANSPORT_TIMEOUT = "transport_timeout"
    DROP_NOT_SEEN = "drop_not_seen"
    INTERRUPTED = "interrupted"  # the power, or the program, went away in between
    RESTARTED = "restarted"  # it lay there when the program began: its story is lost

    # -- fraud: the item is void
    WRONG_ORDER = "wrong_order"  # beams were crossed in an order that no falling item crosses them
    PULLED_BACK = "pulled_back"
    SWAPPED = "swapped"
    REINSERTED = "reinserted"
    LOCKED_OUT = "locked_out"
    TOO_FAST = "too_fast"

    # -- the machine takes nothing
    BOOTING = "booting"
    SELFTEST = "selftest"
    NO_SESSION = "no_session"
    BIN_FULL = "bin_full"
    ABANDONED = "abandoned"  # nobody took back what was given back
    DOOR_OPEN = "door_open"
    ESTOP = "estop"
    SERVICE = "service"
    FAULT = "fault"
