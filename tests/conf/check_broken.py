#!/usr/bin/env python3
"""Runs `sluice -t` on every broken conf beside this file and compares what an operator reads with
the .expected file; also checks that the confs that come with sluice are good.

    tests/conf/check_broken.py BIN_FOLDER

In an .expected file FILE stands for the conf's name, but not behind "(", "|" or "jwks ": there it is a
directive's argument. Confs are read from inside a copy of their folder, so that messages hold no
other path; in there certificates and keys are made, which nobody wants in a repository.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BROKEN = HERE / "broken"
CONF = HERE.parent.parent / "conf"

# Nothing else is set: what is unset on one machine must not be set on another.
SECRET = "hunter2"
ENVIRONMENT = {"SLUICE_SECRET": SECRET, "CHAT_TOKEN": SECRET}
if "LLVM_PROFILE_FILE" in os.environ:  # coverage is collected there
    ENVIRONMENT["LLVM_PROFILE_FILE"] = os.environ["LLVM_PROFILE_FILE"]
SANITIZER_OPTIONS = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
LEAST_BROKEN = 40
# RFC 8037 A.2.
ISSUER_JWKS = (b'{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "2026", '
               b'"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}\n')


def check_conf(sluice, conf, folder):
    """Returns exit status and stderr; stdout must stay empty."""
    run = subprocess.run(
        [sluice, "-t", "-c", conf],
        cwd=folder,
        env={**ENVIRONMENT, **SANITIZER_OPTIONS},
        capture_output=True,
        timeout=30,
        check=False,
    )
    shown = run.stderr.decode("utf-8", "backslashreplace")
    if run.stdout:
        shown += "(on stdout) " + run.stdout.decode("utf-8", "backslashreplace")
    return run.returncode, shown


def difference(wanted_status, wanted, status, shown):
    """What is wrong, or an empty string."""
    problems = []
    if status != wanted_status:
        problems.append(f"exit status {status}, not {wanted_status}")
    if SECRET in shown:
        problems.append("a secret is told")
    if shown != wanted:
        problems.append(f"--- wanted\n{wanted}--- got\n{shown}---")
    return "\n".join(problems)


def make_certificate(folder, name, host):
    """NAME.pem, signed by its own NAME.key, which its owner alone may read."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-days", "90",
         "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
        check=True, capture_output=True, timeout=60,
    )
    (folder / f"{name}.key").chmod(0o600)


def make_crl(folder):
    """empty.crl: partners.pem revokes nobody."""
    (folder / "index.txt").touch()
    (folder / "ca.conf").write_text(f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder}/index.txt\n"
                                    "default_md=sha256\ndefault_crl_days=2\n", "ascii")
    subprocess.run(
        ["openssl", "ca", "-gencrl", "-config", folder / "ca.conf", "-cert",
         folder / "partners.pem", "-keyfile", folder / "partners.key", "-out",
         folder / "empty.crl"],
        check=True, capture_output=True, timeout=60,
    )


def make_tls_files(folder):
    """What the confs about TLS name under tls/, good and bad."""
    folder.mkdir()
    make_certificate(folder, "site", "a.example")
    make_certificate(folder, "other", "b.example")
    make_certificate(folder, "client", "edge.example")
    make_certificate(folder, "ca", "Example CA")
    make_certificate(folder, "partners", "Partners' CA")
    make_crl(folder)
    key = (folder / "site.key").read_bytes()
    locked = subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-passout", f"pass:{SECRET}", "-in", folder / "site.key"],
        check=True, capture_output=True, timeout=60,
    ).stdout
    certificate = (folder / "site.pem").read_bytes()
    cut = certificate[:200] + b"\n-----END CERTIFICATE-----\n"
    # RFC 6960 4.2.1: an OCSPResponse that holds its status alone, 0 for success, 3 for try later.
    contents = {
        "issuer.jwks": ISSUER_JWKS,
        "hs256.key": b"0123456789abcdef0123456789abcdef\n",
        "short.key": f"{SECRET}\n".encode(),
        "useless.jwks": b'{"keys": [{"kty": "EC", "crv": "P-384"}]}',
        "double.jwks": ISSUER_JWKS.replace(b'"kid"', b'"kty": "oct", "kid"'),
        "loose.key": key,
        "locked.key": locked,
        "large.key": b"#" * 70_000 + key,
        "text.pem": f"{SECRET}\n".encode(),
        "cut.pem": cut,
        "site.ocsp": bytes.fromhex("30030a0100"),
        "later.ocsp": bytes.fromhex("30030a0103"),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o644 if name == "loose.key" else 0o600)


