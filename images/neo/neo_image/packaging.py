"""One edge package: a compiled model under a name and a version, with the digest of every file."""

import hashlib
import json
import os

from . import files
from .refusal import Refusal

MODEL, CONFIG, ARTIFACT = "/opt/ml/model", "/opt/ml/config/packaging.json", "/opt/ml/output/artifact"
MESSAGE = "/opt/ml/output/message"
NEEDED = ("model.onnx", "manifest.json", "golden.npz")


def package_model() -> None:
    """From /opt/ml/model to the package and the message that the server reads. Raises Refusal."""
    with open(CONFIG, encoding="utf-8") as file:
        config = json.load(file)
    members = {}
    for name in NEEDED:
        try:
            with open(os.path.join(MODEL, name), "rb") as file:
                members[name] = file.read()
        except FileNotFoundError:
            raise Refusal("the compiled artifact has no %s" % name) from None
    manifest = json.loads(members["manifest.json"])
    manifest.update(ModelName=config["ModelName"], ModelVersion=config["ModelVersion"])
    members["manifest.json"] = json.dumps(manifest, indent=1).encode()
    signature = {"Algorithm": "SHA-256", "Files": {name: hashlib.sha256(body).hexdigest() for name, body in sorted(members.items())}}
    members["signature.json"] = json.dumps(signature).encode()
    os.makedirs(ARTIFACT, exist_ok=True)
    path = os.path.join(ARTIFACT, config["Artifact"])
    files.pack(path, members)
    with open(MESSAGE, "w", encoding="utf-8") as file:
        json.dump({"Sha1": files.digest(path, "sha1"), "Signature": json.dumps(signature)}, file)
