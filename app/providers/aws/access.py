"""How to reach AWS, in plain values: importing this does not import boto3."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach AWS. `endpoint_url` is for all services (a range, a gateway); `profile` is looked up in
    `credentials_file` if that is given, else in the usual places; with `role_arn` that role is assumed on top."""

    region: str
    endpoint_url: str | None = None
    profile: str | None = None
    credentials_file: Path | None = None
    role_arn: str | None = None
    external_id: str | None = None
