"""What Holdfast tells about itself: one Django signal per event, sent in the process where it happens.

Logs, metrics and the console read these; tests wait for them instead of for time. Arguments are plain values.
"""

from __future__ import annotations

from django.dispatch import Signal

worker_registered = Signal()
"""A worker has a lease. worker: UUID, name: str."""
lease_lost = Signal()
"""A worker was declared lost and found out. worker: UUID."""
worker_stalled = Signal()
"""A worker takes nothing though it should. worker: UUID, name, cause, evidence: str (lines), seconds: float."""
worker_recovered = Signal()
"""A worker that was stalled takes messages again. worker: UUID, name: str, seconds: float."""
jobs_rescued = Signal()
"""Jobs of lost workers were given back. count: int, workers: int."""
jobs_republished = Signal()
"""Queued jobs the broker did not hold were published again. count: int, queue: str."""
jobs_published = Signal()
"""Held jobs became due and were published. count: int."""
jobs_pruned = Signal()
"""Finished jobs were deleted after their retention. count: int."""
minute_counted = Signal()
"""What became of jobs in a minute was written. at: datetime (its beginning), jobs: int (how many ended)."""
jobs_settled = Signal()
"""Waiters of jobs that ended without their own attempt were told. count: int."""
rescuer_waits = Signal()
"""The rescuer does not act: its own heartbeats or the clocks give no ground. reason: str."""
message_suspected = Signal()
"""A message was not one of ours. kind, queue, task, job: str as it says of itself, accepted: bool (it is run)."""
queue_unserved = Signal()
"""Jobs have waited for a lease in a queue that no live worker serves; told once. queue: str."""
queue_served = Signal()
"""A queue that was told to be unserved is served again, or empty. queue: str."""
scheduler_leads = Signal()
"""A scheduler acts for all from now on. scheduler: UUID, before: UUID or None (who let the duty run out)."""
occurrence_decided = Signal()
"""A due time of a schedule was decided. schedule, outcome, reason: str, due_at: datetime, job: str or None."""
loop_blocked = Signal()
"""The event loop of coroutine bodies is held up. task, job: str ("" if unknown), seconds: float, stack: str."""
