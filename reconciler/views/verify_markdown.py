"""What verify found, for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.providers.proofs import Proof, Result
from reconciler.views.markdown_text import code_span, table
from reconciler.views.verify_text import WORDS, counts, failures, proof_line


def render_verify_markdown(proofs: Sequence[Proof]) -> str:
    """The counts, a table of subjects, a table of failures."""
    rows = [(code_span(proof.subject), _result(proof.result), _held(proof)) for proof in proofs]
    lines = ["## reconciler verify", "", f"**{proof_line(proofs)}**", "", *table(("subject", "result", "held"), rows)]
    wrong = [(proof, check) for proof in proofs for check in failures(proof)]
    if wrong:
        cells = [
            (code_span(proof.subject), code_span(check.failure or check.what), code_span(check.fix or ""))
            for proof, check in wrong
        ]
        lines += ["", *table(("subject", "failure", "fix"), cells)]
    return "\n".join(lines) + "\n"


def _result(result: Result) -> str:
    return WORDS[result] if result is Result.PROVED else f"**{WORDS[result]}**"


def _held(proof: Proof) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in counts(proof.checks).items() if count)
