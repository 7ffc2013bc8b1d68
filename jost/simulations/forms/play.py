"""The fields for what a player does: his chart, what he counts, and his index plays."""

import re
from typing import Any, ClassVar

from django import forms

from jost.simulations.charts import chart_to_csv, read_strategy
from jost.simulations.engine import RulesError
from jost.simulations.engine.counting import CARDS, SYSTEMS, TITLES
from jost.simulations.engine.plays import INSURANCE, IndexPlay
from jost.simulations.setup import Setup

from .fields import DescribedForm, line, segments, select, switch, whole

# A chart has 1 KB; who uploads more has taken another file.
MOST_UPLOADED = 100_000
OWN = "own"
PLAY_LINE = re.compile(
    r"(?P<hand>\w+)\s+(?:v|vs|against)\s+(?P<upcard>\w+)\s+(?P<sign>>=|<)\s*(?P<index>[+-]?\d+)"
    r"\s+(?P<play>\w+)",
    re.IGNORECASE,
)
INSURANCE_LINE = re.compile(r"insurance\s*>=\s*(?P<index>[+-]?\d+)", re.IGNORECASE)
HI_LO_TAGS = dict(zip(CARDS, SYSTEMS["hi-lo"].tags, strict=True))


class StrategyFields(DescribedForm):
    """The computed chart, or a user's own: written, pasted or uploaded, as JSON or CSV."""

    strategy_from = segments(
        [("computed", "computed for these rules"), (OWN, "my own chart")],
        label="Strategy",
        initial="computed",
    )
    strategy = forms.CharField(
        label="Chart",
        required=False,
        max_length=MOST_UPLOADED,
        help_text="CSV or JSON. Rows that are left out are computed. Codes: H, S, D, Ds, P, N, Rh, "
        "Rs, Rp.",
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "wrap": "off"}),
    )
    strategy_file = forms.FileField(
        label="Or a file",
        required=False,
        help_text="It takes the place of what is written above.",
        widget=forms.FileInput(attrs={"accept": ".csv,.json,text/csv,application/json"}),
    )

    def strategy_values(self) -> dict[str, Any]:
        """The key of a rules file, none for the computed chart; RulesError names the cell."""
        if self.cleaned_data["strategy_from"] != OWN:
            return {}
        text = self._uploaded() or self.cleaned_data["strategy"]
        if not text.strip():
            raise RulesError("Paste a chart or choose a file.", field="strategy")
        return {"strategy": read_chart(text)}

    def _uploaded(self) -> str:
        file = self.cleaned_data["strategy_file"]
        if file is None:
            return ""
        if file.size > MOST_UPLOADED:
            raise RulesError("This file is too large for a chart.", field="strategy_file")
        try:
            text: str = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise RulesError(
                "This file is no text: save it as UTF-8.", field="strategy_file"
            ) from None
        return text