def broken_cases(sluice):
    with tempfile.TemporaryDirectory() as parent:
        folder = pathlib.Path(parent) / "broken"
        shutil.copytree(BROKEN, folder)
        make_tls_files(folder / "tls")
        yield from cases_in(sluice, folder)


def cases_in(sluice, folder):
    confs = sorted(folder.glob("*.conf"))
    for conf in confs:
        expected = conf.with_suffix(".expected")
        if not expected.exists():
            yield conf.name, "its .expected file is missing"
            continue
        wanted = re.sub(r"(?<![(|])(?<!jwks )FILE", conf.name, expected.read_text("utf-8"))
        status, shown = check_conf(sluice, conf.name, folder)
        yield conf.name, difference(1, wanted, status, shown)
    for expected in folder.glob("*.expected"):
        if not expected.with_suffix(".conf").exists():
            yield expected.name, "its conf is missing"
    few = "" if len(confs) >= LEAST_BROKEN else f"only {len(confs)} of at least {LEAST_BROKEN}"
    yield "broken confs are there", few


def good_cases(sluice):
    with tempfile.TemporaryDirectory() as parent:
        folder = pathlib.Path(parent) / "conf"
        shutil.copytree(CONF, folder)
        make_tls_files(folder / "examples" / "tls")
        certbots = folder / "examples" / "letsencrypt.conf"  # only a machine with certbot has these
        text = certbots.read_text("utf-8").replace("/etc/letsencrypt/live/www.example.org/", "tls/")
        certbots.write_text(text.replace("fullchain.pem", "site.pem").replace("privkey.pem", "site.key"))
        examples = sorted((folder / "examples").glob("*.conf"))
        if not examples:
            yield "conf/examples", "no example is there"
        for conf in [folder / "sluice.conf", folder / "reference.conf", *examples]:
            status, shown = check_conf(sluice, conf.name, conf.parent)
            wanted = f"sluice: {conf.name}: the conf is good\n"
            # What this machine has no room, right or socket for is no fault of the conf.
            shown = re.sub(r"sluice: warning: (listen|upstream) .*\n", "", shown)
            yield str(conf.relative_to(parent)), difference(0, wanted, status, shown)


def file_cases(sluice):
    """What cannot be kept in the repository as a pair of files."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        cases = {"missing.conf": "No such file or directory", "folder.conf": "Is a directory"}
        (path / "folder.conf").mkdir()
        for name, why in cases.items():
            status, shown = check_conf(sluice, name, folder)
            wanted = f"sluice: {name}: cannot be read: {why}\n"
            yield name, difference(1, wanted, status, shown)
        # A start with a broken conf ends as -t does.
        (path / "broken.conf").write_text("wrokers 2\n")
        run = subprocess.run(
            [sluice, "-c", "broken.conf"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        wanted = (
            'sluice: broken.conf:1: unknown directive "wrokers", did you mean "workers"?\n'
            "sluice: broken.conf: the conf has no listen\n"
            "sluice: broken.conf: the conf has no route\n"
        )
        yield "a start", difference(1, wanted, run.returncode, run.stderr)


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    sluice = str(pathlib.Path(sys.argv[1]).resolve() / "sluice")
    passed = failed = 0
    for cases in (broken_cases, good_cases, file_cases):
        for name, problem in cases(sluice):
            if problem:
                failed += 1
                print(f"FAILED {name}: {problem}")
            else:
                passed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
