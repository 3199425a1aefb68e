"""What a service, the data folder or a file cannot give, and what to do."""

from __future__ import annotations

from core.messages.template import Plural, Template

SERVICES: dict[str, Template] = {
    "data.not_fetched": "{dataset} is not in {folder}. Fetch it: trainyard data fetch {name}",
    "data.damaged": "The files of {dataset} in {folder} are damaged: {detail}. Delete that folder "
    "and fetch the dataset again: trainyard data fetch {name}",
    "data.not_fetchable": "{dataset} could not be fetched. {failures:clauses}. Connect this "
    "machine to a network, or run `trainyard data fetch {name}` where there is one and copy "
    "{dataset_folder} into this machine's data folder, {data_folder}{by_hand:optional}.",
    "data.by_hand": "; or put {files:list} from {source} into {folder} in it and try again",
    "data.not_on_worker": "{dataset} is not on this worker yet; it is fetched when the first run "
    "needs it.",
    "data.on_no_worker": "No worker has {dataset} yet; it is fetched when the first run needs it.",
    "data.unknown": "There is no dataset {name}. Known: {known:list}",
    "service.away": "Something that this server needs does not answer. Its log says what.",
    "database.no_tables": "The database's tables are not there ({detail}). "
    "Run: trainyard db upgrade",
    "database.disk_full": "The database's disk is full ({detail}). Free some space, then try "
    "again.",
    "database.no_answer": "The database does not answer ({detail}). Is it running, and is the "
    "address right?",
    "workers.lost": Plural(
        "count",
        "Worker lost: {names:list}. Its runs are taken back when their leases are over.",
        "{count:number} workers lost: {names:list}. Their runs are taken back when the leases are "
        "over.",
    ),
    "redis.refuses": "Redis refuses what is asked of it ({detail}): runs start a few seconds "
    "later. Is the address that of a server that can be written, and are its keys its own?",
    "redis.away": "Redis is away: runs start a few seconds later.",
    "workers.starting": "A worker is starting: runs wait until it has loaded PyTorch.",
    "workers.none": "No worker is live: runs wait until one is. Start one: trainyard worker. Where "
    "one was started, its log says why it stopped.",
    "storage.no_blob": "The file store has no blob {sha256}.",
    "storage.not_readable": "The file store cannot be read ({detail}).",
    "storage.not_writable": "The file store {place} cannot be written ({detail}). Free some space "
    "or correct its permissions, then try again.",
    "storage.no_answer": "The file store {place} does not answer ({detail}).",
    "storage.hangs": "The file store has not answered for {waited_s:duration}.",
    "storage.stopped_answering": "The file store stopped answering ({detail}).",
    "client.run_ended": "Run {job_id} is {state:word}. {detail}",
    "client.no_certificates": "The certificates in {path} cannot be read: {detail}",
    "client.no_mcp": "The package mcp is not installed here. Install it: "
    "pip install 'trainyard[agents]'",
    "client.no_filter": "There is no saved view {name}. List them: trainyard filters list",
    "client.no_token": "this is no token: one begins with ty_ and has 75 characters",
    "client.several_servers": "You have tokens for several servers: {servers}. Choose one by --url "
    "or TRAINYARD_URL, or forget the others: trainyard logout --url ADDRESS",
    "client.tokens_unreadable": "The file {path} cannot be read: {detail}. Repair or remove it.",
    "client.not_believed": "The certificate of {url} is not believed here ({detail}). Name that of "
    "its authority: the option --ca FILE of a command, or SSL_CERT_FILE.",
    "client.no_answer": "No Trainyard server answers at {url} ({detail}). Start one with "
    "`trainyard up` (or `make up`), or name another with --url or TRAINYARD_URL.",
    "client.not_ours": "{host} answered {status}, not as a Trainyard server does.",
    "client.damaged_download": "The download is damaged: its SHA-256 is wrong. Try again.",
    "client.not_writable": "{path} cannot be written ({detail}).",
    "checkpoint.spec_not_readable": "{path} is of a spec that this release does not read. Is it of "
    "a later one?",
    "checkpoint.weights_do_not_fit": "The weights in {path} do not fit its spec's network.",
    "checkpoint.other_weights": "The weights in {path} are not those that were published: damaged?",
    "checkpoint.other_kind": "{path} is no checkpoint: that is a .pt or .safetensors file.",
    "web.cannot_listen": "Port {port} of {host} cannot be had ({reason}). Stop what uses it, "
    "or set TRAINYARD_PORT to another.",
    "web.cannot_serve": "No web process can serve here: each ended soon after its start. The lines "
    "above say why.",
    "web.too_many_files": "Too many such files are being made now. Try again in a few seconds.",
    "checkpoint.onnx": "{path} is no checkpoint: that is a .pt or .safetensors file. Run it with "
    "onnxruntime; its card says how.",
    "checkpoint.truncated": "{path} is damaged: it breaks off.",
    "checkpoint.not_readable": "{path} is damaged, or no checkpoint of Trainyard's.",
    "checkpoint.of_another_program": "{path} holds weights, but they are not of a run of "
    "Trainyard's.",
    "checkpoint.of_later_release": "{path} was written by a later release. Upgrade Trainyard.",
    "backup.none": "{folder} holds no whole backup: it has no manifest.json. One that was "
    "interrupted has none; make it again: trainyard backup {folder}",
    "backup.damaged": "{path} is damaged or missing: this backup cannot be restored.",
    "backup.not_readable": "{path} cannot be read ({detail}).",
    "backup.not_writable": "{folder} cannot be written ({detail}).",
    "backup.of_later_release": "{folder} was made by a later release. Upgrade Trainyard, then "
    "restore it.",
    "backup.other_schema": "The tables are not those of this release. Run: trainyard db upgrade",
    "backup.other_content": "{folder} holds something else ({name}). Name a folder that is new or "
    "empty, or that holds a backup.",
    "backup.other_instance": "{folder} holds a backup of another Trainyard. Name another folder.",
    "backup.in_use": "Another backup is being made in {folder}.",
    "backup.used_database": "The database is not empty: it has the table {table}. A backup is "
    "restored into an empty database only. Set TRAINYARD_HOME or TRAINYARD_DATABASE_URL to a new "
    "one.",
    "backup.used_store": "The file store is not empty: it has {name}, which is not of this backup. "
    "A backup is restored into an empty store only. Set TRAINYARD_HOME or TRAINYARD_STORAGE_URL to "
    "a new one.",
}
