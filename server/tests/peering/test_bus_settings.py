"""The URLs of buses: what is valid, what is refused in which words, and that no password shows."""

import builtins
from collections.abc import Callable
from typing import Any

import pytest
from ratchet_server.peering.bus.kinds import bus_of, checked_bus
from ratchet_server.settings import SettingError
from ratchet_server.settings.buses import BusUrl, Host, buses


def one(text: str) -> BusUrl:
    """The bus with this URL."""
    (url,) = buses([text])
    return url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("nats://h", BusUrl(scheme="nats", hosts=(Host("h", 4222),))),
        (
            "nats://h1,h2:5000?cluster=films",
            BusUrl(scheme="nats", hosts=(Host("h1", 4222), Host("h2", 5000)), cluster="films"),
        ),
        (
            "redis://:pass%40word@h/3",
            BusUrl(scheme="redis", hosts=(Host("h", 6379),), password="pass@word", path="3"),
        ),
        ("rediss://h", BusUrl(scheme="rediss", hosts=(Host("h", 6379),), path="0")),
        (
            "amqp://user:word@[::1]:1/%2Ffilms",
            BusUrl(
                scheme="amqp",
                hosts=(Host("::1", 1),),
                user="user",
                password="word",
                path="/films",
            ),
        ),
        ("tls://h", BusUrl(scheme="tls", hosts=(Host("h", 4222),))),
        ("amqps://h", BusUrl(scheme="amqps", hosts=(Host("h", 5671),), path="/")),
        (
            "kafka://h1:1,h2:2/views",
            BusUrl(scheme="kafka", hosts=(Host("h1", 1), Host("h2", 2)), path="views"),
        ),
        ("kafka+tls://h", BusUrl(scheme="kafka+tls", hosts=(Host("h", 9092),), path="ratchet")),
        (
            "multicast://239.1.2.3:7946?iface=eth0&ttl=2",
            BusUrl(scheme="multicast", hosts=(Host("239.1.2.3", 7946),), iface="eth0", ttl=2),
        ),
    ],
)
def test_a_url_says_how_to_reach_a_bus(text: str, url: BusUrl) -> None:
    assert one(text) == url
    assert one(url.whole) == url


