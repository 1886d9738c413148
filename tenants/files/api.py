"""`/files`."""

from typing import Annotated, Any

from django.http import HttpResponse
from django.urls import path
from pydantic import Field

from mailgrid.core import files
from mailgrid.core.errors import MissingField
from mailgrid.core.files import FileRefused, Received
from mailgrid.http.answers import answer
from mailgrid.http.links import download_link
from mailgrid.http.multipart import Upload, is_multipart, read_multipart
from mailgrid.http.query import Query, as_list
from mailgrid.http.reading import MEGABYTE, Body, validate
from mailgrid.http.times import WireTime
from mailgrid.http.views import Endpoint
from tenants.audit.services import Actor
from tenants.files import selectors, services
from tenants.files.models import File
from tenants.files.services import InvalidFile, NewFile

READ, WRITE = "files:read", "files:write"


class FileForm(Body):
    """What stands beside the field `file` of a form."""

    filename: str | None = None
    content_type: str | None = None
    expires_at: WireTime | None = None


class NewFileBody(Body):
    """A file, its content in base64 or as a data URI."""

    filename: str
    content: Annotated[str, Field(json_schema_extra={"contentEncoding": "base64"})]
    content_type: str | None = None
    expires_at: WireTime | None = None


class Files(Endpoint):
    """The tenant's files. A form with a field `file` may be sent in place of JSON, and is lighter."""

    scopes = {"GET": READ, "POST": WRITE}
    bodies = {"POST": NewFileBody}
    filters = ("filename",)
    body_limit = 36 * MEGABYTE

    def get(self, request: Any) -> HttpResponse:
        """List them, newest first."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        rows = selectors.list_files(
            self.caller.tenant_id, filename=query.text("filename"), now=self.request_time
        )
        return answer(as_list(query.page().of(rows), _show))

    def post(self, request: Any) -> HttpResponse:
        """Upload one."""
        if not is_multipart(request._request):
            return self._take(*self._json_file())
        with read_multipart(
            request._request,
            limit=self.body_limit,
            file_limit=files.MAX_BYTES,
            too_large=InvalidFile.field("file", files.TOO_LARGE),
        ) as upload:
            return self._take(*self._form(upload))

    def _take(
        self, received: Received, filename: str, wanted: FileForm | NewFileBody, expiry: Any
    ) -> HttpResponse:
        def keep() -> NewFile:
            return services.keep(
                tenant_id=self.caller.tenant_id,
                received=received,
                filename=filename,
                content_type=wanted.content_type,
                expires_at=wanted.expires_at,
                now=self.request_time,
            )

        def add(new: NewFile) -> dict[str, Any]:
            file = services.add(
                tenant_id=self.caller.tenant_id,
                new=new,
                actor=Actor.of(self.caller),
                now=self.request_time,
            )
            return _show(file)

        said = [received.digest, filename, wanted.content_type, expiry]
        return self.once("POST /files", prepare=keep, work=add, status=201, said=said)

    def _form(self, upload: Upload) -> tuple[Received, str, FileForm, Any]:
        wanted = validate(FileForm, upload.fields, now=self.request_time)
        if upload.file is None:
            raise MissingField.field("file", "missing_required_field", "Send a file with its name.")
        filename = upload.filename if wanted.filename is None else wanted.filename
        return upload.file, filename, wanted, upload.fields.get("expires_at")

    def _json_file(self) -> tuple[Received, str, NewFileBody, Any]:
        wanted = self.read(NewFileBody)
        try:
            received = Received.of(files.decode_content(wanted.content))
        except FileRefused as error:
            raise InvalidFile.field("content", str(error)) from None
        return received, wanted.filename, wanted, self.json().get("expires_at")


class OneFile(Endpoint):
    """A file of the tenant."""

    scopes = {"GET": READ, "DELETE": WRITE}

    def get(self, _request: Any, file_id: str) -> HttpResponse:
        """Read what is known of it."""
        return answer(_show(selectors.get_file(self.caller.tenant_id, file_id, now=self.request_time)))

    def delete(self, _request: Any, file_id: str) -> HttpResponse:
        """Forget it."""
        deleted = services.delete(
            tenant_id=self.caller.tenant_id,
            file_id=file_id,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({"object": "file", "id": str(deleted), "deleted": True})


class FileDownload(Endpoint):
    """A way to a file's bytes."""

    scopes = {"GET": READ}

    def get(self, _request: Any, file_id: str) -> HttpResponse:
        """A signed link, good for an hour."""
        file = selectors.get_file(self.caller.tenant_id, file_id, now=self.request_time)
        url, expires_at = download_link(selectors.LINK, file.id.hex, now=self.request_time)
        shown = {name: value for name, value in _show(file).items() if name != "created_at"}
        return answer(shown | {"object": "file_download", "download_url": url, "expires_at": expires_at})


def _show(file: File) -> dict[str, Any]:
    return {
        "object": "file",
        "id": str(file.id),
        "filename": file.filename,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "expires_at": file.expires_at,
        "created_at": file.created_at,
    }


routes = [
    path("files", Files.as_view()),
    path("files/<str:file_id>", OneFile.as_view()),
    path("files/<str:file_id>/download", FileDownload.as_view()),
]
