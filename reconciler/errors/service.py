"""Answers of key services and data planes, under their public AWS names."""

from __future__ import annotations

from reconciler.errors.root import ReconcilerError


class ServiceError(ReconcilerError):
    """The answer of a key service or data plane. ``code`` is its public AWS name, which is also the class's name."""

    code = "ServiceError"

    def __init_subclass__(cls) -> None:
        cls.code = cls.__name__


class AccessDeniedException(ServiceError):
    """No policy statement or grant allows the call, or one denies it (KM2). ``publicly`` is the message for a client on
    the network, in the public service's words: it tells nothing of policies that the caller may not read."""

    publicly: str | None = None


class AlreadyExistsException(ServiceError):
    """An object of that name exists already."""


class ConflictException(ServiceError):
    """The object is in a state that does not admit the call now."""


class DisabledException(ServiceError):
    """The key is disabled."""


class IncorrectKeyException(ServiceError):
    """The ciphertext was made under another key than the one named."""


class InvalidArnException(ServiceError):
    """A name that is no ARN of this service."""


class InvalidAliasNameException(ServiceError):
    """An alias name outside the permitted form."""


class InvalidCiphertextException(ServiceError):
    """Damaged ciphertext, another encryption context, or another key service's."""


class InvalidGrantTokenException(ServiceError):
    """A grant token that this key service did not issue."""


class InvalidGrantIdException(ServiceError):
    """No such grant."""


class InvalidKeyUsageException(ServiceError):
    """The key's usage does not admit the operation."""


class KMSInvalidStateException(ServiceError):
    """The key's state does not admit the operation (pending deletion, pending import …)."""


class LimitExceededException(ServiceError):
    """A quota is reached."""


class MalformedPolicyDocumentException(ServiceError):
    """A policy document that cannot be accepted, or would lock its author out."""


class NotAuthorizedException(ServiceError):
    """A name that the service keeps for itself."""


class NotFoundException(ServiceError):
    """No such key, alias or other object of the key service."""


class TagException(ServiceError):
    """A tag outside the permitted form."""


class UnsupportedOperationException(ServiceError):
    """The object cannot do that."""


class ValidationException(ServiceError):
    """A request outside the permitted form."""


class ResourceNotFoundException(ServiceError):
    """No such cluster, snapshot, keyspace, table or other object of a data plane."""


class InvalidClusterStateFault(ServiceError):
    """The cluster's status does not admit the operation."""


class InvalidRequestException(ServiceError):
    """A table request that cannot be carried out, with the cause (KS3)."""


class ThrottlingException(ServiceError):
    """The service asks to come again later; the executor retries this one (DESIGN 4)."""


class DependencyTimeoutException(ServiceError):
    """Something that the service rests on did not answer in time."""


class DryRunOperationException(ServiceError):
    """The request would have succeeded; it was only tried (``DryRun``)."""


class ExpiredImportTokenException(ServiceError):
    """The parameters for importing key material are too old (24 hours)."""


class IncorrectKeyMaterialException(ServiceError):
    """Not the material that was imported into this key before."""


class InvalidImportTokenException(ServiceError):
    """An import token that this service did not make, or made for another key."""


class InvalidMarkerException(ServiceError):
    """A marker of a page that this service did not give out."""


class KMSInternalException(ServiceError):
    """The service itself failed; the request can be sent again."""


class KMSInvalidMacException(ServiceError):
    """A MAC that is not the message's."""


class KMSInvalidSignatureException(ServiceError):
    """A signature that is not the message's."""


class KeyUnavailableException(ServiceError):
    """The key's material cannot be reached now."""


class SerializationException(ServiceError):
    """A request whose body is not the JSON that the operation takes."""


class UnknownOperationException(ServiceError):
    """The service has no such operation."""


class IncompleteSignatureException(ServiceError):
    """A signature without the parts that it needs."""


class InvalidSignatureException(ServiceError):
    """A signature that is not the request's, or too old."""


class MissingAuthenticationTokenException(ServiceError):
    """A request that nobody signed."""


class UnrecognizedClientException(ServiceError):
    """A request signed with an access key that the service does not know."""


class RequestEntityTooLargeException(ServiceError):
    """A request beyond what the service takes."""


class ExpiredTokenException(ServiceError):
    """A request signed with an access key whose time is over."""


class RequestTimeoutException(ServiceError):
    """A request whose client took too long to send it."""
