"""A counting system: what each card adds to the running count, and how a true count is made."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Tags by rank, ace first and ten last, in units of 1/`scale` (Wong Halves has `scale` 2).

    A balanced system's true count is the running count by the decks that have not been seen,
    rounded down (`floor`) or towards zero (`truncate`). An unbalanced one such as KO begins at
    `initial` + `initial_per_deck` times decks, and its running count stands where others have the
    true count (`divided` is False).
    """

    name: str
    tags: tuple[int, int, int, int, int, int, int, int, int, int]
    scale: int = 1
    divided: bool = True
    rounding: str = "floor"
    initial: int = 0
    initial_per_deck: int = 0
