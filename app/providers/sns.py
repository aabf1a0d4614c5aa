"""Amazon SNS over HTTPS: is this message signed by Amazon, for a topic of ours? (AWS, "Verifying the signatures of
Amazon SNS messages".) Nothing of a message is believed before its signature was verified."""

import base64
import binascii
import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509.oid import NameOID

from app.ports.alerts import Fetcher
from app.ports.traffic import ProviderError
from app.providers.alert_hooks import NotGenuine, SnsHook

OLDEST = timedelta(hours=1)
"""Amazon repeats a delivery for a while; older ones are refused (AWS recommends an hour)."""
CERTIFICATE_FOR_S = 3600.0
CERTIFICATES = 8
FETCHES_A_MINUTE = 10
COMMON_NAME = "sns.amazonaws.com"

HOST = re.compile(r"sns\.[a-z]{2}(-[a-z]+){1,3}-\d\.amazonaws\.com(\.cn)?")
CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{16,64}\.pem")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES = {"1": SHA1, "2": SHA256}  # version 1 is what topics use unless they are told otherwise

Message = Mapping[str, object]


class SnsVerifier:
    """Verifies messages with Amazon's certificates, fetched once an hour."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._known: dict[str, tuple[float, x509.Certificate]] = {}
        self._fetched: list[float] = []

    async def verify(self, hook: SnsHook, message: Message, now: datetime) -> str:
        """The message's id, if it is Amazon's, recent, and from a topic of the hook. Raises NotGenuine."""
        fields = _SIGNED.get(str(message.get("Type")))
        if fields is None:
            raise NotGenuine("signature", "This is no message of Amazon SNS.")
        if message.get("TopicArn") not in hook.topics:
            raise NotGenuine("topic", "This hook takes nothing from that topic.")
        certificate = await self._certificate(str(message.get("SigningCertURL", "")), now)
        _check_signature(certificate, message, fields)
        sent_at = _moment(str(message.get("Timestamp", "")))
        if sent_at is None or not -timedelta(minutes=5) <= now - sent_at <= OLDEST:
            raise NotGenuine("old", "The message is older than an hour, or from the future.")
        delivery = str(message.get("MessageId", ""))
        if not 8 <= len(delivery) <= 100:
            raise NotGenuine("signature", "The message has no id.")
        return delivery

    async def confirm(self, message: Message) -> None:
        """Follow a verified message's confirmation link. Raises NotGenuine or ProviderError."""
        url = str(message.get("SubscribeURL", ""))
        if not _is_amazons(url):
            raise NotGenuine("address", "The confirmation leads to another host than Amazon's.")
        await self._fetcher.fetch(url)

    async def _certificate(self, url: str, now: datetime) -> x509.Certificate:
        if not _is_amazons(url) or not CERTIFICATE_PATH.fullmatch(urlsplit(url).path) or urlsplit(url).query:
            raise NotGenuine("address", "The certificate's address is not one of Amazon SNS.")
        clock = time.monotonic()
        kept = self._known.get(url)
        if kept is not None and clock - kept[0] < CERTIFICATE_FOR_S:
            return _in_force(kept[1], now)
        self._fetched = [at for at in self._fetched if clock - at < 60]
        if len(self._fetched) >= FETCHES_A_MINUTE:
            raise NotGenuine("busy", "Too many unknown certificates in a minute.")
        self._fetched.append(clock)
        try:
            certificate = x509.load_pem_x509_certificate(await self._fetcher.fetch(url))
        except (ProviderError, ValueError) as problem:
            raise NotGenuine("certificate", "The certificate could not be fetched or read.") from problem
        certificate = _in_force(certificate, now)
        while len(self._known) >= CERTIFICATES:
            self._known.pop(next(iter(self._known)))
        self._known[url] = (clock, certificate)
        return certificate


def _is_amazons(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_plain = parts.port in (None, 443) and not parts.username and not parts.password
    except ValueError:
        return False
    return parts.scheme == "https" and is_plain and HOST.fullmatch(parts.hostname or "") is not None


def _in_force(certificate: x509.Certificate, now: datetime) -> x509.Certificate:
    names = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if COMMON_NAME not in names:
        raise NotGenuine("certificate", "The certificate is not that of Amazon SNS.")
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NotGenuine("certificate", "The certificate is not in force.")
    return certificate


def _check_signature(certificate: x509.Certificate, message: Message, fields: tuple[str, ...]) -> None:
    chosen = _HASHES.get(str(message.get("SignatureVersion")))
    key = certificate.public_key()
    if chosen is None or not isinstance(key, rsa.RSAPublicKey):
        raise NotGenuine("signature", "The message is signed in a way that is not known here.")
    try:
        signature = base64.b64decode(str(message.get("Signature", "")), validate=True)
        key.verify(signature, text_to_sign(message, fields), padding.PKCS1v15(), chosen())
    except (binascii.Error, InvalidSignature) as problem:
        raise NotGenuine("signature", "The signature does not fit the message.") from problem


def text_to_sign(message: Message, fields: tuple[str, ...]) -> bytes:
    """Names and values on lines of their own, in this order; a subject only where there is one."""
    lines = [f"{name}\n{message[name]}\n" for name in fields if message.get(name) is not None]
    return "".join(lines).encode()


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