class CountingFields(DescribedForm):
    """A known counting system or the user's own tags, and the plays that depend on the count."""

    PLACES: ClassVar[dict[str, str]] = {
        "counting.system": "counting",
        "counting.name": "count_name",
        "counting.true_count": "true_count",
        "counting.initial": "initial_count",
        "counting.initial_per_deck": "initial_per_deck",
        "index_plays": "own_plays",
        **{f"counting.tags.{card}": f"tag_{card}" for card in CARDS},
        "counting.tags": "tag_A",
    }

    counting = select(
        [("", "none"), *TITLES.items(), (OWN, "own tags")],
        label="Counting system",
        required=False,
    )
    true_count = segments(
        [("floor", "rounded down"), ("truncate", "cut off"), ("none", "running count")],
        label="True count",
        initial="floor",
        help_text="KO is played by its running count, whatever is chosen here.",
    )
    count_name = forms.CharField(label="Its name", required=False, max_length=40, widget=line())
    initial_count = whole("Begins at", initial=0, low=-100, high=100, required=False)
    initial_per_deck = whole("And per deck", initial=0, low=-100, high=100, required=False)
    illustrious_18 = switch("Illustrious 18", help_text="Hi-Lo's indices, with insurance at +3.")
    fab_4 = switch("Fab 4", help_text="Four surrenders, by Hi-Lo.")
    own_plays = forms.CharField(
        label="Own index plays",
        required=False,
        max_length=20_000,
        help_text="One per line: 16 v 10 >= 0 S, or 13 v 2 < -1 H, or insurance >= 3.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )

    def add_fields(self) -> None:
        super().add_fields()
        self.fields |= {f"tag_{card}": _tag(card) for card in CARDS}

    @property
    def tags(self) -> list[Any]:
        """The fields of own tags, for the template."""
        return [self[f"tag_{card}"] for card in CARDS]

    def counting_values(self) -> dict[str, Any]:
        """The keys of a rules file."""
        values = self.cleaned_data
        plays: list[Any] = []
        plays += ["illustrious-18"] if values["illustrious_18"] else []
        plays += ["fab-4"] if values["fab_4"] else []
        plays += read_play_lines(values["own_plays"])
        return {"counting": self._counting(), "index_plays": plays}

    def _counting(self) -> Any:
        values = self.cleaned_data
        system = values["counting"]
        if not system:
            return None
        if system != OWN:
            divided = SYSTEMS[system].divided and values["true_count"] != "none"
            return {"system": system} | ({"true_count": values["true_count"]} if divided else {})
        tags = {card: values[f"tag_{card}"] for card in CARDS}
        return {
            "name": values["count_name"] or OWN,
            "tags": {card: tag for card, tag in tags.items() if tag is not None},
            "true_count": values["true_count"],
            "initial": values["initial_count"] or 0,
            "initial_per_deck": values["initial_per_deck"] or 0,
        }


def read_chart(text: str) -> Any:
    """What a rules file has under `strategy`; a whole rules file will do, and its chart is taken."""
    values = read_strategy(text)
    return values.get("strategy", values)


def read_play_lines(text: str) -> list[dict[str, Any]]:
    """The index plays that lines such as `16 v 10 >= 0 S` say."""
    plays = []
    for place, written in enumerate(text.splitlines(), start=1):
        if written.strip():
            plays.append(_read_play(written.strip(), place=place))
    return plays


def _read_play(written: str, *, place: int) -> dict[str, Any]:
    insurance = INSURANCE_LINE.fullmatch(written)
    if insurance:
        return {"hand": INSURANCE, "at_least": int(insurance["index"])}
    play = PLAY_LINE.fullmatch(written)
    if play is None:
        raise RulesError(
            f"Line {place}, {written!r}, is no index play: write 16 v 10 >= 0 S.",
            field="index_plays",
        )
    values = {
        "hand": play["hand"].upper(),
        "upcard": play["upcard"].upper(),
        "at_least" if play["sign"] == ">=" else "below": int(play["index"]),
        "play": play["play"][0].upper() + play["play"][1:].lower(),
    }
    try:
        IndexPlay.from_dict(values, path=f"Line {place}")
    except RulesError as reason:
        raise RulesError(str(reason), field="index_plays") from None
    return values


def initial_strategy(setup: Setup, *, computed: bool) -> dict[str, Any]:
    """What the fields are filled with; a chart is written as CSV, as it is easier to read."""
    if computed:
        return {"strategy_from": "computed"}
    return {"strategy_from": OWN, "strategy": chart_to_csv(setup.game.chart)}


def initial_counting(setup: Setup) -> dict[str, Any]:
    """What the fields are filled with to say what is counted, and the plays by it."""
    values = setup.to_dict()
    listed, said = values["index_plays"], values["counting"]
    filled: dict[str, Any] = {
        "illustrious_18": "illustrious-18" in listed,
        "fab_4": "fab-4" in listed,
        "own_plays": "\n".join(_written(each) for each in listed if isinstance(each, dict)),
    }
    if said is None:
        return filled
    filled["true_count"] = said["true_count"]
    if "system" in said:
        return filled | {"counting": said["system"]}
    tags = {f"tag_{card}": tag for card, tag in said["tags"].items()}
    return filled | {
        "counting": OWN,
        "count_name": said["name"],
        "initial_count": said["initial"],
        "initial_per_deck": said["initial_per_deck"],
        **tags,
    }


def _written(play: dict[str, Any]) -> str:
    sign, index = (">=", play["at_least"]) if "at_least" in play else ("<", play["below"])
    if play["hand"] == INSURANCE:
        return f"{INSURANCE} {sign} {index}"
    return f"{play['hand']} v {play['upcard']} {sign} {index} {play['play']}"


def _tag(card: str) -> Any:
    return forms.FloatField(
        label=card,
        required=False,
        initial=HI_LO_TAGS[card],
        widget=forms.NumberInput(attrs={"step": "0.5", "inputmode": "decimal"}),
        error_messages={"invalid": f"The tag of {card} is no number."},
    )
