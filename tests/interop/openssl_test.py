# openssl s_client and the real binary: SNI, ALPN, resumption, stapling, client certificates, what
# is refused; and each suite that OpenSSL knows, one by one.
#   python3 openssl_test.py BIN_FOLDER
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is

from certificates import VERSIONS, Certificates  # noqa: E402
from harness import NOBODYS_PORT, Sluice, Tally, bin_folder, expect_equal, wait_until  # noqa: E402

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"  # answered with 426 and the end
FLAGS = {"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"}
GOOD_SUITES = {
    "server": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
               "ECDHE-ECDSA-CHACHA20-POLY1305"],
    "rsa": ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
            "ECDHE-RSA-CHACHA20-POLY1305"],
}


class Stage:
    """A sluice whose listener shows several certificates, one that demands clients', one with an
    RSA certificate."""

    def __init__(self):
        self.certificates = Certificates()
        names = self.certificates.listen("server")
        names.append(f"tls_stapling_file {self.certificates.path('server.ocsp')}")
        names += self.certificates.listen("one", "wild")
        self.open = self.sluice(names)
        self.strict = self.sluice(self.certificates.listen("server") + self.certificates.demand())
        self.rsa = self.sluice(self.certificates.listen("rsa"))
        self.every = [self.open, self.strict, self.rsa]

    @staticmethod
    def sluice(listen):
        return Sluice(os.path.join(bin_folder(), "sluice"), [("/", NOBODYS_PORT)], listen=listen)

    def client(self, sluice, *options, say=REQUEST, until_end=True):
        """What s_client prints, with its errors. Nothing but the test's authority is trusted."""
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{sluice.port}", "-CAfile",
                   self.certificates.path("ca.pem"), "-verify_return_error", *options]
        if until_end:
            command.append("-ign_eof")
        done = subprocess.run(command, input=say, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=20, check=False)
        return done.stdout.decode("latin-1")

    def answered(self, sluice, *options):
        """Likewise; sluice must have answered the request."""
        output = self.client(sluice, *options)
        if "HTTP/1.1 426 " not in output:
            raise AssertionError(f"no answer: {output}")
        return output

    def refused(self, sluice, alert, *options):
        output = self.client(sluice, *options)
        expect_equal("HTTP/1.1 " in output, False, "an answer")
        expect_equal(re.findall(r"(?:alert|alert:) ([a-z ]+):", output)[:1], [alert], "alert")


def show_by_name(stage):
    for version in FLAGS.values():
        for name, shown in (("one.test", "one.test"), ("ONE.test", "one.test"),
                            ("a.wild.test", "*.wild.test"), ("wild.test", "localhost"),
                            ("a.b.wild.test", "localhost"), ("localhost", "localhost"),
                            ("two.test", "localhost"), (None, "localhost")):
            ask = ["-servername", name] if name else ["-noservername"]
            output = stage.answered(stage.open, version, *ask)
            expect_equal(re.findall(r"^subject=CN = (.*)$", output, re.M), [shown], f"for {name}")
            expect_equal("Verify return code: 0 (ok)" in output, True, "verified")


def agree_on_protocol(stage):
    for version in FLAGS.values():
        for offered in ("http/1.1", "h2,http/1.1"):
            output = stage.answered(stage.open, version, "-alpn", offered)
            expect_equal("ALPN protocol: http/1.1" in output, True, "ALPN")
        output = stage.answered(stage.open, version)
        expect_equal("No ALPN negotiated" in output, True, "no ALPN")
        for offered in ("h2", "http/1.0,mqtt"):
            stage.refused(stage.open, "no application protocol", version, "-alpn", offered)


def resume(stage, version):
    """From one connection to the next, until both workers have resumed. A session of TLS 1.3 is
    used once (RFC 8446 C.4), so that each connection must give a new one."""
    session, used = [os.path.join(stage.open.folder, name) for name in ("session", "used")]
    output = stage.answered(stage.open, FLAGS[version], "-sess_out", session)
    expect_equal(re.findall(r"^(New|Reused), ", output, re.M), ["New"], "the first one")
    before = len(worker_numbers(stage.open))

    def resumed_at_both():
        shutil.copy(session, used)
        if version == "TLSv1.3":
            os.unlink(session)
        connect = ["-sess_in", used, "-sess_out", session]
        output = stage.answered(stage.open, FLAGS[version], *connect)
        expect_equal(re.findall(r"^(Reused), (TLSv1.\d), ", output, re.M), [("Reused", version)])
        expect_equal("Verify return code: 0 (ok)" in output, True, "verified")
        return len(set(worker_numbers(stage.open)[before:])) == 2

    wait_until(20, "resumed at both workers", resumed_at_both)


def worker_numbers(sluice):
    with open(sluice.access_log) as file:
        return re.findall(r" refused id=(\d+)-", file.read())


def forget_sessions_of_others(stage):
    """A session belongs to one certificate and one way of asking for the client's."""
    for flag in FLAGS.values():
        session = os.path.join(stage.open.folder, "session")
        stage.answered(stage.open, flag, "-sess_out", session)
        output = stage.answered(stage.rsa, flag, "-sess_in", session)
        expect_equal(re.findall(r"^(New|Reused), ", output, re.M), ["New"], "another's session")
        output = stage.client(stage.strict, flag, "-sess_in", session)
        expect_equal("HTTP/1.1 " in output, False, "an answer without a certificate")


