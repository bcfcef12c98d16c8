"""Says what it was given, word by word, each a line of JSON; a generator's parts leave as they are made."""

import json
import time


def model_fn(model_dir):
    return None


def transform_fn(model, body, content_type, accept):
    asked = json.loads(body)

    def words():
        for number, word in enumerate(asked["text"].split()):
            if word == "FAIL":
                raise ValueError("there is nothing to say after this")
            if number:
                time.sleep(asked.get("pause", 0))
            yield json.dumps({"word": word, "at": time.time()}) + "\n"

    return words(), "application/jsonlines"
