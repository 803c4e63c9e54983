"""The control socket and `sluice -s`: what is answered, who may speak, what clients cannot do, and
what is said where nobody can be reached."""
import json
import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time

from control import Controlled, Line, command
from harness import (BIN, Skip, Sluice, Suite, conf_for, failed_start, open_files, simple,
                     wait_until)
from wire import TEXT, Upstream, close_in_order, pair

suite = Suite()


def as_nobody():
    if os.getuid() != 0:
        raise Skip("only root can become another user")
    return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@suite.check
def status_tells_of_master_and_workers():
    with Upstream() as upstream, Controlled(upstream, workers=2) as sluice:
        client, server = pair(sluice, upstream)
        client.send_frame(TEXT, "counted")
        server.expect(TEXT, "counted")
        status = wait_until(lambda: (lambda s: s if sum(
            w["sessions"] for w in s["workers"]) == 1 else None)(sluice.status()), "the session")
        assert status["ok"] is True and status["pid"] == sluice.process.pid, status
        assert status["conf"] == sluice.conf_path and status["generation"] >= 1, status
        assert re.fullmatch(r"\d+\.\d+\.\d+", status["version"]), status
        assert status["ending"] is False and 0 <= status["uptime_s"] < 600, status
        workers = status["workers"]
        assert [w["number"] for w in workers] == [0, 1], workers
        assert sorted(w["pid"] for w in workers) == sorted(sluice.workers()), workers
        close_in_order(client, server)
        wait_until(lambda: sum(w["ended"].get("peer_close", 0)
                               for w in sluice.status()["workers"]) == 1, "its end")
        assert sum(w["sessions"] for w in sluice.status()["workers"]) == 0


@suite.check
def sessions_that_went_with_a_worker_are_told():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        sluice.may_be_killed = True
        sessions = [pair(sluice, upstream) for _ in range(2)]
        wait_until(lambda: sluice.status()["workers"][0]["sessions"] == len(sessions), "both")
        victim = sluice.workers()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: sluice.status()["workers"][0]["pid"] not in (0, victim), "a successor")
        worker = sluice.status()["workers"][0]
        assert (worker["sessions"], worker["lost"], worker["relayed"]) == (0, 2, 2), worker


@suite.check
def reload_tells_the_servers_own_errors():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        done = sluice.say("reload")
        assert done.returncode == 0 and done.stdout == "", done
        with open(sluice.conf_path, encoding="utf-8") as file:
            good = file.read()
        sluice.write_conf(good + "nonsense\n  idle_timeout never\n")
        line = good.count("\n") + 1
        done = sluice.say("reload")
        assert done.returncode == 1 and done.stdout == "", done
        told = done.stderr.splitlines()
        assert told[0] == (f"sluice: {sluice.conf_path}:{line}: unknown directive \"nonsense\""), told
        assert told[1].startswith(f"sluice: {sluice.conf_path}:{line + 1}: idle_timeout: "), told
        wait_until(lambda: f"{sluice.conf_path}:{line}: unknown directive" in sluice.errors(),
                   "the log tells the same")
        pair(sluice, upstream)  # everything goes on
        sluice.write_conf(good)
        assert sluice.say("reload").returncode == 0


@suite.check
def several_wait_for_a_reload_and_one_may_go():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        lines = [Line(sluice.socket_path) for _ in range(8)]
        for each in lines:
            each.send(b"reload\nstatus\n")
        lines.pop().socket.close()
        for each in lines:
            assert each.answer()["ok"] is True
            assert each.answer()["pid"] == sluice.process.pid
            each.socket.close()


@suite.check
def reopen_makes_the_logs_anew():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        pair(sluice, upstream)
        sluice.access_line("open")
        os.rename(sluice.access_log, sluice.access_log + ".1")
        done = sluice.say("reopen")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        assert os.path.exists(sluice.access_log)
        os.rename(sluice.access_log, sluice.access_log + ".2")
        os.mkdir(sluice.access_log)
        done = sluice.say("reopen")
        assert done.returncode == 1, done
        assert done.stderr == f"sluice: access_log {sluice.access_log}: open: Is a directory\n", done
        os.rmdir(sluice.access_log)


