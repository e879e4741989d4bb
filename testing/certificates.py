"""An authority for TLS that nobody trusts by itself, and certificates of it."""

from pathlib import Path
from typing import Final, NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

# Where Python's `ssl`, and so each client, reads which authorities to trust: see OpenSSL's
# X509_get_default_cert_file(3).
TRUSTED: Final = "SSL_CERT_FILE"


class Files(NamedTuple):
    """A server's certificate with its chain, and its private key (PKCS #8), in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder

    def issue(self, host: str) -> Files:
        """A certificate for this host name or address."""
        issued = self._authority.issue_cert(host)
        files = Files(self._folder / "certificate.pem", self._folder / "key.pem")
        for blob in issued.cert_chain_pems:
            blob.write_to_path(files.certificate, append=True)
        # Java reads PKCS #8 alone.
        key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None)
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    @property
    def pem(self) -> str:
        """The authority's own certificate."""
        return self._authority.cert_pem.bytes().decode()

    def is_trusted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on this process trusts the authority, and no other."""
        file = self._folder / "authority.pem"
        self._authority.cert_pem.write_to_path(file)
        monkeypatch.setenv(TRUSTED, str(file))
