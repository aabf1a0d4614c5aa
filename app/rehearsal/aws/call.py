"""A request to AWS, as the front sees it: which service, which operation, with what."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

SERVICES = {"elasticloadbalancing": "elbv2"}
_SCOPE = re.compile(r"Credential=([^/]+)/[^/]+/[^/]+/([^/]+)/aws4_request")
_ROUTE53 = (
    ("POST", re.compile(r"/hostedzone/[^/]+/rrset/?$"), "ChangeResourceRecordSets"),
    ("GET", re.compile(r"/hostedzone/[^/]+/rrset/?$"), "ListResourceRecordSets"),
    ("GET", re.compile(r"/change/[^/]+$"), "GetChange"),
)

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """`service` is boto3's name; `fields` the flat parameters of the query protocol, empty elsewhere. `key` is the
    access key that it is signed with."""

    service: str
    operation: str
    fields: Mapping[str, str]
    path: str
    body: bytes
    key: str


def call_of(environ: Environ) -> Call:
    """Reads the body, and puts it back for who comes next."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    scope = _SCOPE.search(str(environ.get("HTTP_AUTHORIZATION", "")))
    key, service = scope.groups() if scope else ("", "")
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)) if _is_form(environ) else {}
    path = str(environ.get("PATH_INFO", ""))
    operation = fields.get("Action", "") or _by_path(str(environ["REQUEST_METHOD"]), path)
    return Call(SERVICES.get(service, service), operation, fields, path, body, key)


def members(fields: Mapping[str, str], prefix: str) -> list[dict[str, str]]:
    """The elements of a list in the query protocol: `prefix.member.N.rest` → [{rest: value}, …]; a list of plain
    values has them under ""."""
    found: dict[int, dict[str, str]] = {}
    for name, value in fields.items():
        if not name.startswith(f"{prefix}.member."):
            continue
        number, _, rest = name[len(prefix) + 8 :].partition(".")
        found.setdefault(int(number), {})[rest] = value
    return [found[number] for number in sorted(found)]


def _is_form(environ: Environ) -> bool:
    return str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded")


def _by_path(method: str, path: str) -> str:
    for wanted, pattern, operation in _ROUTE53:
        if method == wanted and pattern.search(path):
            return operation
    return f"{method} {path}"
