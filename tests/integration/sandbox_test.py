"""The sandbox of workers as /proc shows it: user, capabilities, system calls; as root and without."""
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile

from harness import BIN, Skip, Sluice, Suite, conf_for
from wire import TEXT, Upstream, close_in_order, pair, request

suite = Suite()

CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd")
NONE = "0" * 16


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def filtered_here():
    """Whether this build filters calls: `sluice -V` says so."""
    told = subprocess.run([os.path.join(BIN, "sluice"), "-V"], capture_output=True, text=True,
                          check=True, timeout=20).stdout
    assert "libseccomp" in told, told
    return re.search(r"^libseccomp 2\.", told, re.M) is not None


def relay_something(sluice, upstream):
    client, server = pair(sluice, upstream)
    for payload in (b"x", b"y" * 300_000):  # the second one by splice
        client.send_frame(TEXT, payload)
        server.expect(TEXT, payload)
        server.send_frame(TEXT, payload)
        client.expect(TEXT, payload)
    close_in_order(client, server)


@suite.check
def worker_has_nothing_left():
    with Upstream() as upstream, Sluice(conf_for(upstream), workers=2) as sluice:
        relay_something(sluice, upstream)
        for pid in sluice.workers():
            status = status_of(pid)
            for each in CAPABILITY_SETS if os.geteuid() == 0 else CAPABILITY_SETS[:4]:
                assert status[each] == NONE, (each, status)
            assert status["NoNewPrivs"] == "1", status
            assert status["Seccomp"] == ("2" if filtered_here() else "0"), status
            if os.geteuid() == 0:
                try:
                    user = pwd.getpwnam("sluice")
                except KeyError:
                    user = pwd.getpwnam("nobody")
                assert status["Uid"].split() == [str(user.pw_uid)] * 4, status
                assert status["Gid"].split() == [str(user.pw_gid)] * 4, status
                assert status["Groups"].split() in ([], [str(user.pw_gid)]), status


@suite.check
def sandbox_that_is_off():
    """Only calls and files are left to the worker: capabilities go all the same."""
    with Upstream() as upstream, Sluice(f"@sandbox off\n{conf_for(upstream)}") as sluice:
        relay_something(sluice, upstream)
        status = status_of(sluice.workers()[0])
        assert (status["CapEff"], status["NoNewPrivs"], status["Seccomp"]) == (NONE, "1", "0"), status


@suite.check
def ambient_capability_of_the_starter():
    """As a service manager gives it to bind low ports: the master has it, its workers do not."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skip("it needs root and setpriv")
    low = next(port for port in range(1023, 600, -1) if is_free(port))
    prefix = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", "--inh-caps",
              "+net_bind_service", "--ambient-caps", "+net_bind_service", "--")
    if subprocess.run([*prefix, os.path.join(BIN, "sluice"), "-v"], capture_output=True,
                      check=False).returncode != 0:
        raise Skip("another user cannot start it from there")
    with Upstream() as upstream, Sluice(f"listen 127.0.0.1:{low}\n{conf_for(upstream)}",
                                        prefix=prefix, access=False) as sluice:
        relay_something(sluice, upstream)  # so the worker has confined itself by now
        master, worker = status_of(sluice.process.pid), status_of(sluice.workers()[0])
        for each in ("CapPrm", "CapEff", "CapAmb"):
            assert master[each] == f"{1 << 10:016x}", (each, master)
            assert worker[each] == NONE, (each, worker)
        assert worker["CapInh"] == NONE and worker["NoNewPrivs"] == "1", worker
        assert worker["Seccomp"] == ("2" if filtered_here() else "0"), worker
        with socket.create_connection(("127.0.0.1", low), 5) as client:
            client.sendall(request())
            upstream.upgrade().close()


def is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@suite.check
def unix_sockets_on_both_sides():
    """No file can be opened, but a server's socket file is found by its path."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = f"{folder}/up.sock"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            os.chmod(path, 0o666)
            server.listen()
            server.settimeout(20)
            conf = f"listen unix:{folder}/in.sock\nroute /\n  proxy_pass ws://unix:{path}:/"
            with Sluice(conf) as sluice, socket.socket(socket.AF_UNIX) as client:
                client.connect(f"{folder}/in.sock")
                client.sendall(request())
                accepted = server.accept()[0]
                assert accepted.recv(4096).startswith(b"GET / HTTP/1.1\r\n")
                accepted.close()


suite.run()