@suite.check_each("stop", "quit")
def ending_takes_the_file_along(word):
    with Upstream() as upstream, Controlled(upstream, "@drain_timeout off") as sluice:
        mode = os.stat(sluice.socket_path).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
        client, server = pair(sluice, upstream)
        done = sluice.say(word)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
        if word == "stop":
            assert not os.path.exists(sluice.socket_path), "it waits until the sluice has gone"
            assert sluice.process.wait(5) == 0
        else:
            assert sluice.status()["ending"] is True, "it is spoken to while it waits for sessions"
            assert sluice.say("quit").returncode == 0
            close_in_order(client, server)
        assert sluice.wait() == 0
        assert not os.path.exists(sluice.socket_path)
        assert f"control: {word}, as user {os.getuid()} asks" in sluice.errors()


@suite.check
def stop_hurries_what_quit_began():
    with Upstream() as upstream, Controlled(upstream, "@drain_timeout off") as sluice:
        client, _ = pair(sluice, upstream)
        assert sluice.say("quit").returncode == 0
        assert sluice.say("stop").returncode == 0
        assert sluice.wait() == 0
        client.expect_close(1001)


@suite.check
def workers_do_not_have_it():
    with Upstream() as upstream, Controlled(upstream, workers=2) as sluice:
        sluice.may_be_killed = True
        with Line(sluice.socket_path) as line:
            assert line.ask("status")["ok"]
            for _ in range(2):  # also one that starts while somebody is connected
                inodes = unix_sockets(sluice.socket_path)
                assert len(inodes) >= 2, "the kernel knows the listener and this connection"
                for worker in sluice.workers():  # it closes what it inherited first of all
                    wait_until(lambda worker=worker:
                               not inodes.intersection(open_files(worker).values()),
                               "a worker without the control socket")
                victim = sluice.workers()[0]
                os.kill(victim, signal.SIGKILL)
                wait_until(lambda victim=victim: victim not in sluice.workers()
                           and len(sluice.workers()) == 2, "a successor")


def unix_sockets(path):
    """`socket:[INODE]` of all sockets with that name: the listener, and the server's ends."""
    with open("/proc/net/unix", encoding="ascii", errors="replace") as file:
        rows = [row.split() for row in file]
    return {f"socket:[{row[6]}]" for row in rows if len(row) > 7 and row[7] == path}


@suite.check
def others_are_told_that_they_may_not_speak():
    """Even where the file's mode lets them connect."""
    prefix = as_nobody()
    with Upstream() as upstream, Controlled(upstream, top="@user nobody",
                                            mode=" mode=0666") as sluice:
        for word in ("status", "stop"):
            done = sluice.say(word, prefix=prefix)
            assert done.returncode == 1 and done.stdout == "", done
            assert done.stderr == ("sluice: user 65534 may not speak here: only root and user 0, "
                                   "whom this sluice runs as\n"), done
        for _ in range(40):
            sluice.say("status", prefix=prefix)
        told = sluice.errors().count("turned away user 65534")
        assert 1 <= told <= 6, f"{told} lines"
        assert sluice.status()["ok"], "the others are heard"
    with Upstream() as upstream, Controlled(upstream) as sluice:
        done = sluice.say("status", prefix=prefix)
        assert done.returncode == 1 and "permission denied: only root and the user" in done.stderr


@suite.check
def an_unprivileged_sluice_hears_its_user_and_root():
    prefix = as_nobody()
    with Upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        conf, path = f"{folder}/sluice.conf", f"{folder}/control.sock"
        with open(conf, "w", encoding="utf-8") as file:
            file.write(f"workers 1\nerror_log off\ncontrol unix:{path}\n"
                       f"listen unix:{folder}/in.sock\n{conf_for(upstream)}\n")
        with subprocess.Popen([*prefix, f"{BIN}/sluice", "-c", conf]) as process:
            try:
                wait_until(lambda: command(conf, "status").returncode == 0, "its control socket")
                for who in ((), prefix):
                    done = command(conf, "status", prefix=who)
                    assert done.returncode == 0, done
                    assert json.loads(done.stdout)["pid"] == process.pid, done
                assert command(conf, "stop", prefix=prefix).returncode == 0
                assert process.wait(10) == 0
            finally:
                process.kill()


