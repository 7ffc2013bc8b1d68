"""What the guide to async tasks shows is what happens."""

from __future__ import annotations

import asyncio
from typing import Any

from holdfast.worker.aio import TaskPool
from tests.docs.pages import ROOT, examples
from tests.project.coroutines import AIO

PAGE = ROOT / "docs" / "guides" / "async.md"


def test_example_of_the_guide_to_async_tasks_runs() -> None:
    names: dict[str, Any] = {"__name__": "try_async"}
    exec(compile(examples(PAGE, language="python")[-1], "docs/guides/async.md", "exec"), names)

    async def greeting() -> str:
        return str(await names["greet"]("Cem"))

    assert asyncio.run(greeting()).startswith("Hello Cem")


def test_guide_names_the_pool_the_tests_run() -> None:
    (path,) = AIO.values()
    assert path == f"{TaskPool.__module__}:{TaskPool.__qualname__}"
    text = PAGE.read_text()
    assert f"CELERY_CUSTOM_WORKER_POOL={path} celery -A proj worker -P custom" in text
    assert f'CELERY_WORKER_POOL = "{path}"' in text
