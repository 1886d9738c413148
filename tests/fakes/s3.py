"""S3 over HTTP on this machine, in this process; `stop` and `start` are an outage."""

from datetime import timedelta
from typing import Any

import boto3
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

BUCKET = "mailgrid-blobs"
PREFIX = "mail/grid/"


class S3:
    """A server with one bucket, empty at first."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.host, self.port = self._server.get_host_and_port()
        self.url = f"http://{self.host}:{self.port}"
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.client.create_bucket(Bucket=BUCKET)

    def names(self) -> list[str]:
        """Everything under the prefix, without it."""
        found = self.client.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX).get("Contents", ())
        return [one["Key"].removeprefix(PREFIX) for one in found]

    def age(self, by: timedelta) -> None:
        """Everything was stored so much earlier."""
        (account,) = s3_backends.values()
        (partition,) = account.values()
        for key in partition.buckets[BUCKET].keys.values():
            key.last_modified -= by

    def empty(self) -> None:
        """As at first."""
        for name in self.names():
            self.client.delete_object(Bucket=BUCKET, Key=PREFIX + name)

    def stop(self) -> None:
        """End it; connections to it are refused from now on."""
        self._server.stop()
