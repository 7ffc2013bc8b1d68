"""What the doctor looks at: one module per area. Every module in here is found by itself.

A probe:

    from holdfast.doctor import Finding, Look, define, probe

    NEAR_FULL = define(
        "holdfast.W343",
        title="Redis is nearly full",
        leads_to="Beyond its limit it refuses writes: jobs stay in the ledger until there is room.",
        repair="Raise maxmemory, or find out what fills it: redis-cli --bigkeys.",
    )

    @probe(area="broker", finds=[NEAR_FULL], after=["redis"])
    def redis_has_room(look: Look) -> Iterator[Finding]:
        \"\"\"How much of its memory Redis uses.\"\"\"
        ...
        yield NEAR_FULL.seen(f"{used} of {limit} bytes are used.", used=used, limit=limit)
"""
