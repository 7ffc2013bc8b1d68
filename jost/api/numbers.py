"""Numbers of JSON, as a published schema means them; used wherever JOST reads JSON that others write."""

# Further out a float does not say which whole number was meant.
EXACT_UP_TO = 2**53


def read_number(text: str) -> int | float:
    """Read a number that has a point or an exponent: to a schema, 6.0 is the whole number 6."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= EXACT_UP_TO else number
