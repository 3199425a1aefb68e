"""No message goes where only this machine or its network can go."""

import socket

import pytest

from core.notifications import addresses
from core.notifications.addresses import Refused, parsed, permitted, refuse_number

PRIVATE = [
    *("localhost", "127.0.0.1", "127.1", "0.0.0.0", "::1", "::", "10.0.0.1", "192.168.3.4"),
    *("172.16.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255"),
    *("fe80::1", "fd00:ec2::254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    *("192.88.99.1", "fec0::1", "3fff::1"),
    *("2130706433", "0x7f.1"),
]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_address_is_refused(host):
    with pytest.raises(Refused):
        permitted(host, 80)


def named(monkeypatch, *numbers):
    """Let every name be looked up as some addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in numbers]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: found)


def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch):
    named(monkeypatch, "10.1.2.3")

    with pytest.raises(Refused, match=r"hooks\.example"):
        permitted("hooks.example", 80)


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch):
    named(monkeypatch, "8.8.8.8", "127.0.0.1")

    with pytest.raises(Refused):
        permitted("hooks.example", 80)


def test_a_public_address_is_permitted(monkeypatch):
    named(monkeypatch, "8.8.8.8")

    assert permitted("hooks.example", 443) == ["8.8.8.8"]


@pytest.mark.parametrize("allowed", ["hooks.example", "10.1.0.0/16", "10.1.2.3/32"])
def test_a_private_address_that_is_allowed_is_permitted(monkeypatch, allowed):
    named(monkeypatch, "10.1.2.3")

    assert permitted("Hooks.example", 80, [allowed]) == ["10.1.2.3"]


@pytest.mark.parametrize("allowed", ["hooks.example", "8.8.0.0/16"])
def test_where_webhooks_may_reach_some_hosts_alone_no_public_one_is_reached(monkeypatch, allowed):
    named(monkeypatch, "8.8.8.8")

    assert permitted("hooks.example", 443, [allowed], only=True) == ["8.8.8.8"]
    with pytest.raises(Refused, match=r"hooks\.example is none of the hosts"):
        permitted("hooks.example", 443, ["other.example"], only=True)


@pytest.mark.parametrize("allowed", ["other.example", "10.2.0.0/16"])
def test_what_allows_others_allows_nothing_else(monkeypatch, allowed):
    named(monkeypatch, "10.1.2.3")

    with pytest.raises(Refused):
        permitted("hooks.example", 80, [allowed])


def test_an_unknown_host_is_refused(monkeypatch):
    def nobody(*_, **__):
        raise socket.gaierror

    monkeypatch.setattr(addresses.socket, "getaddrinfo", nobody)

    with pytest.raises(Refused, match="There is no host"):
        permitted("hooks.example", 80)


@pytest.mark.parametrize(
    "address",
    [
        *("", "hooks.example", "ftp://hooks.example/", "http://", "file:///etc/passwd"),
        *("http://ada:secret@hooks.example/", "http://hooks.example:99999/", "http://a b/"),
        *("http://[::1/", "https://hooks.example/\nx"),
    ],
)
def test_what_is_no_address_of_a_web_server_is_refused(address):
    with pytest.raises(Refused):
        parsed(address)


@pytest.mark.parametrize("host", [each for each in PRIVATE if each != "localhost"])
def test_a_private_address_in_numbers_is_refused_before_anything_is_looked_up(host):
    with pytest.raises(Refused):
        refuse_number(host)


def test_a_name_is_looked_up_when_it_is_used_and_not_before(monkeypatch):
    real, asked = socket.getaddrinfo, []

    def seen(*arguments, flags=0, **more):
        asked.append(flags)
        return real(*arguments, flags=flags, **more)

    monkeypatch.setattr(addresses.socket, "getaddrinfo", seen)

    refuse_number("localhost")

    assert asked == [socket.AI_NUMERICHOST]


def test_an_address_in_numbers_may_be_one_that_is_allowed_or_public():
    refuse_number("10.1.2.3", ["10.1.0.0/16"])
    refuse_number("8.8.8.8")
    with pytest.raises(Refused):
        refuse_number("8.8.8.8", ["10.1.0.0/16"], only=True)
