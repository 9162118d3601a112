"""The acceptance rule: what the machine makes of what the detector saw.

    accept   exactly one empty water bottle, and nothing that refuses
    empty    nothing was seen at all
    reject   everything else, with the reason as a code

A decision looks at a burst of pictures (`judge_all`): more than half of them have to accept.
A detection counts from its class's threshold on. Whatever is not the accepted class refuses, known
or not: a model with a class that this rule has never heard of makes the machine stricter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec

from models.reasons import Reason
from models.vision.detector import Detection

ACCEPTED_CLASS, LIQUID_CLASS = "mineral", "not_empty"


class Decision(str, Enum):
    """What happens to the item."""

    ACCEPT = "accept"
    REJECT = "reject"
    EMPTY = "empty"


REFUSING: Mapping[str, Reason] = {
    LIQUID_CLASS: Reason.NOT_EMPTY,
    "soda": Reason.REFUSED_SODA,
    "milk": Reason.REFUSED_MILK,
    "yogurt": Reason.REFUSED_YOGURT,
    "dishwasher": Reason.REFUSED_DISHWASHER,
    "non_mineral": Reason.REFUSED_NON_MINERAL,
}


class Verdict(msgspec.Struct, frozen=True):
    """The answer for one picture."""

    decision: Decision
    reason: Reason


def judge(detections: Sequence[Detection], thresholds: Mapping[str, float]) -> Verdict:
    """Apply the rule to the detections on one picture.

    Args:
        detections: what was seen, in any order.
        thresholds: per class, from which confidence on a detection counts. A refusing class
            without one always counts, the accepted class without one never does.
    """
    if not detections:
        return Verdict(Decision.EMPTY, Reason.NOTHING_SEEN)
    refusing = [seen for seen in detections if _refuses(seen, thresholds)]
    if refusing:
        surest = max(refusing, key=lambda seen: (seen.confidence, seen.class_name))
        reason = REFUSING.get(surest.class_name, Reason.REFUSED_OTHER)
        return Verdict(Decision.REJECT, reason)
    accepted = sum(_is_accepted(seen, thresholds) for seen in detections)
    if accepted == 0:
        return Verdict(Decision.REJECT, Reason.NOT_RECOGNISED)
    if accepted > 1:
        return Verdict(Decision.REJECT, Reason.SEVERAL_ITEMS)
    return Verdict(Decision.ACCEPT, Reason.ACCEPTED)


def judge_all(
    pictures: Sequence[Sequence[Detection]], thresholds: Mapping[str, float]
) -> tuple[Verdict, tuple[Verdict, ...]]:
    """Apply the rule to a burst of pictures of one item that lies still.

    More than half have to accept. Else the refusal that most pictures agree on is the answer, of
    equals the first; where some saw an item and some saw none, an item was seen.

    Args:
        pictures: the detections on each, oldest picture first; without any, nothing was seen.

    Returns:
        The verdict, and that of each picture.
    """
    votes = tuple(judge(detections, thresholds) for detections in pictures)
    accepting = [vote for vote in votes if vote.decision is Decision.ACCEPT]
    if 2 * len(accepting) > len(votes):
        return accepting[0], votes
    refusing = [vote for vote in votes if vote.decision is Decision.REJECT]
    if refusing:
        return Counter(refusing).most_common(1)[0][0], votes
    if accepting:
        return Verdict(Decision.REJECT, Reason.NOT_RECOGNISED), votes
    return Verdict(Decision.EMPTY, Reason.NOTHING_SEEN), votes


def _refuses(seen: Detection, thresholds: Mapping[str, float]) -> bool:
    if seen.class_name == ACCEPTED_CLASS:
        return False
    # Not `>=`: a confidence that is no number must refuse, and NaN compares false with everything.
    return not seen.confidence < thresholds.get(seen.class_name, 0.0)


def _is_accepted(seen: Detection, thresholds: Mapping[str, float]) -> bool:
    threshold = thresholds.get(ACCEPTED_CLASS)
    return (
        threshold is not None and seen.class_name == ACCEPTED_CLASS and seen.confidence >= threshold
    )
