"""Tables of several kinds as rows of one table: a function that Spark runs returns one table only.

This module does not depend on Spark.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from kokin._arrow.convert import empty_table

_SQL_TYPES = {pa.int64(): "bigint", pa.string(): "string", pa.date32(): "date", pa.bool_(): "boolean"}


def struct_schema(tables: Mapping[str, pa.Schema]) -> pa.Schema:
    """Return a schema with a struct column for each kind of table, whose fields are the columns of that table."""
    kinds = {kind: pa.struct([field.with_nullable(True) for field in schema]) for kind, schema in tables.items()}
    return pa.schema(list(kinds.items()))


def struct_rows(tables: Mapping[str, pa.Table], schema: pa.Schema) -> pa.Table:
    """Return the rows of all tables as rows of :func:`struct_schema`, of which each has one struct.

    A column that a table lacks is null.
    """
    rows = [empty_table(schema)]
    for kind, table in tables.items():
        columns = [
            table.column(field.name).cast(field.type)
            if field.name in table.schema.names
            else pa.nulls(len(table), field.type)
            for field in schema.field(kind).type
        ]
        fields = pa.schema(list(schema.field(kind).type))
        rows.append(pa.table({kind: pa.Table.from_arrays(columns, schema=fields).to_struct_array()}))
    return pa.concat_tables(rows, promote_options="default")


def sql_schema(schema: pa.Schema) -> str:
    """Return a schema of structs as SQL (DDL)."""
    structs = [
        f"`{column.name}` struct<{', '.join(f'`{field.name}`: {_SQL_TYPES[field.type]}' for field in column.type)}>"
        for column in schema
    ]
    return ", ".join(structs)
