"""`sluice top`: what it shows on a terminal and tells scripts, which keys it takes, and how the
terminal is left. The screens are kept under build/screenshots/."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from admin import Admin
from balanced import Greeting
from control import Controlled
from harness import BIN, PATIENCE, Suite, wait_until
from wire import TEXT, dial, refusing_socket, request

suite = Suite()

SCREENSHOTS = os.path.join(os.path.dirname(BIN), "screenshots")
# What it may send besides printable ASCII.
ESCAPES = re.compile(r"\x1b\[(?:\?1049[hl]|\?25[hl]|H|J|K|[0-9]*m)|\r\n")


class Terminal:
    """`sluice top` on a pseudo terminal of its own."""

    def __init__(self, sluice, *words, rows=30, columns=130):
        self.rows, self.columns = rows, columns
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(f"{BIN}/sluice", ["sluice", "top", "-c", sluice.conf_path, *words])
        self.resize(rows, columns)
        self.sent = ""
        self.status = None

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds=0.1):
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                piece = os.read(self.fd, 65536)
            except OSError:  # its other end is closed
                piece = b""
            if not piece:
                return
            self.sent += piece.decode("latin-1")

    def screen(self):
        """The lines of the latest whole frame."""
        self.read()
        frames = self.sent.split("\x1b[H")
        whole = [frame for frame in frames[1:] if "\x1b[J" in frame]
        if not whole:
            return []
        text = whole[-1].partition("\x1b[J")[0]
        return [re.sub(r"\x1b\[[0-9]*[mK]", "", line) for line in text.split("\r\n")]

    def wait_for(self, text):
        return wait_until(lambda: (lambda lines: lines if any(text in line for line in lines)
                                   else None)(self.screen()), f"{text!r} on the screen")

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self):
        """Its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.status is None and time.monotonic() < deadline:
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def keep(name, lines, columns):
    """As text, and as a picture that a browser shows."""
    os.makedirs(SCREENSHOTS, exist_ok=True)
    with open(f"{SCREENSHOTS}/{name}.txt", "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")

    def escaped(text):
        return text.replace("&", "&amp;").replace("<", "&lt;")
    width, height = columns * 8 + 16, len(lines) * 17 + 16
    rows = "".join(f'<text x="8" y="{17 * i + 20}" xml:space="preserve">{escaped(line)}</text>\n'
                   for i, line in enumerate(lines))
    with open(f"{SCREENSHOTS}/{name}.svg", "w", encoding="ascii") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">\n'
                   '<rect width="100%" height="100%" fill="#16181c"/>\n'
                   f'<g font-family="monospace" font-size="13" fill="#d8dee4">\n{rows}</g></svg>\n')


def top(conf, *words):
    return subprocess.run([f"{BIN}/sluice", "top", "-c", conf, *words], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)


@suite.check
def it_shows_what_goes_on():
    dead = refusing_socket()
    with Greeting() as up:
        servers = [up.uri, f"ws://127.0.0.1:{dead.getsockname()[1]}"]
        with Admin(servers, "  fail_timeout 1h first=1h\n", workers=2) as sluice:
            kept = sluice.opened(12)
            with Terminal(sluice, "--interval", "200ms") as terminal:
                terminal.wait_for("sessions 12 ")
                lines = terminal.wait_for(" out ")
                keep("top", lines, terminal.columns)
                assert len(lines) == 30 and all(len(line) <= 130 for line in lines), lines
                assert lines[0].startswith("sluice ") and sluice.conf_path in lines[0], lines
                assert lines[-1].startswith("q quit"), lines
                peers = [line for line in lines if line.startswith("all ")]
                assert [line.split()[2] for line in peers] == ["out", "up"], peers
                assert any(re.match(r"load \d+ %   worker [01] \d+ %   worker [01] \d+ %", line)
                           for line in lines), lines
                busy = kept[5]

                def moved():
                    for _ in range(50):
                        busy.send_frame(TEXT, "x" * 1000)
                    lines = terminal.screen()
                    found = re.search(r"messages/s ([0-9.]+)(k?)", "\n".join(lines))
                    return lines if found and (found[2] or float(found[1]) > 20) else None
                lines = wait_until(moved, "rates")
                # The busiest session stands first.
                head = next(i for i, line in enumerate(lines) if line.startswith("SESSION"))
                client = f"127.0.0.1:{busy.sock.getsockname()[1]}"
                assert client in lines[head + 1], lines
                keep("top-busy", lines, terminal.columns)
                terminal.type("q")
                assert terminal.end() == 0
                assert "\x1b[?1049l" in terminal.sent[-40:], terminal.sent[-40:]
                left = ESCAPES.sub("", terminal.sent)
                assert all(" " <= each <= "~" for each in left), left
            del kept
    dead.close()


