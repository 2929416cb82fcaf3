from __future__ import annotations

import pytest

from reconciler.errors import UsageError
from reconciler.loading.selector import parse_selector

LABELS = {"team": "data", "env": "prod", "example.com/tier": "a"}

FITS = {
    "team=data": True,
    "team==data": True,
    "team=other": False,
    "team!=data": False,
    "team!=other": True,
    "absent!=x": True,
    "absent=x": False,
    "team": True,
    "absent": False,
    "!absent": True,
    "! team": False,
    "env in (prod, test)": True,
    "env in (dev)": False,
    "env notin (dev,test)": True,
    "env notin (prod)": False,
    "absent notin (a)": True,
    "team=data,env=prod": True,
    "team=data , env in (dev,prod),!old": True,
    "team=data,env=dev": False,
    "example.com/tier=a": True,
    "team=": False,
}


@pytest.mark.parametrize("text", FITS)
def test_a_selector_means_what_kubectl_means(text: str) -> None:
    assert parse_selector(text).fits(LABELS) is FITS[text]


@pytest.mark.parametrize(
    "text", ["", ",", "team=data,", "=x", "a b", "a in b", "a in ()", "a in (b", "!a=b", "a=b=c", "-x"]
)
def test_a_selector_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not understood at"):
        parse_selector(text)
