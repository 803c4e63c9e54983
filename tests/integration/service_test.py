"""sluice under a service manager, whose place a socket of the test takes: what it is told
(sd_notify(3)), and that conf/sluice.service and conf/logrotate fit what sluice does."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import BIN, SANITIZED, Skip, Sluice, Suite, conf_for, simple, wait_until
from tls import site
from wire import TEXT, Upstream, close_in_order, pair

suite = Suite()

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNIT = f"{SOURCE}/conf/sluice.service"


class Manager:
    """The socket of a service manager; `name` is what NOTIFY_SOCKET says."""

    def __init__(self, abstract=False):
        self.folder = tempfile.mkdtemp(prefix="sluice-notify-")
        self.name = f"@sluice-test-{os.getpid()}" if abstract else f"{self.folder}/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.name.replace("@", "\0"))
        self.socket.settimeout(20)

    def hear(self):
        """The next message: its variables by name."""
        lines = self.socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def prefix(self, *more):
        return ("env", f"NOTIFY_SOCKET={self.name}", *more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        shutil.rmtree(self.folder)


def speak(sluice, word):
    return subprocess.run([f"{BIN}/sluice", "-c", sluice.conf_path, "-s", word], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


@suite.check_each("file", "abstract")
def the_manager_hears_of_every_step(kind):
    with Manager(kind == "abstract") as manager, Upstream() as upstream, \
            simple(upstream, "@drain_timeout off", workers=2, prefix=manager.prefix()) as sluice:
        told = manager.hear()
        assert told["READY"] == "1" and told["MAINPID"] == str(sluice.process.pid), told
        assert told["STATUS"] == "Serving with 2 workers", told
        before = time.monotonic_ns() // 1000
        sluice.signal(signal.SIGHUP)
        told = manager.hear()
        assert told["RELOADING"] == "1", told
        assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, told
        assert manager.hear()["READY"] == "1"
        with open(sluice.conf_path, "a", encoding="utf-8") as file:
            file.write("nonsense\n")
        sluice.signal(signal.SIGHUP)  # a reload that fails has ended, too
        assert manager.hear()["RELOADING"] == "1"
        assert manager.hear()["READY"] == "1"
        client, server = pair(sluice, upstream)
        sluice.signal(signal.SIGQUIT)
        told = manager.hear()
        assert told["STOPPING"] == "1" and "last session" in told["STATUS"], told
        sluice.signal(signal.SIGTERM)
        assert manager.hear()["STOPPING"] == "1"
        client.expect_close(1001)
        server.expect_close(1001)
        assert sluice.wait() == 0


@suite.check
def a_reload_by_the_control_socket_is_told_as_well():
    with Manager() as manager, Upstream() as upstream, \
            tempfile.TemporaryDirectory() as folder, \
            simple(upstream, f"@control unix:{folder}/c.sock", prefix=manager.prefix()) as sluice:
        assert manager.hear()["READY"] == "1"
        assert speak(sluice, "reload").returncode == 0
        assert manager.hear()["RELOADING"] == "1"
        assert manager.hear()["READY"] == "1"


@suite.check
def a_start_that_fails_is_never_ready():
    with Manager() as manager, Upstream() as upstream:
        sluice = Sluice(f"@pid_file /nonexistent/sluice.pid\n{conf_for(upstream)}", wait=False,
                        prefix=manager.prefix())
        assert sluice.wait() == 1
        sluice.remove()
        manager.socket.settimeout(0.2)
        try:
            raise AssertionError(manager.hear())
        except TimeoutError:
            pass


@suite.check
def the_watchdog_is_fed_while_the_loop_turns():
    with Manager() as manager, Upstream() as upstream, \
            simple(upstream, prefix=manager.prefix("WATCHDOG_USEC=200000", "sh", "-c",
                                                   'WATCHDOG_PID=$$ exec "$@"', "sh")) as sluice:
        assert manager.hear()["READY"] == "1"
        for _ in range(3):
            assert manager.hear() == {"WATCHDOG": "1"}
        sluice.signal(signal.SIGSTOP)
        time.sleep(0.3)
        manager.socket.setblocking(False)
        try:
            while True:
                manager.hear()
        except BlockingIOError:
            pass
        manager.socket.settimeout(0.4)
        try:
            raise AssertionError(f"a stopped loop says {manager.hear()}")
        except TimeoutError:
            pass
        sluice.signal(signal.SIGCONT)
        manager.socket.settimeout(20)
        assert manager.hear() == {"WATCHDOG": "1"}


@suite.check
def the_watchdog_of_another_process_is_not_fed():
    with Manager() as manager, Upstream() as upstream, \
            simple(upstream, prefix=manager.prefix("WATCHDOG_USEC=20000", "WATCHDOG_PID=1")):
        assert manager.hear()["READY"] == "1"
        manager.socket.settimeout(0.3)
        try:
            raise AssertionError(manager.hear())
        except TimeoutError:
            pass


@suite.check
def workers_know_no_manager():
    if os.getuid() != 0:
        raise Skip("only root sees a worker's environment")
    with Manager() as manager, Upstream() as upstream, \
            simple(upstream, prefix=manager.prefix("WATCHDOG_USEC=1000000")) as sluice:
        for pid in (sluice.process.pid, *sluice.workers()):
            with open(f"/proc/{pid}/environ", "rb") as file:
                shown = file.read()
            assert b"NOTIFY_SOCKET" not in shown and b"WATCHDOG" not in shown, shown


# --- the unit's file ----------------------------------------------------------------------------
def settings():
    """The unit's settings: a list of values for each name."""
    found = {}
    with open(UNIT, encoding="utf-8") as file:
        for line in file:
            match = re.match(r"(\w+)=(.*)", line)
            if match:
                found.setdefault(match.group(1), []).append(match.group(2))
    return found