@suite.check
def keys_sort_and_filter_and_it_resizes():
    with Greeting() as up, Admin([up.uri]) as sluice:
        kept = sluice.opened(3)
        with Terminal(sluice, "--interval", "100ms") as terminal:
            terminal.wait_for("SESSIONS*")
            terminal.type("s")
            terminal.wait_for("HANDSHAKES/S*")
            terminal.type("r")
            terminal.wait_for("HANDSHAKES/S^")
            terminal.type("/nothing at all")
            terminal.wait_for("filter: nothing at all_")
            terminal.type("\r")
            terminal.wait_for('filter "nothing at all"')
            assert not any(line.startswith("/ ") for line in terminal.screen())
            terminal.type("\x1b")
            terminal.wait_for("/  ")
            terminal.resize(8, 60)
            wait_until(lambda: len(terminal.screen()) == 8
                       and all(len(line) <= 60 for line in terminal.screen()), "a smaller one")
            keep("top-small", terminal.screen(), 60)
            terminal.type("\t\t")
            terminal.wait_for("SESSION")
            terminal.resize(50, 200)
            terminal.wait_for("LATEST FAILURE")
            terminal.type("p")
            terminal.wait_for("PAUSED")
            terminal.type("\x03")
            assert terminal.end() == 0
        del kept


@suite.check
def a_sluice_that_goes_is_told_and_one_that_comes_is_seen():
    with Greeting() as up, Admin([up.uri]) as sluice:
        with Terminal(sluice, "--interval", "100ms") as terminal:
            terminal.wait_for("sessions 0 ")
            sluice.process.send_signal(signal.SIGTERM)
            sluice.process.wait(20)
            terminal.wait_for("nobody listens there")
            os.kill(terminal.pid, signal.SIGTERM)
            assert terminal.end() == 0
            assert "\x1b[?1049l" in terminal.sent[-40:], terminal.sent[-40:]


@suite.check_each("tcp", "unix")
def once_for_scripts(kind):
    with Greeting() as up:
        folder = f"/tmp/sluice-top-{os.getpid()}"
        at = f"unix:{folder}.sock" if kind == "unix" else None
        with Admin([up.uri], at=at) as sluice:
            kept = sluice.opened(3)
            done = top(sluice.conf_path, "--once", "--json", "--interval=100ms", "--sessions", "2")
            assert done.returncode == 0 and done.stderr == "", done
            told = json.loads(done.stdout)
            assert told["status"]["totals"]["sessions"] == 3, told
            [worker] = told["status"]["workers"]
            assert 0 <= worker["busy"] <= 1, worker
            assert len(told["sessions"]) == 2 and told["sessions_left_out"] == 1, told
            assert set(told["rates"]) == {"handshakes", "accepted", "refused", "messages", "bytes"}
            assert told["sessions"][0]["peer"] == up.uri[len("ws://"):], told
            done = top(sluice.conf_path, "--once", "--interval=100ms")
            assert done.returncode == 0 and "\x1b" not in done.stdout, done
            assert "sessions 3 " in done.stdout and "ROUTE" in done.stdout, done.stdout
            assert len(re.findall(r"^0-", done.stdout, re.M)) == 3, done.stdout
            del kept


@suite.check
def without_an_admin_address_it_says_which_directive_to_add():
    with Greeting() as up, Controlled(up) as sluice:
        done = top(sluice.conf_path, "--once")
        assert done.returncode == 1 and done.stdout == "", done
        assert done.stderr.count("\n") == 1 and 'add "admin 127.0.0.1:9300"' in done.stderr, done
        done = top(sluice.folder + "/none.conf", "--once")
        assert done.returncode == 1 and "none.conf" in done.stderr, done
        done = top(sluice.conf_path, "--twice")
        assert done.returncode == 1 and "--twice: no such option" in done.stderr, done
        done = subprocess.run([f"{BIN}/sluice", "-c", sluice.conf_path, "top"], text=True,
                              capture_output=True, check=False, timeout=20)
        assert done.returncode == 1 and "top: stands before all options" in done.stderr, done
        assert top(sluice.conf_path, "-h").stdout.startswith("usage: sluice top")


@suite.check
def without_a_terminal_and_without_a_control_socket():
    with Greeting() as up, Admin([up.uri]) as sluice:
        done = top(sluice.conf_path)
        assert done.returncode == 1 and "--once" in done.stderr, done
        client = dial(sluice.port)
        client.send(request())
        assert client.head().status == 101
        with open(sluice.conf_path, encoding="utf-8") as file:
            text = "".join(line for line in file if not line.startswith("control "))
        other = sluice.conf_path + ".other"
        with open(other, "w", encoding="utf-8") as file:
            file.write(text)
        done = top(other, "--once", "--interval=100ms")
        assert done.returncode == 0 and 'add "control unix:/PATH"' in done.stdout, done


suite.run()
