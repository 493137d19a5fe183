"""`python -m server`: load the model and listen."""

import atexit
import os
import signal
import sys

from server.errors import UserError
from server.settings import Settings, settings_table, unknown_settings

HELP = """usage: python -m server

Serves an artefact of this pipeline over HTTP. The environment sets:

"""


def main() -> int:
    """Serve until told to stop; return 2 after a mistake of the user's, said in one line."""
    if sys.argv[1:]:
        asked = sys.argv[1:] in (["--help"], ["-h"])
        print(HELP + settings_table(), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    from server.telemetry.logs import configure

    configure()  # from here on nothing that is said on stderr can stop or end the process
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the listener notes it
    import structlog

    from server.app import create_app
    from server.http.listener import Listener
    from server.http.sockets import listening_sockets
    from server.inference.memory import give_back_pictures
    from server.inference.served_model import open_artefact
    from server.storage.model_file import ModelFile

    give_back_pictures()
    try:
        settings = Settings.read(os.environ)
        for one in listening_sockets(settings.host, settings.port):
            one.close()  # a taken port is said at once; nobody may connect until all is loaded
        file = ModelFile(location=settings.model, sha256=settings.model_sha256)
        classifier = open_artefact(file, settings)
        unseen = settings.shadow and open_artefact(ModelFile(location=settings.shadow), settings)
        app = create_app(classifier, settings, unseen or None)
        listener = Listener(app, settings)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    log = structlog.get_logger()
    for complaint in unknown_settings(os.environ):
        log.warning(complaint)
    log.info("model", model=classifier.name, provider=classifier.provider)
    listener.listen()
    if app.state.busy():  # the end of Python would wait for it, or crash
        _exit_now()
    return 0


def _exit_now() -> None:
    """End the process with 0, without waiting for threads that are inside the network.

    `atexit._run_exitfuncs` is private to CPython, but nothing public runs what `atexit` has noted
    and then returns. `os._exit` runs none of it, and the last lines of the logs are written there.
    """
    atexit._run_exitfuncs()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
