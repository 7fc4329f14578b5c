"""Answers questions about Iceberg tables by pyiceberg: one JSON object a line in, one a line out."""

import json
import sys

from pyiceberg.expressions import (
    AlwaysTrue,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    IsNaN,
    IsNull,
    LessThan,
    LessThanOrEqual,
)
from pyiceberg.table import StaticTable

OPERATORS = {
    "=": EqualTo,
    "<": LessThan,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    ">=": GreaterThanOrEqual,
}


def condition(where):
    if where is None:
        return AlwaysTrue()
    column, operator, value = where["column"], where["operator"], where.get("value")
    if operator == "null":
        return IsNull(column)
    if operator == "nan":
        return IsNaN(column)
    return OPERATORS[operator](column, value)


def answer(question):
    table = StaticTable.from_metadata(question["metadata"])
    scan = table.scan(row_filter=condition(question.get("where")), snapshot_id=question.get("snapshot"))
    columns = question.get("columns")
    if columns is None:
        return {
            "columns": [field.name for field in scan.projection().fields],
            "snapshots": [snapshot.snapshot_id for snapshot in table.snapshots()],
            "planned": len(list(scan.plan_files())),
        }
    rows = scan.to_arrow().select(columns).to_pylist()
    return {
        "rows": [[None if row[name] is None else str(row[name]) for name in columns] for row in rows],
        "planned": len(list(scan.plan_files())),
    }


for line in sys.stdin:
    try:
        reply = answer(json.loads(line))
    except Exception as error:  # noqa: BLE001: whatever a reader says is the test's to judge
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
