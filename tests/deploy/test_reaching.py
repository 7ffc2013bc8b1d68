"""What `render` says of settings that read other variables than the files give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from holdfast.deploy import described, reaching, remarks, rendered
from holdfast.deploy.description import Deployment
from holdfast.deploy.facts import Facts
from holdfast.exceptions import ConfigurationError
from tests.deploy.files import ROOT, render

SETTINGS = """
from os import environ
USE_TZ = True
SECRET_KEY = environ["SHOP_KEY"]
INSTALLED_APPS = ["holdfast"]
CELERY_BROKER_URL = "redis://127.0.0.1:6379/0"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": environ.get("%s", "")}}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "HOST": environ.get("%s", "localhost"),
        "PORT": environ.get("%s", ""),
    }
}
print("settings that print", end="")
"""
OURS = ("CACHE_URL", "POSTGRES_HOST", "POSTGRES_PORT")
THEIRS = ("REDIS_CACHE", "DB_HOST", "DB_PORT")
Made = Callable[..., Deployment]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Return a deployment of a project whose settings read these variables, and what it says of it."""
    for name in (*OURS, *THEIRS, "SHOP_KEY", "CELERY_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)

    def made(*read: str, text: str = SETTINGS, **asked: Any) -> Deployment:
        (tmp_path / "shop_settings.py").write_text(text % read)
        (tmp_path / "env.list").write_text("# secrets\nSHOP_KEY='key of the test'\n\n")
        return described(
            Facts(
                app="shop",
                settings="shop_settings",
                folder=tmp_path,
                wsgi="shop.wsgi:application",
                servers=("gunicorn",),
                requirements="requirements.txt",
                asked=asked,
            )
        )

    return made


def test_settings_that_read_what_is_given_are_not_mentioned(shop: Made, tmp_path: Path) -> None:
    assert list(remarks(["dockerfile", "compose"], shop(*OURS), tmp_path)) == []


def test_each_variable_that_nobody_reads_is_named_with_what_is_used_instead(
    shop: Made, tmp_path: Path
) -> None:
    cache, database = remarks(["compose"], shop(*THEIRS), tmp_path)
    assert cache.startswith("shop_settings makes nothing of CACHE_URL")
    assert "'redis-cache': CACHES is django.core.cache.backends.redis.RedisCache. " in cache
    assert database.startswith("shop_settings makes nothing of POSTGRES_HOST")
    assert "'postgres': DATABASES is django.db.backends.postgresql at localhost. " in database
    assert "{'POSTGRES_HOST': 'DB_HOST'}" in database
    # The database of a cluster is named in its Secret.
    (cache,) = remarks(["kubernetes"], shop(*THEIRS), tmp_path)
    assert "'shop-redis-cache'" in cache


def test_names_that_a_project_says_are_rendered_and_found(shop: Made, tmp_path: Path) -> None:
    d = shop(*THEIRS, variables=dict(zip(OURS, THEIRS, strict=True)))
    assert list(remarks(["compose", "kubernetes"], d, tmp_path)) == []
    compose = rendered("compose", d)["docker-compose.yml"]
    assert "  REDIS_CACHE: redis://redis-cache:6379/0\n  DB_HOST: postgres\n" in compose
    assert '  DB_PORT: "5432"\n' in compose
    assert "CACHE_URL" not in compose
    cluster = rendered("kubernetes", d)["deploy/kubernetes/base/config.yaml"]
    assert "  REDIS_CACHE: redis://shop-redis-cache:6379/0\n" in cluster


def test_port_by_another_name_is_said(shop: Made, tmp_path: Path) -> None:
    d = shop(*OURS[:2], "DB_PORT")
    wrong = replace(d, environment={"DB_PORT": "6432"})
    (port,) = remarks(["compose"], wrong, tmp_path)
    assert "POSTGRES_PORT" in port
    assert "at postgres, port 6432" in port


def test_what_a_project_says_itself_or_does_without_is_not_given(
    shop: Made, tmp_path: Path
) -> None:
    own = {"DB_HOST": "postgres", "CELERY_BROKER_URL": "redis://elsewhere:6379/3"}
    d = shop(*THEIRS, environment=own, variables={"CACHE_URL": ""})
    assert list(remarks(["compose"], d, tmp_path)) == []
    compose = rendered("compose", d)["docker-compose.yml"]
    assert "CACHE_URL" not in compose
    assert compose.count("CELERY_BROKER_URL:") == 1
    assert list(remarks(["kubernetes"], d, tmp_path)) == []


def test_settings_that_do_not_load_are_said_without_their_words(shop: Made, tmp_path: Path) -> None:
    d = shop(text="raise ValueError('the password is swordfish')\n")
    (line,) = remarks(["compose"], d, tmp_path)
    assert "could not be seen" in line
    assert "(ValueError)" in line
    assert "swordfish" not in line


def test_settings_that_hang_are_given_up(
    shop: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "PATIENCE_SECONDS", 0.2)
    d = shop(text="import threading\nthreading.Event().wait()\n")
    (line,) = remarks(["compose"], d, tmp_path)
    assert "(not within 0.2 s)" in line


def test_variable_of_the_shell_counts_where_the_files_have_none(
    shop: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    d = shop(*OURS)
    (tmp_path / "env.list").unlink()
    monkeypatch.setenv("SHOP_KEY", "of the shell")
    assert list(remarks(["compose"], d, tmp_path)) == []


def test_kept_folder_is_not_touched_on_this_machine(shop: Made, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    text = f"{SETTINGS}\nfrom pathlib import Path\nPath(environ['DATA'], 'key').write_text('x')\n"
    d = shop(*OURS, text=text)
    with (tmp_path / "env.list").open("a") as file:
        file.write(f"DATA={kept}\n")
    image = replace(d.image, data=str(kept))
    assert list(remarks(["compose"], replace(d, image=image), tmp_path)) == []
    assert not kept.exists()


@pytest.mark.parametrize("variables", [{"REDIS_URL": "X"}, {"CACHE_URL": "small"}, ["CACHE_URL"]])
def test_names_that_cannot_be_are_refused(shop: Made, variables: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"\['variables'\].*CELERY_BROKER_URL, CACHE_URL"):
        shop(*OURS, variables=variables)


def test_command_says_it_beside_the_files(tmp_path: Path) -> None:
    bakery = render("compose", "--output", str(tmp_path), settings="tests.deploy.bakery.settings")
    assert bakery.returncode == 0
    assert "Warning: tests.deploy.bakery.settings makes nothing of POSTGRES_HOST" in bakery.stderr
    assert "CELERY_BROKER_URL" not in bakery.stderr
    jost = render("compose", "--check", settings="jost.settings.test")
    assert (jost.returncode, jost.stderr) == (0, ""), ROOT
