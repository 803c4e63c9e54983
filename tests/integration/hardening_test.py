"""What a worker that was taken over cannot do, and what its master does about what it can."""
import ctypes
import grp
import os
import pwd
import re
import signal
import socket
import stat
import struct
import tempfile

from harness import (SANITIZED, Skip, Sluice, Suite, conf_for, failed_start, open_files,
                     wait_until)
from stops_test import stop
from wire import TEXT, Upstream, pair, request

suite = Suite()


def copy_of(pid, fd):
    """Another process's descriptor, as a taken process would use it; None where that is forbidden."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    try:
        copy = libc.syscall(438, pidfd, fd, 0)  # pidfd_getfd
    finally:
        os.close(pidfd)
    return copy if copy >= 0 else None


def sockets_of(pid):
    """Copies of all sockets of a process."""
    found = []
    for fd, target in open_files(pid).items():
        if not target.startswith("socket:"):
            continue
        copy = copy_of(pid, fd)
        if copy is None:
            raise Skip("pidfd_getfd is forbidden")
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            os.close(copy)  # the process has just begun and given the number to another one
            continue
        found.append(socket.socket(fileno=copy))
    return found


def some_of(sockets, wanted):
    """Those that are wanted; others are closed."""
    for sock in sockets:
        if not wanted(sock):
            sock.close()
    return [sock for sock in sockets if sock.fileno() >= 0]


def listeners_of(pid):
    """Copies of the listening sockets of a process."""
    return some_of(sockets_of(pid),
                   lambda sock: sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def control_end_of(pid):
    """A copy of its end of the only control channel: a connected unix socket without a name. A
    worker that has just begun holds the other end, too."""
    def only_one():
        ends = some_of(sockets_of(pid), lambda sock: sock.family == socket.AF_UNIX
                       and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                       and not sock.getsockname())
        if len(ends) == 1:
            return ends[0]
        for sock in ends:
            sock.close()
        return None
    return wait_until(only_one, "one control channel")


def receipt(sequence):
    return struct.pack("=HHIIIII", 0, 1, 8, 0, 0, sequence, 0)


@suite.check
def worker_that_talks_nonsense_to_its_master():
    """It is killed and another takes its place; no flood of it keeps the master at work."""
    with Upstream() as upstream, Sluice(conf_for(upstream)) as sluice:
        sluice.may_be_killed = True
        for nonsense in (b"x" * 64, receipt(77) * 2000):
            taken = sluice.workers()[0]
            with control_end_of(taken) as channel:
                told = sluice.errors().count("sent what is no control message")
                channel.setblocking(False)
                channel.send(nonsense)
                wait_until(lambda: sluice.workers() not in ([taken], []), "another worker")
            assert sluice.errors().count("worker 0 sent what is no control message: killed") == told + 1
            pair(sluice, upstream)[0].close()


@suite.check
def worker_that_its_master_is_made_to_talk_nonsense_to():
    with Upstream() as upstream, Sluice(conf_for(upstream)) as sluice:
        client, server = pair(sluice, upstream)
        taken = sluice.workers()[0]
        with control_end_of(sluice.process.pid) as channel:
            channel.send(b"x" * 64)
        client.expect_close(1001)
        server.expect_close(1001)
        wait_until(lambda: sluice.workers() not in ([taken], []), "another worker")
        assert "error the master sent what is no control message: ending" in sluice.errors()
        pair(sluice, upstream)[0].close()


@suite.check
def worker_that_shuts_down_the_listeners():
    """A port's listener is its own, a socket file's is shared: all are opened anew."""
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        os.chmod(folder, 0o755)
        path = f"{folder}/in.sock"
        with Sluice(f"listen unix:{path}\n{conf_for(upstream)}", workers=2) as sluice:
            taken = sluice.workers()[0]
            sockets = listeners_of(taken)
            before = set(sluice.workers())
            for sock in sockets:
                sock.shutdown(socket.SHUT_RDWR)
                sock.close()
            wait_until(lambda: len(sluice.workers()) == 2 and not before & set(sluice.workers()),
                       "both workers anew: both shared the socket file's listener")
            told = re.findall(r" error listen (\S+): somebody shut the socket down; ending",
                              sluice.errors())
            assert 2 <= len(told) <= 3, sluice.errors()  # once each; a successor may have met the second
            for _ in range(10):
                pair(sluice, upstream)[0].close()
                client = socket.socket(socket.AF_UNIX)
                client.connect(path)
                client.sendall(request())
                upstream.upgrade().close()
                client.close()


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def limits_of(pid):
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return {line[:26].strip(): line[26:].split()[:2] for line in file}


@suite.check
def worker_gives_up_what_it_does_not_need():
    with Upstream() as upstream, Sluice(conf_for(upstream)) as sluice:
        pair(sluice, upstream)
        worker = sluice.workers()[0]
        assert status_of(worker)["NoNewPrivs"] == "1"
        if not SANITIZED:
            limits = limits_of(worker)
            assert limits["Max core file size"] == ["0", "0"], limits
            assert limits["Max processes"] == ["0", "0"], limits
            # What is not dumpable belongs to root in /proc.
            assert os.stat(f"/proc/{worker}/environ").st_uid == 0


@suite.check
def environment_is_not_left_lying_about():
    """Secrets of ${env:} are in no process's /proc, and are known when HUP has the conf read again."""
    conf = "route /\n  set_header X-Token ${env:SLUICE_TEST_TOKEN}\n  proxy_pass "
    with Upstream() as upstream, Sluice(
            conf + upstream.uri, prefix=("env", "SLUICE_TEST_TOKEN=very-secret")) as sluice:
        _, server = pair(sluice, upstream)
        assert server.request.get("X-Token") == "very-secret"
        for pid in (sluice.process.pid, *sluice.workers()):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    left = file.read().strip(b"\0")
            except PermissionError:
                continue  # the better answer
            assert left == b"", left
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is in use as generation 2," in sluice.errors(), "HUP")