def test_a_variable_may_have_several_buses_with_several_hosts() -> None:
    # As `RATCHET_BUS=nats://h1,h2,redis://h` is split.
    urls = buses(["nats://h1", "h2", "redis://h"])
    assert [str(url) for url in urls] == ["nats://h1:4222,h2:4222", "redis://h:6379"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' is none of them"),
        ("h:4222", "'h' is none of them"),
        ("http://h", "'http' is none of them"),
        ("mqtt://user:hunter2@h", "'mqtt' is none of them"),
        ("nats://", "a host is name:port"),
        ("nats://h:0", "a port is 1 to 65535"),
        ("nats://h:65536", "a port is 1 to 65535"),
        ("nats://h:port", "a host is name:port"),
        ("nats://" + ",".join(17 * ["h"]), "it takes 16 hosts at most"),
        ("nats://h/path", "nats://h has no path"),
        ("nats://h?topic=x", "nats://h has no 'topic'; after ? it takes cluster="),
        ("nats://h?cluster=a&cluster=b", "each parameter may be given once"),
        ("nats://h?cluster=a.b", "cluster= is 1 to 63 of"),
        ("nats://h?cluster=", "cluster= is 1 to 63 of"),
        ("redis://h1,h2", "it takes one host"),
        ("redis://h/films", "the number of a database"),
        ("kafka://h/a b", "a topic, 1 to 200 of"),
        ("nats://hé", "only printable ASCII"),
        ("nats://user:hunter2é@h", "only printable ASCII"),
        ("nats://user:hunter2\n@h", "only printable ASCII"),
        ("multicast://239.1.2.3?iface=lo", "needs a port"),
        ("multicast://239.1.2.3:1", "needs ?iface="),
        ("multicast://10.1.2.3:1?iface=lo", "is no multicast group"),
        ("multicast://h:1?iface=lo", "is no multicast group"),
        ("multicast://239.1.2.3:1?iface=lo&ttl=256", "ttl= is 0 to 255"),
        ("multicast://user:hunter2@239.1.2.3:1?iface=lo", "has no login"),
        ("redis://user:hunter2@h/films", "the number of a database"),
        ("nats://user:hunter2@h:99999", "a port is 1 to 65535"),
        ("nats://user:hunter2@h?hunter=1", "has no 'hunter'"),
        ("nats://user:hunter2/3@h", "in a login, write / as %2F"),
        ("nats://user:hunter2?3@h", "in a login, write / as %2F"),
        ("nats://user:hunter2#3@h", "in a login, write / as %2F"),
        ("nats://h#3", "nats://h has nothing after #"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(text: str, why: str) -> None:
    with pytest.raises(SettingError) as error:
        one(text)
    assert why in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_bus_may_be_given_once() -> None:
    with pytest.raises(SettingError, match="nats://h:4222 is given twice"):
        buses(["nats://h", "nats://h:4222"])


def test_one_bus_with_two_logins_is_one() -> None:
    with pytest.raises(SettingError, match="nats://h:4222 is given twice"):
        buses(["nats://user:hunter2@h", "nats://other:hunter2@h"])


def test_no_password_shows() -> None:
    url = one("nats://user:hunter2@h")
    assert "hunter2" not in f"{url} {url!r}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hunter2@h/0?cluster=ratchet", "redis://h:6379"),
        ("redis://h/3", "redis://h:6379/3"),
        ("amqp://user:hunter2@h/%2Ffilms", "amqp://h:5672/%2Ffilms"),
        ("kafka://[::1],h/a?cluster=films", "kafka://[::1]:9092,h:9092/a?cluster=films"),
        ("multicast://239.1.2.3:1?iface=e%260&ttl=2", "multicast://239.1.2.3:1?iface=e%260&ttl=2"),
    ],
)
def test_two_buses_of_one_broker_have_two_names(text: str, shown: str) -> None:
    assert str(one(text)) == shown
    assert str(one(shown)) == shown


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("nats://127.0.0.1", True),
        ("nats://localhost,[::1]", True),
        ("nats://127.0.0.1,h", False),
        ("multicast://239.1.2.3:1?iface=lo", True),
        ("multicast://239.1.2.3:1?iface=127.0.0.1", True),
        ("multicast://239.1.2.3:1?iface=eth0", False),
        # The hop limit bounds what this node sends, and nobody else.
        ("multicast://239.1.2.3:1?iface=eth0&ttl=0", False),
    ],
)
def test_without_a_secret_only_a_bus_on_this_machine_is_used(text: str, local: bool) -> None:
    if local:
        checked_bus(one(text), ())
    else:
        with pytest.raises(SettingError, match="needs a secret"):
            checked_bus(one(text), ())
        checked_bus(one(text), ["a secret"])


@pytest.mark.parametrize(
    ("text", "library", "extra"),
    [
        ("nats://127.0.0.1", "nats", "nats"),
        ("redis://127.0.0.1", "redis", "redis"),
        ("amqp://127.0.0.1", "aiormq", "rabbitmq"),
        ("kafka://127.0.0.1", "aiokafka", "kafka"),
    ],
)
def test_a_library_that_is_missing_is_named_with_the_command_that_installs_it(
    text: str, library: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_really: Callable[..., Any] = builtins.__import__

    def import_all_but_it(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == library and rest[3:] != (1,):
            raise ModuleNotFoundError(f"no {name}", name=library)
        return import_really(name, *rest)

    module = f"ratchet_server.peering.bus.{extra}"
    monkeypatch.delitem(__import__("sys").modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", import_all_but_it)
    with pytest.raises(SettingError) as error:
        bus_of(one(text))
    assert f"{library} is not installed: pip install 'ratchet-views[{extra}]'" in str(error.value)
