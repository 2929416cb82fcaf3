"""``reconciler serve`` as a process, asked by boto3 and by hand."""

from __future__ import annotations

import http.client
import ipaddress
import json
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.providers.keys import KeyRequest
from reconciler.providers.typed import caller, key_provider
from reconciler.serving.credentials import Credential, made_credential
from reconciler.serving.kept_credentials import KeptCredentials
from reconciler.state.initialise import prepare_home
from reconciler.state.seal import create_seal, open_seal
from tests.serving.processes import Served, environment, serving
from tests.serving.signing import call, send, signed_headers, target
from tests.world import provider

ACCOUNT = "111122223333"
PLATFORM = f"arn:aws:iam::{ACCOUNT}:role/platform"
STRANGER = f"arn:aws:iam::{ACCOUNT}:user/stranger"
TESTING = ("testing", "testing")


def client(service: str, host: str, key: tuple[str, str] = TESTING, *, region: str = "eu-west-1", **more: Any) -> Any:
    return boto3.client(
        service,
        endpoint_url=more.pop("url", f"http://{host}"),
        region_name=region,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        config=Config(retries={"total_max_attempts": 1}),
        **more,
    )


@pytest.fixture(scope="module")
def ephemeral(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("ephemeral")
    temporary = folder / "tmp"
    temporary.mkdir()
    arguments = [
        "--ephemeral",
        *("--principal", "admin=testing:testing"),
        *("--principal", f"{STRANGER}=stranger:secret/+="),
        *("--account", ACCOUNT),
    ]
    with serving(folder, arguments, TMPDIR=str(temporary)) as found:
        yield found
        assert found.stop() == 0
        assert list(temporary.iterdir()) == [], "the throw-away home is left behind"
        assert "Traceback" not in found.errors


def test_its_first_line_says_where_it_listens(ephemeral: Served) -> None:
    assert ephemeral.greeting == f"listening on http://{ephemeral.host}\n"


def test_clients_are_told_who_they_are(ephemeral: Served) -> None:
    for key, arn in ((TESTING, f"arn:aws:iam::{ACCOUNT}:user/admin"), (("stranger", "secret/+="), STRANGER)):
        sts = client("sts", ephemeral.host, key)
        found = sts.get_caller_identity()
        assert (found["Account"], found["Arn"]) == (ACCOUNT, arn)
        sts.close()


@pytest.mark.parametrize(
    ("service", "key", "code", "status"),
    [
        ("kms", ("testing", "wrong"), "InvalidSignatureException", 400),
        ("kms", ("nobody", "x"), "UnrecognizedClientException", 400),
        ("sts", ("testing", "wrong"), "SignatureDoesNotMatch", 403),
        ("sts", ("nobody", "x"), "InvalidClientTokenId", 403),
    ],
)
def test_boto3_knows_each_refusal(
    ephemeral: Served, service: str, key: tuple[str, str], code: str, status: int
) -> None:
    found = client(service, ephemeral.host, key)
    with pytest.raises(ClientError) as refused:
        found.get_caller_identity() if service == "sts" else found.describe_key(KeyId="alias/x")
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    found.close()


def test_a_key_that_is_not_there_is_not_found_and_the_answer_has_its_requests_id(ephemeral: Served) -> None:
    kms = client("kms", ephemeral.host)
    with pytest.raises(kms.exceptions.NotFoundException) as refused:
        kms.describe_key(KeyId="alias/none")
    metadata = refused.value.response["ResponseMetadata"]
    assert len(metadata["RequestId"]) == 36
    assert metadata["HTTPHeaders"]["content-type"] == "application/x-amz-json-1.1"
    kms.close()


BAD_REQUESTS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no JSON": (b"{", target("DescribeKey"), 400, "SerializationException"),
    "another type": (b'{"KeyId": 1}', target("DescribeKey"), 400, "SerializationException"),
    "a member twice": (b'{"KeyId": "a", "KeyId": "b"}', target("DescribeKey"), 400, "SerializationException"),
    "too deep": (b'{"a":' + b"[" * 9000 + b"]" * 9000 + b"}", target("DescribeKey"), 400, "SerializationException"),
    "no UTF-8": (b'{"KeyId": "\xff"}', target("DescribeKey"), 400, "SerializationException"),
    "a missing member": (b"{}", target("DescribeKey"), 400, "ValidationException"),
    "an unknown operation": (b"{}", target("Mine"), 400, "UnknownOperationException"),
    "another service": (b"{}", {"X-Amz-Target": "DynamoDB_20120810.ListTables"}, 400, "UnknownOperationException"),
    "no target": (b"{}", {}, 400, "UnknownOperationException"),
    "too large": (b" " * 1_100_000 + b"{}", target("DescribeKey"), 413, "RequestEntityTooLargeException"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_a_bad_request_is_refused(name: str, ephemeral: Served) -> None:
    body, headers, status, code = BAD_REQUESTS[name]
    now = datetime.now(UTC)
    found = send(ephemeral.host, body, signed_headers(body, headers, host=ephemeral.host, key=TESTING, now=now))
    assert (found.status, found.json["__type"]) == (status, code)
    assert len(found.headers["x-amzn-requestid"]) == 36


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("POST", "/"), ("POST", "/x"), ("PUT", "/metrics/x")])
def test_what_nobody_signed_is_refused_wherever_it_goes(ephemeral: Served, method: str, path: str) -> None:
    found = send(ephemeral.host, b"", {}, method=method, path=path)
    assert (found.status, found.json["__type"]) == (400, "MissingAuthenticationTokenException")


def test_a_form_that_is_put_is_answered_as_whatever_else_is_no_operation(ephemeral: Served) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    found = send(ephemeral.host, b"Action=GetCallerIdentity", form, method="PUT")
    assert (found.status, found.json["__type"]) == (400, "MissingAuthenticationTokenException")
    assert found.headers["content-type"] == "application/x-amz-json-1.1"


def test_a_thousand_connections_without_a_request_hold_nobody_up(ephemeral: Served) -> None:
    name, _, port = ephemeral.host.partition(":")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    head = b"POST / HTTP/1.1\r\nHost: x\r\n"
    try:
        for said in (b"", head, head + b"\r\n"):  # nothing; a head that never ends; a request, and then nothing
            with ExitStack() as closing:
                for _ in range(1000):
                    one = closing.enter_context(socket.create_connection((name, int(port)), timeout=10))
                    one.sendall(said)
                for _ in range(3):
                    began = time.monotonic()
                    assert call(ephemeral.host, "ListKeys", {}, key=TESTING).status == 200
                    assert time.monotonic() - began < 3  # 10 s is what each of them is waited for
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_metrics_count_and_name_nobody(ephemeral: Served) -> None:
    call(ephemeral.host, "DescribeKey", {"KeyId": "alias/none"}, key=TESTING)
    call(ephemeral.host, "MadeUp", {}, key=TESTING)
    page = send(ephemeral.host, b"", {}, method="GET", path="/metrics").body.decode()
    assert 'reconciler_requests_total{error="NotFoundException",operation="DescribeKey"}' in page
    assert 'reconciler_request_seconds_bucket{le="0.01",operation="DescribeKey"}' in page
    assert "reconciler_requests_in_flight 0.0" in page
    for word in ("testing", "alias", ACCOUNT, "MadeUp", "stranger"):
        assert word not in page


def test_a_reset_is_a_post_and_leaves_the_access_keys(ephemeral: Served) -> None:
    assert send(ephemeral.host, b"", {}, path="/_reset").status == 200
    assert send(ephemeral.host, b"", {}, method="GET", path="/_reset").status != 200
    assert (
        call(ephemeral.host, "DescribeKey", {"KeyId": "alias/none"}, key=TESTING).json["__type"] == "NotFoundException"
    )


def test_without_a_principal_an_administrators_access_key_is_printed(tmp_path: Path) -> None:
    with serving(tmp_path, ["--ephemeral"]) as found:
        assert found.process.stdout is not None
        lines = [found.process.stdout.readline().strip() for _ in range(8)]
        said = dict(line.split("=", 1) for line in lines if "=" in line)
        assert said["AWS_ENDPOINT_URL_KMS"] == said["AWS_ENDPOINT_URL_STS"] == f"http://{found.host}"
        key = (said["AWS_ACCESS_KEY_ID"], said["AWS_SECRET_ACCESS_KEY"])
        sts = client("sts", found.host, key, region=said["AWS_DEFAULT_REGION"])
        assert sts.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/admin"
        sts.close()
        assert found.stop(signal.SIGINT) == 0
        assert found.errors == ""


# --- A home that stays ------------------------------------------------------------------------------------------------


class Project:
    """A project with a key, made in process, and access keys for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "manifests").mkdir()
        (folder / "manifests" / "all.yaml").write_text(provider())
        (folder / "reconciler.yaml").write_text("home: home\n")
        self.home = folder / "home"
        with Session(Globals(directory=str(folder))) as session:
            prepare_home(session.fs, session.random, self.home)
            create_seal(session.fs, session.random, self.home)
            self.kept = KeptCredentials(session.fs, session.random, self.home, open_seal(session.fs, self.home))
            self.platform = self._made(session, PLATFORM)
            self.stranger = self._made(session, STRANGER)
            keys = key_provider(session, "kms")
            made = keys.create_key(caller(session, "kms"), KeyRequest(description="made in process"), token="t")
            self.key_id, self.key_arn = made.key_id, made.arn

    def _made(self, session: Session, principal: str) -> tuple[str, str]:
        made: Credential = made_credential(session.random.bytes, principal, session.clock.now())
        self.kept.keep(made)
        return made.access_key_id, made.secret


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("project"))


def test_it_is_one_door_in_process_and_here_and_several_processes_have_it(project: Project) -> None:
    with serving(project.folder) as one, serving(project.folder) as two:
        wrapped = {}
        for served in (one, two):
            kms = client("kms", served.host, project.platform)
            assert kms.describe_key(KeyId=project.key_id)["KeyMetadata"]["Description"] == "made in process"
            made = kms.generate_data_key(KeyId=project.key_id, KeySpec="AES_256", EncryptionContext={"a": "b"})
            assert made["KeyId"] == project.key_arn
            wrapped[made["CiphertextBlob"]] = made["Plaintext"]
            kms.close()
        with ThreadPoolExecutor(8) as pool:
            found = list(
                pool.map(
                    lambda n: call(
                        (one, two)[n % 2].host, "DescribeKey", {"KeyId": project.key_id}, key=project.platform
                    ),
                    range(40),
                )
            )
        assert {each.status for each in found} == {200}
        assert send(one.host, b"", {}, method="GET", path="/healthz").json == {"status": "ok"}
        assert send(one.host, b"", {}, path="/_reset").status == 400, "a home that stays is never emptied"
        assert one.stop() == 0
        assert two.stop() == 0
        assert one.errors + two.errors == ""
    with Session(Globals(directory=str(project.folder))) as session:
        keys = key_provider(session, "kms")
        for ciphertext, plaintext in wrapped.items():
            with keys.decrypt(caller(session, "kms"), ciphertext, {"a": "b"}).plaintext as opened:
                assert bytes(opened.expose_key_bytes()) == plaintext


def test_who_has_no_permission_is_denied(project: Project) -> None:
    with serving(project.folder) as served:
        kms = client("kms", served.host, project.stranger)
        with pytest.raises(ClientError) as refused:
            kms.generate_data_key(KeyId=project.key_id, KeySpec="AES_256")
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
        assert STRANGER in refused.value.response["Error"]["Message"]
        kms.close()


def test_a_killed_server_starts_again_and_has_all_it_had(project: Project) -> None:
    with serving(project.folder) as served, ThreadPoolExecutor(4) as pool:
        asked = {"KeyId": project.key_id, "KeySpec": "AES_256"}
        running = [pool.submit(call, served.host, "GenerateDataKey", asked, key=project.platform) for _ in range(30)]
        running[5].result()
        served.stop(signal.SIGKILL)
        for each in running:
            each.exception()
    with serving(project.folder) as again:
        assert call(again.host, "GenerateDataKey", asked, key=project.platform).status == 200


def test_health_says_which_store_cannot_be_opened(tmp_path: Path) -> None:
    damaged = Project(tmp_path)
    place = damaged.home / "softkms" / ACCOUNT / "eu-west-1"
    (place / "seal.key").rename(place / "elsewhere")
    with serving(damaged.folder) as served:
        found = send(served.host, b"", {}, method="GET", path="/healthz")
        assert (found.status, found.json) == (503, {"status": "unhealthy", "problems": ["kms: damaged-store"]})
        asked = {"KeyId": damaged.key_id, "KeySpec": "AES_256"}
        refused = call(served.host, "GenerateDataKey", asked, key=damaged.platform)
        assert (refused.status, refused.json["__type"]) == (500, "KMSInternalException")
        assert str(damaged.home) not in refused.body.decode()
        assert "damaged-store" in served.errors
        (place / "elsewhere").rename(place / "seal.key")
        assert send(served.host, b"", {}, method="GET", path="/healthz").status == 200
        assert call(served.host, "GenerateDataKey", asked, key=damaged.platform).status == 200


def test_a_revoked_access_key_is_refused_by_a_running_server_and_a_new_one_taken(project: Project) -> None:
    def reconciler(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "reconciler", "serve", "credentials", *arguments],
            cwd=project.folder,
            env=environment(project.folder, {}),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    with serving(project.folder) as served:
        made = json.loads(reconciler("make", "--principal", PLATFORM, "--format", "json"))
        key = (made["accessKeyId"], made["secretAccessKey"])
        asked = {"KeyId": project.key_id}
        assert call(served.host, "DescribeKey", asked, key=key).status == 200
        reconciler("revoke", key[0])
        assert call(served.host, "DescribeKey", asked, key=key).json["__type"] == "UnrecognizedClientException"


# --- TLS --------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, *, days: tuple[int, int] = (-1, 1)) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def test_with_tls_a_client_that_checks_the_certificate_is_answered_and_nothing_older_than_1_2(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    arguments = ["--ephemeral", "--principal", "admin=testing:testing", "--tls-cert", str(cert), "--tls-key", str(key)]
    with serving(tmp_path, arguments) as served:
        assert served.greeting.startswith("listening on https://")
        sts = client("sts", served.host, url=f"https://{served.host}", verify=str(cert))
        assert sts.get_caller_identity()["Account"] == "123456789012"
        sts.close()
        port = served.host.rpartition(":")[2]
        old = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_1"],
            input=b"",
            capture_output=True,
            check=False,
        )
        assert old.returncode != 0 or b"Cipher is (NONE)" in old.stdout
        context = ssl.create_default_context(cafile=str(cert))
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        assert served.stop() == 0


def test_plain_http_at_a_port_with_tls_is_dropped_and_harms_nobody(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    with serving(tmp_path, ["--ephemeral", "--tls-cert", str(cert), "--tls-key", str(key)]) as served:
        with pytest.raises((http.client.HTTPException, OSError)):
            send(served.host, b"", {}, method="GET", path="/healthz")
        context = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection(served.host, timeout=10, context=context)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        assert served.stop() == 0
        assert served.errors == ""


@pytest.mark.parametrize(("days", "words"), [((-9, -2), "expired on"), ((2, 9), "is valid only from")])
def test_a_certificate_that_clients_will_refuse_is_told(days: tuple[int, int], words: str, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, days=days)
    with serving(tmp_path, ["--ephemeral", "--tls-cert", str(cert), "--tls-key", str(key)]) as served:
        assert served.stop() == 0
        assert words in served.errors


@pytest.mark.parametrize(
    ("cert", "key", "words"),
    [
        ("cert", "other", "the key is another certificate's"),
        ("key", "cert", "no PEM file of its kind"),
        ("empty", "key", "no PEM file of its kind"),
        ("cert", "absent", "absent.pem cannot be used: No such file or directory"),
        ("cert", "locked", "has a password"),
    ],
)
def test_tls_files_that_do_not_do_are_named_with_the_reason(
    cert: str, key: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from reconciler.cli import main

    (tmp_path / "second").mkdir()
    certificate(tmp_path / "second")[1].rename(tmp_path / "other.pem")
    made = certificate(tmp_path)[1]
    private = serialization.load_pem_private_key(made.read_bytes(), None)
    (tmp_path / "empty.pem").touch()
    (tmp_path / "locked.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    files = ["--tls-cert", str(tmp_path / f"{cert}.pem"), "--tls-key", str(tmp_path / f"{key}.pem")]
    assert main(["-C", str(tmp_path), "serve", "--ephemeral", "--listen", "127.0.0.1:0", *files]) == 1
    assert words in capsys.readouterr().err


REFUSED: dict[str, tuple[list[str], str]] = {
    "beyond this machine without TLS": (["--listen", "0.0.0.0:0"], "--insecure-listen"),
    "no address": (["--listen", "8700"], "HOST:PORT"),
    "a port that is none": (["--listen", "127.0.0.1:70000"], "HOST:PORT"),
    "an address of another machine": (["--listen", "192.0.2.1:1", "--insecure-listen"], "cannot be listened on"),
    "half of TLS": (["--tls-cert", "x"], "both --tls-cert and --tls-key"),
    "a certificate that is not there": (["--tls-cert", "none", "--tls-key", "none"], "cannot be used"),
    "two principals with one access key": (["--principal", "a=same:x", "--principal", "b=same:y"], "two principals"),
    "a principal that is none": (["--principal", "a b"], "does not name a principal"),
    "an administrator without an access key": (["--administrator", "root"], "has no access key"),
    "an account that is none": (["--account", "12"], "12 digits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_does_not_start_with(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from reconciler.cli import main

    arguments, words = REFUSED[name]
    assert main(["-C", str(tmp_path), "serve", "--ephemeral", *arguments]) == 1
    said = capsys.readouterr()
    assert words in said.err
    assert said.out == ""


def test_principals_on_the_command_line_are_for_a_throw_away_home_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from reconciler.cli import main

    assert main(["-C", str(tmp_path), "serve", "--principal", "a=bbbb:c"]) == 1
    assert "serve credentials make" in capsys.readouterr().err
