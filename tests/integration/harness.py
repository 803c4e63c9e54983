"""Runs the real binary for the integration tests: a conf and logs in a temporary folder of its own,
free loopback ports, checks that are named and counted. Standard library only."""
import contextlib
import functools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

BIN = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build/bin")
# Sanitizer builds are slower and hold more memory: what depends on either looks here.
SANITIZED = os.environ.get("SLUICE_SANITIZED") == "1"
PATIENCE = 20.0  # seconds for what should take milliseconds; these machines are busy


def free_port():
    """Below those that the kernel gives to clients and to who binds port 0: one of theirs could be
    taken by a test that runs beside this one before anybody listens on it."""
    while True:
        with socket.socket() as probe:
            port = random.randrange(10_240, 32_768)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def wait_until(condition, what, seconds=PATIENCE):
    """`what` may be a function, which is asked where it failed: it tells what was there instead."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what() if callable(what) else what}: not within {seconds} s")
        time.sleep(0.002)


class Skip(Exception):
    """A check that cannot be made here, and why."""


def open_files(pid):
    """What a process has open, by descriptor; workers' folders in /proc are root's to read."""
    folder, found = f"/proc/{pid}/fd", {}
    try:
        for name in os.listdir(folder):
            try:
                found[int(name)] = os.readlink(f"{folder}/{name}")
            except FileNotFoundError:
                pass  # closed meanwhile
    except PermissionError:
        raise Skip("only root sees what a worker has open") from None
    return found


def assert_within_100_ms(waits, what):
    """Judges seconds by their median: these machines are busy."""
    waits = sorted(waits)
    median, worst = waits[len(waits) // 2], waits[-1]
    print(f"faults: {what} after {median * 1000:.1f} ms (median), at most {worst * 1000:.1f} ms")
    assert median < (1 if SANITIZED else 0.1) and worst < (5 if SANITIZED else 2), waits


class Sluice:
    """One running sluice. `conf` is everything but logs and the listener on self.port; `wrap` is
    what puts its clients' sockets in TLS. With `error_log` its error log is a file beside the
    access log, with `error_to` whatever these words of its line say."""

    def __init__(self, conf, workers=1, wait=True, access=True, prefix=(), listen=True,
                 error_log=False, error_to=None, wrap=None):
        self.wrap = wrap
        self.folder = tempfile.mkdtemp(prefix="sluice-test-")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.access_log = os.path.join(self.folder, "access.log")
        self.error_log = os.path.join(self.folder, "error.log") if error_log else None
        errors = error_to or f"{self.error_log or 'stderr'} debug"
        lines = [f"workers {workers}", f"error_log {errors}"]
        if access:
            lines.append(f"access_log {self.access_log}")
        conf = conf.strip("\n")
        top = [line for line in conf.split("\n") if line.startswith("@")]
        rest = [line for line in conf.split("\n") if not line.startswith("@")]
        lines += [line[1:].strip() for line in top]
        if listen:
            lines.append(f"listen 127.0.0.1:{self.port}")
        self.conf_path = os.path.join(self.folder, "sluice.conf")
        self.write_conf("\n".join(lines + rest) + "\n")
        self.error_path = os.path.join(self.folder, "stderr")
        self.error_file = open(self.error_path, "wb")
        self.process = subprocess.Popen([*prefix, os.path.join(BIN, "sluice"), "-c", self.conf_path],
                                        stdin=subprocess.DEVNULL, stdout=self.error_file,
                                        stderr=self.error_file, start_new_session=True)
        self.ended = False
        if wait:
            wait_until(lambda: self.errors().count(" started, pid ") >= workers or self.dead(),
                       "start of sluice")
            if self.dead():
                raise AssertionError("sluice did not start: " + self.errors())

    def write_conf(self, text):
        with open(self.conf_path, "w", encoding="utf-8") as file:
            file.write(text)

    def dead(self):
        return self.process.poll() is not None

    def errors(self):
        told = ""
        for path in (self.error_path, self.error_log):
            if path and os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    told += file.read()
        return told

    def access(self):
        """Access lines as dicts: `event` and the fields, quotes removed."""
        if not os.path.exists(self.access_log):
            return []
        with open(self.access_log, encoding="utf-8", errors="replace") as file:
            whole, _, _ = file.read().rpartition("\n")  # the last one may be half-written
            return [parse_access_line(line) for line in whole.splitlines()]

    def access_line(self, event, **fields):
        """Waits for an access line with that event and these fields."""
        def found():
            for line in self.access():
                if line["event"] == event and all(line.get(k) == v for k, v in fields.items()):
                    return line
            return None
        try:
            return wait_until(found, f"access line {event} {fields}", 5)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {self.access()}") from None

    def workers(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]

    def signal(self, number):
        os.kill(self.process.pid, number)

    def report(self, worker=None):
        """What a worker lends and holds, by name: sessions, relaying, rings_lent, ..."""
        pattern = re.compile(r"notice (sessions .*)\n")  # whole, for it may be read half-written
        before = len(pattern.findall(self.errors()))
        os.kill(worker or self.workers()[0], signal.SIGUSR2)
        lines = wait_until(lambda: pattern.findall(self.errors())[before:], "report of the worker")
        numbers = {}
        for part in lines[0].split(", "):
            name, value = part.rsplit(" ", 1)
            numbers[name.replace(" ", "_")] = int(value)
        return numbers

    def wait_sessions(self, count):
        wait_until(lambda: self.report()["sessions"] == count, f"{count} sessions")

    def wait_idle(self):
        """Until the last session has ended and nothing is left of any."""
        self.wait_sessions(0)
        # The look at stalled sessions is the worker's, not theirs: it may outlive the last of them.
        timers = self.report()["timers"]
        assert timers <= 1, f"{timers} timers without a session"
        wait_until(lambda: self.report()["timers"] == 0, "no timer without a session")

    def stop(self):
        """Ends it in order; whatever it held must be given back by then."""
        if self.ended:
            return
        if not self.dead():
            self.signal(signal.SIGTERM)
        status = self.wait()
        errors = self.errors()
        for bad in ("assertion failed", "ERROR: AddressSanitizer", "runtime error", "LeakSanitizer",
                    "the sandbox refused", "was killed by signal"):
            if bad in errors and not (bad == "was killed by signal" and self.may_be_killed):
                raise AssertionError(errors)
        if status != 0:
            raise AssertionError(f"exit status {status}: {errors}")

    may_be_killed = False  # a test kills its workers

    def wait(self, seconds=PATIENCE):
        status = self.process.wait(seconds)
        self.ended = True
        self.error_file.close()
        return status

    def remove(self):
        running = self.process.poll() is None
        # Workers outlive a master that was killed; ASan makes an exit status of that.
        if running or not self.ended or self.process.returncode != 0:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own: all its processes
            except ProcessLookupError:
                pass
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.stop()
            else:
                print(self.errors()[-4000:])
        finally:
            self.remove()


def conf_for(upstream):
    """The least conf: everything goes to that upstream."""
    return f"route /\n  proxy_pass {upstream.uri}"


def simple(upstream, top="", **options):
    return Sluice(f"{top}\n{conf_for(upstream)}", **options)


def failed_start(conf, **options):
    """What a start says that ends with status 1."""
    sluice = Sluice(conf, wait=False, **options)
    try:
        assert sluice.wait() == 1, sluice.errors()
        return sluice.errors()
    finally:
        sluice.remove()


def parse_access_line(line):
    match = re.match(r"\S+ (\w+)", line)
    fields = {"event": match.group(1), "line": line}
    for name, quoted, plain in re.findall(r' (\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))', line):
        fields[name] = quoted or plain
    return fields


class Suite:
    """Named checks, run one after the other; @suite.check registers one."""

    def __init__(self):
        self.checks = []

    def check(self, function):
        self.checks.append((function.__name__, function))
        return function

    def check_each(self, *values):
        """@suite.check_each(a, b) registers a check for each value, which it gets."""
        def register(function):
            for value in values:
                name = f"{function.__name__}[{value}]"
                self.checks.append((name, functools.partial(function, value)))
            return function
        return register

    def run(self):
        """All checks, or those that the command line names: digests or digests[wss/ws]."""
        wanted = sys.argv[2:]
        passed = failed = 0
        for name, function in self.checks:
            if wanted and name not in wanted and name.partition("[")[0] not in wanted:
                continue
            begin = time.monotonic()
            try:
                function()
                passed += 1
            except Skip as why:
                print(f"skipped: {name}, {why}")
            except Exception:  # every failure is told and counted
                failed += 1
                print(f"FAILED {name}")
                traceback.print_exc(file=sys.stdout)
            took = time.monotonic() - begin
            if took > 3:
                print(f"{name}: {took:.1f} s")
        print(f"{passed} passed, {failed} failed")
        sys.exit(1 if failed else 0)
