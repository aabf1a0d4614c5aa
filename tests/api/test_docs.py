"""docs/api.md says what the API does: addresses, scopes, parameters, examples, codes."""

import json
import re
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from app.api import forms, forms_alerts, views, views_checklists
from app.api.routes import openapi_document, router
from app.config import ROOT
from app.web.security import BODY_LIMIT

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
DOCUMENT = openapi_document()
SECTIONS = {
    (match[1], match[2]): match[3]
    for match in re.finditer(r"^### `(GET|POST) (/api/v1\S*)`\n(.*?)(?=^##)", PAGE + "\n##", re.M | re.S)
}
EXAMPLES = re.findall(r"^```json (\w+)\n(.*?)^```", PAGE, re.M | re.S)


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


def test_every_address_is_described_and_no_other() -> None:
    assert set(SECTIONS) == set(operations())


def test_scopes_are_those_of_the_routes() -> None:
    for route in router.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        [action] = [
            action
            for dependency in route.dependant.dependencies
            if (action := getattr(dependency.call, "action", None))
        ]
        [method] = route.methods
        said = re.findall(r"Scope `(\w+)`", SECTIONS[(method, route.path)])
        assert said == ([action.token] if action.token else []), route.path


def test_parameters_and_fields_are_named() -> None:
    for key, operation in operations().items():
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                assert f"`{parameter['name']}`" in SECTIONS[key], parameter["name"]
        body = operation.get("requestBody")
        if body:
            name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
            assert f"```json {name}" in SECTIONS[key]


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_every_example_is_a_complete_one(name: str, text: str) -> None:
    known = {**vars(forms_alerts), **vars(forms), **vars(views), **vars(views_checklists), "problem": views.ProblemOut}
    model = known[name]
    found = model.model_validate(json.loads(text))
    for given, field in _fields(json.loads(text), found):
        assert set(given) == set(_names(type(field))), f"{name} shows all fields and no other"


def _fields(given: Any, model: Any) -> list[tuple[dict[str, Any], Any]]:
    """Each object of the example with the model it was read into."""
    pairs = [(given, model)]
    for key, value in given.items():
        inner = getattr(model, _names(type(model))[key])
        if isinstance(value, dict) and not isinstance(inner, dict):
            pairs += _fields(value, inner)
        elif isinstance(value, list):
            pairs += [pair for v, m in zip(value, inner, strict=True) if isinstance(v, dict) for pair in _fields(v, m)]
    return pairs


def _names(model: Any) -> dict[str, str]:
    """As each field is sent → its name here."""
    return {field.alias or name: name for name, field in model.model_fields.items()}


def test_every_answer_has_an_example() -> None:
    shown = {name for name, _ in EXAMPLES}
    for operation in operations().values():
        for status, answer in operation["responses"].items():
            if status.startswith("2"):
                name = answer["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
                assert name in shown or name == "OperationOut"


def test_limits_are_said_as_they_are() -> None:
    assert f"more than {BODY_LIMIT // 1024} KiB" in PAGE
    assert f"up to {forms.POST_LIMIT} in one request" in PAGE
    described = {p["name"]: p["schema"] for p in operations()[("GET", "/api/v1/deployments")]["parameters"]}
    assert (described["limit"]["maximum"], described["limit"]["default"]) == (100, 20)
    timeline = operations()[("GET", "/api/v1/deployments/{deployment_id}/timeline")]["parameters"]
    limit = next(p["schema"] for p in timeline if p["name"] == "limit")
    assert (limit["maximum"], limit["default"]) == (500, 100)


def test_every_code_that_the_page_names_exists_in_the_product() -> None:
    codes = {code for row in re.findall(r"^\| \d{3} \| ([^|]+) \|", PAGE, re.M) for code in re.findall(r"`(\w+)`", row)}
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))
    assert len(codes) >= 8
    for code in codes:
        assert f'"{code}"' in source, code


async def test_the_document_is_served_to_anybody(web: Any) -> None:
    client: httpx.AsyncClient = await web.client_as(None)
    answer = await client.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == json.loads(json.dumps(DOCUMENT))
    assert answer.json()["openapi"].startswith("3.1")
    for path, methods in answer.json()["paths"].items():
        for operation in methods.values():
            # Alerts prove themselves by a signature over their body.
            assert operation["security"] == ([] if path.startswith("/api/v1/alerts/") else [{"token": []}]), path
    assert (await client.get("/docs")).status_code == 404
