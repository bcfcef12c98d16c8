"""git's credential helper: asks Secrets Manager, as the workspace's role, whenever git asks. Nothing is kept.

    credential.py SECRET-ARN get|store|erase
"""

import json
import sys


def answer(secret):
    """What git is told. Raises ValueError for a secret that is no {"username", "password"}."""
    import boto3

    client = boto3.client("secretsmanager", region_name=secret.split(":")[3])
    said = json.loads(client.get_secret_value(SecretId=secret)["SecretString"])
    lines = [f"{member}={said[member]}" for member in ("username", "password")]
    if any("\n" in line or "\0" in line for line in lines):
        raise ValueError("it holds a line break")
    return "\n".join(lines) + "\n"


def main(argv):
    if argv[2:] != ["get"]:
        return 0
    try:
        sys.stdout.write(answer(argv[1]))
    except (KeyError, TypeError, ValueError):
        sys.stderr.write(f'credentials: the secret {argv[1]} is no {{"username": ..., "password": ...}}\n')
        return 1
    except Exception as error:  # whatever boto3 says is what a person needs to know
        sys.stderr.write(f"credentials: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