def refuse_early_data(stage):
    session = os.path.join(stage.open.folder, "early")
    request = os.path.join(stage.open.folder, "request")
    with open(request, "wb") as file:
        file.write(REQUEST)
    output = stage.answered(stage.open, "-tls1_3", "-sess_out", session)
    expect_equal(set(re.findall(r"Max Early Data: (\d+)", output)), {"0"}, "early data allowed")
    output = stage.answered(stage.open, "-sess_in", session, "-early_data", request)
    expect_equal("Early data was not sent" in output, True, "early data")


def staple(stage):
    for version in FLAGS.values():
        output = stage.answered(stage.open, version, "-status")
        expect_equal("OCSP Response Status: successful (0x0)" in output, True, "response")
        expect_equal("Cert Status: good" in output, True, "status")
        output = stage.answered(stage.open, version, "-status", "-servername", "one.test")
        expect_equal("OCSP response: no response sent" in output, True, "another's response")


def demand_certificate(stage):
    def pair(name):
        path = stage.certificates.path
        return ["-cert", path(name + ".pem"), "-key", path(name + ".key")]

    for version, flag in FLAGS.items():
        output = stage.answered(stage.strict, flag, *pair("client"))
        names = output.split("Acceptable client certificate CA names\n")[1].split("\n")[:2]
        expect_equal(names[0], "O = sluice tests, CN = test authority", "what is asked for")
        lacking = "certificate required" if version == "TLSv1.3" else "handshake failure"
        stage.refused(stage.strict, lacking, flag)
        stage.refused(stage.strict, "unknown ca", flag, *pair("stranger"))
        # A server's certificate is not for clients (RFC 5280 4.2.1.12).
        stage.refused(stage.strict, "unsupported certificate", flag, *pair("server"))
    output = stage.answered(stage.open, *pair("client"))
    expect_equal("No client certificate CA names sent" in output, True, "nothing is asked for")


def refuse_renegotiation(stage):
    output = stage.client(stage.open, "-tls1_2", say=b"R\n", until_end=False)
    expect_equal("RENEGOTIATING" in output, True, "asked for")
    expect_equal("no renegotiation" in output, True, "refused")
    expect_equal("Secure Renegotiation IS supported" in output, True, "RFC 5746")
    expect_equal("Compression: NONE" in output, True, "compression")


def refuse_old_versions(stage):
    for version in ("-tls1", "-tls1_1"):
        stage.refused(stage.open, "protocol version", version, "-cipher", "ALL:@SECLEVEL=0")


def agrees(port, suite):
    """Whether a handshake of TLS 1.2 with this suite alone succeeds; None where OpenSSL cannot
    offer it (it takes a shared key or a password)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = VERSIONS["TLSv1.2"]
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), 15) as connection:
        try:
            with context.wrap_socket(connection) as secured:
                expect_equal(secured.cipher()[0], suite, "suite")
                return True
        except ssl.SSLError as error:
            if error.reason == "NO_CIPHERS_AVAILABLE":
                return None
            expect_equal(error.reason, "SSLV3_ALERT_HANDSHAKE_FAILURE", f"answer to {suite}")
            return False


def try_every_suite(stage):
    listed = subprocess.run(["openssl", "ciphers", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], check=True,
                            stdout=subprocess.PIPE, timeout=20).stdout.decode().strip().split(":")
    suites = [suite for suite in listed if not suite.startswith("TLS_")]
    for part in ("AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "NULL-SHA", "ADH-AES128-SHA",
                 "ECDHE-RSA-AES128-SHA", "ECDHE-ECDSA-AES256-CCM"):
        expect_equal(part in suites, True, f"{part} is tried")
    for name, sluice in (("server", stage.open), ("rsa", stage.rsa)):
        verdicts = {suite: agrees(sluice.port, suite) for suite in suites}
        agreed = [suite for suite, verdict in verdicts.items() if verdict]
        expect_equal(sorted(agreed), GOOD_SUITES[name], f"suites with the certificate {name}")
        not_offered = [suite for suite, verdict in verdicts.items() if verdict is None]
        expect_equal([suite for suite in not_offered if not re.search("PSK|SRP", suite)], [],
                     "suites that were not offered")


CHECKS = {
    "SNI": show_by_name,
    "ALPN": agree_on_protocol,
    "resumption in TLS 1.2": lambda stage: resume(stage, "TLSv1.2"),
    "resumption in TLS 1.3": lambda stage: resume(stage, "TLSv1.3"),
    "sessions of another listener": forget_sessions_of_others,
    "early data": refuse_early_data,
    "OCSP stapling": staple,
    "client certificates": demand_certificate,
    "renegotiation": refuse_renegotiation,
    "TLS 1.0 and 1.1": refuse_old_versions,
    "every suite alone": try_every_suite,
}


def main():
    tally = Tally()
    stage = Stage()
    with stage.open, stage.strict, stage.rsa:
        for name, run in CHECKS.items():
            with tally.check(f"openssl: {name}"):
                run(stage)
        for sluice in stage.every:
            with tally.check("openssl: sluice ends in order"):
                sluice.stop()
            if tally.failed > 0:
                sluice.print_tails()
    tally.conclude()


main()
