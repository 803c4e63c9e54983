"""A certificate of loopback's for tests and benchmarks, made by the openssl command when it is
needed and never kept."""
import os
import subprocess


def make(folder, name="site", names="IP:127.0.0.1,DNS:localhost"):
    """Paths of a self-signed ECDSA P-256 certificate, which is its own authority, and of its key."""
    certificate, key = f"{folder}/{name}.pem", f"{folder}/{name}.key"
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "90", "-subj", "/CN=" + name, "-addext", "subjectAltName=" + names,
         "-keyout", key, "-out", certificate],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False)
    if done.returncode:
        raise RuntimeError("openssl made no certificate: " + done.stderr)
    os.chmod(key, 0o600)
    return certificate, key
