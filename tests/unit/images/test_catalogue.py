"""What image URIs stand for."""

from pathlib import Path

import pytest

from sagewright.agent.environments import Environments, first_of
from sagewright.agent.images import Catalogue, read_declaration, split_uri
from sagewright.agent.interpreters import choose, installed, satisfies
from sagewright.stores.images import UnknownImage

IMAGES = Path(__file__).parents[3] / "images"
HOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue([IMAGES], tmp_path / "environments", tmp_path / "images.toml")


@pytest.mark.parametrize(
    ("uri", "repository", "tag", "requirement"),
    [
        ("sagemaker-xgboost:1.7-1", "sagemaker-xgboost", "1.7-1", "xgboost==1.7.6"),
        ("sagemaker-xgboost:1.7-1-cpu-py3", "sagemaker-xgboost", "1.7-1", "xgboost==1.7.6"),
        ("sagemaker-xgboost:3.0-5", "sagemaker-xgboost", "3.0-5", "xgboost-cpu==3.0.5"),
        ("sagemaker-xgboost:0.90-2-cpu-py3", "sagemaker-xgboost", "0.90-2", "xgboost==0.90"),
        ("sagemaker-xgboost:1.0-1-cpu-py3", "sagemaker-xgboost", "1.0-1", "xgboost==1.0.2"),
        ("xgboost:latest", "xgboost", "1", "xgboost==0.72.1"),
        ("xgboost:1", "xgboost", "1", "xgboost==0.72.1"),
        ("sagemaker-scikit-learn:1.2-1-cpu-py3", "sagemaker-scikit-learn", "1.2-1", "scikit-learn==1.2.2"),
        ("sagemaker-scikit-learn:0.23-1-cpu-py3", "sagemaker-scikit-learn", "0.23-1", "scikit-learn==0.23.2"),
        ("sagemaker-scikit-learn:1.4-2-cpu-py3", "sagemaker-scikit-learn", "1.4-2", "scikit-learn==1.4.2"),
        ("pytorch-training:2.8.0-cpu-py312", "pytorch-training", "2.8.0", "torch==2.8.0"),
        ("pytorch-inference:2.3.0-cpu-py311-ubuntu20.04-sagemaker", "pytorch-inference", "2.3.0", "torch==2.3.0"),
        ("pytorch-training:2.13-cpu-py311", "pytorch-training", "2.13.0", "torch==2.13.0+cpu"),
        ("huggingface-pytorch-training:2.5.1-transformers4.49.0-gpu-py311-cu124-ubuntu22.04", "huggingface-pytorch-training",
         "2.5.1-transformers4.49.0", "transformers==4.49.0"),
        ("huggingface-pytorch-inference:2.6.0-transformers4.51.3-cpu-py312-ubuntu22.04-v2.0", "huggingface-pytorch-inference",
         "2.6.0-transformers4.51.3", "transformers==4.51.3"),
        ("tensorflow-training:2.19.0-cpu-py312", "tensorflow-training", "2.19.0", "tensorflow-cpu==2.19.0"),
        ("tensorflow-inference:2.16.1-cpu", "tensorflow-inference", "2.16.2", "tensorflow-cpu==2.16.2"),
        ("lightgbm:4.7-1", "lightgbm", "4.7-1", "lightgbm==4.7.0"),
    ],
)
def test_tags_of_the_sdks_pick_real_versions(catalogue, uri, repository, tag, requirement):
    image = catalogue.resolve(f"{HOST}/{uri}")
    assert (image.repository, image.tag) == (repository, tag)
    lock = read_declaration(image.folder).tags[tag].lock.read_text()
    assert any(line.startswith((f"{requirement} ", f"{requirement}\\")) for line in lock.splitlines())


def test_gpu_tags_have_a_smaller_build_where_there_is_no_gpu(tmp_path):
    uri = "pytorch-training:2.13.0-gpu-py311-cu130-ubuntu22.04"
    tags = {gpu: Catalogue([IMAGES], tmp_path, gpu=gpu).resolve(uri).tag for gpu in (True, False)}
    assert tags == {True: "2.13.0-gpu", False: "2.13.0"}


def test_another_python_than_the_tag_names_is_no_substitute(catalogue):
    with pytest.raises(UnknownImage, match="has the tags"):
        catalogue.resolve("pytorch-training:2.8.0-cpu-py310")


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/model:3", ("team/model", "3")),
        ("localhost:5000/a:b", ("a", "b")),
        ("python:3.11-slim", ("python", "3.11-slim")),
        ("a", ("a", "latest")),
        ("h.example/a:1@sha256:" + "0" * 64, ("a", "1")),
    ],
)
def test_uris_split(uri, parts):
    assert split_uri(uri) == parts


def test_plain_python(catalogue):
    assert catalogue.resolve("python:3.11-slim").tag == "3.11"
    assert catalogue.resolve(f"{HOST}/sagemaker-base-python:1.0").name == "python"
    assert not catalogue.resolve("python:3.12").builtin


def test_only_the_xgboost_repositories_are_a_builtin(catalogue):
    builtin = {image.repository for image in catalogue.all() if image.builtin}
    assert builtin == {"sagemaker-xgboost", "xgboost"}


