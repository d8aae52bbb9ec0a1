"""One connection to the daemon: whole frames out, whole frames in, and the descriptors that come with them.

The socket is SOCK_SEQPACKET, so a message of it is a frame. Every wait here has a limit.
"""

import array
import errno
import os
import select
import socket
import struct
import time

from ..errors import Unavailable, Violated

FRAME_BYTES = 65536
DESCRIPTORS = 16


def connect(path, timeout_s, trusted_uids=()):
    """A connected channel. The daemon's uid, by the kernel's word, is root's, ours, or one of `trusted_uids`."""
    if len(os.fsencode(path)) > 107:
        raise Unavailable(f"the socket path {path} is too long: at most 107 bytes are possible")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        sock.settimeout(timeout_s)
        try:
            sock.connect(path)
        except OSError as error:
            raise Unavailable(_connect_text(path, error)) from error
        uid = struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if uid not in {0, os.geteuid(), *trusted_uids}:
            raise Unavailable(f"uid {uid} listens on {path}, neither root nor you: not trusted")
        return Channel(sock, timeout_s)
    except BaseException:
        sock.close()
        raise


def _connect_text(path, error):
    if isinstance(error, TimeoutError) or error.errno == errno.EAGAIN:
        return f"the daemon at {path} accepted no connection in time"
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return f"no daemon at {path}: is tierd running?"
    if error.errno == errno.EACCES:
        return f"no permission to connect to {path}: are you in the daemon's group?"
    if error.errno in (errno.EPROTOTYPE, errno.ENOTSOCK):
        return f"{path} is no worker socket of a daemon"
    return f"cannot connect to {path}: {error.strerror}"


class Channel:
    """Frames of one connection. Not thread-safe."""

    def __init__(self, sock, send_timeout_s):
        self._sock = sock
        self._send_timeout_s = send_timeout_s
        sock.setblocking(False)
        self._readable = select.poll()
        self._readable.register(sock, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sock, select.POLLOUT)

    def close(self):
        self._sock.close()

    @property
    def is_closed(self):
        return self._sock.fileno() < 0

    def send(self, frame):
        """Whether the frame went out: False where the daemon has hung up (receive until the end to learn why).

        Raises `Unavailable` where the daemon takes no frame for the time limit.
        """
        if len(frame) > FRAME_BYTES:
            raise Violated(f"a request of {len(frame)} bytes is beyond the protocol's {FRAME_BYTES}: not sent")
        deadline = time.monotonic() + self._send_timeout_s
        while True:
            try:
                self._sock.send(frame, socket.MSG_NOSIGNAL)
                return True
            except BlockingIOError:
                left = deadline - time.monotonic()
                if left <= 0 or not self._writable.poll(left * 1000):
                    raise Unavailable(f"the daemon took no request for {self._send_timeout_s} s") from None
            except (BrokenPipeError, ConnectionResetError):
                return False
            except OSError as error:
                raise Unavailable(f"cannot send to the daemon: {error.strerror}") from error

    def receive(self, timeout_s):
        """The next frame as (bytes, descriptors), or None where none came in time. Descriptors are the caller's.

        Raises `Unavailable` at the end of the connection.
        """
        resets = 0
        while True:
            if self.is_closed:
                raise Unavailable("the session has ended")
            try:
                data, ancillary, flags, _ = self._sock.recvmsg(
                    FRAME_BYTES, socket.CMSG_SPACE(4 * DESCRIPTORS), socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                if timeout_s <= 0 or not self._readable.poll(timeout_s * 1000):
                    return None
                timeout_s = 0
                continue
            except ConnectionResetError:
                # Told once where requests of ours were unread; what was sent before it comes after.
                resets += 1
                if resets > 1:
                    raise Unavailable("the daemon closed the connection: it stopped, or restarts") from None
                continue
            except OSError as error:
                raise Unavailable(f"cannot receive from the daemon: {error.strerror}") from error
            descriptors = _descriptors(ancillary)
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                close_all(descriptors)
                raise Violated("the daemon sent a frame beyond the protocol's limits")
            if not data:
                close_all(descriptors)
                raise Unavailable("the daemon closed the connection: it stopped, or restarts")
            return data, descriptors


def _descriptors(ancillary):
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)


def close_all(descriptors):
    for descriptor in descriptors:
        os.close(descriptor)
