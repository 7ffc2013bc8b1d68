"""Reads a tally out of a desk when its chunk is done."""

from . import layout
from .desk import Desk, joint_payoffs
from .layout import (
    CLASS_BLACKJACK,
    CLASS_BUST,
    CLASS_ROW,
    CLASS_SPLIT_LIVE,
    CLASS_SURRENDERED,
    DEALER_BLACKJACK,
    DEALER_IDLE,
    DOUBLED_CLASS,
    INSURED,
    JOINT,
)
from .rules import Rules
from .tally import (
    BLACKJACK,
    BUCKETS,
    CELLS,
    EVENTS,
    HALF,
    INSURED_BLACKJACK,
    MIN_HALVES,
    Tally,
    payoffs,
)

# Ends to which the dealer's hand makes no difference: he does not draw for them.
IDLE_CLASSES = (
    CLASS_BUST,
    CLASS_BUST + DOUBLED_CLASS,
    CLASS_BLACKJACK,
    CLASS_SURRENDERED,
    layout.CLASS_SPLIT_LOST,
)


def tally_of(desk: Desk, *, rules: Rules) -> Tally:
    """What was counted on a desk."""
    _, marks, _, _, _, book = desk
    cells = list(book[layout.SPLIT_CELLS : layout.SPLIT_CELLS + BUCKETS * CELLS])
    events = dict.fromkeys(EVENTS, 0)
    pays = joint_payoffs(rules)
    for at, spots in enumerate(marks[layout.COUNTS :]):
        if spots:
            bucket, joint = divmod(at, JOINT)
            _add_events(events, joint, spots)
            if joint % INSURED // CLASS_ROW < CLASS_SPLIT_LIVE:
                cells[bucket * CELLS + _cell(joint, pays[joint])] += spots
    events["hands"] = sum(cells) + book[layout.SPLITS_MADE]
    events["splits"] = book[layout.SPLITS_MADE]
    events["doubles"] += book[layout.SPLIT_DOUBLES]
    events["busts"] += book[layout.SPLIT_BUSTS]
    if book[layout.KIND] == layout.TABLE:
        squares = list(book[layout.SQUARES : layout.SQUARES + BUCKETS])
        events |= zip(EVENTS, book[layout.DEALER_ENDS : layout.DEALER_ENDS + 8], strict=False)
    else:
        squares = _squares(cells, blackjack_tenths=rules.blackjack_tenths)
    return Tally(
        blackjack_tenths=rules.blackjack_tenths,
        seats=rules.seats,
        cells=tuple(cells),
        squares=tuple(squares),
        events=tuple(events.values()),
    )


def _cell(joint: int, tenths: int) -> int:
    ended, dealer = joint % INSURED // CLASS_ROW, joint % CLASS_ROW
    if ended == CLASS_BLACKJACK and dealer != DEALER_BLACKJACK:
        return INSURED_BLACKJACK if joint >= INSURED else BLACKJACK
    return tenths // HALF - MIN_HALVES


def _add_events(events: dict[str, int], joint: int, spots: int) -> None:
    ended, dealer = joint % INSURED // CLASS_ROW, joint % CLASS_ROW
    idle = ended in IDLE_CLASSES and dealer != DEALER_BLACKJACK
    events[EVENTS[DEALER_IDLE if idle else dealer]] += spots
    events["blackjacks"] += spots * (ended == CLASS_BLACKJACK)
    events["surrenders"] += spots * (ended == CLASS_SURRENDERED)
    events["doubles"] += spots * (DOUBLED_CLASS <= ended < CLASS_SURRENDERED)
    events["busts"] += spots * (ended in (CLASS_BUST, CLASS_BUST + DOUBLED_CLASS))
    if joint >= INSURED:
        events["insured"] += spots
        events["insurance_won"] += spots * (dealer == DEALER_BLACKJACK)


def _squares(cells: list[int], *, blackjack_tenths: int) -> list[int]:
    """Of whole rounds, which are those of the one spot."""
    values = [value * value for value in payoffs(blackjack_tenths)]
    return [
        sum(
            value * spots for value, spots in zip(values, cells[start : start + CELLS], strict=True)
        )
        for start in range(0, BUCKETS * CELLS, CELLS)
    ]
