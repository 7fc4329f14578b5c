/**
 * What the server's catalog knows of a table and the stream does not say. A column that is dropped and added again, one whose values are rewritten
 * in place, a value of an enumeration that gets another name: each changes rows that were read before, without a change of any row.
 */
import type pg from 'pg'

/** A table's columns, as the catalog has them. */
export interface Layout {
  /** The number of the file that its rows are in, which a rewrite changes; empty for a partitioned table. */
  readonly file: string
  readonly columns: { readonly [name: string]: LayoutColumn }
  /** Enumerations and composite types in its columns, by their number: their parts, by a number that stays. */
  readonly types: {
    readonly [oid: string]: { readonly name: string; readonly parts: { readonly [id: string]: string } }
  }
}

/** The column's number, which no other column of the table ever gets; its type; and the transaction that has written its definition last. */
export type LayoutColumn = readonly [number: number, type: string, writtenBy: string]

const columnsSql = `
  SELECT c.oid, pg_relation_filenode(c.oid) AS file,
    (SELECT json_object_agg(a.attname, json_build_array(a.attnum, a.atttypid || ':' || a.atttypmod, a.xmin::text))
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text AS columns
  FROM pg_class c WHERE c.oid = ANY ($1::oid[])`

// Types within types, too: arrays, domains, ranges, composites.
const typesSql = `
  WITH RECURSIVE used (root, type) AS (
    SELECT a.attrelid, a.atttypid FROM pg_attribute a WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT used.root, inner_type.oid FROM used JOIN pg_type t ON t.oid = used.type CROSS JOIN LATERAL (
      SELECT t.typelem AS oid WHERE t.typelem <> 0
      UNION ALL SELECT t.typbasetype WHERE t.typbasetype <> 0
      UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
      UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS inner_type)
  SELECT used.root, t.oid, t.typname AS name,
    (CASE t.typtype WHEN 'e' THEN (SELECT json_object_agg(e.oid, e.enumlabel) FROM pg_enum e WHERE e.enumtypid = t.oid)
      ELSE (SELECT json_build_object('attributes', json_agg(a.attnum || ':' || a.atttypid || ':' || a.atttypmod ORDER BY a.attnum)::text)
        FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END)::text AS parts
  FROM used JOIN pg_type t ON t.oid = used.type WHERE t.typtype IN ('e', 'c') ORDER BY t.oid`

/** Asks the catalog, by the tables' numbers. @example const layouts = await layoutsOf(client, [16384]) */
export async function layoutsOf(client: pg.Client, oids: readonly number[]): Promise<ReadonlyMap<number, Layout>> {
  const columns = await client.query<{ oid: string; file: string | null; columns: string | null }>(columnsSql, [oids])
  const types = await client.query<{ root: string; oid: string; name: string; parts: string | null }>(typesSql, [oids])
  return new Map(
    columns.rows.map((row): [number, Layout] => [
      Number(row.oid),
      {
        file: row.file ?? '',
        columns: JSON.parse(row.columns ?? '{}'),
        types: Object.fromEntries(
          types.rows
            .filter(({ root }) => root === row.oid)
            .map(({ oid, name, parts }) => [oid, { name, parts: JSON.parse(parts ?? '{}') }]),
        ),
      },
    ]),
  )
}

/**
 * What happened to the rows of a table that no change says, in words; empty where nothing has. A column of another type is left to the shapes that
 * the stream sends.
 *
 * @example missedByLayout(known, now) // ['column "n" was dropped and added again, or has changed its name with another']
 */
export function missedByLayout(known: Layout, now: Layout): readonly string[] {
  const missed: string[] = []
  for (const [name, [number, type, writtenBy]] of Object.entries(known.columns)) {
    const found = now.columns[name]
    if (found === undefined) continue
    const [foundNumber, foundType, foundWrittenBy] = found
    if (foundNumber !== number)
      missed.push(`column "${name}" was dropped and added again, or has changed its name with another`)
    // A rewrite alone (VACUUM FULL, CLUSTER) leaves values as they are, and so does another definition (SET NOT NULL).
    else if (foundType === type && foundWrittenBy !== writtenBy && now.file !== known.file)
      missed.push(`the values of column "${name}" may have been rewritten (ALTER COLUMN TYPE ... USING)`)
  }
  for (const [oid, { name, parts }] of Object.entries(known.types)) {
    const found = now.types[oid]?.parts
    if (found === undefined) continue
    for (const [id, text] of Object.entries(parts))
      if (found[id] !== text)
        missed.push(
          id === 'attributes'
            ? `the type "${name}" has other attributes`
            : `the value "${text}" of the type "${name}" is called "${found[id] ?? ''}" now`,
        )
  }
  return missed
}
