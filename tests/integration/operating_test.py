"""What an operator relies on and no peer sees: whom workers run as, logs and their rotation,
signals one after the other, socket options, where round robin begins."""
import ctypes
import grp
import os
import pwd
import signal
import socket
import time

from harness import Skip, Sluice, Suite, simple, wait_until
from wire import (BINARY, TEXT, Upstream, close_in_order, dial, frame, pair, push_until_blocked,
                  refusal, request)

suite = Suite()


@suite.check
def root_becomes_user():
    if os.geteuid() != 0:
        raise Skip("it needs root")
    known = {user.pw_name for user in pwd.getpwall()}
    default = "sluice" if "sluice" in known else "nobody"
    for top, name in (("", default), ("@user daemon", "daemon")):
        with Upstream() as upstream, simple(upstream, top) as sluice:
            user = pwd.getpwnam(name)

            def status():
                with open(f"/proc/{sluice.workers()[0]}/status", encoding="ascii") as file:
                    return file.read()
            for kind, number in (("Uid", user.pw_uid), ("Gid", user.pw_gid)):
                wait_until(lambda kind=kind, number=number:
                           f"\n{kind}:" + f"\t{number}" * 4 in status(), f"{kind} of {name}", 5)
            assert ("workers run as nobody, as other programs may do" in sluice.errors()) == (
                name == "nobody"), sluice.errors()
            groups = status().partition("\nGroups:")[2].partition("\n")[0].split()
            of_user = {user.pw_gid, *(g.gr_gid for g in grp.getgrall() if name in g.gr_mem)}
            assert {int(group) for group in groups} <= of_user, groups


def reports_again(sluice, worker):
    before = sluice.errors().count("notice sessions ")
    os.kill(worker, signal.SIGUSR2)
    time.sleep(0.2)
    return sluice.errors().count("notice sessions ") > before


@suite.check
def usr1_reopens_the_error_log():
    """Master and workers go on in the new file, none of them in the old one."""
    with Upstream() as upstream, simple(upstream, workers=2, error_log=True) as sluice:
        old = sluice.error_log + ".1"
        os.rename(sluice.error_log, old)
        sluice.signal(signal.SIGUSR1)
        wait_until(lambda: "logs reopened" in sluice.errors(), "the master's line in the new file")
        for worker in sluice.workers():
            # Its first lines may still go into the old file: it is asked until it has the new one.
            wait_until(lambda worker=worker: reports_again(sluice, worker), "a worker's line")
        size = os.path.getsize(old)
        for worker in sluice.workers():
            sluice.report(worker)
        assert os.path.getsize(old) == size
        # Where it cannot be opened again, the old one stays in use.
        folder = sluice.folder + "-moved"
        os.rename(sluice.folder, folder)
        try:
            sluice.signal(signal.SIGUSR1)
            moved = os.path.join(folder, "error.log")
            told = (f"logs could not be reopened, the old ones stay in use: error_log {sluice.folder}"
                    "/error.log: open: No such file or directory")
            wait_until(lambda: told in open(moved, encoding="utf-8").read(),
                       "the failure in the old file")
        finally:
            os.rename(folder, sluice.folder)


@suite.check
def addresses_are_told_once():
    with Upstream() as upstream, simple(upstream, workers=3) as sluice:
        line = f" info listening on 127.0.0.1:{sluice.port}\n"
        assert sluice.errors().count(line) == 1, sluice.errors()


@suite.check
def term_after_quit_waits_no_longer():
    with Upstream() as upstream, simple(upstream, "@drain_timeout off", workers=2) as sluice:
        client, server = pair(sluice, upstream)
        sluice.signal(signal.SIGQUIT)
        time.sleep(0.2)
        client.send_frame(TEXT, "still here")
        server.expect(TEXT, "still here")
        sluice.signal(signal.SIGTERM)
        client.expect_close(1001)
        server.expect_close(1001)
        assert sluice.wait(5) == 0