@suite.check
def a_long_line_ends_the_conversation_alone():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        with Line(sluice.socket_path) as line:
            assert line.ask("x" * 4096)["ok"] is False
            line.send(b"x" * 4097 + b"\nstop\n")
            assert line.answer() == {"ok": False, "errors": ["a request is at most 4096 bytes"]}
            assert line.answer() is None
        with Line(sluice.socket_path) as line:  # one that never ends its line
            try:
                for _ in range(1000):
                    line.send(b"y" * 65536)
                raise AssertionError("64 MiB were taken")
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert sluice.status()["ok"]


@suite.check
def a_silent_client_holds_nobody_up():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        with Line(sluice.socket_path) as silent, Line(sluice.socket_path) as half:
            half.send(b"stat")
            for _ in range(5):
                assert sluice.status()["ok"]
            told = {"ok": False, "errors": ["no whole request came within 10000 ms"]}
            assert silent.answer() == told and half.answer() == told
            assert silent.answer() is None and half.answer() is None


@suite.check
def many_clients_are_bounded():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        before = len(open_files(sluice.process.pid))
        lines = [Line(sluice.socket_path) for _ in range(16)]
        for each in lines:
            assert each.ask("status")["ok"]
        done = sluice.say("status")
        assert done.returncode == 1, done
        assert done.stderr == "sluice: 16 others are being served, try again\n", done
        lines.pop().socket.close()
        wait_until(lambda: sluice.say("status").returncode == 0, "a place")
        for each in lines:
            each.socket.close()
        for _ in range(100):
            assert sluice.status()["ok"]
        wait_until(lambda: len(open_files(sluice.process.pid)) == before, "all are closed")


@suite.check
def who_takes_no_answers_is_left_alone():
    with Upstream() as upstream, Controlled(upstream) as sluice, \
            Line(sluice.socket_path) as greedy:
        greedy.socket.setblocking(False)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += greedy.socket.send(b"status\n" * 1000)
        except BlockingIOError:
            pass
        assert sent < 64 << 20, "it reads on and on"
        assert sluice.status()["ok"]
        pair(sluice, upstream)


@suite.check
def a_stale_file_is_replaced_and_a_living_one_is_no_start():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        told = failed_start(f"@control unix:{sluice.socket_path}\n{conf_for(upstream)}")
        assert (f"control unix:{sluice.socket_path}: sluice, pid {sluice.process.pid} listens there "
                "already; each sluice needs a control socket of its own") in told, told
        assert sluice.status()["pid"] == sluice.process.pid
        sluice.process.kill()
        sluice.process.wait()
        sluice.ended = True
        assert os.path.exists(sluice.socket_path)
        done = sluice.say("status")
        assert done.returncode == 1 and "nobody listens there" in done.stderr, done
        with simple(upstream, f"@control unix:{sluice.socket_path}") as other:
            assert json.loads(command(other.conf_path, "status").stdout)["pid"] == other.process.pid
        assert not os.path.exists(sluice.socket_path)


