"""Every error that a user can meet, drawn as one tree. Knows nothing of the rest of the package.

    ReconcilerError                     exit 1 unless a subclass says otherwise (CONTRACT 4)
    ├── CollectedErrors                 several problems of one run, each a Diagnostic
    │   ├── InvalidManifests            the manifests cannot be loaded
    │   ├── InvalidProjectFile          reconciler.yaml cannot be used
    │   ├── InvalidAllowFile            the file of `drift --allow` cannot be used
    │   ├── BlockedByGuard              exit 4
    │   ├── LockLost                    exit 6
    │   └── PartlyApplied               exit 7
    ├── UsageError                      a flag, an argument or the project file is off
    ├── StalePlan                       exit 5
    ├── LockHeld                        exit 6
    ├── DamagedStore                    a file of ours fails its check; nothing is repaired by guessing (C4)
    │   └── NotAuthentic                the state is not what was written under the project's seal (I9)
    │       ├── JournalTruncated        the newest entries of its journal are gone
    │       └── OtherSeal               it was written under another seal, or the seal is lost
    ├── StateRolledBack                 the state is older than the key service remembers, or another (I16)
    ├── WrongPassphrase                 a passphrase that does not open what it is said to open
    ├── SealNotAsDeclared               a key store that is sealed in another way than its manifest says
    ├── StoreRolledBack                 a copy of a key store, older than what is known of it (I16)
    ├── NewerFormat                     a file written by a newer version
    ├── OtherShape                      a store with other tables than this version makes
    ├── HostError                       the machine refused: disk full, permission, unreachable path
    ├── ProviderUnavailable             a plugin that is unknown, cannot be imported or cannot be reached
    │   └── HsmUnavailable              a partition of an HSM that cannot be asked now
    ├── HsmError                        a partition of an HSM that will not or cannot, with the fault that says why
    │   ├── HsmUnavailable
    │   └── IncompatibleHsm             asked, and not fit to be a root (HS5)
    ├── MissingCapability               a provider that does not do what a resource asks of it
    ├── Undeclarable                    an object that exists, and that no manifest can declare as it is
    ├── ReadBackFailed                  a change was carried out, and its provider does not show it
    ├── NotRecorded                     a step was carried out, and the state could not be told of it (I15)
    ├── Unforeseen                      a plugin failed in a way that nobody foresaw
    └── ServiceError                    the answer of a key service or data plane, under its public AWS name
        └── AccessDeniedException, NotFoundException, DisabledException …

A message says what, where, why and what next. No message, argument or attribute ever holds key material (I19).
"""

from __future__ import annotations

from reconciler.errors.hsm import HsmError, HsmFault, HsmUnavailable, IncompatibleHsm
from reconciler.errors.own import (
    BlockedByGuard,
    DamagedStore,
    HostError,
    InvalidAllowFile,
    InvalidManifests,
    InvalidProjectFile,
    JournalTruncated,
    LockHeld,
    LockLost,
    MissingCapability,
    NewerFormat,
    NotAuthentic,
    NotRecorded,
    OtherSeal,
    OtherShape,
    PartlyApplied,
    ProviderUnavailable,
    ReadBackFailed,
    SealNotAsDeclared,
    StalePlan,
    StateRolledBack,
    StoreRolledBack,
    Undeclarable,
    Unforeseen,
    UsageError,
    WrongPassphrase,
)
from reconciler.errors.root import (
    CollectedErrors,
    Diagnostic,
    ReconcilerError,
)
from reconciler.errors.service import (
    AccessDeniedException,
    AlreadyExistsException,
    ConflictException,
    DependencyTimeoutException,
    DisabledException,
    DryRunOperationException,
    ExpiredImportTokenException,
    ExpiredTokenException,
    IncompleteSignatureException,
    IncorrectKeyException,
    IncorrectKeyMaterialException,
    InvalidAliasNameException,
    InvalidArnException,
    InvalidCiphertextException,
    InvalidClusterStateFault,
    InvalidGrantIdException,
    InvalidGrantTokenException,
    InvalidImportTokenException,
    InvalidKeyUsageException,
    InvalidMarkerException,
    InvalidRequestException,
    InvalidSignatureException,
    KeyUnavailableException,
    KMSInternalException,
    KMSInvalidMacException,
    KMSInvalidSignatureException,
    KMSInvalidStateException,
    LimitExceededException,
    MalformedPolicyDocumentException,
    MissingAuthenticationTokenException,
    NotAuthorizedException,
    NotFoundException,
    RequestEntityTooLargeException,
    RequestTimeoutException,
    ResourceNotFoundException,
    SerializationException,
    ServiceError,
    TagException,
    ThrottlingException,
    UnknownOperationException,
    UnrecognizedClientException,
    UnsupportedOperationException,
    ValidationException,
)

__all__ = [
    "AccessDeniedException",
    "AlreadyExistsException",
    "BlockedByGuard",
    "CollectedErrors",
    "ConflictException",
    "DamagedStore",
    "DependencyTimeoutException",
    "Diagnostic",
    "DisabledException",
    "DryRunOperationException",
    "ExpiredImportTokenException",
    "ExpiredTokenException",
    "HostError",
    "HsmError",
    "HsmFault",
    "HsmUnavailable",
    "IncompatibleHsm",
    "IncompleteSignatureException",
    "IncorrectKeyException",
    "IncorrectKeyMaterialException",
    "InvalidAliasNameException",
    "InvalidAllowFile",
    "InvalidArnException",
    "InvalidCiphertextException",
    "InvalidClusterStateFault",
    "InvalidGrantIdException",
    "InvalidGrantTokenException",
    "InvalidImportTokenException",
    "InvalidKeyUsageException",
    "InvalidManifests",
    "InvalidMarkerException",
    "InvalidProjectFile",
    "InvalidRequestException",
    "InvalidSignatureException",
    "JournalTruncated",
    "KMSInternalException",
    "KMSInvalidMacException",
    "KMSInvalidSignatureException",
    "KMSInvalidStateException",
    "KeyUnavailableException",
    "LimitExceededException",
    "LockHeld",
    "LockLost",
    "MalformedPolicyDocumentException",
    "MissingAuthenticationTokenException",
    "MissingCapability",
    "NewerFormat",
    "NotAuthentic",
    "NotAuthorizedException",
    "NotFoundException",
    "NotRecorded",
    "OtherSeal",
    "OtherShape",
    "PartlyApplied",
    "ProviderUnavailable",
    "ReadBackFailed",
    "ReconcilerError",
    "RequestEntityTooLargeException",
    "RequestTimeoutException",
    "ResourceNotFoundException",
    "SealNotAsDeclared",
    "SerializationException",
    "ServiceError",
    "StalePlan",
    "StateRolledBack",
    "StoreRolledBack",
    "TagException",
    "ThrottlingException",
    "Undeclarable",
    "Unforeseen",
    "UnknownOperationException",
    "UnrecognizedClientException",
    "UnsupportedOperationException",
    "UsageError",
    "ValidationException",
    "WrongPassphrase",
]
