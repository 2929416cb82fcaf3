"""What verify found, for pipelines (CONTRACT 4, ``schemas/verify.json``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from reconciler.providers.proofs import Proof, Result
from reconciler.views.json_text import FORMAT_VERSION
from reconciler.views.verify_text import counts, failures


def verify_document(proofs: Sequence[Proof], *, full: bool) -> dict[str, Any]:
    """Each subject with what was counted and what failed. ``full``: every block was decrypted, not a sample."""
    results = Counter(proof.result for proof in proofs)
    return {
        "formatVersion": FORMAT_VERSION,
        "full": full,
        "proofs": [
            {
                "subject": proof.subject,
                "result": str(proof.result),
                "counts": counts(proof.checks),
                "failures": [
                    {"what": check.what, "result": str(check.result), "failure": check.failure, "fix": check.fix}
                    for check in failures(proof)
                ],
            }
            for proof in proofs
        ],
        "summary": {str(result): results[result] for result in Result} | {"total": len(proofs)},
    }
