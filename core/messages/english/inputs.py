"""What is wrong with a value that was sent, or set."""

from __future__ import annotations

from core.messages.template import Template

INPUTS: dict[str, Template] = {
    "input.no_run_chosen": "Choose the runs first.",
    "input.wrong_fields": "{problems:clauses}",
    "input.field": "{field}: {reason}",
    "input.required": "Required",
    "input.unknown_field": "Unknown field",
    "input.unknown_field_of_these": "Unknown field; send {parts:list}",
    "input.duplicate_field": "Duplicate field",
    "input.one_of": "choose one of {choices:either}",
    "input.whole_number": "write a whole number",
    "input.number_too_large": "this number is too large",
    "input.number": "write a number",
    "input.finite_number": "write a finite number",
    "input.underscores": "write the number without underscores",
    "input.thousands": "{text} can be read in two ways: write thousands without a separator, and "
    "decimals with a point",
    "input.true_or_false": "write true or false",
    "input.text": "write text",
    "input.unicode": "write whole characters: half a surrogate pair is none",
    "input.control_characters": "leave out control characters",
    "input.direction_characters": "leave out characters that change the direction of text "
    "(U+202A to U+202E, U+2066 to U+2069)",
    "input.invisible": "write at least one character that can be seen",
    "input.numbers": "write a list of numbers, such as 8, 16, 32",
    "input.fields": "write an object with named fields",
    "input.more_than": "must be more than {bound:digits}",
    "input.at_least": "must be at least {bound:digits}",
    "input.less_than": "must be less than {bound:digits}",
    "input.at_most": "must be at most {bound:digits}",
    "input.name_characters": "use letters, digits, and . _ - only",
    "input.address_characters": "write it on one line, without control characters",
    "input.characters": "use at most {most} characters",
    "input.too_few": "give at least {least}",
    "input.runs_file": "no JSON list of runs, and no run a line ({detail})",
    "weights.none": "there is no run {job_id}, or it has published no weights",
    "weights.misfit": "the weights of run {job_id} are of another network: {fields:list}",
    "weights.misfit_of_file": "The weights are of another network.",
    "weights.gone": "The weights of run {job_id}, with which it was to begin, are gone or damaged.",
    "input.too_many": "give at most {most}",
    "input.seeds": "write seeds such as 0-4, or 0, 1, 2: whole numbers from 0 on",
    "input.too_many_tags_for_seeds": "give at most {most}: runs for several seeds get one more",
    "input.has_no_parts": "{field} is a single value and has no parts",
    "input.has_parts": "{field} is no single value: parts of it are set too",
    "input.json_object": "send a JSON object",
    "input.no_tag": "write at least one tag",
    "input.mail": "write one address of mail, such as ada@lab.example",
    "input.date": "write a date such as 2026-01-31, or a moment such as 2026-01-31T09:30Z",
    "input.filter": "write what stands behind the question mark in the address of a list of runs",
    "input.condition": "write conditions such as test_accuracy > 0.98 and epochs = 5, not {text}",
    "input.condition_name": "no run has a value {name}; there is {known:either}",
    "input.condition_order": "{name} cannot be smaller or larger than {value}: use = or !=",
    "input.limit": "choose a number from 1 to {most}",
    "input.cursor": "use the cursor of an earlier page as it was given",
    "input.unknown_state": "there is no state {state}; known: {known:list}",
    "input.unknown_sort": "a list cannot be sorted by {sort}; choose one of {known:either}, or a "
    "hyperparameter such as optimizer.learning_rate",
    "input.tag_characters": "write tags without commas and control characters",
    "input.event_id": "send back the id of the last event as it was given",
    "input.run_number": "name a run by its number",
    "input.unknown_dataset": "there is no dataset {name}; known: {known:list}",
    "input.invalid": "{detail} ({kind})",
    "input.key_of_another": "run {job_id} was submitted with this key, and is another one",
    "input.key_length": "use 1 to {most} characters",
    "input.assignment": "write field=value, not {text!r}",
    "setting.queues": "name at least one queue, such as: default",
    "setting.trusted_host": "{text} is no host name; write it as trains.example, or with the port "
    "as trains.example:8080",
    "setting.trusted_proxy": "{text} is no address and no network; write it as 10.0.0.5 or "
    "10.0.0.0/24",
    "setting.file": "{name}: {path} cannot be read ({detail})",
    "setting.file_and_value": "{name} and {name}_FILE are both set: leave one of them out",
    "setting.database_address": "write it as postgresql://user:password@host/name",
    "setting.other_database": "{backend} is not supported; use postgresql:// or sqlite:///",
    "setting.sqlite_file": "SQLite needs a file here: sqlite:////folder/file.db",
    "setting.redis_address": "write it as redis://host:port/number",
    "setting.storage_address": "write it as file:///folder or s3://bucket/prefix",
    "setting.server_address": "write it as http://host:port",
    "setting.openid_client": "{prefix}OPENID_CLIENT_ID: Required where {prefix}OPENID_ISSUER is "
    "set. The provider gives it when this server is registered there.",
    "setting.webhook_host": "{text} is no host name and no network; write hooks.example or "
    "10.1.0.0/16",
    "setting.mail_server": "write smtp://host:port, or smtps://user:password@host",
    "setting.mail_from": "{prefix}MAIL_FROM: Required where {prefix}SMTP_URL is set: an address "
    "such as trainyard@lab.example.",
    "setting.open_to_others": "{prefix}HOST: {host} can be reached by others, and with "
    "{prefix}ACCOUNTS=local nobody logs in. Keep 127.0.0.1, or leave {prefix}ACCOUNTS away: people "
    "then have accounts.",
}
