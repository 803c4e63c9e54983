# Harness of the Python tests: counts checks, and runs the real binary with a conf and logs in a
# temporary folder of its own. Nothing that it started outlives the program.
import atexit
import contextlib
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


class Tally:
    """Runs named checks in `with tally.check(NAME):`; a failing one does not stop the others."""

    def __init__(self, limit_seconds=100):
        self.passed = 0
        self.failed = 0
        self.running = "nothing"
        signal.signal(signal.SIGALRM, lambda *_: self._give_up(f"{limit_seconds} s are over"))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: self._give_up(f"signal {number}"))
        signal.alarm(limit_seconds)

    @contextlib.contextmanager
    def check(self, name):
        self.running = name
        try:
            yield
            self.passed += 1
        except Exception:
            self.failed += 1
            print(f"FAILED {name}\n{traceback.format_exc()}", flush=True)

    def conclude(self):
        signal.alarm(0)
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed > 0 else 0)

    def _give_up(self, why):
        print(f"FAILED {self.running}\n  {why}", flush=True)
        print(f"{self.passed} passed, {self.failed + 1} failed", flush=True)
        clean_up()
        os._exit(1)


started = set()


@atexit.register
def clean_up():
    for sluice in list(started):
        sluice.kill_now()


def bin_folder(most_arguments=1):
    if not 2 <= len(sys.argv) <= 1 + most_arguments:
        sys.exit(f"usage: {sys.argv[0]} BIN_FOLDER")
    return os.path.abspath(sys.argv[1])


def expect_equal(actual, expected, what=""):
    """Long values are not printed whole."""
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r:.300} came, {expected!r:.300} was expected")


# Nobody listens there, nor can a test that runs beside this one come to: tcpmux's.
NOBODYS_PORT = 1


def free_port():
    """Below those that the kernel gives to clients and to who binds port 0: one of theirs could be
    taken by a test that runs beside this one before anybody listens on it."""
    while True:
        with socket.socket() as probe:
            port = random.randrange(10_240, 32_768)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def wait_until(seconds, what, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


class Sluice:
    """`routes`: (path, port of the server behind it or its URI, further lines of conf). `top` and
    `listen` are further lines at the top and of the listener."""

    def __init__(self, program, routes, top=(), listen=()):
        self.program = program
        self.routes = routes
        self.top = top
        self.listen = listen
        self.process = None

    def __enter__(self):
        if not os.path.exists(self.program):
            raise SystemExit(f"{self.program} is missing: build it first")
        self.folder = tempfile.mkdtemp(prefix="sluice-interop-")
        self.output_path = os.path.join(self.folder, "output")
        self.error_log = os.path.join(self.folder, "error.log")
        self.access_log = os.path.join(self.folder, "access.log")
        started.add(self)
        # Between choosing a port and listening on it somebody else may take it.
        for _ in range(3):
            if self._start_once():
                return self
        self.print_tails()
        raise SystemExit("sluice did not start")

    def _start_once(self):
        self.port = free_port()
        conf = os.path.join(self.folder, "sluice.conf")
        with open(conf, "w") as file:
            file.write(self._conf())
        with open(self.output_path, "wb") as output:
            # It leads a process group: workers would go on serving without their master.
            self.process = subprocess.Popen(
                [self.program, "-c", conf], start_new_session=True, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output)
        wait_until(15, "sluice listens", lambda: self.process.poll() is not None or self._accepts())
        return self.process.poll() is None

    def _conf(self):
        lines = ["workers 2", f"error_log {self.error_log} info", f"access_log {self.access_log}"]
        if os.getuid() == 0:
            lines.append("user root")
        lines += [*self.top, f"listen 127.0.0.1:{self.port}"]
        lines += [f"  {line}" for line in self.listen]
        for path, server, *more in self.routes:
            uri = f"ws://127.0.0.1:{server}" if isinstance(server, int) else server
            lines += [f"route {path}", f"  proxy_pass {uri}"]
            lines += [f"  {line}" for line in more]
        return "\n".join(lines) + "\n"

    def _accepts(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        """Ends it with TERM: soon, in order, with a close line for each open one."""
        self.process.send_signal(signal.SIGTERM)
        expect_equal(self.process.wait(10), 0, "status of sluice")
        with open(self.error_log) as file:
            expect_equal([line for line in file if "starting it again" in line], [], "dead workers")
        expect_equal(self.sessions_with("close"), self.sessions_with("open"), "closed sessions")

    def sessions_with(self, event):
        with open(self.access_log) as file:
            lines = [re.match(r"\d{4}-\S+Z (\S+) id=(\d+-\w+-\d+) ", line) for line in file]
        if None in lines:
            raise AssertionError("a line of the access log has another form")
        return sorted(line[2] for line in lines if line[1] == event)

    def __exit__(self, *_):
        self.kill_now()

    def kill_now(self):
        if self not in started:
            return
        started.discard(self)
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def error_lines(self):
        with open(self.error_log) as file:
            return file.read().splitlines()

    def print_tails(self):
        for path in (self.output_path, self.error_log, self.access_log):
            with contextlib.suppress(FileNotFoundError), open(path) as file:
                tail = "".join(file.readlines()[-30:])
                print(f"--- end of {os.path.basename(path)}\n{tail}", flush=True)
