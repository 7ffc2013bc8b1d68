"""The findings by which the trees of `triage` decide, the most telling first."""

from __future__ import annotations

# The address is wrong, or nobody is there.
DISCOVERY = (
    *("E311", "E310", "E301", "E302", "E304", "E312", "E313", "E330", "E329", "E316"),
    *("E009", "E010", "E011", "W303"),
)
# It is there, and refuses.
ACCESS = (
    *("E317", "E318", "E319", "E320", "E314", "E315", "E321", "E322", "E323", "E324"),
    *("E325", "E326", "E331", "E332", "E356", "E333"),
)
# The server ends what is idle.
IDLE_CLOSED = ("W347", "W348")
# The server is full, loads, or cannot write, and so refuses for a while.
CROWDED = ("E328", "E327", "E344", "E346", "W354", "W343", "W334")
# This side does not notice.
UNWATCHED = ("W360", "W361", "W362", "W363", "W368")
# Connected, and takes nothing.
STALLING = ("E004", "E502", "W255")
GIVING_UP = ("W006", "W364", "W365")

# Nothing starts at all.
LOST = ("E202", "E203", "E201", "E204", "E205")
EAGER = ("W230", "E006")
FORGETFUL = ("E005", "E340", "W341", "W345", "E346", "W350")
CRASHING = ("W614", "W617", "E504", "E611", "W511")
DATABASE = (*("E405", "W415", "W416", "E401", "E402", "E403", "E404", "E406", "E407", "W414"),)
UNKNOWN_TASK = ("E615", "E606", "E508", "W252", "W253", "W254")
PENDING = ("E501", "E601", "E502", "E505", "E607", "W604", "W506", "W603")
