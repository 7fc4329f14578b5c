/** What the server's catalog says about the published tables: their columns, what names their rows, how large they are. */
import type pg from 'pg'
import { type Relation, type ReplicaIdentity, tableName } from './wire/relation.ts'

/** A published table. */
export interface PublishedTable {
  /** As the stream will describe it. */
  readonly relation: Relation
  readonly schema: string
  readonly name: string
  /** Whether its rows are in partitions, and it has no pages of its own. */
  readonly isPartitioned: boolean
  /** Pages of 8 KiB (or as the server was built). */
  readonly pages: number
  readonly primaryKey: readonly string[]
  /** The publication's row filter, as SQL of the server's own making. */
  readonly rowFilter: string | undefined
  /** Tables that inherit from it (INHERITS): their rows are read with its own by a query, and are not in its changes. */
  readonly children: readonly string[]
  readonly access: TableAccess
}

/** What the connection's user may read of a table. The stream has all of it, whatever these say: they are about copies. */
export interface TableAccess {
  /** USAGE of its schema. */
  readonly schema: boolean
  /** SELECT of it, or of each of its columns. */
  readonly rows: boolean
  /** Whether row-level security would hide rows. */
  readonly isFiltered: boolean
}

/** What is published. */
export interface Published {
  readonly tables: readonly PublishedTable[]
  /** Names of the columns' types that are not built in, by oid, as the stream spells them. */
  readonly types: ReadonlyMap<number, string>
  /** Columns that name rows of tables whose replica identity is FULL, by table: for the decoder. */
  readonly keys: ReadonlyMap<string, readonly string[]>
}

interface Row {
  readonly oid: string
  readonly schema: string
  readonly name: string
  readonly relkind: string
  readonly identity: string
  readonly pages: string
  readonly row_filter: string | null
  readonly children: string | null
  readonly columns: string
  readonly usable: string
  readonly selectable: string
  readonly filtered: string
}

interface CatalogColumn {
  readonly name: string
  readonly typeOid: number
  readonly typeModifier: number
  readonly typeName: string | null
  readonly typeSchema: string | null
  readonly inPrimaryKey: number | null
  readonly inIdentity: boolean
}

/** What a user may read of `pg_class c` in `pg_namespace n`. @example `SELECT ${accessSql} FROM pg_class c JOIN pg_namespace n ON …` */
export const accessSql = `has_schema_privilege(n.oid, 'USAGE') AS usable, row_security_active(c.oid) AS filtered,
    has_table_privilege(c.oid, 'SELECT') OR coalesce((SELECT bool_and(has_column_privilege(c.oid, g.attnum, 'SELECT')) FROM pg_attribute g
      WHERE g.attrelid = c.oid AND g.attnum > 0 AND NOT g.attisdropped), false) AS selectable`

/** Reads what {@link accessSql} has asked. @example accessOf(row) // { schema: true, rows: true, isFiltered: false } */
export function accessOf({
  usable,
  selectable,
  filtered,
}: Pick<Row, 'usable' | 'selectable' | 'filtered'>): TableAccess {
  return { schema: usable === 't', rows: selectable === 't', isFiltered: filtered === 't' }
}

// Columns of pg_publication_tables that older servers do not have are read as absent. Types made by users have oids from 16384, those of
// information_schema and the like from 10000; the stream names both.
const catalogSql = `
  SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind, c.relreplident AS identity,
    pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages,
    to_jsonb(p) ->> 'rowfilter' AS row_filter,
    (SELECT json_agg(json_build_array(kn.nspname, k.relname) ORDER BY kn.nspname, k.relname) FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid
      JOIN pg_namespace kn ON kn.oid = k.relnamespace WHERE i.inhparent = c.oid AND c.relkind = 'r')::text AS children,
    ${accessSql},
    (SELECT json_agg(json_build_object(
        'name', a.attname, 'typeOid', a.atttypid::bigint, 'typeModifier', a.atttypmod,
        'typeName', CASE WHEN t.oid >= 10000 THEN t.typname END, 'typeSchema', CASE WHEN t.oid >= 10000 THEN tn.nspname END,
        'inPrimaryKey', array_position(pk.indkey::int2[], a.attnum),
        'inIdentity', coalesce(a.attnum = ANY (ri.indkey::int2[]), false)) ORDER BY a.attnum)
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND CASE WHEN to_jsonb(p) ? 'attnames' THEN (to_jsonb(p) -> 'attnames') ? a.attname::text ELSE a.attgenerated = '' END
    )::text AS columns
  FROM pg_publication_tables p
  JOIN pg_namespace n ON n.nspname = p.schemaname
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
  LEFT JOIN pg_index pk ON pk.indrelid = c.oid AND pk.indisprimary
  LEFT JOIN pg_index ri ON ri.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN ri.indisprimary WHEN 'i' THEN ri.indisreplident END
  WHERE p.pubname = $1
  ORDER BY n.nspname, c.relname`

const identities: { readonly [code: string]: ReplicaIdentity } = { d: 'default', n: 'nothing', f: 'full', i: 'index' }

/** Asks the catalog. @example const { tables, keys } = await publishedTables(client, 'sluice') */
export async function publishedTables(client: pg.Client, publication: string): Promise<Published> {
  const { rows } = await client.query<Row>(catalogSql, [publication])
  const types = new Map<number, string>()
  const keys = new Map<string, readonly string[]>()
  const tables = rows.map((row): PublishedTable => {
    const columns = JSON.parse(row.columns ?? '[]') as CatalogColumn[]
    for (const { typeOid, typeName, typeSchema } of columns)
      if (typeName !== null) types.set(typeOid, tableName(typeSchema!, typeName))
    const primaryKey = columns
      .filter(({ inPrimaryKey }) => inPrimaryKey !== null)
      .sort((a, b) => a.inPrimaryKey! - b.inPrimaryKey!)
      .map(({ name }) => name)
    const table = tableName(row.schema, row.name)
    const isFull = row.identity === 'f'
    if (isFull && primaryKey.length > 0) keys.set(table, primaryKey)
    const isKey = (column: CatalogColumn): boolean => isFull || column.inIdentity
    const places = columns.flatMap((column, place) => (isKey(column) ? [place] : []))
    const named = keys.get(table)?.map((name) => columns.findIndex((column) => column.name === name))
    const relation: Relation = {
      id: Number(row.oid),
      table,
      replicaIdentity: identities[row.identity]!,
      columns: columns.map((column) => ({
        ...{ name: column.name, typeOid: column.typeOid, typeModifier: column.typeModifier, isKey: isKey(column) },
      })),
      key: named ?? places,
    }
    return {
      ...{ relation, schema: row.schema, name: row.name, isPartitioned: row.relkind === 'p', primaryKey },
      pages: Number(row.pages),
      rowFilter: row.row_filter ?? undefined,
      children: (JSON.parse(row.children ?? '[]') as [string, string][]).map(([schema, name]) =>
        tableName(schema, name),
      ),
      access: accessOf(row),
    }
  })
  return { tables, types, keys }
}
