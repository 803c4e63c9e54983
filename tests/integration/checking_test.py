"""`sluice -t` and `sluice -T`: what they warn of, that they leave nothing behind, and that the
effective conf is a conf which says the same."""
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import BIN, Skip, Sluice, Suite, free_port, wait_until

suite = Suite()

CONF = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../conf")
SECRET = "hunter2"


class Folder:
    """A folder with a conf in it, gone at the end."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="sluice-test-")
        os.chmod(self.path, 0o755)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def files(self):
        return sorted(glob.glob(os.path.join(self.path, "**"), recursive=True))


def run(*words, cwd=None):
    ended = subprocess.run([os.path.join(BIN, "sluice"), *words], capture_output=True, text=True,
                           timeout=60, check=False, cwd=cwd,
                           env={**os.environ, "SLUICE_SECRET": SECRET, "CHAT_TOKEN": SECRET})
    return ended.returncode, ended.stdout, ended.stderr


@suite.check
def checking_creates_nothing():
    with Folder() as folder:
        conf = folder.write("sluice.conf", f"error_log error.log\naccess_log access.log\n"
                            f"pid_file sluice.pid\nlisten 127.0.0.1:{free_port()}\n"
                            "route /\n  proxy_pass ws://127.0.0.1:1\n")
        before = folder.files()
        assert run("-t", "-c", conf) == (0, "", f"sluice: {conf}: the conf is good\n")
        assert run("-T", "-c", conf)[0] == 0
        assert folder.files() == before
        folder.write("error.log/folder", "")
        status, _, errors = run("-t", "-c", conf)
        assert status == 1 and '"error.log" cannot be opened: Is a directory' in errors, errors


@suite.check
def a_log_that_a_start_could_not_open():
    with Folder() as folder:
        conf = folder.write("sluice.conf", f"access_log none/access.log\nlisten {free_port()}\n"
                            "route /\n  proxy_pass ws://127.0.0.1:1\n")
        status, _, errors = run("-t", "-c", conf)
        assert status == 1 and "cannot be opened: No such file or directory" in errors, errors


@suite.check
def warnings_about_the_machine():
    with Folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        nowhere = os.path.join(folder.path, "none.sock")
        conf = folder.write("sluice.conf", f"listen 127.0.0.1:{port}\n"
                            f"upstream away\n  server ws://unix:{nowhere}:/\n"
                            "upstream unknown\n  server ws://nowhere.invalid:9001\n"
                            "route /a\n  proxy_pass away\nroute /\n  proxy_pass unknown\n")
        status, _, errors = run("-t", "-c", conf)
        assert status == 0 and errors.endswith("the conf is good\n"), errors
        assert f"warning: listen 127.0.0.1:{port}: bind: Address already in use" in errors, errors
        assert f"warning: upstream away: peer unix:{nowhere}: No such file" in errors, errors
        assert (f'warning: {conf}:5: server: "ws://nowhere.invalid:9001": the host cannot be found'
                in errors), errors
        # A start needs the address.
        status, _, errors = run("-c", conf)
        assert status == 1 and "the host cannot be found" in errors, errors


@suite.check
def a_socket_that_the_user_may_not_use():
    if os.geteuid() != 0:
        raise Skip("it needs root")
    with Folder() as folder, socket.socket(socket.AF_UNIX) as server:
        path = os.path.join(folder.path, "app.sock")
        server.bind(path)
        os.chmod(path, 0o600)
        conf = folder.write("sluice.conf", f"user nobody\nlisten 127.0.0.1:{free_port()}\n"
                            f"route /\n  proxy_pass ws://unix:{path}:/\n")
        status, _, errors = run("-t", "-c", conf)
        assert status == 0, errors
        assert (f"user nobody may not connect to peer unix:{path}: Permission denied"
                in errors), errors
        os.chmod(path, 0o666)
        assert "warning" not in run("-t", "-c", conf)[2]


@suite.check
def a_reload_wants_every_host():
    """With `require`: where -t only warns, as the machine may be another one, a reload leaves the
    old conf."""
    conf = "@resolve_at_start require\nupstream chat\n  server ws://{}:1\nroute /\n  proxy_pass chat"
    with Sluice(conf.format("127.0.0.1")) as sluice:
        with open(sluice.conf_path, encoding="utf-8") as file:
            text = file.read()
        sluice.write_conf(text.replace("ws://127.0.0.1:", "ws://nowhere.invalid:"))
        sluice.signal(signal.SIGHUP)
        wait_until(lambda: " is bad; nothing changes" in sluice.errors(), "the bad conf is told")
        assert 'error ' + sluice.conf_path + ":" in sluice.errors(), sluice.errors()
        assert "the host cannot be found" in sluice.errors(), sluice.errors()


@suite.check
def a_certificate_that_ends_soon():
    with Folder() as folder:
        for name, days in (("soon", 10), ("later", 90)):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a.example", "-days",
                            str(days), "-keyout", os.path.join(folder.path, name + ".key"), "-out",
                            os.path.join(folder.path, name + ".pem")],
                           check=True, capture_output=True, timeout=60)
            os.chmod(os.path.join(folder.path, name + ".key"), 0o600)
        conf = folder.write("sluice.conf", f"listen 127.0.0.1:{free_port()}\n"
                            "  tls_certificate soon.pem\n  tls_key soon.key\n"
                            "  tls_certificate later.pem\n  tls_key later.key\n"
                            "route /\n  proxy_pass ws://127.0.0.1:1\n")
        status, _, errors = run("-t", "-c", conf)
        assert status == 0 and errors.count("warning") == 1, errors
        assert 'tls_certificate: "soon.pem": a certificate in it expires in' in errors, errors


@suite.check
def the_effective_conf_says_the_same():
    """Includes in their place, secrets as references, from any folder; printed again, the same."""
    with Folder() as folder:
        folder.write("token", SECRET + "\n")
        folder.write("parts/chat.conf", "route /chat\n  proxy_pass ws://127.0.0.1:1\n"
                     "  set_header X-Token \"Bearer ${file:../token}\"\n"
                     "  set_header X-Odd \"a \\\"b\\\\ #c\"\n")
        folder.write("logs/other", "")
        conf = folder.write("sluice.conf", "access_log logs/access.log\nidle_timeout 3m\n"
                            "set_header X-Key ${env:SLUICE_SECRET}\n"
                            f"listen 127.0.0.1:{free_port()}\ninclude parts/*.conf\n"
                            "route /\n  proxy_pass ws://127.0.0.1:2\n")
        status, page, errors = run("-T", "-c", conf)
        assert status == 0 and SECRET not in page + errors, page
        assert "include" not in page.split("\n", 1)[1], page
        assert f"\naccess_log {folder.path}/logs/access.log\n" in page, page
        assert "\nidle_timeout 3m\n" in page and "\nset_header X-Key ${env:SLUICE_SECRET}\n" in page
        assert "\nclose_timeout 5s\n" in page, "defaults are said"
        assert f'"Bearer ${{file:{folder.path}/parts/../token}}"' in page, page
        assert page.index("route /chat\n") < page.index("route /\n")
        again = folder.write("elsewhere/again.conf", page)
        status, second, errors = run("-T", "-c", again, cwd="/")
        assert status == 0 and second.split("\n", 1)[1] == page.split("\n", 1)[1], errors + second


@suite.check
def what_comes_with_sluice_can_be_printed():
    with Folder() as folder:
        status, page, errors = run("-T", "-c", os.path.join(CONF, "sluice.conf"))
        assert status == 0, errors
        status, second, errors = run("-T", "-c", folder.write("again.conf", page))
        assert status == 0 and second.split("\n", 1)[1] == page.split("\n", 1)[1], errors + second


suite.run()
