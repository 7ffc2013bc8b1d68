"""What is read from a broker's URL, what is wrong with it, and that no password is shown."""

from __future__ import annotations

import ssl

import pytest

from holdfast.broker import tls
from holdfast.broker.places import read, urls_of


@pytest.mark.parametrize(
    ("url", "address", "database", "secured"),
    [
        ("redis://10.0.0.1", "10.0.0.1:6379", "0", False),
        ("redis://user:word@h:7000/3", "h:7000", "3", False),
        ("rediss://h/1?ssl_cert_reqs=required", "h:6379", "1", True),
        ("redis://[::1]:6380/0", "[::1]:6380", "0", False),
        ("sentinel://s1/2", "s1:26379", "2", False),
        ("pyamqp://u:w@rabbit//", "rabbit:5672", "0", False),
        ("amqps://rabbit/", "rabbit:5671", "0", True),
    ],
)
def test_url_is_read(url: str, address: str, database: str, secured: bool) -> None:
    place = read(url)
    assert (place.address, place.database, place.tls, place.wrong) == (
        address,
        database,
        secured,
        "",
    )


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:6379/0", "no scheme"),
        ("redis://h:port/0", "cannot be read"),
        ("redis://[::1/0", "cannot be read"),
        ("redis://:pa/ss@h:6379/0", "%2F"),
        ("redis://:p@ss#wo/rd@h:6379/0", "%23"),
        ("redis://:pa#ss@h:6379/0", "%23"),
        ("redis://h:6379/broker", "must be a number"),
        ("redis:///0", "no host"),
        ("redis://h :6379/0", "space"),
        ("redis://${REDIS_HOST}:6379/0", "placeholder"),
    ],
)
def test_url_that_cannot_be_used_is_told_without_its_password(url: str, says: str) -> None:
    place = read(url)
    assert says in place.wrong
    assert "pa" not in place.wrong.replace("password", "").replace("space", "").replace(
        "placeholder", ""
    )
    assert "ss@" not in place.shown


def test_password_is_not_shown() -> None:
    assert read("redis://user:wo:rd@h:1/0").shown == "redis://user:***@h:1/0"
    assert read("redis://:w%2Ford@h:1/0").password == "w/ord"


def test_loopback_is_known_by_name_and_by_number() -> None:
    loopback = {"localhost", "127.0.0.1", "127.9.9.9", "[::1]", "LOCALHOST"}
    assert all(read(f"redis://{host}").is_loopback for host in loopback)
    assert not any(read(f"redis://{host}").is_loopback for host in ("redis", "10.0.0.1"))


def test_setting_of_several_addresses_is_taken_apart() -> None:
    assert list(urls_of("redis://a;redis://b; ")) == ["redis://a", "redis://b"]
    assert list(urls_of(["redis://a"])) == ["redis://a"]
    assert list(urls_of(None)) == []


@pytest.mark.parametrize(
    ("url", "use_ssl", "mode", "names"),
    [
        ("rediss://h", None, ssl.CERT_NONE, False),
        ("rediss://h?ssl_cert_reqs=required", None, ssl.CERT_REQUIRED, True),
        ("rediss://h?ssl_cert_reqs=CERT_NONE", None, ssl.CERT_NONE, False),
        (
            "rediss://h?ssl_cert_reqs=required&ssl_check_hostname=false",
            None,
            ssl.CERT_REQUIRED,
            False,
        ),
        ("redis://h", {"ssl_cert_reqs": ssl.CERT_REQUIRED}, ssl.CERT_REQUIRED, True),
        ("redis://h", {"ssl_check_hostname": True}, ssl.CERT_REQUIRED, True),
    ],
)
def test_certificate_is_verified_as_the_clients_do(
    url: str, use_ssl: dict[str, object] | None, mode: ssl.VerifyMode, names: bool
) -> None:
    place = read(url, use_ssl=use_ssl)
    context = tls.context_of(place)
    assert (place.tls, context.verify_mode, context.check_hostname) == (True, mode, names)
