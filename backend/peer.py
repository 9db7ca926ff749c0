"""Who is at the other end of a connection within this machine."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from pathlib import Path

Address = tuple[str, int]
"""Host and port."""
_IP = ipaddress.IPv4Address | ipaddress.IPv6Address

ROOT = 0
_TABLES = {4: Path("/proc/net/tcp"), 6: Path("/proc/net/tcp6")}
_STATE_COLUMN, _UID_COLUMN, _INODE_COLUMN = 3, 7, 9

# netlink(7), sock_diag(7); linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLMSG_ERROR, _NLM_F_REQUEST = 4, 20, 2, 1
_MESSAGE = struct.Struct("=IHHII")
"""`nlmsghdr`: length, type, flags, sequence, port."""
_REQUEST = struct.Struct("=BBBBI")
"""`inet_diag_req_v2` up to its `id`: family, protocol, extensions, padding, states."""
_ENDS = struct.Struct("!HH16s16s")
"""The first part of `inet_diag_sockid`, in the order of bytes of the network: ports, addresses,
of which IPv4 takes the first four bytes."""
_NO_INTERFACE_NO_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_ANSWER_HEAD, _OWNER_AND_INODE = struct.Struct("=BBBB"), struct.Struct("=II")
# In `inet_diag_msg`, three numbers are between the socket and its owner: expires, rqueue, wqueue.
_OWNER_OFFSET = _ANSWER_HEAD.size + _ENDS.size + len(_NO_INTERFACE_NO_COOKIE) + 3 * 4

# net/tcp_states.h: all in which a program still holds the client's end. A socket that is only
# being connected is none, nor is one in TIME_WAIT.
_LISTEN = 10
_CONNECTED = frozenset((1, 4, 5, 8, 9, 11))

_kernel_answers = False


def owner_of_peer(client: Address, server: Address) -> int | None:
    """Return the user id of the program at the client's end of a connection, or None.

    None if the connection is not within this machine, if no program holds its other end
    any more, and on systems that do not tell. Takes a fraction of a millisecond,
    however many connections there are, where Linux answers by netlink: sock_diag(7).
    """
    return _owner(_normal(client), _normal(server), _CONNECTED)


def owner_of_listener(server: Address) -> int | None:
    """Return the user id of the program that listens at an address of this machine, or None."""
    address, port = _normal(server)
    nowhere = ipaddress.ip_address("::" if address.version == 6 else "0.0.0.0")
    return _owner((address, port), (nowhere, 0), frozenset((_LISTEN,)))


def is_loopback(host: str) -> bool:
    """Whether an address can only be that of a program on this machine."""
    try:
        return _normal((host, 0))[0].is_loopback
    except ValueError:
        return False


def is_person_or_root(owner: int | None) -> bool:
    """Whether an owner is known, and is the user of this process or root."""
    return owner is not None and owner in (os.geteuid(), ROOT)


def _owner(local: tuple[_IP, int], remote: tuple[_IP, int], states: frozenset[int]) -> int | None:
    global _kernel_answers
    found: tuple[int, int, int] | None
    try:
        found = _ask_kernel(local, remote)
        _kernel_answers = True
    except OSError as error:
        # A kernel without the module for it says the same as of a socket that there is not.
        unknown = error.errno != errno.ENOENT or not _kernel_answers
        found = _read_table(local, remote) if unknown else None
    if found is None:
        return None
    state, owner, inode = found
    # A socket that no program holds has no inode, and shows root as its owner.
    if not inode or state not in states:
        return None
    return None if owner == os.geteuid() and owner in _unknown_users() else owner


def _ask_kernel(local: tuple[_IP, int], remote: tuple[_IP, int]) -> tuple[int, int, int]:
    """Return the state, the owner and the inode of one socket; raises OSError if there is none."""
    family = socket.AF_INET if local[0].version == 4 else socket.AF_INET6
    ends = _ENDS.pack(local[1], remote[1], local[0].packed, remote[0].packed)
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    body = request + ends + _NO_INTERFACE_NO_COOKIE
    head = _MESSAGE.pack(_MESSAGE.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1.0)  # it answers at once: none waits for one that does not
        kernel.send(head + body)
        answer = kernel.recv(8192)
    kind, content = _MESSAGE.unpack_from(answer)[1], answer[_MESSAGE.size :]
    if kind == _NLMSG_ERROR:
        code = -struct.unpack_from("=i", content)[0]
        raise OSError(code or errno.EIO, os.strerror(code))
    if kind != _SOCK_DIAG_BY_FAMILY or len(content) < _OWNER_OFFSET + _OWNER_AND_INODE.size:
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
    state = _ANSWER_HEAD.unpack_from(content)[1]
    # The kernel looks for a listener where no connection has these ends.
    found = _ENDS.unpack_from(content, _ANSWER_HEAD.size)
    if state != _LISTEN and found[:2] != (local[1], remote[1]):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    owner, inode = _OWNER_AND_INODE.unpack_from(content, _OWNER_OFFSET)
    return state, owner, inode


def _read_table(local: tuple[_IP, int], remote: tuple[_IP, int]) -> tuple[int, int, int] | None:
    """Return what the kernel's tables of sockets say: proc(5), /proc/net/tcp and tcp6."""
    # An IPv6 socket that reaches an IPv4 one stands in the other table, by mapped addresses.
    for version, table in _TABLES.items():
        ends = [_in_table(end, version) for end in (local, remote)]
        if None in ends:
            continue
        try:
            rows = table.read_bytes()
        except OSError:
            continue
        at = rows.find(f": {ends[0]} {ends[1]} ".encode())
        if at >= 0:
            columns = rows[rows.rfind(b"\n", 0, at) + 1 : rows.find(b"\n", at)].split()
            return (
                int(columns[_STATE_COLUMN], 16),
                int(columns[_UID_COLUMN]),
                int(columns[_INODE_COLUMN]),
            )
    return None


def _in_table(end: tuple[_IP, int], version: int) -> str | None:
    """Write an end as `0100007F:1F90`: the address in words of four bytes, reversed on x86."""
    address, port = end
    packed = address.packed
    if address.version != version:
        if version == 4:
            return None
        packed = bytes(10) + b"\xff\xff" + packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def _unknown_users() -> frozenset[int]:
    """Return the id that stands for all users that this user namespace does not know, if one does.

    Somebody else has it then, even where it is the person's own id: user_namespaces(7).
    """
    try:
        overflow = int(Path("/proc/sys/kernel/overflowuid").read_text())
        ranges = [line.split() for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except (OSError, ValueError):
        return frozenset()
    if any(int(start) <= overflow < int(start) + int(count) for start, _, count in ranges):
        return frozenset()  # it is a user of its own here
    return frozenset((overflow,))


def _normal(address: Address) -> tuple[_IP, int]:
    host, port = address
    found = ipaddress.ip_address(host)
    # An IPv6 socket that reaches an IPv4 one shows the mapped address.
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found, port
