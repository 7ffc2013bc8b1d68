"""Files that deploy a project, rendered from what its settings say: read by `manage.py holdfast render`.

`described()` says which processes the project consists of, `rendered(target, deployment)` the files of one tool.
"""

from __future__ import annotations

from holdfast.deploy.committed import differences, write
from holdfast.deploy.deriving import described
from holdfast.deploy.description import Deployment, Pool, Scheduler, Web
from holdfast.deploy.reaching import remarks
from holdfast.deploy.targets import TARGETS, rendered

__all__ = [
    "TARGETS",
    "Deployment",
    "Pool",
    "Scheduler",
    "Web",
    "described",
    "differences",
    "remarks",
    "rendered",
    "write",
]
