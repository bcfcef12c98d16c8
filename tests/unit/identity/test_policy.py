"""Policy documents: what is refused, what matches, what a set of policies decides."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagewright.slices.identity.conditions import Condition, context_of
from sagewright.slices.identity.evaluate import Grants, Named, decide, sentence
from sagewright.slices.identity.policy import Request, parse
from sagewright.wire.errors import ServiceError


def doc(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def named(*statements: dict[str, Any], name: str = "p") -> Named:
    return Named(name, parse(doc(*statements)))


def outcome(statements: list[dict[str, Any]], action: str, resource: str, **context: Any) -> str:
    keys = {k.replace("__", ":"): v for k, v in context.items()}
    return decide([named(*statements)], Request(action, resource, context_of(keys))).decision


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json", "invalid Json"),
        ("[]", "Syntax errors"),
        (json.dumps({"Version": "2012-10-17"}), "Syntax errors"),
        (json.dumps({"Version": "2020-01-01", "Statement": [allow("s3:*")]}), "version"),
        (doc({"Effect": "Maybe", "Action": "s3:*", "Resource": "*"}), "Syntax errors"),
        (doc({"Effect": "Allow", "Resource": "*"}), "must contain actions"),
        (doc({"Effect": "Allow", "Action": "s3:*"}), "must contain resources"),
        (doc({**allow("s3:*"), "Typo": 1}), "Syntax errors"),
        (doc(allow("GetObject")), "prefaced by a vendor"),
        (doc(allow("s3:GetObject", "bucket/key")), "ARN format"),
        (doc({**allow("s3:*"), "NotAction": "s3:Get*"}), "Syntax errors"),
        (doc({**allow("s3:*"), "Principal": "*"}), "should not specify a principal"),
        (doc(allow("s3:*", Condition={"StringLooksLike": {"a": "b"}})), "Invalid Condition type"),
        (doc(allow("s3:*", Condition={"StringEquals": "b"})), "Syntax errors"),
        (doc(allow("s3:Get*", Sid="A"), allow("s3:Put*", Sid="A")), "must be unique"),
    ],
)
def test_malformed(text: str, message: str) -> None:
    with pytest.raises(ServiceError, match=message) as caught:
        parse(text)
    assert caught.value.code == "MalformedPolicyDocument"
    assert caught.value.status == 400


def test_trust_policies_have_principals_and_sts_actions_only() -> None:
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    assert parse(doc(trust), "trust")
    for wrong in ({**trust, "Resource": "*"}, {**trust, "Action": "s3:GetObject"}, {k: v for k, v in trust.items() if k != "Principal"}):
        with pytest.raises(ServiceError):
            parse(doc(wrong), "trust")


def test_actions_match_without_case_and_resources_with() -> None:
    statements = [allow("S3:get*", "arn:aws:s3:::Bucket/*")]
    assert outcome(statements, "s3:GetObject", "arn:aws:s3:::Bucket/a/b") == "allowed"
    assert outcome(statements, "s3:GetObject", "arn:aws:s3:::bucket/a") == "implicitDeny"
    assert outcome(statements, "s3:PutObject", "arn:aws:s3:::Bucket/a") == "implicitDeny"


def test_a_wildcard_does_not_reach_over_the_parts_of_an_arn() -> None:
    statements = [allow("iam:*", "arn:aws:iam::1*:role/x")]
    assert outcome(statements, "iam:GetRole", "arn:aws:iam::123:role/x") == "allowed"
    assert outcome(statements, "iam:GetRole", "arn:aws:iam::1:user/evil:role/x") == "implicitDeny"


def test_not_action_and_not_resource() -> None:
    statements = [{"Effect": "Allow", "NotAction": "iam:*", "NotResource": "arn:aws:s3:::secret/*"}]
    assert outcome(statements, "s3:GetObject", "arn:aws:s3:::open/a") == "allowed"
    assert outcome(statements, "s3:GetObject", "arn:aws:s3:::secret/a") == "implicitDeny"
    assert outcome(statements, "iam:GetRole", "*") == "implicitDeny"


def test_policy_variables_are_text_not_wildcards() -> None:
    home = [allow("s3:*", "arn:aws:s3:::homes/${aws:username}/*")]
    assert outcome(home, "s3:GetObject", "arn:aws:s3:::homes/ann/x", aws__username="ann") == "allowed"
    assert outcome(home, "s3:GetObject", "arn:aws:s3:::homes/bob/x", aws__username="*") == "implicitDeny"
    assert outcome(home, "s3:GetObject", "arn:aws:s3:::homes/bob/x") == "implicitDeny"
    fallback = [allow("s3:*", "arn:aws:s3:::homes/${aws:username, 'guest'}/*")]
    assert outcome(fallback, "s3:GetObject", "arn:aws:s3:::homes/guest/x") == "allowed"
    star = [allow("s3:*", "arn:aws:s3:::b/${*}")]
    assert outcome(star, "s3:GetObject", "arn:aws:s3:::b/*") == "allowed"
    assert outcome(star, "s3:GetObject", "arn:aws:s3:::b/x") == "implicitDeny"


def test_an_exception_that_cannot_be_read_grants_nothing() -> None:
    statements = [{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/${aws:username}"}]
    assert outcome(statements, "s3:GetObject", "arn:aws:s3:::b/x") == "implicitDeny"


def test_the_old_version_has_no_variables() -> None:
    policy = Named("p", parse(doc(allow("s3:*", "arn:aws:s3:::b/${aws:username}"), version="2008-10-17")))
    request = Request("s3:GetObject", "arn:aws:s3:::b/${aws:username}", context_of({"aws:username": "ann"}))
    assert decide([policy], request).allowed


CONDITIONS = [
    ("StringEquals", "k", ["a", "b"], {"k": "b"}, True),
    ("StringEquals", "k", ["a"], {"k": "A"}, False),
    ("StringEquals", "k", ["a"], {}, False),
    ("StringEqualsIfExists", "k", ["a"], {}, True),
    ("StringEqualsIgnoreCase", "k", ["a"], {"K": "A"}, True),
    ("StringNotEquals", "k", ["a", "b"], {"k": "b"}, False),
    ("StringNotEquals", "k", ["a"], {}, True),
    ("StringLike", "k", ["a*c?"], {"k": "abbcd"}, True),
    ("StringNotLike", "k", ["a*"], {"k": "b"}, True),
    ("NumericLessThan", "k", ["10"], {"k": "9.5"}, True),
    ("NumericLessThanEquals", "k", ["10"], {"k": "10"}, True),
    ("NumericGreaterThan", "k", ["10"], {"k": "10"}, False),
    ("NumericEquals", "k", ["10"], {"k": "10.0"}, True),
    ("NumericEquals", "k", ["10"], {"k": "ten"}, False),
    ("DateLessThan", "k", ["2030-01-01T00:00:00Z"], {"k": "2029-12-31T23:59:59Z"}, True),
    ("DateGreaterThan", "k", ["2030-01-01T00:00:00Z"], {"k": "1893456001"}, True),
    ("Bool", "k", ["true"], {"k": "True"}, True),
    ("Bool", "k", ["true"], {}, False),
    ("BinaryEquals", "k", ["YWJj"], {"k": "YWJj"}, True),
    ("IpAddress", "k", ["10.0.0.0/8", "::1"], {"k": "10.1.2.3"}, True),
    ("IpAddress", "k", ["10.0.0.0/8"], {"k": "sagewright.internal"}, False),
    ("NotIpAddress", "k", ["10.0.0.0/8"], {"k": "192.168.0.1"}, True),
    ("ArnLike", "k", ["arn:aws:iam::*:role/a*"], {"k": "arn:aws:iam::1:role/ab"}, True),
    ("ArnNotEquals", "k", ["arn:aws:iam::1:role/a"], {"k": "arn:aws:iam::1:role/b"}, True),
    ("Null", "k", ["true"], {}, True),
    ("Null", "k", ["false"], {}, False),
    ("Null", "k", ["false"], {"k": "x"}, True),
    ("ForAllValues:StringEquals", "k", ["a", "b"], {"k": ["a", "b", "a"]}, True),
    ("ForAllValues:StringEquals", "k", ["a", "b"], {"k": ["a", "c"]}, False),
    ("ForAllValues:StringEquals", "k", ["a"], {}, True),
    ("ForAnyValue:StringEquals", "k", ["a", "b"], {"k": ["c", "b"]}, True),
    ("ForAnyValue:StringEquals", "k", ["a"], {"k": ["c"]}, False),
    ("ForAnyValue:StringEquals", "k", ["a"], {}, False),
    ("ForAllValues:StringNotEquals", "k", ["a"], {"k": ["b", "a"]}, False),
    ("StringEquals", "k", ["${aws:username}"], {"k": "ann", "aws:username": "ann"}, True),
    ("StringLike", "k", ["${aws:username}-*"], {"k": "ann-1", "aws:username": "ann"}, True),
]


@pytest.mark.parametrize(("operator", "key", "values", "context", "expected"), CONDITIONS)
def test_condition(operator: str, key: str, values: list[str], context: dict[str, Any], expected: bool) -> None:
    assert Condition.read(operator, key, values).holds(context_of(context)) is expected


def test_an_explicit_deny_wins_and_names_its_statement() -> None:
    grants = Grants((named(allow("s3:*")), named(allow("s3:Get*"), deny("s3:Delete*", Sid="Keep"), name="guard")))
    request = Request("s3:DeleteObject", "arn:aws:s3:::b/k")
    said = sentence("arn:aws:iam::1:user/ann", request, grants.decide(request))
    assert said == (
        "User: arn:aws:iam::1:user/ann is not authorized to perform: s3:DeleteObject on resource: arn:aws:s3:::b/k "
        "with an explicit deny in an identity-based policy (policy guard, statement Keep)"
    )
    request = Request("iam:GetRole", "*")
    assert sentence("who", request, grants.decide(request)).endswith(
        "because no identity-based policy allows the iam:GetRole action"
    )


def test_boundaries_and_sessions_only_narrow() -> None:
    everything, reads = (named(allow("*")),), (named(allow("s3:Get*")),)
    get, put = Request("s3:GetObject", "*"), Request("s3:PutObject", "*")
    assert Grants(everything, boundary=reads).decide(get).allowed
    assert "permissions boundary" in sentence("x", put, Grants(everything, boundary=reads).decide(put))
    assert "session policy" in sentence("x", put, Grants(everything, session=reads).decide(put))
    assert not Grants(reads, session=everything).decide(put).allowed
    assert not Grants((), session=everything).decide(get).allowed
    assert not Grants(everything, boundary=()).decide(get).allowed


# -- against an oracle: the evaluation rules written down a second time, as plainly as they can be

ACTIONS = ["s3:GetObject", "s3:PutObject", "iam:GetRole"]
RESOURCES = ["arn:aws:s3:::a/x", "arn:aws:s3:::b/y"]
statement = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Action": st.lists(st.sampled_from(["*", "s3:*", "s3:Get*", "s3:PutObject", "iam:Get????"]), min_size=1, max_size=2),
        "Resource": st.lists(
            st.sampled_from(["*", "arn:aws:s3:::a/*", "arn:aws:s3:::?/y", "arn:aws:s3:::b/y"]), min_size=1, max_size=2
        ),
    }
)
policies = st.lists(st.lists(statement, min_size=1, max_size=3), max_size=3)


def oracle(sets: list[list[list[dict[str, Any]]] | None], action: str, resource: str) -> str:
    def hits(s: dict[str, Any]) -> bool:
        return any(fnmatchcase(action, a) for a in s["Action"]) and any(fnmatchcase(resource, r) for r in s["Resource"])

    effects = [[s["Effect"] for p in policies for s in p if hits(s)] for policies in sets if policies is not None]
    if any("Deny" in e for e in effects):
        return "explicitDeny"
    return "allowed" if all("Allow" in e for e in effects) else "implicitDeny"


@settings(suppress_health_check=[HealthCheck.too_slow])  # of a busy machine
@given(policies, st.none() | policies, st.none() | policies, st.sampled_from(ACTIONS), st.sampled_from(RESOURCES))
def test_decisions_are_the_oracles(
    identity: list[Any], boundary: list[Any] | None, session: list[Any] | None, action: str, resource: str
) -> None:
    def read(sets: list[Any] | None) -> Any:
        return None if sets is None else tuple(named(*p) for p in sets)

    grants = Grants(read(identity) or (), read(boundary), read(session))
    decision = grants.decide(Request(action, resource)).decision
    assert decision == oracle([identity, boundary, session], action, resource)


words = st.text(alphabet="ab*?", max_size=8)


@given(words, st.text(alphabet="ab", max_size=8))
def test_wildcards_are_fnmatchs(pattern: str, text: str) -> None:
    assert Condition.read("StringLike", "k", [pattern]).holds({"k": (text,)}) is fnmatchcase(text, pattern)


def test_many_wildcards_stay_fast() -> None:
    condition = Condition.read("StringLike", "k", ["a*" * 12 + "b"])
    assert not condition.holds({"k": ("a" * 60,)})
