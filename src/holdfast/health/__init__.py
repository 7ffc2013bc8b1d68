"""Whether this process can do its work: parts that are looked at once a second at most, each within a bounded time.

`path("health/", include("holdfast.health.urls"))` answers `health/live` and `health/ready`.
"""