@suite.check
def descriptors_of_the_starter_are_closed():
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        for name in ("three", "nine"):
            with open(f"{folder}/{name}", "wb"):
                pass
        inherit = f'exec 3<{folder}/three 9<{folder}/nine; '
        prefix = ("bash", "-c", inherit + 'exec "$0" "$@"')
        with Sluice(conf_for(upstream), prefix=prefix) as sluice:
            pair(sluice, upstream)
            for pid in (sluice.process.pid, sluice.workers()[0]):
                assert not any(name.startswith(folder) for name in open_files(pid).values()), open_files(pid)
        # What a service manager passes is spared.
        prefix = ("bash", "-c", inherit + 'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$0" "$@"')
        with Sluice(conf_for(upstream), prefix=prefix) as sluice:
            pair(sluice, upstream)
            assert f"{folder}/three" in open_files(sluice.process.pid).values()
            assert f"{folder}/nine" not in open_files(sluice.process.pid).values()


@suite.check
def worker_that_stands_still_gets_the_last_logs():
    """The next logs wait for its receipt of the ones before; the latest take the others' place."""
    with Upstream() as upstream, Sluice(conf_for(upstream)) as sluice:
        pair(sluice, upstream)[0].close()
        wait_until(sluice.access, "a line")
        stop(sluice.workers()[0])

        def reopen():
            count = sluice.errors().count("logs reopened")
            sluice.signal(signal.SIGUSR1)
            wait_until(lambda: sluice.errors().count("logs reopened") > count, "USR1")
        held = len(open_files(sluice.process.pid))
        for _ in range(100):
            reopen()
        assert len(open_files(sluice.process.pid)) == held  # no logs are kept open for it
        os.rename(sluice.access_log, sluice.access_log + ".1")
        reopen()
        os.kill(sluice.workers()[0], signal.SIGCONT)

        def new_line():
            client, server = pair(sluice, upstream)
            client.send_frame(TEXT, "x")
            server.expect(TEXT, "x")
            client.close()
            return sluice.access()
        before = len(wait_until(new_line, "a line in the newest file"))
        size = os.path.getsize(sluice.access_log + ".1")
        wait_until(lambda: len(new_line()) > before, "more of them")
        assert os.path.getsize(sluice.access_log + ".1") == size
        assert "could not be handed" not in sluice.errors()


@suite.check
def socket_file_for_a_group():
    if os.geteuid() != 0:
        raise Skip("it needs root")
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        os.chmod(folder, 0o755)
        path = f"{folder}/in.sock"
        daemon, group = pwd.getpwnam("daemon"), grp.getgrnam("adm")
        for words, mode, owner, gid in (
                ("", 0o666, 0, 0), (" mode=0660", 0o660, 0, 0),
                (" group=adm owner=daemon mode=600", 0o600, daemon.pw_uid, group.gr_gid)):
            with Sluice(f"listen unix:{path}{words}\n{conf_for(upstream)}") as sluice:
                what = os.stat(path)
                assert (stat.S_IMODE(what.st_mode), what.st_uid, what.st_gid) == (mode, owner, gid)
                pair(sluice, upstream)


@suite.check
def links_that_somebody_else_planted():
    """As root, a log or pid file is not written through a link that its folder's owner made."""
    if os.geteuid() != 0:
        raise Skip("it needs root")
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        os.chmod(folder, 0o755)
        logs, precious = f"{folder}/logs", f"{folder}/precious"
        os.mkdir(logs)
        with open(precious, "w", encoding="ascii") as file:
            file.write("content")
        link = f"{logs}/link"
        os.symlink(precious, link)
        for line in (f"@access_log {link}", f"@pid_file {link}"):
            options = {"access": False} if "access_log" in line else {}
            conf = f"{line}\n{conf_for(upstream)}"
            os.chown(logs, 0, 0)
            os.lchown(link, 0, 0)
            if "access_log" in line:  # root's own link in root's folder is followed
                with Sluice(conf, **options) as sluice:
                    pair(sluice, upstream)
                    wait_until(lambda: " open id=" in read(precious), "a line behind the link")
                with open(precious, "w", encoding="ascii") as file:
                    file.write("content")
            for owned in (logs, link):
                os.lchown(owned, pwd.getpwnam("daemon").pw_uid, 0)
                told = failed_start(conf, **options)
                assert "a symbolic link that others than root may change is not followed" in told, told
                assert read(precious) == "content"
                os.lchown(owned, 0, 0)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


suite.run()