@suite.check
def a_file_of_another_stays():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        os.remove(sluice.socket_path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(sluice.socket_path)
            other.listen()
            sluice.stop()
            assert os.path.exists(sluice.socket_path)


@suite.check
def stop_works_with_a_broken_conf():
    with Upstream() as upstream, Controlled(upstream) as sluice:
        with open(sluice.conf_path, encoding="utf-8") as file:
            good = file.read()
        sluice.write_conf("wrkers many\nuser nobody-of-that-name\n" + good + "nonsense {\n")
        done = sluice.say("reload")
        assert done.returncode == 1 and done.stderr.count(f"sluice: {sluice.conf_path}:") == 4, done
        assert sluice.status()["ok"]
        assert sluice.say("stop").returncode == 0
        assert sluice.wait() == 0


@suite.check
def without_control_the_pid_file_is_used():
    with Upstream() as upstream:
        sluice = Sluice(f"@pid_file sluice.pid\n{conf_for(upstream)}")
        with sluice:
            pid = sluice.process.pid
            sent = (f"sluice: process {pid} was sent a signal; what comes of it stands in the error "
                    "log (stderr)\n")
            done = command(sluice.conf_path, "reload")
            assert done.returncode == 0 and done.stderr.endswith(sent), done
            wait_until(lambda: " is in use as generation 2," in sluice.errors(), "the reload")
            os.rename(sluice.access_log, sluice.access_log + ".1")
            assert command(sluice.conf_path, "reopen").returncode == 0
            wait_until(lambda: os.path.exists(sluice.access_log), "the new log")
            done = command(sluice.conf_path, "status")
            assert done.returncode == 1 and 'status needs "control unix:/PATH"' in done.stderr, done
            with open(sluice.conf_path, "a", encoding="utf-8") as file:
                file.write("nonsense\n")
            done = command(sluice.conf_path, "reload")
            assert done.returncode == 1 and "nothing was sent" in done.stderr, done
            assert "unknown directive \"nonsense\"" in done.stderr, done
            time.sleep(0.1)
            assert "is bad" not in sluice.errors()
            client, _ = pair(sluice, upstream)
            done = command(sluice.conf_path, "quit")
            assert done.returncode == 0 and done.stderr == sent, done
            wait_until(lambda: "SIGQUIT" in sluice.errors(), "the signal")
            done = command(sluice.conf_path, "stop")
            assert (done.returncode, done.stderr) == (0, ""), done
            client.close()
            assert sluice.wait() == 0
            done = command(sluice.conf_path, "stop")
            assert done.returncode == 1, done
            assert done.stderr == (f"sluice: pid_file {sluice.folder}/sluice.pid: there is no such "
                                   "file: sluice is not running\n"), done


@suite.check
def a_pid_file_of_the_dead_and_of_others():
    with Upstream() as upstream:
        sluice = Sluice(f"@pid_file sluice.pid\n{conf_for(upstream)}")
        with sluice:
            if os.getuid() == 0:
                done = command(sluice.conf_path, "reopen", prefix=as_nobody())
                assert done.returncode == 1 and "is another user's; try it as root" in done.stderr, done
            sluice.process.kill()
            sluice.wait()
            done = command(sluice.conf_path, "stop")
            assert done.returncode == 1, done
            assert done.stderr == (f"sluice: pid_file {sluice.folder}/sluice.pid: process "
                                   f"{sluice.process.pid} lives no more: sluice is not running\n"), done


@suite.check
def what_cannot_be_reached_is_told_with_its_remedy():
    with Upstream() as upstream, simple(upstream) as sluice:
        done = command(sluice.conf_path, "reload")
        assert done.returncode == 1 and done.stdout == "", done
        assert "names neither \"control\" nor \"pid_file\"" in done.stderr, done
        assert 'add "control unix:/PATH" and start sluice anew' in done.stderr, done
        done = command(sluice.folder + "/none.conf", "reload")
        assert done.returncode == 1 and "cannot be read: No such file" in done.stderr, done
        assert "-c FILE names the conf" in done.stderr, done
        for words, wrong in ((("restart",), "restart: no such command; there are reload, stop"),
                             ((), "-s: needs a command"), (("stop", "-t"), "goes neither with -t")):
            done = command(sluice.conf_path, *words)
            assert done.returncode == 1 and wrong in done.stderr, done


@suite.check
def a_sluice_that_lacks_the_socket_is_found_by_its_pid_file():
    """One that was started before its conf named a control socket."""
    with Upstream() as upstream:
        sluice = Sluice(f"@pid_file sluice.pid\n{conf_for(upstream)}")
        with sluice:
            with open(sluice.conf_path, encoding="utf-8") as file:
                old = file.read()
            sluice.write_conf(f"control unix:{sluice.folder}/control.sock\n{old}")
            done = command(sluice.conf_path, "reload")
            assert done.returncode == 0 and "was sent a signal" in done.stderr, done
            wait_until(lambda: "is good" in sluice.errors() or "reload" in sluice.errors(),
                       "the reload")


suite.run()
