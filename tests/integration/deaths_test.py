"""What is told of a process that dies of a fault, and workers whose loop stands still."""
import os
import platform
import re
import signal
import threading
import time

from harness import SANITIZED, Skip, Sluice, Suite, conf_for, simple, wait_until
from stops_test import stop
from wire import BINARY, TEXT, Reset, Upstream, frame, pair

suite = Suite()

# The calls that a loop waits in.
WAITS = {"x86_64": {232, 281, 441}, "aarch64": {22, 441}}

# A function of ours, by its mangled name.
FUNCTION = re.compile(r"sluice\((_ZN6sluice\w+|main)\+0x[0-9a-f]+\)\[0x[0-9a-f]+\]$", re.M)


def trace_of(sluice, name, pid, number):
    """What stands behind the line that tells of the signal."""
    told = re.search(rf"^\S+Z error {name}, pid {pid}, ends by signal {int(number)} "
                     rf"\({number.name}\), sent by process \d+; it was in:\n((?:\S*\[0x.*\n)+)",
                     sluice.errors(), re.M)
    return told.group(1) if told else ""


def expect_trace(sluice, name, pid, number):
    if SANITIZED:
        return  # the sanitizer tells
    wait_until(lambda: FUNCTION.search(trace_of(sluice, name, pid, number)),
               f"a trace of {name}, process {pid}")


def relayed_pair(sluice, upstream):
    """A session that the worker counts: its 101 comes before that."""
    client, server = pair(sluice, upstream)
    client.send_frame(TEXT, "counted")
    server.expect(TEXT, "counted")
    return client, server


def await_another(sluice, worker):
    wait_until(lambda: sluice.workers() not in ([worker], []), "another worker")


@suite.check_each("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
def worker_that_dies_tells_where_it_stood(name):
    number = signal.Signals[name]
    with Upstream() as upstream, simple(upstream) as sluice:
        sluice.may_be_killed = True
        sessions = [relayed_pair(sluice, upstream) for _ in range(3)]
        worker = sluice.workers()[0]
        os.kill(worker, number)
        await_another(sluice, worker)
        expect_trace(sluice, "worker 0", worker, number)
        told = (f"worker 0 was killed by signal {int(number)}, starting it again in 0 ms; "
                "3 sessions went with it")
        if not SANITIZED:
            assert told in sluice.errors(), sluice.errors()
        client, server = pair(sluice, upstream)
        client.send_frame(TEXT, "served")
        server.expect(TEXT, "served")
        assert len(sessions) == 3


@suite.check
def sessions_that_have_ended_are_not_mourned():
    with Upstream() as upstream, simple(upstream) as sluice:
        sluice.may_be_killed = True
        for _ in range(3):
            client, server = pair(sluice, upstream)
            client.close()
            server.close()
        sluice.wait_sessions(0)
        kept = relayed_pair(sluice, upstream)
        for count in (1, 0):
            worker = sluice.workers()[0]
            os.kill(worker, signal.SIGKILL)
            await_another(sluice, worker)
            noun = "session" if count == 1 else "sessions"
            assert f" ms; {count} {noun} went with it" in sluice.errors(), sluice.errors()
        assert kept


@suite.check
def trace_goes_to_the_log_of_today():
    """Into the file that was opened last, not to stderr."""
    with Upstream() as upstream, simple(upstream, error_log=True) as sluice:
        sluice.may_be_killed = True
        pair(sluice, upstream)
        os.rename(sluice.error_log, sluice.error_log + ".1")
        sluice.signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(sluice.error_log), "the new log")
        worker = sluice.workers()[0]
        sluice.report(worker)  # it writes to the new one by now
        os.kill(worker, signal.SIGSEGV)
        await_another(sluice, worker)
        expect_trace(sluice, "worker 0", worker, signal.SIGSEGV)
        with open(sluice.error_path, encoding="utf-8") as file:
            assert "it was in" not in file.read()


@suite.check
def master_that_dies_tells_where_it_stood():
    with Upstream() as upstream, simple(upstream) as sluice:
        client, server = pair(sluice, upstream)
        sluice.signal(signal.SIGSEGV)
        status = sluice.wait()
        expect_trace(sluice, "master", sluice.process.pid, signal.SIGSEGV)
        if not SANITIZED:
            assert status == -signal.SIGSEGV, status
        client.send_frame(TEXT, "served")  # its worker goes on
        server.expect(TEXT, "served")
        os.killpg(sluice.process.pid, signal.SIGKILL)
        sluice.ended, sluice.stop = True, lambda: None


