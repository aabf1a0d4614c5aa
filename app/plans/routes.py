"""HTTP of plans: the runbook of a deployment, and the versions that this installation knows."""

from fastapi import APIRouter

from app.plans import routes_runbook, routes_versions

router = APIRouter()
router.include_router(routes_runbook.router)
router.include_router(routes_versions.router)
