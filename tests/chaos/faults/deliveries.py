"""Faults of delivery: tickets that come twice, late, and in another order; each strikes a list with tickets in it."""

from __future__ import annotations

from tests.chaos.faults.scene import Scene, fault
from tests.chaos.ground import lasting

# All within Redis, so that no worker takes a ticket in between: returns how many tickets were in the lists.
_TOUCH = """
math.randomseed(tonumber(ARGV[2]))
local touched = 0
for _, key in ipairs(redis.call('KEYS', '*')) do
    if redis.call('TYPE', key).ok == 'list' then
        local items = redis.call('LRANGE', key, 0, 199)
        touched = touched + #items
        if ARGV[1] == 'shuffle' and #items > 1 then
            for n = #items, 2, -1 do
                local other = math.random(n)
                items[n], items[other] = items[other], items[n]
            end
            for n, item in ipairs(items) do redis.call('LSET', key, n - 1, item) end
        end
        if ARGV[1] == 'repeat' then
            for _, item in ipairs(items) do
                for _ = 1, math.random(3) do
                    redis.call(math.random(2) == 1 and 'LPUSH' or 'RPUSH', key, item)
                end
            end
        end
    end
end
return touched
"""


def _touch(scene: Scene, how: str) -> int:
    client = scene.ground.site.redis()
    return int(client.eval(_TOUCH, 0, how, scene.rng.randrange(10**6)))


@fault("repeat tickets", hits="broker")
def repeat(scene: Scene) -> bool:
    """Each waiting ticket is delivered two to four times, some of them at once, some at the end of the queue"""
    if not scene.await_tickets():
        return False
    with scene.harm("repeat tickets", "broker"):
        return _touch(scene, "repeat") > 0


@fault("shuffle tickets", hits="broker")
def shuffle(scene: Scene) -> bool:
    """The waiting tickets of each list change places"""
    if not scene.await_work(lambda: scene.work.tickets() > 1):
        return False
    with scene.harm("shuffle tickets", "broker"):
        return _touch(scene, "shuffle") > 1


@fault("deliver late", hits="broker")
def deliver_late(scene: Scene) -> bool:
    """Tickets are delivered once more seconds later, when their jobs run, wait for a retry or have ended"""
    found = scene.await_work(scene.work.waiting)
    if not found:
        return False
    with scene.harm("deliver late", "broker"):
        lasting(scene.rng.uniform(0.5, 4))
        client = scene.ground.site.redis()
        for key, items in found.items():
            client.lpush(key, *items)
    return True


FAULTS = (repeat, shuffle, deliver_late)
