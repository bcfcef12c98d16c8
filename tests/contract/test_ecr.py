"""ECR by boto3, and the registry below /v2/ as `docker push`, skopeo and crane speak to it."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sagewright.agent.oci.blobs import Blobs
from sagewright.agent.oci.documents import BadImage
from sagewright.agent.oci.reference import parse
from sagewright.agent.oci.remote import Puller
from sagewright.testing import containers
from sagewright.testing.containers import Container, digest, tar
from sagewright.testing.jobs import Jobs
from sagewright.testing.server import TestServer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Got:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["errors"][0]["code"])


@dataclass
class Docker:
    """A client of the registry's own API."""

    server: TestServer
    token: str
    sent: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Got:
        given = {k.replace("_", "-"): v for k, v in headers.items()}
        if self.token:
            given.setdefault("Authorization", f"Basic {self.token}")
        request = urllib.request.Request(self.server.url + path, body, given, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                return Got(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Got(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())

    def push(self, name: str, image: Container, tag: str) -> Got:
        for key, data in image.blobs.items():
            if self("HEAD", f"/v2/{name}/blobs/{key}").status == 200:
                continue
            begun = self("POST", f"/v2/{name}/blobs/uploads/", b"")
            assert begun.status == 202, begun
            half = len(data) // 2
            first = self("PATCH", begun.headers["location"], data[:half], Content_Range=f"0-{half - 1}")
            assert first.headers["range"] == f"0-{half - 1}"
            done = self("PUT", f"{begun.headers['location']}?digest={key}", data[half:], Content_Type="application/octet-stream")
            assert done.status == 201, done
            assert done.headers["docker-content-digest"] == key
        return self("PUT", f"/v2/{name}/manifests/{tag}", image.manifest, Content_Type=MANIFEST)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestServer]:
    with TestServer(tmp_path_factory.mktemp("ecr") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def ecr(registry: TestServer) -> Any:
    return registry.client("ecr")


@pytest.fixture(scope="module")
def docker(registry: TestServer, ecr: Any) -> Docker:
    return Docker(registry, ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Container:
    """Prints its arguments; saves a model."""
    root = containers.root(tmp_path_factory.mktemp("base") / "root", programs=("sh", "cat", "id"))
    say = tar([("bin/say", '#!/bin/sh\necho "say $*"\nid -u\necho model > /opt/ml/model/model.txt\n')])
    return Container([containers.tar_of(root), say], {"Entrypoint": ["/bin/say"], "Env": ["PATH=/bin"]})


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_repositories(ecr: Any) -> None:
    made = ecr.create_repository(repositoryName="team/one", tags=[{"Key": "a", "Value": "b"}])["repository"]
    assert made["repositoryArn"] == "arn:aws:ecr:us-east-1:123456789012:repository/team/one"
    assert made["repositoryUri"].endswith("/team/one")
    assert (made["imageTagMutability"], made["registryId"]) == ("MUTABLE", "123456789012")
    with pytest.raises(ClientError) as error:
        ecr.create_repository(repositoryName="team/one")
    assert code_of(error) == "RepositoryAlreadyExistsException"
    ecr.create_repository(repositoryName="team/two")
    assert ecr.describe_repositories(repositoryNames=["team/one"])["repositories"] == [made]
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 1})
    assert {"team/one", "team/two"} <= {r["repositoryName"] for page in pages for r in page["repositories"]}
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [{"Key": "a", "Value": "b"}]
    ecr.tag_resource(resourceArn=made["repositoryArn"], tags=[{"Key": "c", "Value": "d"}])
    ecr.untag_resource(resourceArn=made["repositoryArn"], tagKeys=["a"])
    assert ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [{"Key": "c", "Value": "d"}]
    ecr.delete_repository(repositoryName="team/one")
    for call in (lambda: ecr.delete_repository(repositoryName="team/one"), lambda: ecr.list_images(repositoryName="team/one"),
                 lambda: ecr.describe_repositories(repositoryNames=["team/one"])):
        with pytest.raises(ClientError) as error:
            call()
        assert code_of(error) == "RepositoryNotFoundException"
        assert "'team/one' does not exist in the registry with id '123456789012'" in str(error.value)
    with pytest.raises(ClientError) as error:
        ecr.describe_repositories(registryId="999999999999")
    assert code_of(error) == "InvalidParameterException"


def test_push_describe_run_delete(ecr: Any, docker: Docker, image: Container, registry: TestServer) -> None:
    """The way of an image: a repository, a push, a job by AWS's own kind of name, and its end."""
    ecr.create_repository(repositoryName="run/me")
    pushed = docker.push("run/me", image, "1")
    assert pushed.status == 201
    key = pushed.headers["docker-content-digest"]
    assert key == digest(image.manifest)
    assert docker.push("run/me", image, "1").status == 201, "the same once more is no error"
    assert docker("PUT", "/v2/run/me/manifests/latest", image.manifest, Content_Type=MANIFEST).status == 201
    assert ecr.list_images(repositoryName="run/me")["imageIds"] == [
        {"imageDigest": key, "imageTag": "1"}, {"imageDigest": key, "imageTag": "latest"}]
    (about,) = ecr.describe_images(repositoryName="run/me", imageIds=[{"imageTag": "1"}])["imageDetails"]
    assert (about["imageDigest"], about["imageTags"], about["imageManifestMediaType"]) == (key, ["1", "latest"], MANIFEST)
    assert about["imageSizeInBytes"] == sum(map(len, image.blobs.values()))
    (got,) = ecr.batch_get_image(repositoryName="run/me", imageIds=[{"imageTag": "1"}, {"imageTag": "no"}])["images"]
    assert got["imageManifest"].encode() == image.manifest

    jobs = Jobs(registry)
    name = jobs.train(image="123456789012.dkr.ecr.us-east-1.amazonaws.com/run/me:1")
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed", jobs.log(name)
    assert jobs.log(name).splitlines() == ["say train", "0"]
    assert jobs.members(jobs.ended(name)["ModelArtifacts"]["S3ModelArtifacts"]) == {"model.txt": b"model\n"}
    uri = ecr.describe_repositories(repositoryNames=["run/me"])["repositories"][0]["repositoryUri"]
    name = jobs.train(image=f"{uri}@{key}", AlgorithmSpecification={"ContainerArguments": ["--epochs", "3"]})
    assert jobs.ended(name)["TrainingJobStatus"] == "Completed", jobs.log(name)
    assert jobs.log(name).splitlines()[0] == "say --epochs 3"
    name = jobs.train(image=f"{uri}:1", AlgorithmSpecification={"ContainerEntrypoint": ["sh", "-c"], "ContainerArguments": ["echo mine; exit 3"]})
    assert "exit code: 3" in jobs.ended(name)["FailureReason"]
    assert jobs.log(name).splitlines() == ["mine"]

    assert ecr.batch_delete_image(repositoryName="run/me", imageIds=[{"imageTag": "latest"}])["imageIds"] == [
        {"imageDigest": key, "imageTag": "latest"}]
    with pytest.raises(ClientError) as error:
        ecr.delete_repository(repositoryName="run/me")
    assert code_of(error) == "RepositoryNotEmptyException"
    gone = ecr.batch_delete_image(repositoryName="run/me", imageIds=[{"imageDigest": key}, {"imageTag": "never"}])
    assert gone["imageIds"] == [{"imageDigest": key, "imageTag": "1"}]
    assert gone["failures"][0]["failureCode"] == "ImageNotFound"
    name = jobs.train(image=f"{uri}:1")
    reason = jobs.ended(name)["FailureReason"]
    assert reason.startswith(f"ClientError: Cannot pull {uri}:1")
    assert "sagewright images import" in reason
    assert "sagewright images map" in reason


def test_processing_runs_the_image_as_it_is(ecr: Any, docker: Docker, registry: TestServer, image: Container) -> None:
    ecr.create_repository(repositoryName="proc")
    made = Container([image.layers[0], tar([("bin/say", '#!/bin/sh\necho "say $*"\necho out > /opt/ml/processing/out/file\n')])],
                     {"Entrypoint": ["/bin/say"], "Cmd": ["as", "given"], "Env": ["PATH=/bin"]})
    assert docker.push("proc", made, "1").status == 201
    jobs = Jobs(registry)
    name = jobs.name("proc")
    jobs.sagemaker.create_processing_job(
        ProcessingJobName=name, RoleArn=jobs.role, AppSpecification={"ImageUri": "proc:1"},
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
        ProcessingOutputConfig={"Outputs": [{"OutputName": "o", "S3Output": {
            "S3Uri": f"s3://{jobs.bucket}/{name}", "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}}]},
    )
    jobs.sagemaker.get_waiter("processing_job_completed_or_stopped").wait(
        ProcessingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert jobs.log(name, "/aws/sagemaker/ProcessingJobs").splitlines() == ["say as given"]
    assert jobs.get(f"s3://{jobs.bucket}/{name}/file") == b"out\n"


def test_immutable_tags(ecr: Any, docker: Docker) -> None:
    ecr.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    first, second = (Container([tar([("a", text)])]) for text in ("1", "2"))
    assert docker.push("fixed", first, "1").status == 201
    refused = docker.push("fixed", second, "1")
    assert (refused.status, refused.code) == (400, "TAG_INVALID")
    with pytest.raises(ClientError) as error:
        ecr.put_image(repositoryName="fixed", imageManifest=second.manifest.decode(), imageTag="1")
    assert code_of(error) == "ImageTagAlreadyExistsException"
    with pytest.raises(ClientError) as error:
        ecr.put_image(repositoryName="fixed", imageManifest=first.manifest.decode(), imageTag="1")
    assert code_of(error) == "ImageAlreadyExistsException"
    ecr.put_image_tag_mutability(repositoryName="fixed", imageTagMutability="MUTABLE")
    assert docker.push("fixed", second, "1").status == 201


def test_layers_by_the_aws_api(ecr: Any) -> None:
    ecr.create_repository(repositoryName="parts")
    image = Container([tar([("a", "x" * 100_000)])], compress=False)
    with pytest.raises(ClientError) as error:
        ecr.put_image(repositoryName="parts", imageManifest=image.manifest.decode(), imageTag="1")
    assert code_of(error) == "LayersNotFoundException"
    for key, data in image.blobs.items():
        upload = ecr.initiate_layer_upload(repositoryName="parts")["uploadId"]
        half = len(data) // 2
        given: dict[str, Any] = {"repositoryName": "parts", "uploadId": upload}
        ecr.upload_layer_part(**given, partFirstByte=0, partLastByte=half - 1, layerPartBlob=data[:half])
        with pytest.raises(ClientError) as error:
            ecr.upload_layer_part(**given, partFirstByte=half + 1, partLastByte=len(data), layerPartBlob=data[half:])
        assert code_of(error) == "InvalidLayerPartException"
        ecr.upload_layer_part(**given, partFirstByte=half, partLastByte=len(data) - 1, layerPartBlob=data[half:])
        assert ecr.complete_layer_upload(**given, layerDigests=[key])["layerDigest"] == key
    upload = ecr.initiate_layer_upload(repositoryName="parts")["uploadId"]
    with pytest.raises(ClientError) as error:
        ecr.complete_layer_upload(repositoryName="parts", uploadId=upload, layerDigests=[digest(b"other")])
    assert code_of(error) == "InvalidLayerException"
    layers = ecr.batch_check_layer_availability(repositoryName="parts", layerDigests=[*image.blobs, digest(b"no")])["layers"]
    assert [layer["layerAvailability"] for layer in layers] == ["AVAILABLE", "AVAILABLE", "UNAVAILABLE"]
    assert ecr.put_image(repositoryName="parts", imageManifest=image.manifest.decode(), imageTag="1")["image"]["imageId"]["imageTag"] == "1"


def test_the_registrys_own_api(ecr: Any, docker: Docker, registry: TestServer) -> None:
    ecr.create_repository(repositoryName="v2/api")
    image = Container([tar([("a", "1")])])
    unknown = docker("POST", "/v2/no/such/blobs/uploads/", b"")
    assert (unknown.status, unknown.code) == (404, "NAME_UNKNOWN")
    missing = docker("PUT", "/v2/v2/api/manifests/1", image.manifest, Content_Type=MANIFEST)
    assert (missing.status, missing.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    broken = docker("PUT", "/v2/v2/api/manifests/1", b"{}", Content_Type=MANIFEST)
    assert broken.status == 400
    assert docker.push("v2/api", image, "1").status == 201
    key, layer = digest(image.manifest), digest(image.packed[0])
    for reference in ("1", key):
        got = docker("GET", f"/v2/v2/api/manifests/{reference}")
        assert (got.body, got.headers["content-type"], got.headers["docker-content-digest"]) == (image.manifest, MANIFEST, key)
        head = docker("HEAD", f"/v2/v2/api/manifests/{reference}")
        assert (head.status, head.headers["content-length"], head.body) == (200, str(len(image.manifest)), b"")
    assert docker("GET", "/v2/v2/api/manifests/none").code == "MANIFEST_UNKNOWN"
    whole = docker("GET", f"/v2/v2/api/blobs/{layer}").body
    assert whole == image.packed[0]
    part = docker("GET", f"/v2/v2/api/blobs/{layer}", Range="bytes=5-9")
    assert (part.status, part.body, part.headers["content-range"]) == (206, whole[5:10], f"bytes 5-9/{len(whole)}")
    assert docker("GET", f"/v2/v2/api/blobs/{layer}", Range=f"bytes={len(whole)}-").status == 416
    assert docker("GET", f"/v2/v2/api/blobs/{digest(b'no')}").code == "BLOB_UNKNOWN"
    begun = docker("POST", "/v2/v2/api/blobs/uploads/", b"")
    out_of_order = docker("PATCH", begun.headers["location"], b"xx", Content_Range="5-6")
    assert out_of_order.status == 416
    docker("PATCH", begun.headers["location"], b"abc")
    progress = docker("GET", begun.headers["location"])
    assert (progress.status, progress.headers["range"]) == (204, "0-2")
    lying = docker("PUT", f"{begun.headers['location']}?digest={digest(b'xyz')}", b"")
    assert (lying.status, lying.code) == (400, "DIGEST_INVALID")
    whole_at_once = docker("POST", f"/v2/v2/api/blobs/uploads/?digest={digest(b'once')}", b"once")
    assert whole_at_once.status == 201
    ecr.create_repository(repositoryName="v2/other")
    mounted = docker("POST", f"/v2/v2/other/blobs/uploads/?mount={layer}&from=v2/api", b"")
    assert mounted.status == 201
    assert docker("HEAD", f"/v2/v2/other/blobs/{layer}").status == 200
    docker("PUT", "/v2/v2/api/manifests/2", image.manifest, Content_Type=MANIFEST)
    page = docker("GET", "/v2/v2/api/tags/list?n=1")
    assert json.loads(page.body) == {"name": "v2/api", "tags": ["1"]}
    assert json.loads(docker("GET", page.headers["link"].split(">")[0][1:]).body)["tags"] == ["2"]
    assert "v2/api" in json.loads(docker("GET", "/v2/_catalog").body)["repositories"]
    assert docker("DELETE", f"/v2/v2/api/manifests/{key}").status == 202
    assert docker("GET", "/v2/v2/api/manifests/1").status == 404
    for path in ("/v2/v2/api/blobs/uploads/../x", "/v2/%2e%2e/x/tags/list", "/v2/UPPER/tags/list", "/v2/a/../b/tags/list", "/v2/x"):
        assert docker("GET", path).status in (400, 404, 405), path


def test_who_may_push_and_pull(ecr: Any, docker: Docker, registry: TestServer) -> None:
    stranger = Docker(registry, "")
    refused = stranger("GET", "/v2/")
    assert (refused.status, refused.code) == (401, "UNAUTHORIZED")
    assert refused.headers["www-authenticate"].startswith("Basic realm=")
    operator = base64.b64decode(docker.token).decode()
    for said in ("AWS:wrong", operator[:-3] + "xyz", operator.replace("AWS:", "root:"), "AWS:" + "a" * 5000, ""):
        assert Docker(registry, base64.b64encode(said.encode()).decode())("GET", "/v2/").status == 401, said
    assert stranger("GET", "/v2/", Authorization="Bearer abc").status == 401
    ecr.create_repository(repositoryName="mine")
    ecr.create_repository(repositoryName="theirs")
    image = Container([tar([("a", "secret")])])
    assert docker.push("theirs", image, "1").status == 201
    iam = registry.client("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    actions = ["ecr:BatchGetImage", "ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload",
               "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"]
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Effect": "Allow", "Action": actions, "Resource": "arn:aws:ecr:*:*:repository/mine"}]}
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=json.dumps(policy))
    as_ann = boto3.client("ecr", endpoint_url=registry.url, region_name="us-east-1", aws_access_key_id=key["AccessKeyId"],
                          aws_secret_access_key=key["SecretAccessKey"])
    ann = Docker(registry, as_ann.get_authorization_token()["authorizationData"][0]["authorizationToken"])
    assert ann.push("mine", image, "1").status == 201
    for method, path in (("GET", "/v2/theirs/manifests/1"), ("GET", f"/v2/theirs/blobs/{digest(image.packed[0])}"),
                         ("POST", "/v2/theirs/blobs/uploads/"), ("GET", "/v2/_catalog"), ("GET", "/v2/mine/tags/list"),
                         ("POST", f"/v2/mine/blobs/uploads/?mount={digest(image.packed[0])}&from=theirs"),
                         ("DELETE", "/v2/mine/manifests/1")):
        denied = ann(method, path, b"" if method == "POST" else None)
        assert (denied.status, denied.code) == (403, "DENIED"), (method, path, denied)
        assert "ecr:" in json.loads(denied.body)["errors"][0]["message"]
    assert ann("PUT", "/v2/theirs/manifests/2", image.manifest, Content_Type=MANIFEST).status == 403
    iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    assert ann("GET", "/v2/").status == 401, "a key that is gone takes its tokens along"


def test_pulled_from_a_registry(ecr: Any, docker: Docker, registry: TestServer, tmp_path: Path) -> None:
    """Our own registry is a registry: another store pulls from it, the platform's part of an index."""
    ecr.create_repository(repositoryName="far/away")
    mine, other = Container([tar([("a", "mine")])]), Container([tar([("a", "other")])], arch="riscv64")
    for one, tag in ((mine, "mine"), (other, "other")):
        assert docker.push("far/away", one, tag).status == 201
    index = mine.index(other)
    assert docker("PUT", "/v2/far/away/manifests/both", index, Content_Type="application/vnd.oci.image.index.v1+json").status == 201
    user, _, password = base64.b64decode(docker.token).decode().partition(":")
    store = Blobs(tmp_path / "oci")
    puller = Puller(store, lambda host: (user, password))
    host = registry.url.removeprefix("http://")
    said: list[str] = []
    pulled = puller.pull(parse(f"{host}/far/away:both"), said.append)
    assert pulled.digest == digest(index)
    assert store.has(digest(mine.packed[0]))
    assert not store.has(digest(other.packed[0]))
    assert any("Downloading part 1 of 2" in line for line in said)
    puller.pull(parse(f"{host}/far/away@{digest(mine.manifest)}"), said.append)
    with pytest.raises(BadImage, match="has no far/away nothing"):
        puller.pull(parse(f"{host}/far/away:nothing"))
    with pytest.raises(BadImage, match=r"asks for a password"):
        Puller(store, lambda host: None).pull(parse(f"{host}/far/away:both"))


def test_images_outlive_a_kill(tmp_path: Path, image: Container) -> None:
    with TestServer(tmp_path / "data") as server:
        ecr = server.client("ecr")
        ecr.create_repository(repositoryName="kept")
        docker = Docker(server, ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"])
        assert docker.push("kept", image, "1").status == 201
        server.kill()
        server.start()
        assert docker("GET", "/v2/kept/manifests/1").status == 200, "tokens outlive it, too"
        jobs = Jobs(server)
        name = jobs.train(image="kept:1")
        assert jobs.ended(name)["TrainingJobStatus"] == "Completed", jobs.log(name)


def test_a_registry_that_the_operator_allows_is_pulled_from(
    ecr: Any, docker: Docker, registry: TestServer, image: Container, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job names an image of another registry: fetched when it is first needed, with Docker's credentials, and kept."""
    ecr.create_repository(repositoryName="auto/pull")
    assert docker.push("auto/pull", image, "1").status == 201
    host = registry.url.removeprefix("http://")
    (tmp_path / "config.json").write_text(json.dumps({"auths": {host: {"auth": docker.token}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with TestServer(tmp_path / "data", {"registries": host}) as server:
        jobs = Jobs(server)
        for _ in range(2):
            name = jobs.train(image=f"{host}/auto/pull:1")
            assert jobs.ended(name)["TrainingJobStatus"] == "Completed", jobs.log(name)
            assert jobs.log(name).splitlines() == ["say train", "0"]
            docker("DELETE", "/v2/auto/pull/manifests/1")  # the second job does not ask again
        name = jobs.train(image=f"{host}/auto/nothing:1")
        assert f"{host} has no auto/nothing 1" in jobs.ended(name)["FailureReason"]
        name = jobs.train(image="ghcr.io/team/other:1")
        assert "is not known" in jobs.ended(name)["FailureReason"]
