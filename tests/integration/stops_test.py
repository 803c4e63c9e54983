"""Peers that say nothing, processes that stand still or die (SIGSTOP, SIGKILL)."""
import os
import signal
import subprocess
import time

from harness import (BIN, Sluice, Suite, assert_within_100_ms, free_port, open_files, simple,
                     wait_until)
from wire import (BINARY, TEXT, Reset, Upstream, dial, frame, pair, push_until_blocked, refusal,
                  request)

suite = Suite()


def stop(pid):
    """SIGSTOP, and waits until every thread stands: on a busy machine they go on for a while."""
    os.kill(pid, signal.SIGSTOP)

    def stands(task):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"
    wait_until(lambda: all(map(stands, os.listdir(f"/proc/{pid}/task"))), "the stop")


class EchoProcess:
    """sluice-echo, to be stopped and killed."""

    def __init__(self):
        self.port = free_port()
        self.process = subprocess.Popen(
            [os.path.join(BIN, "sluice-echo"), "--listen", f"127.0.0.1:{self.port}", "--quiet"],
            stdout=subprocess.PIPE)
        assert self.process.stdout.readline().startswith(b"listening")

    def signal(self, number):
        os.kill(self.process.pid, number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def open_client(sluice):
    client = dial(sluice.port)
    client.send(request())
    assert client.head().status == 101
    client.send_frame(TEXT, "before")
    client.expect(TEXT, "before")
    return client


@suite.check
def stopped_upstream():
    """Nothing is lost while it stands still; who asks anew is told 504, who pushes on is cut off."""
    with EchoProcess() as echo:
        conf = f"@handshake_timeout 300ms\n@send_timeout 1s\nroute /\n" \
               f"  proxy_pass ws://127.0.0.1:{echo.port}"
        with Sluice(conf) as sluice:
            patient, pusher = open_client(sluice), open_client(sluice)
            stop(echo.process.pid)
            for i in range(5):
                patient.send_frame(TEXT, f"meanwhile {i}")
            begin = time.monotonic()
            asking = dial(sluice.port)  # its kernel still accepts
            asking.send(request())
            assert asking.head().status == 504
            assert 0.25 < time.monotonic() - begin < 5
            asking.rest()
            push_until_blocked(pusher, frame(BINARY, bytes(100_000), True), seconds=0.3)
            begin = time.monotonic()
            pusher.expect_end()
            assert time.monotonic() - begin < 5
            line = sluice.access_line("close", reason="send_timeout")
            assert (line["closed_by"], line["fault"]) == ("proxy", "upstream"), line
            echo.signal(signal.SIGCONT)
            for i in range(5):
                patient.expect(TEXT, f"meanwhile {i}")
            pusher.close()
            patient.close()
            sluice.wait_sessions(0)
            report = sluice.report()
            assert report["rings_lent"] == report["blocks_lent"] == report["transits_lent"] == 0, report


@suite.check
def killed_upstream_is_told_within_100_ms():
    waits = []
    for _ in range(5):
        with EchoProcess() as echo, Sluice(
                f"route /\n  proxy_pass ws://127.0.0.1:{echo.port}") as sluice:
            clients = [open_client(sluice) for _ in range(5)]
            begin = time.monotonic()
            echo.signal(signal.SIGKILL)
            for client in clients:
                client.expect_end()
                waits.append(time.monotonic() - begin)
            assert refusal(sluice, request())[0].status == 502
    assert_within_100_ms(waits, "a killed upstream was told as an end")


def worker_of(sluice, client):
    """Which worker holds the other end of that connection."""
    ours = client.sock.getsockname()[1]
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    inode = next(row[9] for row in rows if row[1].endswith(f":{sluice.port:04X}")
                 and row[2].endswith(f":{ours:04X}"))
    for worker in sluice.workers():
        if f"socket:[{inode}]" in open_files(worker).values():
            return worker
    raise AssertionError("nobody's")


def sessions_on_both_workers(sluice, upstream):
    sessions = {}
    while len(sessions) < 2:
        client, server = pair(sluice, upstream)
        sessions.setdefault(worker_of(sluice, client), (client, server))
    return sessions


@suite.check
def stopped_worker_costs_only_its_own():
    """SIGSTOP: its sessions pause and go on without a loss, the other worker's do not notice."""
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}", workers=2) as sluice:
        sessions = sessions_on_both_workers(sluice, upstream)
        stopped, other = sorted(sessions)
        stop(stopped)
        sessions[stopped][0].send_frame(TEXT, "later")
        for i in range(50):
            sessions[other][0].send_frame(TEXT, str(i))
            sessions[other][1].expect(TEXT, str(i))
        os.kill(stopped, signal.SIGCONT)
        sessions[stopped][1].expect(TEXT, "later")


