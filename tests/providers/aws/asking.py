"""What the tests of the balancer on AWS ask for."""

from typing import Any

import pytest

from app.domain.sides import Side, Weights
from app.ports.traffic import Finding, ProviderError
from app.providers.aws.balancer import AwsBalancer

BLUE, GREEN = Weights.all_to(Side.BLUE), Weights.all_to(Side.GREEN)
LISTENER, RULE, PAY = "listener :80", "rule /api/*", "rule /pay"
"""The routes of the estate."""


async def failed(writing: Any) -> ProviderError:
    with pytest.raises(ProviderError) as problem:
        await writing
    return problem.value


async def finding_of(target: AwsBalancer, key: str) -> Finding:
    return next(finding for finding in await target.preflight() if finding.key == key)
