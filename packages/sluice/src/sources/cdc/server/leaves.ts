/**
 * Partitions of a table that is published as one: what happens to a partition as a whole (ATTACH, DETACH, DROP, TRUNCATE) changes rows of the table,
 * and the stream says nothing of it. So the set of partitions, and the files that their rows are in, are compared between readings.
 */
import type pg from 'pg'
import { quoteIdentifier } from '../../../sql/quote.ts'
import type { PublishedTable } from '../published-tables.ts'

/** The partitions of a table that have rows. */
export interface Leaves {
  /** By the server's number of the partition: its name, and the number of its file, which a TRUNCATE or a rewrite changes. */
  readonly files: { readonly [oid: string]: { readonly name: string; readonly file: string } }
  /** Transactions that have truncated the whole table in the last batch: a partition that they have emptied was not missed. */
  readonly truncatedBy: readonly number[]
}

/** A partition as it is now. */
export interface Leaf {
  readonly oid: string
  readonly name: string
  readonly file: string
  /** The transaction that has given it its file last. */
  readonly filedBy: number
  /** Why the server's log has no changes of it, where it has none. */
  readonly unsent: string | undefined
  /** Whether it may have had rows before it was a partition. */
  readonly mayHaveCome: boolean
}

// A table that CREATE TABLE ... PARTITION OF has made is as old as its link to the root; the row of a system column is never written again.
const leavesSql = `
  SELECT l.relid::oid AS oid, n.nspname AS schema, c.relname AS name, pg_relation_filenode(l.relid) AS file, c.xmin AS filed_by,
    a.xmin AS made_by, i.xmin AS linked_by, has_table_privilege(c.oid, 'SELECT') AS readable,
    CASE WHEN c.relkind = 'f' THEN 'a foreign table' WHEN c.relpersistence <> 'p' THEN 'unlogged' END AS unsent
  FROM pg_partition_tree($1::oid) l JOIN pg_class c ON c.oid = l.relid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'ctid' JOIN pg_inherits i ON i.inhrelid = c.oid
  WHERE l.isleaf AND c.relkind IN ('r', 'f') ORDER BY l.relid`

/**
 * Asks for the partitions of a table. Those that are known are not looked into.
 *
 * @example await leavesOf(client, table, cursor.leaves?.[table.relation.table])
 */
export async function leavesOf(
  client: pg.Client,
  { relation, schema, name }: PublishedTable,
  known: Leaves | undefined,
): Promise<readonly Leaf[]> {
  const { rows } = await client.query<{ [column: string]: string }>(leavesSql, [relation.id])
  const leaves: Leaf[] = []
  for (const row of rows) {
    const oid = row['oid']!
    const isNew = known !== undefined && known.files[oid] === undefined
    const root = `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
    const from =
      row['readable'] === 't'
        ? `ONLY ${quoteIdentifier(row['schema']!)}.${quoteIdentifier(row['name']!)} WHERE`
        : `${root} WHERE tableoid = ${oid} AND`
    const unsent = row['unsent'] ?? undefined
    leaves.push({
      ...{ oid, name: `${row['schema']}.${row['name']}`, file: row['file'] ?? '', filedBy: Number(row['filed_by']) },
      unsent,
      mayHaveCome:
        isNew &&
        unsent === undefined &&
        (row['made_by'] !== row['linked_by'] || (await hasRowsOf(client, from, row['made_by']!))),
    })
  }
  return leaves
}

/** Whether rows are older than the link, as far as their transaction says: made, filled and attached in one transaction. */
async function hasRowsOf(client: pg.Client, from: string, transaction: string): Promise<boolean> {
  try {
    const { rows } = await client.query(`SELECT 1 FROM ${from} xmin = '${transaction}'::xid LIMIT 1`)
    return rows.length > 0
  } catch (error) {
    // Who may not look does not know: insufficient_privilege.
    if ((error as { readonly code?: string }).code === '42501') return true
    throw error
  }
}

/** Partitions of which no change is ever sent, in words. @example unsentLeaves(leaves) // ['the partition public.sales_1 is unlogged: …'] */
export function unsentLeaves(leaves: readonly Leaf[]): readonly string[] {
  return leaves.flatMap(({ name, unsent }) =>
    unsent === undefined ? [] : [`the partition ${name} is ${unsent}: the server sends no changes of it`],
  )
}

/** Partitions, as a cursor has them. @example cursorLeaves(leaves, [748]) */
export function cursorLeaves(leaves: readonly Leaf[], truncatedBy: readonly number[]): Leaves {
  return { files: Object.fromEntries(leaves.map(({ oid, name, file }) => [oid, { name, file }])), truncatedBy }
}

/**
 * What happened to partitions that no change says, in words; empty where nothing has.
 *
 * @param truncatedBy transactions of this batch that have truncated the whole table
 * @example missedByLeaves(cursor.leaves['public.sales'], leaves, []) // ['the partition public.sales_1 was detached or dropped']
 */
export function missedByLeaves(
  known: Leaves,
  leaves: readonly Leaf[],
  truncatedBy: readonly number[],
): readonly string[] {
  const explained = new Set([...known.truncatedBy, ...truncatedBy])
  const left = new Map(Object.entries(known.files))
  const missed: string[] = [...unsentLeaves(leaves)]
  for (const { oid, name, file, filedBy, mayHaveCome } of leaves) {
    const before = left.get(oid)
    left.delete(oid)
    if (before === undefined) {
      if (mayHaveCome) missed.push(`the partition ${name} was attached with rows`)
    } else if (before.file !== file && !explained.has(filedBy))
      missed.push(`the partition ${name} was truncated or rewritten by itself`)
  }
  for (const { name } of left.values()) missed.push(`the partition ${name} was detached or dropped`)
  return missed
}
