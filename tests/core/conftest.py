"""What several tests of the core set up."""

from __future__ import annotations

import boto3
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import event

from cli.stack.ports import free_port
from core import workers
from core.database.engine import Database
from core.errors import DatabaseUnavailable
from core.jobs.claim import Claimant
from core.workers import WorkerFacts


@pytest.fixture
def claimant(database):
    facts = WorkerFacts("w", 1, "0", ["default"], [], 1)
    return Claimant(workers.register(database, facts), ["default"])


@pytest.fixture(scope="module")
def s3_endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint, monkeypatch):
    """The settings of an S3 server that has the bucket `blobs`."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=s3_endpoint)
    client.create_bucket(Bucket="blobs")
    client.close()


def lose_the_answer_to_the_next_commit(database: Database) -> None:
    """Let the next commit of what writes take place, and its answer be lost."""
    lost = []

    @event.listens_for(database.engine, "commit")
    def lose(connection):
        if not lost and connection.get_execution_options().get("trainyard_writes"):
            lost.append(True)
            raw = connection.connection.dbapi_connection
            if connection.dialect.name == "postgresql":
                raw.commit()
            else:
                raw.execute("COMMIT")
            raise DatabaseUnavailable("the answer was lost")
