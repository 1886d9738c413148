"""`/streams`: lanes of mail with one purpose."""

from typing import Annotated, Any, Final, Literal, cast

from django.http import HttpResponse
from django.urls import path
from pydantic import Field

from emails.streams import selectors, services
from emails.streams.models import Stream
from emails.streams.priorities import WirePriority
from emails.streams.services import StreamValues
from mailgrid.http.answers import answer
from mailgrid.http.query import MAX_LIMIT, Query, as_list
from mailgrid.http.reading import Body
from mailgrid.http.views import Endpoint
from tenants.audit.services import Actor

READ, WRITE = "streams:read", "streams:write"

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Label = Annotated[str, Field(min_length=1, max_length=64)]

_CLEARABLE: Final = frozenset(
    {"default_from", "default_reply_to", "transport", "configuration_set", "ip_pool"}
    | {"max_age_seconds", "rate_per_second", "track_opens", "track_clicks"}
)


class StreamChanges(Body):
    """What may be changed of a stream."""

    name: Name | None = None
    type: Literal["transactional", "marketing", "notifications"] | None = None
    default_from: str | None = None
    default_reply_to: str | None = None
    transport: str | None = None
    configuration_set: Label | None = None
    ip_pool: Label | None = None
    priority: WirePriority | None = None
    delivery: Literal["at_least_once", "at_most_once"] | None = None
    max_age_seconds: Annotated[int, Field(ge=60, le=604_800)] | None = None
    rate_per_second: Annotated[float, Field(ge=0.001, le=100_000)] | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    list_unsubscribe: bool | None = None
    sensitive: bool | None = None
    enabled: bool | None = None

    def values(self) -> StreamValues:
        """What is given; null clears what can be cleared and says nothing elsewhere."""
        given = self.model_dump(exclude_unset=True)
        return cast(
            StreamValues,
            {field: value for field, value in given.items() if value is not None or field in _CLEARABLE},
        )


class NewStream(StreamChanges):
    """A stream to create."""

    name: Name


class Streams(Endpoint):
    """The collection."""

    scopes = {"GET": READ, "POST": WRITE}
    bodies = {"POST": NewStream}
    filters = ("type", "enabled")

    def get(self, request: Any) -> HttpResponse:
        """List the streams, newest first."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        rows = selectors.listed(types=query.words("type", Stream.Type.values), enabled=query.flag("enabled"))
        return answer(as_list(query.page(default=MAX_LIMIT).of(rows), _show))

    def post(self, _request: Any) -> HttpResponse:
        """Create a stream."""
        stream = services.create(
            tenant_id=self.caller.tenant_id,
            values=self.read(NewStream).values(),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_show(stream), status=201)


class OneStream(Endpoint):
    """One stream, by id or name."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    bodies = {"PATCH": StreamChanges}

    def get(self, _request: Any, stream: str) -> HttpResponse:
        """Read it."""
        return answer(_show(selectors.find(stream)))

    def patch(self, _request: Any, stream: str) -> HttpResponse:
        """Change it."""
        row = services.update(
            id_or_name=stream,
            values=self.read(StreamChanges).values(),
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "stream", "id": row.pk})

    def delete(self, _request: Any, stream: str) -> HttpResponse:
        """Delete it, unless it is the default or messages stand on it."""
        stream_id = services.delete(id_or_name=stream, actor=Actor.of(self.caller), now=self.request_time)
        return answer({"object": "stream", "id": stream_id, "deleted": True})


class PauseStream(Endpoint):
    """The verb that holds."""

    scopes = {"POST": WRITE}

    def post(self, _request: Any, stream: str) -> HttpResponse:
        """Accept and hold from now on."""
        row = services.pause(id_or_name=stream, actor=Actor.of(self.caller), now=self.request_time)
        return answer({"object": "stream", "id": row.pk, "paused": row.paused})


class ResumeStream(Endpoint):
    """The verb that lets go."""

    scopes = {"POST": WRITE}

    def post(self, _request: Any, stream: str) -> HttpResponse:
        """Send again."""
        row = services.resume(id_or_name=stream, actor=Actor.of(self.caller), now=self.request_time)
        return answer({"object": "stream", "id": row.pk, "paused": row.paused})


def _show(stream: Stream) -> dict[str, Any]:
    return {
        "object": "stream",
        "id": stream.pk,
        "name": stream.name,
        "type": stream.type,
        "default_from": stream.default_from,
        "default_reply_to": stream.default_reply_to,
        "transport": stream.transport.name if stream.transport else None,
        "configuration_set": stream.configuration_set or None,
        "ip_pool": stream.ip_pool or None,
        "priority": stream.priority,
        "delivery": stream.delivery,
        "max_age_seconds": stream.max_age_seconds,
        "rate_per_second": stream.rate_per_second,
        "track_opens": stream.track_opens,
        "track_clicks": stream.track_clicks,
        "list_unsubscribe": stream.list_unsubscribe,
        "sensitive": stream.sensitive,
        "enabled": stream.enabled,
        "paused": stream.paused,
        "created_at": stream.created_at,
    }


routes = [
    path("streams", Streams.as_view()),
    path("streams/<str:stream>", OneStream.as_view()),
    path("streams/<str:stream>/pause", PauseStream.as_view()),
    path("streams/<str:stream>/resume", ResumeStream.as_view()),
]
