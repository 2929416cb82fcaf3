"""A statement's answer as CSV, for spreadsheets and other programs."""

from __future__ import annotations

import csv
import io
import json

from reconciler.providers.data import QueryResult
from reconciler.views.result_json import plain_value


def render_result_csv(result: QueryResult) -> str:
    """RFC 4180 with a header line and ``\\n`` line ends. NULL is an empty field, as an empty string is: JSON tells them
    apart. Text is data here and stays byte for byte as it is, control characters included."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(result.columns)
    for row in result.rows:
        writer.writerow([_field(plain_value(value)) for value in row])
    return out.getvalue()


def _field(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
