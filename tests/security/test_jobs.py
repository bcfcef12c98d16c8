"""What a hostile job leaves behind, and inputs named to break out: nothing of the machine comes with it."""

from __future__ import annotations

import io
import os
import tarfile

from .conftest import BUCKET, Fort

LEAVE = """
import os
def attempt(make, *args):
    try:
        make(*args)
    except OSError as error:
        print(make.__name__, args, error.strerror)
for folder in ('/opt/ml/model', '/opt/ml/output/data'):
    attempt(os.symlink, '/etc/shadow', folder + '/shadow')
    attempt(os.symlink, '/', folder + '/root')
    attempt(os.symlink, '../../../../../../../../etc', folder + '/etc')
    attempt(os.symlink, '/proc/1/environ', folder + '/environ')
    attempt(os.mkfifo, folder + '/pipe')
    attempt(os.mknod, folder + '/disk', 0o60644, os.makedev(8, 0))
    attempt(os.link, '/opt/ml/input/data/train/secret', folder + '/linked')
    open(folder + '/honest', 'w').write('honest')
    os.chmod(folder + '/honest', 0o6777)
attempt(os.unlink, '/opt/ml/output/failure')
os.symlink('/etc/passwd', '/opt/ml/output/failure')
raise SystemExit(CODE)
"""


def test_links_in_outputs_lead_nowhere(fort: Fort) -> None:
    data = fort.jobs.put("inputs/secret", b"input")
    name = fort.jobs.train(LEAVE.replace("CODE", "0"), data=data.removesuffix("secret"))
    job = fort.jobs.ended(name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    for key in ("model.tar.gz", "output.tar.gz"):
        content = fort.jobs.get(f"s3://{BUCKET}/out/{name}/output/{key}")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            members = {m.name: m for m in archive}
        assert members.keys() <= {"honest", "linked"}, members
        assert members["honest"].mode & 0o7000 == 0
        assert all(m.isreg() for m in members.values())
    assert fort.client("s3").get_object(Bucket=BUCKET, Key="inputs/secret")["Body"].read() == b"input"


def test_a_failure_file_that_is_a_link_is_not_read(fort: Fort) -> None:
    job = fort.jobs.ended(fort.jobs.train(LEAVE.replace("CODE", "3")))
    assert job["TrainingJobStatus"] == "Failed"
    assert "root:" not in job["FailureReason"]
    assert "exit code: 3" in job["FailureReason"]


def test_keys_that_lead_out_of_a_channel(fort: Fort) -> None:
    s3 = fort.client("s3")
    for number, key in enumerate(("../../../../evil", "a/../../../evil", "..")):
        prefix = f"channel-{number}/"
        s3.put_object(Bucket=BUCKET, Key=prefix + key, Body=b"evil")
        job = fort.jobs.ended(fort.jobs.train("print('ran')", data=f"s3://{BUCKET}/{prefix}"))
        assert job["TrainingJobStatus"] == "Failed"
        assert "cannot be a file name" in job["FailureReason"]
        # the job's folder may be going away meanwhile: a walk does not mind
        assert not [place for place, _, files in os.walk(fort.server.data.parent) if "evil" in files]
        s3.delete_object(Bucket=BUCKET, Key=prefix + key)


def test_inputs_cannot_be_written_back(fort: Fort) -> None:
    """Zero-copy staging: the job sees the store's own file, and changes nothing of it."""
    data = fort.jobs.put("frozen/file", b"frozen")
    code = """
import os
path = '/opt/ml/input/data/train/file'
for attempt in (lambda: open(path, 'w').write('changed'), lambda: os.chmod(path, 0o777), lambda: os.truncate(path, 0),
                lambda: os.utime(path, (0, 0)), lambda: os.unlink(path), lambda: os.rename(path, path + '2')):
    try:
        attempt()
    except OSError as error:
        print(error)
"""
    fort.jobs.ended(fort.jobs.train(code, data=data.removesuffix("file")))
    before = fort.client("s3").head_object(Bucket=BUCKET, Key="frozen/file")
    assert before["ContentLength"] == 6
    assert fort.jobs.get(data) == b"frozen"