@suite.check
def term_does_not_wait_for_a_reader_that_is_stuck():
    with Upstream() as upstream, simple(upstream) as sluice:
        client, server = pair(sluice, upstream, receive_buffer=16 * 1024)
        push_until_blocked(server, frame(BINARY, b"f" * 65536), seconds=0.5)
        sluice.signal(signal.SIGTERM)
        server.expect_close(1001)
        assert sluice.wait(5) == 0
        client.expect_reset()  # what it has got may end inside a frame


@suite.check
def quit_lets_a_handshake_finish():
    with Upstream() as upstream, simple(upstream, "@drain_timeout off") as sluice:
        client = dial(sluice.port)
        client.send(request()[:20])
        wait_until(lambda: sluice.report()["sessions"] == 1, "the session")
        sluice.signal(signal.SIGQUIT)
        time.sleep(0.2)
        client.send(request()[20:])
        server = upstream.upgrade()
        assert client.head().status == 101
        client.send_frame(TEXT, "in time")
        server.expect(TEXT, "in time")
        assert not sluice.dead()
        close_in_order(client, server)
        assert sluice.wait(10) == 0


@suite.check
def hup_and_usr2_cost_nothing():
    """A signal for what is not there yet, and reloads in a row, leave sessions alone."""
    with Upstream() as upstream, simple(upstream) as sluice:
        client, server = pair(sluice, upstream)
        workers = sluice.workers()
        for _ in range(5):
            sluice.signal(signal.SIGHUP)
            sluice.signal(signal.SIGUSR2)
            time.sleep(0.02)
        wait_until(lambda: " is in use as generation " in sluice.errors(), "HUP is told")
        client.send_frame(TEXT, "still here")
        server.expect(TEXT, "still here")
        assert sluice.workers() == workers


class ForeignSockets:
    """Copies of another process's sockets, by their peer's port."""

    def __init__(self, pid):
        self.pid = pid
        self.libc = ctypes.CDLL(None, use_errno=True)

    def by_peer(self):
        pidfd = os.pidfd_open(self.pid)
        found = {}
        try:
            for name in os.listdir(f"/proc/{self.pid}/fd"):
                copy = self.libc.syscall(438, pidfd, int(name), 0)  # pidfd_getfd
                if copy < 0:
                    raise PermissionError(ctypes.get_errno(), "pidfd_getfd")
                try:
                    sock = socket.socket(fileno=copy)
                except OSError:
                    os.close(copy)
                    continue
                try:
                    found[sock.getpeername()[1]] = sock
                except (OSError, IndexError):
                    sock.close()
        finally:
            os.close(pidfd)
        return found


@suite.check
def both_legs_send_without_delay():
    with Upstream() as upstream, simple(upstream) as sluice:
        client, server = pair(sluice, upstream)
        try:
            sockets = ForeignSockets(sluice.workers()[0]).by_peer()
        except (OSError, AttributeError) as error:
            raise Skip(error) from None
        for peer in (client.sock.getsockname()[1], upstream.port):
            assert sockets[peer].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), peer
        for sock in sockets.values():
            sock.close()


def refuse(wire):
    wire.head()
    wire.send(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    wire.close()


@suite.check
def each_worker_begins_at_a_peer_of_its_own():
    """Else all workers would press on the first peer after each start."""
    upstreams = [Upstream() for _ in range(4)]
    servers = "".join(f"  server {upstream.uri}\n" for upstream in upstreams)
    with Sluice(f"upstream chat\n{servers}route /\n  proxy_pass chat", workers=16) as sluice:
        for upstream in upstreams:
            upstream.serve(refuse, times=None)
        for _ in range(80):
            assert refusal(sluice, request())[0].status == 403
        wait_until(lambda: len(sluice.access()) == 80, "access lines")
        first = {}
        for line in sluice.access():
            worker, _, number = line["id"].split("-")
            if number == "1":
                first[worker] = line["peer"]
        assert len(first) >= 8, first
        assert len(set(first.values())) > 1, first
    for upstream in upstreams:
        upstream.close()


suite.run()
