"""Clients of botocore (boto3 only adds what nobody needs here). Credentials come by reference only: a profile, a
role to assume, or what the machine itself has.
"""

import threading
from functools import partial
from typing import Any

from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.loaders import create_loader
from botocore.session import Session

from app.providers.aws.access import Access
from app.providers.aws.gate import guard

CONNECT = 1.0
READ = 2.0
"""Between two bytes of an answer: the caller's own deadline ends a dripping one."""
CONFIG = Config(
    connect_timeout=CONNECT,
    read_timeout=READ,
    # One attempt: botocore would repeat a write after a timeout without asking for the epoch.
    retries={"mode": "standard", "total_max_attempts": 1},
    max_pool_connections=24,
    tcp_keepalive=True,
)


_MODELS = create_loader()
"""Service descriptions, read once a process: they are most of what making a client takes."""


class Clients:
    """One client a service, made at its first use (a tenth of a second: in a thread). Callable from any thread."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._made: dict[str, Any] = {}

    def get(self, service: str) -> Any:
        with self._lock:
            if service not in self._made:
                client = self._get_session().create_client(
                    service,
                    region_name=self._access.region,
                    endpoint_url=self._access.endpoint_url,
                    config=CONFIG,
                )
                guard(client, service)
                self._made[service] = client
            return self._made[service]

    def has(self, service: str) -> bool:
        return service in self._made

    def close(self) -> None:
        with self._lock:
            for client in self._made.values():
                client.close()
            self._made.clear()

    def _get_session(self) -> Session:
        if self._session is None:
            self._session = self._make_session()
        return self._session

    def _make_session(self) -> Session:
        access = self._access
        core = Session(profile=access.profile)
        core.register_component("data_loader", _MODELS)
        if access.credentials_file is not None:
            core.set_config_variable("credentials_file", str(access.credentials_file))
        # Where no credentials are, the machine's own are asked for once and briefly.
        core.set_config_variable("metadata_service_timeout", CONNECT)
        core.set_config_variable("metadata_service_num_attempts", 1)
        if access.role_arn is not None:
            core._credentials = self._assumed(core, access.role_arn)
        return core

    def _assumed(self, core: Session, role_arn: str) -> DeferredRefreshableCredentials:
        """Fetched at the first call and again before they run out."""
        extra = {"RoleSessionName": "gonogo"}
        if self._access.external_id is not None:
            extra["ExternalId"] = self._access.external_id
        make = partial(
            core.create_client, region_name=self._access.region, endpoint_url=self._access.endpoint_url, config=CONFIG
        )
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=make, source_credentials=core.get_credentials(), role_arn=role_arn, extra_args=extra
        )
        return DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)
