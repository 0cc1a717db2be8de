"""A certificate authority of the tests' own."""

import datetime as dt
import socket
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *more):
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    for extension, critical in more:
        made = made.add_extension(extension, critical)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


_CA_KEY = ec.generate_private_key(ec.SECP256R1())
_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_CA = _certificate(
    "tests", _CA_KEY, "tests", _CA_KEY, (x509.BasicConstraints(ca=True, path_length=None), True), (_USAGE, True)
)

CONTEXT = ssl.create_default_context(cadata=_CA.decode())
"""Trusts the tests' authority only."""


def secure_for(host: str) -> Callable[[socket.socket], socket.socket]:
    """Return what makes a connection TLS, with a certificate for `host`."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(host, key, "tests", _CA_KEY, (x509.SubjectAlternativeName([x509.DNSName(host)]), False))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(private + certificate)
        context.load_cert_chain(file)
    return lambda link: context.wrap_socket(link, server_side=True)
