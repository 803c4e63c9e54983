"""What the Makefile's targets do beside building and testing: `make install`, `make help`, `make
run` (in a network namespace, for its ports are fixed), and CMake's refusal of an old llhttp."""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness import BIN, Skip, Suite, wait_until
from wire import CLOSE, TEXT, close_payload, dial, dial_or_none, request

suite = Suite()

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(BIN)
INSIDE = "SLUICE_INSIDE_NAMESPACE"
MANUAL_PAGES = ("sluice.8", "sluice.conf.5", "sluice-bench.1", "sluice-echo.1")
PROGRAMS = ("sluice", "sluice-echo", "sluice-bench")


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=120, stdin=subprocess.DEVNULL, **options)
    return done.returncode, done.stdout


def cached(name):
    """A variable of the build's CMake cache."""
    with open(f"{BUILD}/CMakeCache.txt", encoding="utf-8") as file:
        return re.search(rf"^{name}:\w+=(.*)$", file.read(), re.M).group(1)


def install(folder):
    status, out = run("cmake", "--install", BUILD, env={**os.environ, "DESTDIR": folder})
    assert status == 0, out


@suite.check
def install_honours_destdir():
    with tempfile.TemporaryDirectory() as folder:
        install(folder)
        found = {os.path.relpath(os.path.join(where, name), folder)
                 for where, _, names in os.walk(folder) for name in names}
        conf, prefix = "etc/sluice/sluice.conf", cached("CMAKE_INSTALL_PREFIX").strip("/")
        unit, rotation = f"{prefix}/lib/systemd/system/sluice.service", "etc/logrotate.d/sluice"
        for name in (conf, unit, rotation, f"{prefix}/bin/sluice", f"{prefix}/bin/sluice-echo",
                     f"{prefix}/bin/sluice-bench", f"{prefix}/share/doc/sluice/reference.conf",
                     f"{prefix}/share/doc/sluice/examples/chat.conf",
                     f"{prefix}/share/doc/sluice/coming-from-nginx.md",
                     f"{prefix}/share/doc/sluice/coming-from-haproxy.md",
                     f"{prefix}/share/doc/sluice/status-json.md",
                     f"{prefix}/share/doc/sluice/observability/rules.yml",
                     *(f"{prefix}/share/man/man{page[-1]}/{page}" for page in MANUAL_PAGES)):
            assert name in found, found
        assert all(name.startswith(("etc/sluice/", prefix + "/")) or name == rotation
                   for name in found), found
        status, out = run(f"{folder}/{prefix}/bin/sluice", "-t", "-c", f"{folder}/{conf}")
        assert status == 0 and "the conf is good" in out, out
        with open(f"{folder}/{conf}", encoding="utf-8") as file:
            directives = [line.split() for line in file if line[:1].isalpha()]
        assert ["control", "unix:/run/sluice/control.sock"] in directives, directives
        assert ["pid_file", "/run/sluice/sluice.pid"] in directives, directives
        for name, count in ((unit, 2), (rotation, 1)):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                text = file.read()
            assert text.count(f"/{prefix}/bin/sluice -c /etc/sluice/sluice.conf") == count, text


@suite.check
def install_makes_the_user_once():
    """Only as root, without DESTDIR, and where it is missing; `id` and `useradd` are stand-ins here."""
    with tempfile.TemporaryDirectory() as folder:
        calls = f"{folder}/calls"
        for name, script in (("id", 'test "$#" = 2 && exit "$MISSING"; echo "$INSTALLER"'),
                             ("useradd", f'echo "$@" >>{calls}')):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write(f"#!/bin/sh\n{script}\n")
            os.chmod(f"{folder}/{name}", 0o755)
        for installer, missing, destdir, made in (("0", "1", "", 1), ("0", "0", "", 0),
                                                  ("1000", "1", "", 0), ("0", "1", "/tmp/x", 0)):
            env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "INSTALLER": installer,
                   "MISSING": missing, "DESTDIR": destdir}
            status, out = run("cmake", "-P", f"{SOURCE}/.cmake/install_user.cmake", env=env)
            assert status == 0, out
            told = []
            if os.path.exists(calls):
                with open(calls, encoding="ascii") as file:
                    told = file.read().splitlines()
                os.remove(calls)
            assert len(told) == made, (installer, missing, destdir, told)
            assert all("--system" in line and line.endswith(" sluice") for line in told), told


@suite.check
def a_second_install_keeps_the_conf():
    with tempfile.TemporaryDirectory() as folder:
        install(folder)
        kept = (f"{folder}/etc/sluice/sluice.conf", f"{folder}/etc/logrotate.d/sluice")
        for path in kept:
            with open(path, "w", encoding="ascii") as file:
                file.write("# mine\n")
        install(folder)
        for path in kept:
            with open(path, encoding="ascii") as file:
                assert file.read() == "# mine\n", f"an operator's {path} was overwritten"


@suite.check
def make_install_builds_what_it_installs_alone():
    status, out = run("make", "--no-print-directory", "-n", "-C", SOURCE, "install")
    assert status == 0, out
    built = re.findall(r"cmake --build .* --target (.*)", out)
    assert len(built) == out.count("cmake --build") == 1, out
    assert set(built[0].split()) == set(PROGRAMS), built


