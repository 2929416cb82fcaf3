"""What an IdentityPolicy manifest says: one policy of a user or role of the Provider's account."""

from __future__ import annotations

from typing import Annotated, ClassVar

from reconciler.resources.field_types import text
from reconciler.resources.policy_document import DocumentSpec

Holder = Annotated[
    str,
    text(
        r"arn:aws[a-z-]*:iam::[0-9]{12}:(user|role)/([A-Za-z0-9_+=,.@/-]*/)?[A-Za-z0-9_+=,.@-]{1,128}",
        "the ARN of a user or role, such as arn:aws:iam::111122223333:role/app",
    ),
]


class IdentityPolicySpec(DocumentSpec):
    """``principal`` holds the policy. Its name there is the resource's."""

    name_pattern: ClassVar[str] = r"[A-Za-z0-9_+=,.@-]{1,128}"
    name_form: ClassVar[str] = "1 to 128 letters, digits and _ + = , . @ -"
    of_identity: ClassVar[bool] = True

    principal: Holder
