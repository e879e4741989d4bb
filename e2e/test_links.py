"""The links themselves: a link that a test has cut passes nothing."""

import gc
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from testing.links import HOST, Link, Links


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens behind the link."""
    with socket.create_server((HOST, 0)) as sock:
        sock.settimeout(10)
        yield sock


@pytest.fixture
def link(listener: socket.socket) -> Iterator[Link]:
    with Links() as links:
        yield links.open(listener.getsockname()[1])


@pytest.fixture
def ends(link: Link, listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection through the link."""
    with ExitStack() as stack:
        near = stack.enter_context(socket.create_connection((HOST, link.port), timeout=10))
        far = stack.enter_context(listener.accept()[0])
        far.settimeout(10)
        yield near, far


def test_a_whole_link_passes_both_ways_and_to_the_end(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends
    near.sendall(b"there")
    assert far.recv(5) == b"there"
    far.sendall(b"back")
    far.close()
    assert near.recv(5) == b"back"
    assert near.recv(5) == b""


def test_a_reset_breaks_what_is_open_and_refuses_what_comes(
    link: Link, ends: tuple[socket.socket, socket.socket]
) -> None:
    link.cut("reset")
    for end in ends:
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, link.port), timeout=10)


def test_silence_takes_everything_and_passes_nothing_until_it_is_healed(
    link: Link, listener: socket.socket, ends: tuple[socket.socket, socket.socket]
) -> None:
    near, far = ends
    link.cut("silence")
    near.sendall(b"old")
    with socket.create_connection((HOST, link.port), timeout=10) as late:
        late.sendall(b"new")
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(1)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
        link.heal()
        far.settimeout(10)
        assert far.recv(3) == b"old"
        listener.settimeout(10)
        with listener.accept()[0] as other:
            other.settimeout(10)
            assert other.recv(3) == b"new"


def test_a_muted_way_passes_nothing_until_it_is_healed_and_the_other_goes_on(
    link: Link, ends: tuple[socket.socket, socket.socket]
) -> None:
    near, far = ends
    link.mute("there")
    near.sendall(b"there")
    far.sendall(b"back")
    assert near.recv(4) == b"back"
    far.setblocking(False)
    with pytest.raises(BlockingIOError):
        far.recv(1)
    link.heal()
    far.settimeout(10)
    assert far.recv(5) == b"there"


def test_a_healed_link_is_reached_on_the_same_port(link: Link, listener: socket.socket) -> None:
    link.cut("reset")
    link.heal()
    with (
        socket.create_connection((HOST, link.port), timeout=10) as near,
        listener.accept()[0] as far,
    ):
        near.sendall(b"again")
        far.settimeout(10)
        assert far.recv(5) == b"again"


def test_nobody_behind_a_link_looks_like_a_reset() -> None:
    with socket.create_server((HOST, 0)) as sock:
        port = sock.getsockname()[1]
    # The reset may come before the call to connect has returned.
    with (
        Links() as links,
        pytest.raises(ConnectionResetError),
        socket.create_connection((HOST, links.open(port).port), timeout=10) as near,
    ):
        near.recv(1)


def test_cut_just_when_somebody_dials_it_leaves_no_socket_open(link: Link) -> None:
    with warnings.catch_warnings(record=True) as left, ExitStack() as dialled:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(200):
            near = dialled.enter_context(socket.socket())
            near.setblocking(False)
            near.connect_ex((HOST, link.port))
            link.cut()
            link.heal()
        gc.collect()
    assert not left