@suite.check
def every_option_stands_in_its_manual_page():
    for program in PROGRAMS:
        status, out = run(f"{BIN}/{program}", "--help")
        assert status == 0, out
        options = re.findall(r"^ +(?:(-[a-zA-Z]), )?(--?[a-zA-Z0-9-]+)", out, re.M)
        assert len(options) > 4, out
        page_name = next(name for name in MANUAL_PAGES if name.startswith(program + "."))
        with open(f"{SOURCE}/conf/man/{page_name}", encoding="ascii") as file:
            items = [line for line in file if line.startswith(".It Fl ")]
        described = {word for item in items for word in re.findall(r"Fl ([-a-zA-Z0-9]+)", item)}
        wanted = {name[1:] for pair in options for name in pair if name}
        assert wanted == described, (page_name, wanted ^ described)


@suite.check
def manual_pages_are_sound():
    if not shutil.which("mandoc"):
        raise Skip("mandoc is not here")
    for name in MANUAL_PAGES:
        status, out = run("mandoc", "-T", "lint", "-W", "warning", f"{SOURCE}/conf/man/{name}")
        assert status == 0, out


@suite.check
def llhttp_is_linked_statically_where_it_can_be():
    status, out = run("readelf", "-dW", f"{BIN}/sluice")
    assert status == 0 and "NEEDED" in out, out
    assert ("llhttp" in out) != cached("LLHTTP_LIBRARY").endswith(".a"), out


@suite.check
def the_binary_is_hardened():
    status, out = run("readelf", "-hldW", f"{BIN}/sluice")
    assert status == 0, out
    for mark in ("DYN (Position-Independent Executable file)", "GNU_RELRO", "BIND_NOW"):
        assert mark in out, mark
    assert re.search(r"GNU_STACK .* RW +0x", out), "an executable stack"
    _, symbols = run("readelf", "-W", "--dyn-syms", f"{BIN}/sluice")
    if cached("CMAKE_BUILD_TYPE") == "Release" and cached("SLUICE_SANITIZE") == "OFF":
        assert "__stack_chk_fail@" in symbols, "no stack protector"
        assert "__memcpy_chk@" in symbols, "_FORTIFY_SOURCE is off"


@suite.check
def help_lists_every_target():
    status, out = run("make", "--no-print-directory", "-C", SOURCE, "help")
    assert status == 0, out
    listed = set(re.findall(r"^make ([a-z-]+) +\S", out, re.M))
    assert {"all", "run", "test", "bench", "asan", "fuzz", "install", "deps", "help"} <= listed, out


@suite.check
def an_old_llhttp_is_refused():
    """8.x accepts bare CR and obs-fold."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/llhttp.h", "w", encoding="ascii") as file:
            file.write("#define LLHTTP_VERSION_MAJOR 8\n#define LLHTTP_VERSION_MINOR 1\n")
        status, out = run("cmake", "-S", SOURCE, "-B", f"{folder}/build",
                          f"-DLLHTTP_INCLUDE_DIR={folder}")
        assert status != 0 and "llhttp 8.1 found, sluice needs 9.2 or newer" in out, out


@suite.check
def make_run_serves_the_conf_of_the_repository():
    if os.environ.get(INSIDE):
        return run_inside()
    setup = "ip link set lo up"
    unshare = shutil.which("unshare")
    if not unshare or not shutil.which("ip") or run(unshare, "-n", "sh", "-c", setup)[0] != 0:
        raise Skip("network namespaces are not permitted here")
    status, out = run(unshare, "-n", "sh", "-c", setup + ' && exec "$0" "$@"', sys.executable,
                      os.path.abspath(__file__), BIN, "make_run_serves_the_conf_of_the_repository",
                      env={**os.environ, INSIDE: "1"})
    assert status == 0, out
    return None


def run_inside():
    """What `make run` does once everything is built, ended as by Ctrl-C."""
    served = subprocess.Popen([os.path.join(SOURCE, ".ci/serve"), BIN], cwd=SOURCE, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said = []
        while not said or "second terminal" not in said[-1]:
            said.append(served.stdout.readline())
            assert said[-1], f"it ended before it said how to try it: {said}"
        assert "listening on 127.0.0.1:8080" in "".join(said), said
        assert "http://127.0.0.1:8080/" in said[-2], said
        assert "sluice-bench ws://127.0.0.1:8080/" in said[-1], said
        status, page = run("curl", "-s", "http://127.0.0.1:8080/")
        assert status == 0 and "new WebSocket(" in page, page  # through sluice
        client = dial(8080)  # the first try succeeds: an echo has come through already
        client.send(request())
        assert client.head().status == 101
        client.send_frame(TEXT, "through the lock")
        client.expect(TEXT, "through the lock")
        os.killpg(served.pid, signal.SIGINT)  # as a terminal does
        try:
            first, payload = client.frame()
            assert (first, payload) == (0x80 | CLOSE, close_payload(1001)), (first, payload)
        except EOFError:
            pass  # the echo server has heard the signal first
        client.close()
        out = served.communicate(timeout=10)[0]
        assert served.returncode in (0, 130), (served.returncode, out)
        assert not re.search(" (open|close) id=", out), "access lines after how to try it: " + out
        wait_until(lambda: dial_or_none(9001) is None and dial_or_none(8080) is None,
                   "both programs are gone")
    finally:
        try:
            os.killpg(served.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        time.sleep(0.05)


suite.run()
