"""`python -m server`: load the model and listen."""

import logging
import sys

import uvicorn

from server.app import create_app
from server.classifier import Classifier
from server.errors import UserError
from server.settings import Settings


def main() -> int:
    """Serve until told to stop; return 2 after a mistake of the user's, said in one line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s")
    try:
        settings = Settings.from_environment()
        classifier = Classifier(settings.model)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    app = create_app(classifier, max_body_bytes=settings.max_body_bytes)
    print(f"model {classifier.name} on {classifier.provider}", flush=True)
    uvicorn.run(app, host=settings.host, port=settings.port, log_config=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
