"""What happened how often: outcomes, events, the dealer's hands, insurance; flat bets."""

from math import sqrt

from jost.simulations.engine.tally import BET, EVENTS, MAX_HALVES, Tally, payoffs

from .intervals import Figure, rate, share

# A spot ends with four hands at most, all doubled, and half a bet of insurance.
MOST_HANDS = 4
MOST_EXTRA = MAX_HALVES / 2 - 1 + 0.5
# What can happen to a spot more than once.
REPEATED = {"hands": MOST_HANDS, "doubles": MOST_HANDS, "splits": MOST_HANDS - 1, "busts": 4}
DEALER = "dealer_"


def outcomes(tally: Tally) -> dict[str, Figure]:
    """Shares of spots that won, pushed and lost, insurance and surrender in the balance."""
    shares = payoff_shares(tally)
    parts = {
        "won": sum(spots for payoff, spots, _ in shares if payoff > 0),
        "pushed": sum(spots for payoff, spots, _ in shares if payoff == 0),
        "lost": sum(spots for payoff, spots, _ in shares if payoff < 0),
    }
    return {name: _share_of_spots(tally, part) for name, part in parts.items()}


def payoff_shares(tally: Tally) -> list[tuple[float, int, Figure]]:
    """Each payoff that came up, in units of the bet: it, its spots, their share."""
    spots_at: dict[int, int] = {}
    values = payoffs(tally.blackjack_tenths)
    for tenths, spots in zip(values, tally.whole().cells, strict=True):
        if spots:
            spots_at[tenths] = spots_at.get(tenths, 0) + spots
    return [
        (tenths / BET, spots, _share_of_spots(tally, spots))
        for tenths, spots in sorted(spots_at.items())
    ]


def events(tally: Tally) -> dict[str, Figure]:
    """How many of each event come on a spot."""
    found = {}
    for name, total in zip(EVENTS, tally.events, strict=True):
        if name.startswith(DEALER):
            continue
        if name in REPEATED:
            found[name] = rate(
                total, of=spots_of(tally), most=REPEATED[name], observations=tally.rounds
            )
        else:
            found[name] = _share_of_spots(tally, total)
    return found


def dealer_outcomes(tally: Tally) -> dict[str, Figure]:
    """Shares of rounds by the dealer's end; `idle` is a hand that nobody needed to be played."""
    return {
        name.removeprefix(DEALER): share(total, of=tally.rounds)
        for name, total in zip(EVENTS, tally.events, strict=True)
        if name.startswith(DEALER)
    }


def insurance(tally: Tally) -> dict[str, Figure] | None:
    """How often insurance won, and what a unit of it is worth; None if it was never taken."""
    taken, won = tally.event("insured"), tally.event("insurance_won")
    if not taken:
        return None
    # Spots of a round win or lose it together.
    wins = share(won, of=taken, observations=taken / tally.seats)
    return {"won": wins, "ev": wins.through(lambda part: 3 * part - 1)}


def bet_per_spot(tally: Tally) -> float:
    """The mean of all that lies on a spot in the end: doubles, splits and insurance with it."""
    bets = tally.event("hands") + tally.event("doubles") + tally.event("insured") / 2
    return bets / spots_of(tally)


def ev_per_unit_bet(tally: Tally) -> Figure | None:
    """What a unit is worth of all that is wagered; None before there are two rounds.

    Amounts are known in total only. How they spread is bounded by the most that can lie on a spot,
    which widens the interval by well under one per cent.
    """
    estimate = tally.estimate()
    if estimate is None:
        return None
    bet = bet_per_spot(tally)
    value = estimate.ev / bet
    widest = sqrt(max(MOST_EXTRA * (bet - 1), 0.0) / tally.rounds)
    error = (estimate.standard_error + abs(value) * widest) / bet
    return Figure.around(value, standard_error=error)


def spots_of(tally: Tally) -> int:
    return tally.rounds * tally.seats


def _share_of_spots(tally: Tally, part: int) -> Figure:
    # The spots of a round share the dealer's hand: they count as one observation.
    return share(part, of=spots_of(tally), observations=tally.rounds)
