"""What went wrong in a call to AWS, in the port's words: was it sent, may it have been applied, does waiting help."""

from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ProxyConnectionError,
    SSLError,
)

from app.ports.traffic import ProviderError
from app.providers.aws.gate import NotSent
from app.providers.aws.lane import LaneBlocked

THROTTLED_FOR = 0.3
"""Seconds to wait after a throttled call; AWS names none, and its buckets fill by the second."""

_THROTTLED = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled"}
    | {"RequestThrottledException", "TooManyRequestsException", "PriorRequestNotComplete", "SlowDown"}
)
_PASSES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed"})
"""Answers below 500 that a later call may not get: credentials are fetched anew."""
_NEVER_LEFT = (
    *(NotSent, LaneBlocked, ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError, SSLError),
    *(NoCredentialsError, PartialCredentialsError, CredentialRetrievalError, ProfileNotFound, ParamValidationError),
)
_HOPELESS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound, ParamValidationError)


def is_error_of_a_call(problem: BaseException) -> bool:
    """True for what `explained` can explain. botocore's ResponseParserError is a plain Exception, so anything but what
    a fence raises (StaleEpoch, Superseded …) has to be one."""
    return isinstance(problem, (BotoCoreError, ClientError, NotSent, LaneBlocked, TimeoutError, OSError)) or (
        type(problem).__module__.partition(".")[0] in ("botocore", "boto3", "urllib3", "xml")
    )


def explained(call: str, problem: BaseException, *, is_effect: bool, has_left: bool = True) -> ProviderError:
    """`has_left`: the call may have reached AWS. Only an effect that has left can be of unknown outcome."""
    if isinstance(problem, ClientError):
        return _refused(call, problem, is_effect=is_effect)
    if isinstance(problem, _NEVER_LEFT):
        return ProviderError(f"{call} was not sent: {problem}", permanent=isinstance(problem, _HOPELESS))
    said = str(problem) or type(problem).__name__
    return ProviderError(f"{call} had no whole answer: {said[:300]}", unknown_outcome=is_effect and has_left)


def code_of(problem: ClientError) -> str:
    return str(problem.response.get("Error", {}).get("Code", ""))


def _refused(call: str, problem: ClientError, *, is_effect: bool) -> ProviderError:
    error: dict[str, Any] = problem.response.get("Error", {})
    metadata: dict[str, Any] = problem.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode") or 0)
    code = code_of(problem)
    said = f"{call} was answered {status} {code}: {str(error.get('Message', ''))[:300]}"
    if code in _THROTTLED or status == 429:
        wait = str(metadata.get("HTTPHeaders", {}).get("retry-after", ""))
        return ProviderError(said, retry_after=float(wait) if wait.isdecimal() else THROTTLED_FOR)
    if status >= 500:
        # AWS does not promise that a 5xx applied nothing.
        return ProviderError(said, unknown_outcome=is_effect)
    return ProviderError(said, permanent=code not in _PASSES)