def test_unknown_repository_tells_how_to_map_it(catalogue, tmp_path):
    with pytest.raises(UnknownImage) as e:
        catalogue.resolve(f"{HOST}/mxnet-training:1.9.0-cpu-py38")
    assert str(tmp_path / "images.toml") in str(e.value)
    assert "sagemaker-xgboost" in str(e.value)


def test_unknown_tag_names_the_tags_there_are(catalogue):
    with pytest.raises(UnknownImage, match=r"1\.7-1, 3\.0-5"):
        catalogue.resolve("sagemaker-xgboost:9.9-9")


def test_unavailable_tag_says_why(catalogue):
    with pytest.raises(UnknownImage, match=r"0\.20 needs Python 3\.7"):
        catalogue.resolve("sagemaker-scikit-learn:0.20.0-cpu-py3")


def test_operators_own_names(catalogue, tmp_path):
    own = tmp_path / "own"
    (own / "locks").mkdir(parents=True)
    (own / "image.toml").write_text('repositories = ["own"]\n[tags.only]\npython = ">=3.9,<3.14"\n')
    (own / "locks" / "only.txt").write_text("")
    (tmp_path / "images.toml").write_text(
        f'[images]\n"team/trainer" = "sagemaker-xgboost"\n"team/fixed" = "sagemaker-xgboost:3.0-5"\n"team/own:7" = "{own}"\n'
    )
    assert catalogue.resolve(f"{HOST}/team/trainer:1.7-1").tag == "1.7-1"
    assert catalogue.resolve(f"{HOST}/team/fixed:whatever").tag == "3.0-5"
    assert catalogue.resolve(f"{HOST}/team/own:7").folder == own


def test_every_declared_tag_has_a_lock_without_addresses(catalogue):
    for image in catalogue.all():
        text = read_declaration(image.folder).tags[image.tag].lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "/root" not in text


def test_same_lock_shares_one_environment(catalogue):
    first, second = (catalogue.resolve(f"sagemaker-xgboost:{tag}") for tag in ("1.2-1", "1.2-2"))
    assert first.environment == second.environment
    assert first.environment != catalogue.resolve("sagemaker-xgboost:1.7-1").environment


@pytest.mark.parametrize(("minor", "fits"), [((3, 8), False), ((3, 9), True), ((3, 12), True), ((3, 13), False)])
def test_python_range(minor, fits):
    assert satisfies(minor, ">=3.9,<3.13") is fits


def test_bad_range_is_refused():
    with pytest.raises(ValueError, match=r"expected >=3\.N"):
        satisfies((3, 9), "~=3.9")


def test_interpreter_choice():
    found = {(3, 8): Path("a"), (3, 10): Path("b"), (3, 12): Path("c")}
    assert choose(">=3.8,<3.13", found, prefer=(3, 10)) == (3, 10)
    assert choose(">=3.8,<3.13", found, prefer=(3, 11)) == (3, 12)
    assert choose(">=3.13", found, prefer=(3, 11)) is None


def test_shims_are_no_interpreters(tmp_path):
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "python3.99").touch(mode=0o755)
    assert (3, 99) not in installed({"PATH": str(shims), "HOME": str(tmp_path)})
    (shims.rename(tmp_path / "bin"))
    assert installed({"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)})[3, 99] == tmp_path / "bin" / "python3.99"


def test_missing_python_is_named(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    environments = Environments(tmp_path / "e", pythons={(3, 8): Path("/nonexistent/python3.8")})
    path, _ = environments.locate(b"", ">=3.99")
    with pytest.raises(RuntimeError, match=r"needs Python >=3\.99 and this machine has 3\.8"):
        environments.build(path, lock, ">=3.99", lambda line: None)


def test_builders_own_words_and_no_half_environment(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("sagewright-no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n")
    environments = Environments(tmp_path / "e")
    path, _ = environments.locate(lock.read_bytes(), ">=3.9")
    with pytest.raises(RuntimeError, match="sagewright-no-such-package"):
        environments.build(path, lock, ">=3.9", lambda line: None)
    assert not environments.ready(path)


def test_further_indexes_are_asked_only_when_the_machines_own_do_not_do():
    asked: list[list[str]] = []

    def run(options: list[str]) -> None:
        asked.append(options)
        if len(asked) < 2:
            raise RuntimeError("torch is not here")

    first_of(["https://example.com/cpu"], run)
    assert asked == [[], ["--index", "https://example.com/cpu", "--index-strategy", "unsafe-best-match"]]
    first_of(["https://example.com/cpu"], run)
    assert asked[2:] == [[]]
    asked.clear()
    with pytest.raises(RuntimeError, match="torch is not here"):
        first_of([], run)


def test_debris_of_a_killed_builder_is_built_anew(tmp_path):
    lock = tmp_path / "lock.txt"
    lock.write_text("")
    environments = Environments(tmp_path / "e")
    path, _ = environments.locate(b"", ">=3.9")
    path.mkdir(parents=True)
    (path / "half").touch()
    said: list[str] = []
    environments.build(path, lock, ">=3.9", said.append)
    assert environments.ready(path)
    assert not (path / "half").exists()
    before = (path / ".complete").stat().st_mtime_ns
    environments.build(path, lock, ">=3.9", said.append)
    assert (path / ".complete").stat().st_mtime_ns == before
