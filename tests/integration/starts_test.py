"""Starts: what can never work is told once, before anybody is listened to; what belongs to another
instance is left alone; and how many workers there are."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import BIN, Skip, Sluice, Suite, conf_for, failed_start, free_port, wait_until
from wire import TEXT, Upstream, dial, pair, request

suite = Suite()


@suite.check
def second_start_removes_only_what_it_bound():
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        os.chmod(folder, 0o755)
        path, own = f"{folder}/in.sock", f"{folder}/own.sock"
        with Sluice(f"listen unix:{path}\n{conf_for(upstream)}") as first:
            told = failed_start(f"listen unix:{own}\nlisten unix:{path}\n{conf_for(upstream)}")
            assert f"listen unix:{path}: bind: Address already in use (sluice, pid " in told, told
            assert not os.path.exists(own), "what the second start made is left behind"
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            client.sendall(request())
            upstream.upgrade()
            client.close()
            # The same where a port is what fails: the socket file is its own then.
            failed_start(f"listen unix:{own}\nlisten 127.0.0.1:{first.port}\n{conf_for(upstream)}")
            assert not os.path.exists(own) and os.path.exists(path)
        assert not os.path.exists(path)


@suite.check
def holder_of_a_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        told = failed_start(f"listen 127.0.0.1:{port}\nroute /\n  proxy_pass ws://127.0.0.1:1")
        with open("/proc/self/comm", encoding="utf-8") as file:
            program = file.read().strip()
        assert (f"sluice: listen 127.0.0.1:{port}: bind: Address already in use "
                f"({program}, pid {os.getpid()})\n") in told, told


def without_capabilities():
    """A prefix that takes from root what it needs to become somebody else; None where it cannot."""
    prefix = ("setpriv", "--bounding-set", "-setuid,-setgid", "--inh-caps", "-setuid,-setgid", "--")
    if os.geteuid() != 0 or not shutil.which("setpriv") or subprocess.run(
            [*prefix, "true"], capture_output=True, check=False).returncode != 0:
        return None
    return prefix


@suite.check
def root_without_capabilities():
    prefix = without_capabilities()
    if prefix is None:
        raise Skip("it needs root and setpriv")
    with Upstream() as upstream:
        told = failed_start(f"@user daemon\n{conf_for(upstream)}", prefix=prefix, workers=4)
        assert re.search(r"^sluice: user daemon: setgroups: Operation not permitted; root without ",
                         told, re.M), told
        assert "listening on" not in told and " started, pid " not in told, told
        with Sluice(f"@user root\n{conf_for(upstream)}", prefix=prefix) as sluice:
            pair(sluice, upstream)


@suite.check
def machine_without_users():
    """A container whose /etc/passwd is empty, and nobody else makes users up."""
    setup = ('mount -t tmpfs none /mnt && echo "passwd: files" >/mnt/nsswitch && '
             'mount --bind /mnt/nsswitch /etc/nsswitch.conf && mount --bind /dev/null /etc/passwd && '
             'exec "$0" "$@"')
    prefix = ("unshare", "-m", "sh", "-c", setup)
    if os.geteuid() != 0 or not shutil.which("unshare") or subprocess.run(
            [*prefix, "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("it needs a mount namespace")
    told = failed_start("route /\n  proxy_pass ws://127.0.0.1:1", prefix=prefix)
    assert "sluice: user: there is neither sluice nor nobody on this machine" in told, told
    assert "listening on" not in told, told
    with tempfile.TemporaryDirectory() as folder:
        conf = os.path.join(folder, "sluice.conf")
        with open(conf, "w", encoding="utf-8") as file:
            file.write("listen 127.0.0.1:1\nroute /\n  proxy_pass ws://127.0.0.1:1\n")
        told = subprocess.run([*prefix, os.path.join(BIN, "sluice"), "-t", "-c", conf], check=True,
                              capture_output=True, text=True, timeout=60).stderr
    assert "sluice: warning: user: there is neither sluice nor nobody" in told, told
    told = failed_start("@user daemon\nroute /\n  proxy_pass ws://127.0.0.1:1", prefix=prefix)
    assert 'there is no user "daemon" on this machine' in told, told


@suite.check
def user_that_goes_away_costs_nothing():
    """Workers are started again by numbers: the user is looked up once."""
    setup = 'cp /etc/passwd "$1" && mount --bind "$1" /etc/passwd && shift && exec "$@"'
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise Skip("it needs root")
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        users = f"{folder}/passwd"
        prefix = ("unshare", "-m", "sh", "-c", setup, "sh", users)
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
            raise Skip("it needs a mount namespace")
        with Sluice(f"@user daemon\n{conf_for(upstream)}", prefix=prefix) as sluice:
            sluice.may_be_killed = True
            with open(users, "w", encoding="ascii"):
                pass
            worker = sluice.workers()[0]
            os.kill(worker, signal.SIGKILL)
            wait_until(lambda: sluice.workers() not in ([worker], []), "another worker")
            pair(sluice, upstream)


@suite.check
def auto_counts_what_may_be_used():
    if not shutil.which("taskset"):
        raise Skip("it needs taskset")
    usable = sorted(os.sched_getaffinity(0))
    with Upstream() as upstream:
        with Sluice(conf_for(upstream), workers="auto", wait=False,
                    prefix=("taskset", "-c", str(usable[-1]))) as sluice:
            wait_until(lambda: " started, pid " in sluice.errors(), "a worker")
            pair(sluice, upstream)
            assert len(sluice.workers()) == 1
        with Sluice(conf_for(upstream), workers="auto", wait=False) as sluice:
            wait_until(lambda: " started, pid " in sluice.errors(), "the workers")
            pair(sluice, upstream)
            assert 1 <= len(sluice.workers()) <= len(usable)


@suite.check
def limit_without_room_for_a_session():
    """Nor does a worker that can never start come back for ever."""
    for limit in (60, 75):
        limits = ("bash", "-c", f'ulimit -n {limit}; exec "$0" "$@"')
        told = failed_start("route /\n  proxy_pass ws://127.0.0.1:1", prefix=limits, workers=2)
        assert ("worker 0 cannot start: the descriptor limit (ulimit -n) leaves none for sessions"
                in told), told
        assert told.count("can never start, so it is not tried again") == 2, told
        assert "no worker can start: ending" in told, told


@suite.check
def killed_master_makes_room_for_the_next():
    """Its workers stop listening at once, and serve their sessions to the end."""
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        os.chmod(folder, 0o755)
        path = f"{folder}/in.sock"
        port = free_port()
        conf = f"listen 127.0.0.1:{port}\nlisten unix:{path}\n{conf_for(upstream)}"
        old = Sluice(conf, workers=2, listen=False)
        try:
            old.port = port
            workers = old.workers()
            client, server = pair(old, upstream)
            old.signal(signal.SIGKILL)
            old.process.wait()
            old.ended = True
            wait_until(lambda: old.errors().count(
                "the master is gone: listening no more, serving ") == 2, "workers know")
            with Sluice(conf, workers=2, listen=False) as new:
                new.port = port
                pair(new, upstream)[0].close()
                client.send_frame(TEXT, "still here")
                server.expect(TEXT, "still here")
                client.close()
                server.close()
                wait_until(lambda: not any(map(lives, workers)), "the end of the old workers")
                assert os.path.exists(path)
        finally:
            old.remove()


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@suite.check
def logs_that_are_streams():
    """A worker's user may not open what they stand for: they are inherited."""
    with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
        secret = f"{folder}/only-root"  # in a folder that is nobody else's
        open_five = ("bash", "-c", f'exec 5>>{secret}; exec "$0" "$@"')
        for path in ("/dev/stdout", "/proc/self/fd/1", "/dev/fd/2", "/dev/stderr", "/dev/fd/5"):
            with Sluice(f"@access_log {path}\n{conf_for(upstream)}", access=False,
                        prefix=open_five) as sluice:
                for i in range(2):
                    pair(sluice, upstream, target=f"/{i}")[0].close()

                    def told(i=i):
                        with open(secret, encoding="utf-8") as file:
                            return f" target=/{i} " in sluice.errors() + file.read()
                    wait_until(told, f"an access line in {path}")
                    sluice.signal(signal.SIGUSR1)
                    wait_until(lambda i=i: sluice.errors().count("logs reopened") == i + 1, "USR1")
        told = failed_start(f"@access_log /dev/fd/77\n{conf_for(upstream)}", access=False)
        assert "access_log /dev/fd/77: open: Bad file descriptor" in told, told


@suite.check
def signals_are_told():
    for number, line in ((signal.SIGTERM, "SIGTERM: ending"), (signal.SIGINT, "SIGINT: ending"),
                         (signal.SIGQUIT, "SIGQUIT: listening no more")):
        with Upstream() as upstream, Sluice(conf_for(upstream)) as sluice:
            pair(sluice, upstream)[0].reset()
            sluice.wait_sessions(0)
            sluice.signal(number)
            assert sluice.wait() == 0
            assert f" notice {line}" in sluice.errors(), sluice.errors()


@suite.check
def dial_stays_refused_after_a_failed_start():
    port = free_port()
    told = failed_start(f"@pid_file /nonexistent/sluice.pid\nlisten 127.0.0.1:{port}\nroute /\n"
                        "  proxy_pass ws://127.0.0.1:1")
    assert "pid_file /nonexistent/sluice.pid: open: No such file or directory" in told, told
    try:
        dial(port)
    except ConnectionRefusedError:
        return
    raise AssertionError("something listens")


suite.run()