class Busy:
    """A session that moves large messages without end, so that its worker hardly ever waits."""

    def __init__(self, sluice, upstream):
        self.client, self.server = pair(sluice, upstream)
        self.message = frame(BINARY, bytes(1 << 20), True)
        self.threads = [threading.Thread(target=self.run, args=(step,), daemon=True)
                        for step in (lambda: self.client.send(self.message),
                                     lambda: self.server.sock.recv(1 << 20))]
        for thread in self.threads:
            thread.start()

    def run(self, step):
        try:
            while step() != b"":
                pass
        except (OSError, Reset, EOFError):
            pass  # the worker was killed


def stop_in_a_turn(worker):
    """SIGSTOP while it is in a call that is not its wait."""
    if platform.machine() not in WAITS or os.geteuid() != 0:
        raise Skip("it needs root and a known processor")
    for _ in range(2000):
        stop(worker)
        with open(f"/proc/{worker}/syscall", encoding="ascii") as file:
            call = int(file.read().split()[0])
        if call >= 0 and call not in WAITS[platform.machine()]:
            return
        os.kill(worker, signal.SIGCONT)
        time.sleep(0.001)
    raise AssertionError("it is never seen at work")


def stuck_line(timeout):
    return (rf" error worker 0, pid (\d+), is stuck: its loop has been in one turn for \d+ s "
            rf"\(worker_timeout {timeout}\); it is sent SIGABRT\n")


@suite.check
def stuck_worker_is_replaced_and_tells_where_it_stood():
    with Upstream() as upstream, simple(upstream, "@worker_timeout 4s") as sluice:
        sluice.may_be_killed = True
        busy = Busy(sluice, upstream)
        worker = sluice.workers()[0]
        stop_in_a_turn(worker)
        told = wait_until(lambda: re.search(stuck_line("4s"), sluice.errors()), "it is seen")
        assert int(told.group(1)) == worker
        os.kill(worker, signal.SIGCONT)  # else no signal but SIGKILL reaches it
        await_another(sluice, worker)
        expect_trace(sluice, "worker 0", worker, signal.SIGABRT)
        assert "worker 0 was killed by signal 6, starting it again in 0 ms; 1 session went with it" \
            in sluice.errors() or SANITIZED, sluice.errors()
        pair(sluice, upstream)[0].close()
        assert busy.threads


@suite.check
def stuck_worker_that_no_signal_reaches_is_killed():
    with Upstream() as upstream, simple(upstream, "@worker_timeout 1s") as sluice:
        sluice.may_be_killed = True
        busy = Busy(sluice, upstream)
        worker = sluice.workers()[0]
        stop_in_a_turn(worker)
        await_another(sluice, worker)
        errors = sluice.errors()
        assert re.search(stuck_line("1s"), errors), errors
        assert f"worker 0, pid {worker}, did not end by SIGABRT: killed\n" in errors, errors
        assert "worker 0 was killed by signal 9, starting it again" in errors, errors
        pair(sluice, upstream)[0].close()
        assert busy.threads


@suite.check
def worker_that_waits_is_well():
    """However long it waits, and also where it was stopped meanwhile: its sessions go on."""
    with Upstream() as upstream, simple(upstream, "@worker_timeout 1s") as sluice:
        client, server = pair(sluice, upstream)
        worker = sluice.workers()[0]
        time.sleep(2.5)
        sluice.wait_sessions(1)
        time.sleep(0.1)
        stop(worker)
        client.send_frame(TEXT, "later")
        time.sleep(2.5)
        assert sluice.workers() == [worker]
        os.kill(worker, signal.SIGCONT)
        server.expect(TEXT, "later")
        assert "is stuck" not in sluice.errors()


@suite.check
def worker_that_works_hard_is_well():
    """For longer than worker_timeout without a pause, in turns that end."""
    with Upstream() as upstream, Sluice(f"@worker_timeout 1s\n{conf_for(upstream)}") as sluice:
        busy = Busy(sluice, upstream)
        worker = sluice.workers()[0]
        time.sleep(3)
        assert sluice.workers() == [worker] and "is stuck" not in sluice.errors()
        busy.client.reset()
        for thread in busy.threads:
            thread.join()


suite.run()
