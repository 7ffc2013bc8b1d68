"""What is written of unique keys: in statements of their own, and in the one that records a job."""

from __future__ import annotations

from holdfast.ledger import clocks

# Sooner no key can be without its job: results are kept for longer.
LOOK_AFTER_SECONDS = 3600
# In the order of the key, so that two that take many cannot wait for each other.
PUT_KEYS = f"""
INSERT INTO holdfast_unique_key (key, job, until, awaited, given_at, look_at)
SELECT t.key, t.job, clock_timestamp() + t.period * interval '1 second', t.awaited, clock_timestamp(),
       clock_timestamp() + coalesce(t.period, {LOOK_AFTER_SECONDS}) * interval '1 second'
  FROM unnest(%s::text[], %s::text[], %s::float8[], %s::bool[]) AS t(key, job, period, awaited)
 ORDER BY t.key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET {{change}}
RETURNING key, job, awaited, coalesce(until > clock_timestamp(), false) AS fresh
"""
# A key that was given in what is the future again, for the clock was set back, is as if it were given now: it is taken
# for its period at most, and for no less than was left of it.
_KEEP = """key = excluded.key,
  until = CASE WHEN {ahead} THEN {anew} ELSE holdfast_unique_key.until END,
  given_at = CASE WHEN {ahead} THEN {now} ELSE holdfast_unique_key.given_at END"""
_ANEW = {
    "postgresql": "{now} + (holdfast_unique_key.until - holdfast_unique_key.given_at)",
    "sqlite": """strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now',
    ((julianday(holdfast_unique_key.until) - julianday(holdfast_unique_key.given_at)) * 86400.0) || ' seconds')""",
}
GIVE_KEYS = (
    "job = excluded.job, until = excluded.until, awaited = excluded.awaited, given_at = excluded.given_at, "
    "look_at = excluded.look_at"
)


def keep_keys(vendor: str) -> str:
    """Return what changes of a key that is there and stays with its job."""
    now = clocks.NOW[vendor]
    ahead = clocks.is_ahead(vendor, "holdfast_unique_key.given_at", "0")
    return _KEEP.format(ahead=ahead, now=now, anew=_ANEW[vendor].format(now=now))