@suite.check
def systemd_takes_the_unit():
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not here")
    with open(UNIT, encoding="utf-8") as file:
        text = file.read()
    with tempfile.TemporaryDirectory() as folder:
        copy = f"{folder}/sluice.service"
        with open(copy, "w", encoding="utf-8") as file:
            file.write(text.replace("/usr/local/bin/", BIN + "/"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        assert done.returncode == 0 and "sluice.service" not in done.stdout, done.stdout


@suite.check
def the_unit_does_what_its_comments_say():
    unit = settings()
    for name, value in (("Type", "notify"), ("KillMode", "process"), ("KillSignal", "SIGQUIT"),
                        ("NoNewPrivileges", "yes"), ("RuntimeDirectory", "sluice")):
        assert unit[name] == [value], (name, unit[name])
    assert int(unit["TimeoutStopSec"][0]) > 60
    assert unit["ExecReload"] == [unit["ExecStart"][0] + " -s reload"]


def free_low_port():
    for port in range(1023, 600, -1):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise Skip("no free port below 1024")


def with_rights_of_the_unit():
    """A prefix that leaves root the unit's capabilities alone."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        raise Skip("only root can give up root's capabilities")
    names = " ".join(settings()["CapabilityBoundingSet"]).split()
    kept = "".join(f",+{name.lower().removeprefix('cap_')}" for name in names)
    prefix = ("setpriv", "--no-new-privs", f"--bounding-set=-all{kept}", "--inh-caps=-all")
    done = subprocess.run([*prefix, "true"], check=False, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Skip("capabilities cannot be given up here: " + done.stderr)
    return prefix


@suite.check
def the_units_capabilities_suffice():
    """A port below 1024, keys and logs of another user, another owner of a unix listener, the
    workers' user, a pid file, a control socket, and the end of everything."""
    prefix = with_rights_of_the_unit()
    port = free_low_port()
    with Upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        shutil.copy(site().path, f"{folder}/site.pem")
        shutil.copy(site().key, f"{folder}/site.key")
        os.mkdir(f"{folder}/logs")
        os.mkdir(f"{folder}/run")
        for name in ("site.key", "logs", "run"):
            os.chmod(f"{folder}/{name}", 0o600 if name == "site.key" else 0o700)
            os.chown(f"{folder}/{name}", 1, 1)
        conf = (f"@user nobody\n@pid_file {folder}/run/sluice.pid\n"
                f"@control unix:{folder}/run/c.sock\n"
                f"listen 127.0.0.1:{port}\n  tls_certificate {folder}/site.pem\n"
                f"  tls_key {folder}/site.key\n"
                f"listen unix:{folder}/run/in.sock mode=0660 owner=daemon group=daemon\n"
                f"{conf_for(upstream)}")
        with Sluice(conf, prefix=prefix, workers=2) as sluice:
            with open(f"/proc/{sluice.process.pid}/status", encoding="ascii") as file:
                status = file.read()
            assert "NoNewPrivs:\t1" in status, status
            for worker in sluice.workers():
                wait_until(lambda worker=worker: owner(worker) == 65534, "the workers' user")
            with open(f"{folder}/run/sluice.pid", encoding="ascii") as file:
                assert int(file.read()) == sluice.process.pid
            held = os.stat(f"{folder}/run/in.sock")
            assert (held.st_uid, held.st_gid, held.st_mode & 0o777) == (1, 1, 0o660), held
            client, server = pair(sluice, upstream)
            client.send_frame(TEXT, "hello")
            server.expect(TEXT, "hello")
            for word in ("reload", "reopen"):
                done = speak(sluice, word)
                assert done.returncode == 0, done
            assert json.loads(speak(sluice, "status").stdout)["ok"]
            close_in_order(client, server)
            assert speak(sluice, "quit").returncode == 0
            assert sluice.wait() == 0
        assert os.listdir(f"{folder}/run") == []


def owner(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"^Uid:\t(\d+)", file.read(), re.M).group(1))


@suite.check
def a_folder_below_run_is_made():
    if os.getuid() != 0 or os.path.exists("/run/sluice-test"):
        raise Skip("/run is root's")
    try:
        with Upstream() as upstream:
            with simple(upstream, "@control unix:/run/sluice-test/c.sock\n"
                                  "@pid_file /run/sluice-test/s.pid") as sluice:
                held = os.stat("/run/sluice-test")
                assert (held.st_uid, held.st_mode & 0o777) == (0, 0o755), held
                assert speak(sluice, "status").returncode == 0
            assert os.listdir("/run/sluice-test") == []
            os.rmdir("/run/sluice-test")
            with simple(upstream, "@pid_file /run/sluice-test/s.pid"):
                assert os.listdir("/run/sluice-test") == ["s.pid"]
    finally:
        shutil.rmtree("/run/sluice-test", ignore_errors=True)


@suite.check
def logrotate_has_the_logs_reopened():
    program = shutil.which("logrotate") or "/usr/sbin/logrotate"
    if not os.path.exists(program) or os.getuid() != 0:
        raise Skip("logrotate is not here, or not for this user")
    with Upstream() as upstream, tempfile.TemporaryDirectory() as folder, \
            simple(upstream, f"@control unix:{folder}/c.sock") as sluice:
        client, server = pair(sluice, upstream)
        sluice.access_line("open")
        with open(f"{SOURCE}/conf/logrotate", encoding="utf-8") as file:
            text = file.read()
        for old, new in (("/usr/local/bin", BIN), ("/etc/sluice/sluice.conf", sluice.conf_path),
                         ("/var/log/sluice", sluice.folder)):
            assert old in text
            text = text.replace(old, new)
        with open(f"{folder}/rotation", "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run([program, "-f", "-s", f"{folder}/state", f"{folder}/rotation"],
                              check=False, stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert os.path.exists(sluice.access_log + ".1"), os.listdir(sluice.folder)
        close_in_order(client, server)
        sluice.access_line("close")  # in the new file


if SANITIZED:  # a leak check at exit needs ptrace, which these capabilities lack
    suite.checks = [each for each in suite.checks if each[0] != "the_units_capabilities_suffice"]

suite.run()
