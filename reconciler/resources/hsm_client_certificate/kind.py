"""The kind, as the registry finds it."""

from reconciler.resources.hsm_client_certificate.certificate import certificate
from reconciler.resources.hsm_client_certificate.diff import diff, due_at, replace
from reconciler.resources.hsm_client_certificate.drift import drift
from reconciler.resources.hsm_client_certificate.existing import existing
from reconciler.resources.hsm_client_certificate.manifest import manifest
from reconciler.resources.hsm_client_certificate.observe import HsmClientCertificateObservation, observe
from reconciler.resources.hsm_client_certificate.recover import recover
from reconciler.resources.hsm_client_certificate.spec import HsmClientCertificateSpec
from reconciler.resources.hsm_client_certificate.verify import verify
from reconciler.resources.kind import ResourceKind

KIND = ResourceKind(
    name="HsmClientCertificate",
    provider_protocol="hsm",
    spec=HsmClientCertificateSpec,
    observation=HsmClientCertificateObservation,
    observe=observe,
    diff=diff,
    drift=drift,
    recover=recover,
    due_at=due_at,
    protected=True,
    takes_name=True,
    replace=replace,
    existing=existing,
    manifest=manifest,
    verify=verify,
    certificate=certificate,
)