@suite.check
def killed_worker_costs_only_its_own():
    """SIGKILL in the middle of a frame: neither of its peers gets a clean Close, the others go on."""
    with Upstream() as upstream, Sluice(f"route /\n  proxy_pass {upstream.uri}", workers=2) as sluice:
        sluice.may_be_killed = True
        sessions = sessions_on_both_workers(sluice, upstream)
        killed, other = sorted(sessions)
        begun = frame(BINARY, bytes(1000), True)[:500]
        sessions[killed][0].send(begun)
        sessions[killed][1].take(500)
        os.kill(killed, signal.SIGKILL)
        for wire in sessions[killed]:
            try:
                assert wire.rest() == b""
            except Reset:
                pass
        sessions[other][0].send_frame(TEXT, "still here")
        sessions[other][1].expect(TEXT, "still here")
        wait_until(lambda: len(sluice.workers()) == 2, "a new worker", 1)
        assert len(sessions_on_both_workers(sluice, upstream)) == 2


@suite.check
def a_worker_that_dies_while_leaving_is_told_of():
    with Upstream() as upstream, simple(upstream, "@drain_timeout off") as sluice:
        client, server = pair(sluice, upstream)
        worker = sluice.workers()[0]
        sluice.signal(signal.SIGQUIT)
        wait_until(lambda: "SIGQUIT: listening no more" in sluice.errors(), "the end's begin")
        os.kill(worker, signal.SIGKILL)
        sluice.wait()
        client.close()
        server.close()
        assert "error worker 0 was killed by signal 9 while ending" in sluice.errors()


def seconds_to_probe(wire):
    """By the kernel's table, until the other end of this connection is to probe it; None: never."""
    ports = [f":{port:04X}" for port in (wire.sock.getpeername()[1], wire.sock.getsockname()[1])]
    with open("/proc/net/tcp", encoding="ascii") as table:
        for row in map(str.split, table):
            if [row[1][8:], row[2][8:]] != ports:
                continue
            timer, when = row[5].split(":")
            return int(when, 16) / os.sysconf("SC_CLK_TCK") if timer == "02" else None
    raise AssertionError("the connection is not in the table")


@suite.check
def silent_peers_are_probed():
    for extra, seconds in (("", 300), ("@tcp_keepalive 2h", 7200), ("@tcp_keepalive off", None)):
        with Upstream() as upstream, Sluice(
                f"{extra}\nroute /\n  proxy_pass {upstream.uri}") as sluice:
            client, server = pair(sluice, upstream)
            client.send_frame(TEXT, "x")
            server.expect(TEXT, "x")  # so it is relaying
            for peer in (client, server):
                if seconds is None:
                    time.sleep(0.5)
                    assert seconds_to_probe(peer) is None
                else:  # until then another of its timers stands in that place of the table
                    left = wait_until(lambda peer=peer: seconds_to_probe(peer), "keep-alive")
                    assert seconds - 60 < left <= seconds, (extra, left)


if __name__ == "__main__":
    suite.run()
