# The test authority and its certificates (certificates.sh), in a temporary folder that goes with
# the program, and what sluice, servers and clients are told to use them.
import atexit
import os
import shutil
import ssl
import subprocess
import tempfile

MAKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "certificates.sh")
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class Certificates:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-certificates-")
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        subprocess.run(["sh", MAKER, self.folder], stdin=subprocess.DEVNULL, timeout=60, check=True)

    def path(self, file):
        return os.path.join(self.folder, file)

    def listen(self, *names):
        """Lines that make a listener one of TLS."""
        lines = []
        for name in names:
            lines += [f"tls_certificate {self.path(name + '.pem')}",
                      f"tls_key {self.path(name + '.key')}"]
        return lines

    def demand(self, verify="on"):
        """Lines that make it ask its clients for certificates."""
        return [f"tls_client_ca {self.path('ca.pem')}", f"tls_verify_client {verify}"]

    def trust(self):
        """The line at the top by which sluice trusts servers."""
        return f"tls_ca {self.path('ca.pem')}"

    def server_context(self, version, name="server"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(name + ".pem"), self.path(name + ".key"))
        context.minimum_version = context.maximum_version = VERSIONS[version]
        return context

    def client_context(self, version):
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        context.minimum_version = context.maximum_version = VERSIONS[version]
        return context
