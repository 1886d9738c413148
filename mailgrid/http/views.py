"""`Endpoint`: what every route of the API is made of.

A subclass names the scope of each method and translates: request → values → one service or selector → response.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from pydantic import BaseModel
from rest_framework.request import Request
from rest_framework.views import APIView

from mailgrid.core import failpoints
from mailgrid.core.callers import Caller
from mailgrid.core.clock import now
from mailgrid.core.scoping import enter_scope, out_of_scope
from mailgrid.http import idempotency
from mailgrid.http.answers import answer
from mailgrid.http.reading import MAX_KEYS, MEGABYTE, NoBody, read_json, validate

Model = TypeVar("Model", bound=BaseModel)
Prepared = TypeVar("Prepared")

_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})


class Endpoint(APIView):
    """One resource or verb.

    `scopes` maps each method to the scope it needs (a route without one fails the tests); `operator` routes are for
    keys of the operator tenant. `bodies` and `filters` describe the route in the OpenAPI document; a GET with filters
    answers a page, unless `paged` says otherwise.
    """

    http_method_names = ["get", "post", "patch", "put", "delete"]
    scopes: ClassVar[Mapping[str, str]] = {}
    bodies: ClassVar[Mapping[str, type[BaseModel]]] = {}
    filters: ClassVar[tuple[str, ...]] = ()
    paged: ClassVar[bool] = True
    operator: ClassVar[bool] = False
    body_limit: ClassVar[int] = MEGABYTE
    max_keys: ClassVar[int] = MAX_KEYS

    request: Request

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return cast(Caller, self.request.auth)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with out_of_scope():
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, enter the tenant's scope, take a rate token, check the key's scope. No content negotiation."""
        self.request_time = now()
        self.perform_authentication(request)
        if request.auth is not None:
            enter_scope(self.caller.tenant_id, test=self.caller.test)
        self.check_throttles(request)
        self.check_permissions(request)
        if (
            request.method in _WITH_BODY
            and request.method not in self.bodies
            and request.method in self.scopes
        ):
            self.read(NoBody)

    def finalize_response(  # type: ignore[override]
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        for name, value in getattr(request, "rate_headers", {}).items():
            response[name] = value
        return cast(HttpResponse, response)

    def read(self, model: type[Model]) -> Model:
        """The request body as `model`."""
        return validate(model, self.json(), now=self.request_time)

    def json(self) -> Any:
        """The request body as plain values, read once."""
        if not hasattr(self, "_json"):
            self._json = read_json(self.request._request, limit=self.body_limit, max_keys=self.max_keys)
        return self._json

    def once(
        self,
        route: str,
        *,
        prepare: Callable[[], Prepared],
        work: Callable[[Prepared], dict[str, Any]],
        status: int = 200,
        dedupe: bool = False,
        said: Any = None,
    ) -> HttpResponse:
        """Answer what `work` returns; under an Idempotency-Key do it at most once and keep the answer.

        `prepare` reads and judges outside of the transaction in which `work` runs and its answer is kept. With
        `dedupe` an identical body counts as a key for a day, for tenants that asked for it. `said` is what the request
        says, where that is not its body.
        """
        said = self.json() if said is None else said
        name = idempotency.name_of(self.request, self.caller, route, said, dedupe=dedupe)
        if name is None:
            done = work(prepare())
            failpoints.reach("accept.after_commit")
            return answer(done, status=status)
        if kept := idempotency.replay(name, now=self.request_time):
            return kept
        prepared = prepare()
        return idempotency.run_once(
            name,
            lambda: work(prepared),
            status=status,
            now=self.request_time,
            deduped="HTTP_IDEMPOTENCY_KEY" not in self.request.META,
        )
