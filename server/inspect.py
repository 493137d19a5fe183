"""`python -m server.inspect MODEL.onnx`: print what an artefact says of itself."""

import sys
from pathlib import Path

from server.errors import UserError
from server.model.classifier import Classifier
from server.terminal import escape_unencodable, printable


def describe(classifier: Classifier) -> str:
    """Return name, input, thresholds, scores, versions and parameters, a line each."""
    about = classifier.metadata
    threshold = f"{about.abstain_threshold:.4f}" if about.abstain_threshold else "none"
    lines = {
        "model": classifier.name,
        "architecture": f"{about.architecture}, {about.precision}",
        "classes": ", ".join(about.classes),
        "input": f"{about.image_size} px, {about.resize_mode}, {about.resize_filter}",
        "temperature": f"{about.temperature:.4f}",
        "abstains below": threshold,
        "on validation": ", ".join(f"{k} {v:.4f}" for k, v in about.validation_metrics.items()),
        "data": about.data_hash,
        "schema": str(about.schema_version),
        "made with": ", ".join(f"{name} {version}" for name, version in about.versions.items()),
    }
    for section, values in about.parameters.items():
        lines[section] = ", ".join(f"{name}={value}" for name, value in values.items())
    return "\n".join(f"{printable(name):16}{printable(text)}" for name, text in lines.items())


def main() -> int:
    """Describe the file that the command line names; return 2 after a mistake of the user's."""
    if len(sys.argv) != 2:  # noqa: PLR2004
        print("usage: python -m server.inspect MODEL.onnx", file=sys.stderr)
        return 2
    escape_unencodable()
    try:
        print(describe(Classifier(Path(sys.argv[1]))))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
