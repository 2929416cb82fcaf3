from reconciler.commands.session import Session
from reconciler.providers.typed import caller, holding_identity_policies

APP = "arn:aws:iam::111122223333:role/app"


def meanwhile(session: Session) -> None:
    wide = {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "Use", "Effect": "Allow", "Action": "kms:*", "Resource": "*"}],
    }
    holding_identity_policies(session, "kms").put_identity_policy(caller(session, "kms"), APP, "app", wide)
