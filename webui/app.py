"""The application factory. Nothing connects before the first request."""

from __future__ import annotations

from flask import Flask

from core.database.engine import Database
from core.jobs import eta
from core.messaging.notify import Notifier
from core.messaging.pubsub import Wakeups
from core.settings import Settings
from core.storage import store
from webui import (
    access,
    compression,
    context,
    languages,
    limits,
    monitoring,
    problems,
    proof,
    security,
)
from webui.api import health, previews
from webui.api.routes import blueprint as api
from webui.openid import Provider
from webui.pages.routes import blueprint as pages


def create_app(settings: Settings) -> Flask:
    """Make the web application: the pages, the API, the live streams."""
    app = Flask("webui")
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's own provider has it
    database = Database(settings.database_address, pool_size=settings.web_threads)
    eta.share(database)
    context.attach(
        app,
        context.Context(
            settings=settings,
            database=database,
            notifier=Notifier(settings.redis_url),
            wakeups=Wakeups(settings.redis_url),
            storage=store.connect(settings.storage_address, settings.storage_keys),
            openid=Provider(settings) if settings.openid_issuer else None,
        ),
    )
    monitoring.install(app)
    problems.install(app)
    languages.install(app)
    compression.install(app)
    security.install(app, settings)
    access.install(app, settings)
    limits.install(app, settings)
    forms_only = security.protect_forms(app)
    for blueprint in (api, health.blueprint, monitoring.blueprint, previews.blueprint):
        # no cookie gives the API any right, and JSON from another site needs a permission that
        # we never give; so tokens are for the forms alone
        forms_only.exempt(blueprint)
        app.register_blueprint(blueprint)
    proof.install(app)
    app.register_blueprint(pages)
    app.register_blueprint(previews.form)
    access.refuse_unlisted(app)
    return app
